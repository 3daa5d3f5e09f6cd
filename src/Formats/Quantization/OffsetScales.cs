using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Quantization;

/// <summary>
/// The scales and offsets of a block of 256 weights in groups, x ≈ d · s[g] · q − dmin · m[g], s and m whole numbers from 0 up:
/// of Q2_K, Q4_K and Q5_K. The groups' own best scales and offsets say where d and dmin lie; then each group takes, of the
/// sixteen pairs (s, m) around its own, the one that leaves the least error with d and dmin as they are stored; these are fitted
/// to what came out, and the groups choose once more.
/// </summary>
internal static class OffsetScales
{
    private const int Values = 256;
    private const int Rounds = 2;

    // Lane 4a + b of a choice takes the scale a and the offset b steps above the lowest tried.
    private static readonly Vector512<float> ScaleSteps = Vector512.Create(0f, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    private static readonly Vector512<float> OffsetSteps = Vector512.Create(0f, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);

    /// <summary>Finds them.</summary>
    /// <typeparam name="TLevels">The levels, from 0 up.</typeparam>
    /// <param name="x">Weights [256].</param>
    /// <param name="w">How much the squared error of each counts [256].</param>
    /// <param name="group">Weights of a group.</param>
    /// <param name="highest">The highest scale and offset.</param>
    /// <param name="scales">Receives the scales [256 / group].</param>
    /// <param name="offsets">Receives the offsets [256 / group].</param>
    /// <param name="q">Receives the levels [256].</param>
    /// <returns>d and dmin, halves.</returns>
    [SkipLocalsInit]
    public static (ushort D, ushort DMin) Fit<TLevels>(
        ReadOnlySpan<float> x, ReadOnlySpan<float> w, int group, int highest, Span<int> scales, Span<int> offsets, Span<float> q)
        where TLevels : struct, ILevels
    {
        var groups = Values / group;
        Span<float> ownScales = stackalloc float[groups];
        Span<float> ownOffsets = stackalloc float[groups];
        var (d, dmin) = (0f, 0f);
        for (var g = 0; g < groups; g++)
        {
            ownScales[g] = ScaleSearch.FitWithOffset<TLevels>(x.Slice(g * group, group), w.Slice(g * group, group), below: true, half: false, out var m);
            ownOffsets[g] = -m;
            d = Math.Max(d, ownScales[g]);
            dmin = Math.Max(dmin, -m);
        }
        (d, dmin) = (ScaleSearch.ToUnit(d / highest), ScaleSearch.ToUnit(dmin / highest));
        if (float.IsFinite(d) && float.IsFinite(dmin))
        {
            var least = Choose<TLevels>(x, w, group, highest, ownScales, ownOffsets, d, dmin, scales, offsets);
            Levels<TLevels>(x, group, d, dmin, scales, offsets, q);
            Span<int> otherScales = stackalloc int[groups];
            Span<int> otherOffsets = stackalloc int[groups];
            for (var round = 0; round < Rounds; round++)
            {
                var (nextD, nextDMin) = Refit(x, w, group, scales, offsets, q, d, dmin);
                if ((nextD == d && nextDMin == dmin) || !float.IsFinite(nextD) || !float.IsFinite(nextDMin)) break;
                var error = Choose<TLevels>(x, w, group, highest, ownScales, ownOffsets, nextD, nextDMin, otherScales, otherOffsets);
                if (error >= least) break;
                (d, dmin, least) = (nextD, nextDMin, error);
                otherScales.CopyTo(scales);
                otherOffsets.CopyTo(offsets);
                Levels<TLevels>(x, group, d, dmin, scales, offsets, q);
            }
        }
        return (ScaleSearch.ToHalf(d), ScaleSearch.ToHalf(dmin));
    }

    private static float Choose<TLevels>(
        ReadOnlySpan<float> x, ReadOnlySpan<float> w, int group, int highest, ReadOnlySpan<float> ownScales, ReadOnlySpan<float> ownOffsets,
        float d, float dmin, Span<int> scales, Span<int> offsets)
        where TLevels : struct, ILevels
    {
        var sum = 0f;
        for (var g = 0; g < ownScales.Length; g++)
        {
            var s = Vector512.Create(Lowest(ownScales[g], d, highest)) + ScaleSteps;
            var m = Vector512.Create(Lowest(ownOffsets[g], dmin, highest)) + OffsetSteps;
            var scale = s * Vector512.Create(d);
            var offset = m * Vector512.Create(dmin);
            var inverse = ScaleSearch.Inverse(scale);
            var gx = x.Slice(g * group, group);
            var gw = w.Slice(g * group, group);
            var error = Vector512<float>.Zero;
            for (var i = 0; i < gx.Length; i++)
            {
                var y = Vector512.Create(gx[i]) + offset;
                var left = y - (scale * TLevels.Nearest(y * inverse));
                error += Vector512.Create(gw[i]) * (left * left);
            }
            var best = ScaleSearch.Least(error, out var least);
            (scales[g], offsets[g]) = ((int)s[best], (int)m[best]);
            sum += least;
        }
        return sum;
    }

    // The lowest of the four tried: two below what a group would like best, two above.
    private static float Lowest(float own, float unit, int highest) => unit == 0 ? 0 : Math.Clamp(MathF.Floor(own / unit) - 1, 0, highest - 3);

    private static void Levels<TLevels>(
        ReadOnlySpan<float> x, int group, float d, float dmin, ReadOnlySpan<int> scales, ReadOnlySpan<int> offsets, Span<float> q)
        where TLevels : struct, ILevels
    {
        for (var g = 0; g < scales.Length; g++)
            ScaleSearch.Quantize<TLevels>(x.Slice(g * group, group), d * scales[g], -dmin * offsets[g], q.Slice(g * group, group));
    }

    // Least squares over the block of x ≈ d · a − dmin · m, a = s q.
    private static (float D, float DMin) Refit(
        ReadOnlySpan<float> x, ReadOnlySpan<float> w, int group, ReadOnlySpan<int> scales, ReadOnlySpan<int> offsets, ReadOnlySpan<float> q, float d, float dmin)
    {
        var (aa, am, mm, ax, mx) = (Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero);
        for (var i = 0; i < Values; i += ScaleSearch.Lanes)
        {
            var value = Vector512.Create(x.Slice(i, ScaleSearch.Lanes));
            var weight = Vector512.Create(w.Slice(i, ScaleSearch.Lanes));
            var a = Vector512.Create(q.Slice(i, ScaleSearch.Lanes)) * Vector512.Create((float)scales[i / group]);
            var m = Vector512.Create((float)offsets[i / group]);
            aa += weight * a * a;
            am += weight * a * m;
            mm += weight * m * m;
            ax += weight * a * value;
            mx += weight * m * value;
        }
        var (sumAA, sumAM, sumMM) = (ScaleSearch.Sum(aa), ScaleSearch.Sum(am), ScaleSearch.Sum(mm));
        var (sumAX, sumMX) = (ScaleSearch.Sum(ax), ScaleSearch.Sum(mx));
        var determinant = (sumAA * sumMM) - (sumAM * sumAM);
        if (determinant > 1e-6 * sumAA * sumMM)
            (d, dmin) = ((float)(((sumMM * sumAX) - (sumAM * sumMX)) / determinant), (float)(((sumAM * sumAX) - (sumAA * sumMX)) / determinant));
        else if (sumAA > 0)
            d = (float)((sumAX + (dmin * sumAM)) / sumAA); // no offsets, or all in one direction: the scale alone
        return (ScaleSearch.RoundToHalf(Math.Max(d, 0)), ScaleSearch.RoundToHalf(Math.Max(dmin, 0)));
    }
}
