using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Quantization;

/// <summary>
/// MXFP4 (OCP microscaling formats 1.0): w[i] = 2^(e − 127) · E2M1(q[i]); a byte e, then 16 bytes, weights 0–15 in their low and
/// 16–31 in their high nibbles. The specification takes e from the largest weight; we take, of it and its neighbours, the one that
/// leaves the least error.
/// </summary>
internal readonly struct MXFP4Encoder : IBlockEncoder
{
    private const int Bias = 127;
    private const int HighestExponent = 2; // of E2M1: 6 = 1.5 · 2²
    private const int Largest = 254; // 255 stands for NaN

    // What is tried, relative to the specification's exponent, which comes first and so is taken where others are no better; and
    // the powers of two. The other lanes repeat the last.
    private static readonly int[] Tried = [0, 1, -1, -2];
    private static readonly Vector512<float> Powers = Vector512.Create(1, 2, 0.5f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f);

    public static WeightType Type => WeightType.MXFP4;

    public static void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<byte> block)
    {
        block.Clear();
        var outermost = Math.Abs(ScaleSearch.Outermost(x));
        if (outermost == 0) return;
        var usual = MathF.ILogB(outermost) - HighestExponent;
        // Brought near 1 first, exactly: no square of theirs overflows or vanishes then.
        Span<float> near = stackalloc float[32];
        for (var i = 0; i < near.Length; i++) near[i] = MathF.ScaleB(x[i], -usual);
        var inverse = Vector512<float>.One / Powers;
        var error = Vector512<float>.Zero;
        for (var i = 0; i < near.Length; i++)
        {
            var value = Vector512.Create(near[i]);
            var left = value - (Powers * E2M1.Nearest(value * inverse));
            error += Vector512.Create(w[i]) * (left * left);
        }
        var e = Math.Clamp(usual + Tried[ScaleSearch.Least(error, out _)] + Bias, 0, Largest);
        block[0] = (byte)e;
        Span<float> q = stackalloc float[32];
        ScaleSearch.Quantize<E2M1>(near, MathF.ScaleB(1, e - Bias - usual), 0, q);
        for (var i = 0; i < 16; i++) block[1 + i] = (byte)(E2M1.Bits(q[i]) | (E2M1.Bits(q[i + 16]) << 4));
    }
}
