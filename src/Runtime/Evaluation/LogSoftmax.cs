using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>
/// What logits say as probabilities. Logits are FP32; exponentials and sums are FP64, so that the results are as exact as the
/// logits. Vectors of eight doubles, however the machine holds them.
/// </summary>
internal static class LogSoftmax
{
    // Where e^r - 1 - r is computed by its series: beyond, the difference loses no more than two digits.
    private const double Near = 0.1;

    /// <summary>log Σ exp(x), by way of the largest x; NaN if any x is NaN or infinite.</summary>
    /// <param name="logits">At least one.</param>
    public static double LogSumExp(ReadOnlySpan<float> logits)
    {
        var (least, most) = Range(logits);
        if (!float.IsFinite(least) || !float.IsFinite(most)) return double.NaN;
        var shift = Vector512.Create((double)most);
        var low = Vector512<double>.Zero;
        var high = Vector512<double>.Zero;
        var i = 0;
        for (; i <= logits.Length - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            var (a, b) = Vector512.Widen(Vector512.Create(logits.Slice(i, Vector512<float>.Count)));
            low += Vector512.Exp(a - shift);
            high += Vector512.Exp(b - shift);
        }
        var sum = Vector512.Sum(low + high);
        for (; i < logits.Length; i++) sum += Math.Exp((double)logits[i] - most);
        return most + Math.Log(sum);
    }

    /// <summary><see cref="LogSumExp"/>, of logits that must have one.</summary>
    /// <exception cref="ModelOutputException">A logit is NaN or infinite.</exception>
    public static double FiniteLogSumExp(ReadOnlySpan<float> logits)
    {
        var sum = LogSumExp(logits);
        return double.IsFinite(sum) ? sum : throw new ModelOutputException(
            $"the model gave logits that have no probabilities (one of {logits.Length} is not a finite number): its weights are damaged, or the computation overflowed");
    }

    /// <summary>The first of the largest logits, none of which is NaN.</summary>
    public static int ArgMax(ReadOnlySpan<float> logits)
    {
        var most = Range(logits).Most;
        var target = Vector512.Create(most);
        var i = 0;
        for (; i <= logits.Length - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            if (Vector512.EqualsAny(Vector512.Create(logits.Slice(i, Vector512<float>.Count)), target)) break;
        }
        while (logits[i] != most) i++;
        return i;
    }

    /// <summary>
    /// Kullback–Leibler divergence of q from p, Σ p log(p / q), in nats. It is computed as Σ p (eʳ - 1 - r) with r = log(q / p),
    /// which is the same since Σ p = Σ q = 1: no term is negative, so tiny divergences do not drown in the rounding of large terms,
    /// and an error ε of a normalization enters as ε².
    /// </summary>
    /// <param name="p">Logits of p.</param>
    /// <param name="pSum">Their <see cref="LogSumExp"/>.</param>
    /// <param name="q">Logits of q, as many.</param>
    /// <param name="qSum">Their <see cref="LogSumExp"/>.</param>
    public static double Divergence(ReadOnlySpan<float> p, double pSum, ReadOnlySpan<float> q, double qSum)
    {
        if (p.Length != q.Length) throw new ArgumentException($"{p.Length} logits against {q.Length}");
        var pShift = Vector512.Create(pSum);
        var qShift = Vector512.Create(qSum);
        var low = Vector512<double>.Zero;
        var high = Vector512<double>.Zero;
        var i = 0;
        for (; i <= p.Length - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            var (pLow, pHigh) = Vector512.Widen(Vector512.Create(p.Slice(i, Vector512<float>.Count)));
            var (qLow, qHigh) = Vector512.Widen(Vector512.Create(q.Slice(i, Vector512<float>.Count)));
            low += Term(pLow - pShift, qLow - qShift);
            high += Term(pHigh - pShift, qHigh - qShift);
        }
        var sum = Vector512.Sum(low + high);
        for (; i < p.Length; i++) sum += Term(p[i] - pSum, q[i] - qSum);
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> Term(Vector512<double> logP, Vector512<double> logQ)
    {
        var r = logQ - logP;
        var probability = Vector512.Exp(logP);
        var near = probability * Series(r);
        var far = Vector512.LessThan(Vector512.Create(Near), Vector512.Abs(r));
        if (far == Vector512<double>.Zero) return near;
        // q - p - p r, and not p (eʳ - 1 - r): of a p that is 0 in FP64 the latter would make 0 · ∞.
        return Vector512.ConditionalSelect(far, Vector512.Exp(logQ) - probability - (probability * r), near);
    }

    private static double Term(double logP, double logQ)
    {
        var r = logQ - logP;
        var probability = Math.Exp(logP);
        return Math.Abs(r) > Near ? Math.Exp(logQ) - probability - (probability * r) : probability * Series(Vector512.CreateScalar(r))[0];
    }

    // eʳ - 1 - r = r²/2 (1 + r/3 (1 + r/4 (…))); for |r| ≤ 0.1 the first term left out, r⁹/9!, is below 10⁻¹² of the whole.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> Series(Vector512<double> r)
    {
        var one = Vector512<double>.One;
        var sum = one + (r * (1.0 / 8));
        sum = one + (r * (1.0 / 7) * sum);
        sum = one + (r * (1.0 / 6) * sum);
        sum = one + (r * (1.0 / 5) * sum);
        sum = one + (r * (1.0 / 4) * sum);
        sum = one + (r * (1.0 / 3) * sum);
        return r * r * 0.5 * sum;
    }

    // NaN if any is NaN.
    private static (float Least, float Most) Range(ReadOnlySpan<float> logits)
    {
        var least = Vector512.Create(logits[0]);
        var most = least;
        var i = 0;
        for (; i <= logits.Length - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            var x = Vector512.Create(logits.Slice(i, Vector512<float>.Count));
            least = Vector512.Min(least, x);
            most = Vector512.Max(most, x);
        }
        var (low, high) = (least[0], most[0]);
        for (var lane = 1; lane < Vector512<float>.Count; lane++) (low, high) = (Math.Min(low, least[lane]), Math.Max(high, most[lane]));
        for (; i < logits.Length; i++) (low, high) = (Math.Min(low, logits[i]), Math.Max(high, logits[i]));
        return (low, high);
    }
}
