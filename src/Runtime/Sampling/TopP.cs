namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// Keeps the smallest set of best tokens whose probabilities sum to at least p (Holtzman et al. 2019). The tokens come off a heap
/// best first until the sum is reached: mostly a few, so a vocabulary is never sorted for them.
/// </summary>
internal static class TopP
{
    /// <summary>Narrows the candidates and leaves them best first.</summary>
    public static void Apply(double p, Candidates candidates)
    {
        if (p >= 1) return;
        var count = candidates.Count;
        var best = candidates.Best();
        var temperature = candidates.Temperature;
        var total = 0.0;
        foreach (var logit in candidates.Logits.AsSpan(0, count)) total += Math.Exp(((double)logit - best) / temperature);

        // The heap lies at the front and shrinks from the back, where the tokens taken collect, best last.
        for (var at = (count / 2) - 1; at >= 0; at--) candidates.SiftBest(at, count);
        var taken = 0;
        var sum = 0.0;
        while (taken < count)
        {
            sum += Math.Exp(((double)candidates.Logits[0] - best) / temperature);
            taken++;
            candidates.Swap(0, count - taken);
            if (sum >= p * total) break;
            candidates.SiftBest(0, count - taken);
        }
        candidates.KeepFromBack(taken);
    }
}
