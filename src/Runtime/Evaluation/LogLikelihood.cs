using System.Numerics;
using System.Runtime.InteropServices;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>Log-probabilities of tokens by logits, in FP64: log softmax(logits)ₜ = logitₜ − log Σᵢ exp(logitᵢ).</summary>
internal static class LogLikelihood
{
    /// <summary>log Σᵢ exp(logitᵢ), natural logarithm.</summary>
    /// <exception cref="ModelOutputException">It is not finite: a logit is NaN or +∞, or all are −∞.</exception>
    public static double LogSum(ReadOnlySpan<float> logits)
    {
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(logits);
        var rest = logits[(vectors.Length * Vector<float>.Count)..];
        var tops = new Vector<float>(float.NegativeInfinity);
        foreach (var v in vectors) tops = Vector.Max(tops, v); // NaN passes on
        double top = float.NegativeInfinity;
        for (var i = 0; i < Vector<float>.Count; i++) top = Math.Max(top, tops[i]);
        foreach (var logit in rest) top = Math.Max(top, logit);

        var shift = new Vector<double>(top);
        var sums = Vector<double>.Zero;
        foreach (var v in vectors)
        {
            Vector.Widen(v, out var low, out var high);
            sums += Vector.Exp(low - shift) + Vector.Exp(high - shift);
        }
        var sum = Vector.Sum(sums);
        foreach (var logit in rest) sum += Math.Exp(logit - top);
        var result = top + Math.Log(sum);
        if (double.IsFinite(result)) return result;
        throw new ModelOutputException(
            $"the model gave logits that have no probabilities (the largest of {logits.Length} is {top}): its weights are damaged, or the computation overflowed");
    }
}
