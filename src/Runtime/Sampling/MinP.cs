namespace WarpDecode.Runtime.Sampling;

/// <summary>Keeps tokens whose probability is at least p times that of the best: logit ≥ best + ln p (Nguyen et al. 2024).</summary>
internal static class MinP
{
    /// <summary>Narrows the candidates and keeps their order.</summary>
    public static void Apply(double p, Candidates candidates)
    {
        if (p <= 0) return;
        var least = candidates.Best() + Math.Log(p);
        var kept = 0;
        for (var i = 0; i < candidates.Count; i++)
        {
            if (candidates.Logits[i] < least) continue;
            candidates.Ids[kept] = candidates.Ids[i];
            candidates.Logits[kept] = candidates.Logits[i];
            kept++;
        }
        candidates.Count = kept;
    }
}
