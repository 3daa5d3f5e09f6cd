using System.Runtime.Intrinsics;
using WarpDecode.Runtime.Benchmarking;

namespace WarpDecode.Bench;

/// <summary>What the processor can do at most; what its memory gives is measured by <see cref="HostMachine"/>.</summary>
internal static class Limits
{
    /// <summary>FMA operations of <see cref="Fma"/> in one call.</summary>
    public const long FmaFlops = 2L * 16 * 16 * FmaRounds;

    private const int FmaRounds = 1_000_000;

    /// <summary>Sixteen independent chains of fused multiply-adds on 16 lanes (as 2 × 8 where registers are no wider).</summary>
    public static float Fma(float seed)
    {
        if (Vector512.IsHardwareAccelerated) return Fma512(seed);
        var (factor, term) = (Vector256.Create(seed), Vector256.Create(1e-3f));
        var (a, b, c, d, e, f) = (term, term, term, term, term, term);
        var (g, h, i, j, k, l) = (term, term, term, term, term, term);
        // 12 chains fill the 16 registers; a round of the other width has 32 such operations.
        for (var r = 0; r < FmaRounds * 32 / 12; r++)
        {
            a = Vector256.FusedMultiplyAdd(a, factor, term);
            b = Vector256.FusedMultiplyAdd(b, factor, term);
            c = Vector256.FusedMultiplyAdd(c, factor, term);
            d = Vector256.FusedMultiplyAdd(d, factor, term);
            e = Vector256.FusedMultiplyAdd(e, factor, term);
            f = Vector256.FusedMultiplyAdd(f, factor, term);
            g = Vector256.FusedMultiplyAdd(g, factor, term);
            h = Vector256.FusedMultiplyAdd(h, factor, term);
            i = Vector256.FusedMultiplyAdd(i, factor, term);
            j = Vector256.FusedMultiplyAdd(j, factor, term);
            k = Vector256.FusedMultiplyAdd(k, factor, term);
            l = Vector256.FusedMultiplyAdd(l, factor, term);
        }
        return Vector256.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
    }

    private static float Fma512(float seed)
    {
        var (factor, term) = (Vector512.Create(seed), Vector512.Create(1e-3f));
        var (a, b, c, d, e, f, g, h) = (term, term, term, term, term, term, term, term);
        for (var r = 0; r < FmaRounds * 2; r++)
        {
            a = Vector512.FusedMultiplyAdd(a, factor, term);
            b = Vector512.FusedMultiplyAdd(b, factor, term);
            c = Vector512.FusedMultiplyAdd(c, factor, term);
            d = Vector512.FusedMultiplyAdd(d, factor, term);
            e = Vector512.FusedMultiplyAdd(e, factor, term);
            f = Vector512.FusedMultiplyAdd(f, factor, term);
            g = Vector512.FusedMultiplyAdd(g, factor, term);
            h = Vector512.FusedMultiplyAdd(h, factor, term);
        }
        return Vector512.Sum(a + b + c + d + e + f + g + h);
    }
}
