namespace WarpDecode.Runtime.Sampling;

/// <summary>Keeps tokens whose logit is at most n standard deviations of all logits below the best (Tang et al. 2024); −∞ is no logit.</summary>
internal static class TopNSigma
{
    /// <summary>Narrows the candidates and keeps their order. A temperature changes nothing about them.</summary>
    public static void Apply(double n, Candidates candidates)
    {
        if (n <= 0) return;
        candidates.DropImpossible();
        if (candidates.Count <= 1) return;
        var logits = candidates.Logits.AsSpan(0, candidates.Count);
        var sum = 0.0;
        foreach (var logit in logits) sum += logit;
        var mean = sum / logits.Length;
        var squares = 0.0;
        foreach (var logit in logits) squares += (logit - mean) * (logit - mean);
        candidates.KeepFrom(candidates.Best() - (n * Math.Sqrt(squares / logits.Length)));
    }
}
