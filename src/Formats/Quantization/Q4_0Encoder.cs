using System.Buffers.Binary;

namespace WarpDecode.Formats.Quantization;

/// <summary>Q4_0: w[i] = d · (q[i] − 8); d half, then 16 bytes, weights 0–15 in their low and 16–31 in their high nibbles.</summary>
internal readonly struct Q4_0Encoder : IBlockEncoder
{
    public static WeightType Type => WeightType.Q4_0;

    public static void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<byte> block)
    {
        var d = ScaleSearch.Fit<Signed4>(x, w, half: true);
        BinaryPrimitives.WriteUInt16LittleEndian(block, ScaleSearch.ToHalf(d));
        Span<float> q = stackalloc float[32];
        ScaleSearch.Quantize<Signed4>(x, d, 0, q);
        for (var i = 0; i < 16; i++) block[2 + i] = (byte)(((int)q[i] + 8) | (((int)q[i + 16] + 8) << 4));
    }
}
