using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Quantization;

/// <summary>
/// Searches for the scale of a group of weights, and its offset, that make Σ w · (x − d · q − m)² least, where each q is the
/// level nearest to (x − m) / d. That sum has many local minima, so sixteen beginnings are tried at once, one in each lane of a
/// vector: from each the weights' levels are found, from these the best scale (least squares), from that the levels again, and
/// the error that then remains is measured as the file will have it. Products and sums are rounded one by one (no fused
/// multiply-add), so that the bytes are the same on every machine.
/// </summary>
internal static class ScaleSearch
{
    /// <summary>Lanes of a search.</summary>
    public const int Lanes = 16;

    // Weights all below this are zeros: no half is as small by far, and the searches divide by the largest weight.
    private const float Nothing = 1e-30f;

    // Where the largest weight lies among the levels, as a share of the outermost one: 1 on it, above 1 beyond it (it is cut off),
    // so that the others are finer.
    private static readonly Vector512<float> Shares = Vector512.Create(1f, 0.8f, 0.86f, 0.9f, 0.94f, 0.97f, 1.03f, 1.06f, 1.09f, 1.12f, 1.15f, 1.19f, 1.23f, 1.28f, 1.34f, 1.42f);

    // The same where there is an offset: the range of the weights as a share of the range of the levels, and where it begins,
    // as a share of itself.
    private static readonly Vector512<float> RangeShares = Vector512.Create(1f, 0.94f, 0.97f, 1.03f, 1.06f, 1.1f, 1.15f, 1.2f, 1.25f, 1.3f, 1.06f, 1.1f, 1.15f, 1.2f, 1.3f, 1.4f);
    private static readonly Vector512<float> RangeStarts = Vector512.Create(0f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.03f, 0.05f, 0.07f, 0.09f, 0.13f, 0.16f);

    /// <summary>The scale for x ≈ d · q; negative where the outermost level is that of the weights' side.</summary>
    /// <param name="x">Weights.</param>
    /// <param name="w">How much the squared error of each counts.</param>
    /// <param name="half">Whether the scale is stored as a half, to which it is then rounded.</param>
    public static float Fit<TLevels>(ReadOnlySpan<float> x, ReadOnlySpan<float> w, bool half)
        where TLevels : struct, ILevels
    {
        var outermost = Outermost(x);
        if (Math.Abs(outermost) < Nothing) return 0;
        var low = Try<TLevels>(x, w, Shares * Vector512.Create(TLevels.Lowest / outermost), half, out var error);
        var high = Try<TLevels>(x, w, Shares * Vector512.Create(TLevels.Highest / outermost), half, out var other);
        return other < error ? high : low;
    }

    /// <summary>The scale and the offset for x ≈ d · q + m, d at least 0.</summary>
    /// <param name="x">Weights.</param>
    /// <param name="w">How much the squared error of each counts.</param>
    /// <param name="below">Whether the offset is 0 at most.</param>
    /// <param name="half">Whether both are stored as halves, to which they are then rounded.</param>
    /// <param name="offset">Receives m.</param>
    public static float FitWithOffset<TLevels>(ReadOnlySpan<float> x, ReadOnlySpan<float> w, bool below, bool half, out float offset)
        where TLevels : struct, ILevels
    {
        var (lowest, highest) = Range(x);
        if (below) lowest = Math.Min(lowest, 0);
        var range = highest - lowest;
        if (range < Nothing)
        {
            offset = half ? RoundToHalf(Vector512.Create(lowest))[0] : lowest;
            return 0;
        }
        // Counted from the lowest weight: sums of numbers of one sign lose nothing to cancellation.
        w = w[..x.Length];
        var zero = Vector512.Create(lowest);
        var inverse = RangeShares * Vector512.Create(TLevels.Highest / range);
        var m = zero + (RangeStarts * Vector512.Create(range));
        var d = Vector512<float>.One / inverse;
        for (var round = 0; round < 2; round++)
        {
            var (sumW, sumQ, sumQQ, sumY, sumQY) = (Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero, Vector512<float>.Zero);
            for (var i = 0; i < x.Length; i++)
            {
                var value = Vector512.Create(x[i]);
                var weight = Vector512.Create(w[i]);
                var q = TLevels.Nearest((value - m) * inverse);
                var y = value - zero;
                var wq = weight * q;
                sumW += weight;
                sumQ += wq;
                sumQQ += wq * q;
                sumY += weight * y;
                sumQY += wq * y;
            }
            var determinant = (sumW * sumQQ) - (sumQ * sumQ);
            var isSolvable = Vector512.GreaterThan(determinant, Vector512<float>.Zero);
            var scale = ((sumW * sumQY) - (sumY * sumQ)) / determinant;
            var shift = ((sumQQ * sumY) - (sumQ * sumQY)) / determinant;
            if (below)
            {
                var isAbove = Vector512.GreaterThan(zero + shift, Vector512<float>.Zero);
                scale = Vector512.ConditionalSelect(isAbove, (sumQY + (zero * sumQ)) / sumQQ, scale);
                shift = Vector512.ConditionalSelect(isAbove, -zero, shift);
            }
            isSolvable &= Vector512.GreaterThan(scale, Vector512.Create(Nothing));
            d = Vector512.ConditionalSelect(isSolvable, scale, d);
            m = Vector512.ConditionalSelect(isSolvable, zero + shift, m);
            if (below) m = Vector512.MinNative(m, Vector512<float>.Zero);
            inverse = Vector512<float>.One / d;
        }
        if (half)
        {
            d = RoundToHalf(d);
            m = RoundToHalf(m);
            inverse = Inverse(d);
        }
        var error = Vector512<float>.Zero;
        for (var i = 0; i < x.Length; i++)
        {
            var y = Vector512.Create(x[i]) - m;
            var left = y - (d * TLevels.Nearest(y * inverse));
            error += Vector512.Create(w[i]) * (left * left);
        }
        var best = Least(error, out _);
        offset = m[best];
        return d[best];
    }

    /// <summary>The lane with the least error, the first of several.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Least(Vector512<float> error, out float least)
    {
        var lane = 0;
        least = error[0];
        Span<float> errors = stackalloc float[Lanes];
        error.CopyTo(errors);
        for (var i = 1; i < Lanes; i++)
        {
            if (errors[i] < least) (lane, least) = (i, errors[i]);
        }
        return lane;
    }

    /// <summary>The sum of all lanes, in one order everywhere.</summary>
    public static double Sum(Vector512<float> lanes)
    {
        var sum = 0.0;
        for (var i = 0; i < Lanes; i++) sum += lanes[i];
        return sum;
    }

    /// <summary>1 / d, and 0 for 0: then all levels are those nearest to 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Inverse(Vector512<float> d) =>
        Vector512.ConditionalSelect(Vector512.Equals(d, Vector512<float>.Zero), Vector512<float>.Zero, Vector512<float>.One / d);

    /// <summary>The half nearest to each lane, ties to even; beyond the largest half comes 65,536.</summary>
    public static Vector512<float> RoundToHalf(Vector512<float> x)
    {
        var bits = x.AsInt32();
        var odd = Vector512.ShiftRightLogical(bits, 13) & Vector512<int>.One;
        var normal = ((bits + Vector512.Create(0xFFF) + odd) & Vector512.Create(~0x1FFF)).AsSingle();
        // Halves below 2^-14 are multiples of 2^-24, which is also what FP32 numbers from ½ to 1 are multiples of.
        var size = Vector512.Abs(x);
        var small = (size + Vector512.Create(0.5f) - Vector512.Create(0.5f)) | (x & Vector512.Create(-0f));
        return Vector512.ConditionalSelect(Vector512.LessThan(size, Vector512.Create(6.103515625e-5f)), small, normal);
    }

    /// <summary>The half nearest to <paramref name="x"/>, as its bits.</summary>
    /// <exception cref="WeightRangeException">There is none.</exception>
    public static ushort ToHalf(float x)
    {
        var half = (Half)x;
        if (!Half.IsFinite(half)) throw new WeightRangeException($"a scale of {x} is beyond the largest half, {Half.MaxValue}");
        return BitConverter.HalfToUInt16Bits(half);
    }

    /// <summary>The half nearest to <paramref name="x"/>, as FP32; infinite beyond the largest.</summary>
    public static float RoundToHalf(float x) => (float)(Half)x;

    /// <summary>The half nearest to the unit of scales, but not 0 where that is not 0: scales of fewer bits are better than none.</summary>
    public static float ToUnit(float x)
    {
        var unit = RoundToHalf(x);
        return unit != 0 || x == 0 ? unit : MathF.CopySign((float)Half.Epsilon, x);
    }

    /// <summary>The levels of a group: those nearest to (x − m) / d.</summary>
    public static void Quantize<TLevels>(ReadOnlySpan<float> x, float d, float m, Span<float> q)
        where TLevels : struct, ILevels
    {
        var inverse = Inverse(Vector512.Create(d));
        for (var i = 0; i < x.Length; i += Lanes)
            TLevels.Nearest((Vector512.Create(x.Slice(i, Lanes)) - Vector512.Create(m)) * inverse).CopyTo(q[i..]);
    }

    /// <summary>The weight of largest magnitude, with its sign.</summary>
    public static float Outermost(ReadOnlySpan<float> x)
    {
        var (lowest, highest) = Range(x);
        return highest >= -lowest ? highest : lowest;
    }

    private static (float Lowest, float Highest) Range(ReadOnlySpan<float> x)
    {
        if (x.Length < Lanes) // the scales of eight groups
        {
            var (least, most) = (x[0], x[0]);
            foreach (var value in x) (least, most) = (Math.Min(least, value), Math.Max(most, value));
            return (least, most);
        }
        var (low, high) = (Vector512.Create(x[..Lanes]), Vector512.Create(x[..Lanes]));
        for (var i = Lanes; i < x.Length; i += Lanes)
        {
            var next = Vector512.Create(x.Slice(i, Lanes));
            low = Vector512.MinNative(low, next);
            high = Vector512.MaxNative(high, next);
        }
        var (lowest, highest) = (low[0], high[0]);
        for (var i = 1; i < Lanes; i++)
        {
            lowest = Math.Min(lowest, low[i]);
            highest = Math.Max(highest, high[i]);
        }
        return (lowest, highest);
    }

    private static float Try<TLevels>(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Vector512<float> inverse, bool half, out float least)
        where TLevels : struct, ILevels
    {
        w = w[..x.Length];
        var (sumXQ, sumQQ) = (Vector512<float>.Zero, Vector512<float>.Zero);
        for (var i = 0; i < x.Length; i++)
        {
            var value = Vector512.Create(x[i]);
            var q = TLevels.Nearest(value * inverse);
            var wq = Vector512.Create(w[i]) * q;
            sumXQ += wq * value;
            sumQQ += wq * q;
        }
        var d = Vector512.ConditionalSelect(Vector512.GreaterThan(sumQQ, Vector512<float>.Zero), sumXQ / sumQQ, Vector512<float>.One / inverse);
        if (half) d = RoundToHalf(d);
        inverse = Inverse(d);
        var error = Vector512<float>.Zero;
        for (var i = 0; i < x.Length; i++)
        {
            var value = Vector512.Create(x[i]);
            var left = value - (d * TLevels.Nearest(value * inverse));
            error += Vector512.Create(w[i]) * (left * left);
        }
        return d[Least(error, out least)];
    }
}
