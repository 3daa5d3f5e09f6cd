using System.Buffers.Binary;

namespace WarpDecode.Formats.Quantization;

/// <summary>Q5_1: w[i] = d · q[i] + m; d and m halves, then the levels as Q5_0 has them.</summary>
internal readonly struct Q5_1Encoder : IBlockEncoder
{
    public static WeightType Type => WeightType.Q5_1;

    public static void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<byte> block)
    {
        var d = ScaleSearch.FitWithOffset<Unsigned5>(x, w, below: false, half: true, out var m);
        BinaryPrimitives.WriteUInt16LittleEndian(block, ScaleSearch.ToHalf(d));
        BinaryPrimitives.WriteUInt16LittleEndian(block[2..], ScaleSearch.ToHalf(m));
        Span<float> q = stackalloc float[32];
        ScaleSearch.Quantize<Unsigned5>(x, d, m, q);
        Q5_0Encoder.Pack(q, 0, block[4..]);
    }
}
