using System.Buffers.Binary;

namespace WarpDecode.Formats.Quantization;

/// <summary>Q4_1: w[i] = d · q[i] + m; d and m halves, then 16 bytes, weights 0–15 in their low and 16–31 in their high nibbles.</summary>
internal readonly struct Q4_1Encoder : IBlockEncoder
{
    public static WeightType Type => WeightType.Q4_1;

    public static void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<byte> block)
    {
        var d = ScaleSearch.FitWithOffset<Unsigned4>(x, w, below: false, half: true, out var m);
        BinaryPrimitives.WriteUInt16LittleEndian(block, ScaleSearch.ToHalf(d));
        BinaryPrimitives.WriteUInt16LittleEndian(block[2..], ScaleSearch.ToHalf(m));
        Span<float> q = stackalloc float[32];
        ScaleSearch.Quantize<Unsigned4>(x, d, m, q);
        for (var i = 0; i < 16; i++) block[4 + i] = (byte)((int)q[i] | ((int)q[i + 16] << 4));
    }
}
