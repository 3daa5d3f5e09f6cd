using System.Buffers.Binary;

namespace WarpDecode.Formats.Quantization;

/// <summary>IQ4_NL: w[i] = d · level[q[i]]; d half, then 16 bytes, weights 0–15 in their low and 16–31 in their high nibbles.</summary>
internal readonly struct IQ4_NLEncoder : IBlockEncoder
{
    public static WeightType Type => WeightType.IQ4_NL;

    public static void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<byte> block)
    {
        var d = ScaleSearch.Fit<NonLinear4>(x, w, half: true);
        BinaryPrimitives.WriteUInt16LittleEndian(block, ScaleSearch.ToHalf(d));
        Span<float> q = stackalloc float[32];
        ScaleSearch.Quantize<NonLinear4>(x, d, 0, q);
        Pack(q, block[2..]);
    }

    /// <summary>32 levels in 16 bytes.</summary>
    internal static void Pack(ReadOnlySpan<float> levels, Span<byte> to)
    {
        for (var i = 0; i < 16; i++) to[i] = (byte)(NonLinear4.Index(levels[i]) | (NonLinear4.Index(levels[i + 16]) << 4));
    }
}
