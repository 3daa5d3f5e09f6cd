using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Quantization;

/// <summary>
/// The scales of a block of 256 weights in groups, x ≈ d · s[g] · q, s whole numbers: of Q3_K, Q6_K and IQ4_XS. The groups'
/// own best scales say where d lies; then each group takes, of the sixteen whole numbers around its best scale, the one that
/// leaves the least error with d as it is stored; d is fitted to what came out, and the groups choose once more.
/// </summary>
internal static class SignedScales
{
    private const int Values = 256;
    private const int Rounds = 2;

    /// <summary>Finds them.</summary>
    /// <typeparam name="TLevels">The levels.</typeparam>
    /// <param name="x">Weights [256].</param>
    /// <param name="w">How much the squared error of each counts [256].</param>
    /// <param name="group">Weights of a group.</param>
    /// <param name="lowest">The lowest scale; the highest is −lowest − 1.</param>
    /// <param name="scales">Receives the scales [256 / group].</param>
    /// <param name="q">Receives the levels [256].</param>
    /// <returns>d, a half.</returns>
    [SkipLocalsInit]
    public static ushort Fit<TLevels>(ReadOnlySpan<float> x, ReadOnlySpan<float> w, int group, int lowest, Span<int> scales, Span<float> q)
        where TLevels : struct, ILevels
    {
        var groups = Values / group;
        Span<float> own = stackalloc float[groups];
        for (var g = 0; g < groups; g++) own[g] = ScaleSearch.Fit<TLevels>(x.Slice(g * group, group), w.Slice(g * group, group), half: false);
        var d = ScaleSearch.ToUnit(ScaleSearch.Outermost(own) / lowest);
        if (d == 0 || !float.IsFinite(d))
        {
            scales.Clear();
            Levels<TLevels>(x, group, 0, scales, q);
            return ScaleSearch.ToHalf(d);
        }
        var least = Choose<TLevels>(x, w, group, lowest, own, d, scales);
        Levels<TLevels>(x, group, d, scales, q);
        Span<int> others = stackalloc int[groups];
        Span<float> otherLevels = stackalloc float[Values];
        for (var round = 0; round < Rounds; round++)
        {
            var next = ScaleSearch.RoundToHalf(Refit(x, w, group, scales, q));
            if (next == 0 || next == d || !float.IsFinite(next)) break;
            var error = Choose<TLevels>(x, w, group, lowest, own, next, others);
            if (error >= least) break;
            (d, least) = (next, error);
            others.CopyTo(scales);
            Levels<TLevels>(x, group, d, scales, q);
        }
        return ScaleSearch.ToHalf(d);
    }

    private static float Choose<TLevels>(ReadOnlySpan<float> x, ReadOnlySpan<float> w, int group, int lowest, ReadOnlySpan<float> own, float d, Span<int> scales)
        where TLevels : struct, ILevels
    {
        var sum = 0f;
        for (var g = 0; g < own.Length; g++)
        {
            var from = MathF.Floor(own[g] / d) - ((ScaleSearch.Lanes / 2) - 1);
            var candidates = Vector512.Create(Math.Clamp(from, lowest, -lowest - ScaleSearch.Lanes)) + Vector512.CreateSequence(0f, 1f);
            var scale = candidates * Vector512.Create(d);
            var inverse = ScaleSearch.Inverse(scale);
            var gx = x.Slice(g * group, group);
            var gw = w.Slice(g * group, group);
            var error = Vector512<float>.Zero;
            for (var i = 0; i < gx.Length; i++)
            {
                var value = Vector512.Create(gx[i]);
                var left = value - (scale * TLevels.Nearest(value * inverse));
                error += Vector512.Create(gw[i]) * (left * left);
            }
            scales[g] = (int)candidates[ScaleSearch.Least(error, out var least)];
            sum += least;
        }
        return sum;
    }

    private static void Levels<TLevels>(ReadOnlySpan<float> x, int group, float d, ReadOnlySpan<int> scales, Span<float> q)
        where TLevels : struct, ILevels
    {
        for (var g = 0; g < scales.Length; g++) ScaleSearch.Quantize<TLevels>(x.Slice(g * group, group), d * scales[g], 0, q.Slice(g * group, group));
    }

    // Least squares over the block: d = Σ w x (s q) / Σ w (s q)².
    private static float Refit(ReadOnlySpan<float> x, ReadOnlySpan<float> w, int group, ReadOnlySpan<int> scales, ReadOnlySpan<float> q)
    {
        var (sumXA, sumAA) = (Vector512<float>.Zero, Vector512<float>.Zero);
        for (var i = 0; i < Values; i += ScaleSearch.Lanes)
        {
            var a = Vector512.Create(q.Slice(i, ScaleSearch.Lanes)) * Vector512.Create((float)scales[i / group]);
            var weighted = Vector512.Create(w.Slice(i, ScaleSearch.Lanes)) * a;
            sumXA += weighted * Vector512.Create(x.Slice(i, ScaleSearch.Lanes));
            sumAA += weighted * a;
        }
        return (float)(ScaleSearch.Sum(sumXA) / ScaleSearch.Sum(sumAA)); // NaN where there is nothing to fit
    }
}
