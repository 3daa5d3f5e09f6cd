namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// Excludes top choices: where several tokens have at least the threshold's probability, all of these but the least likely are dropped, so
/// that a less usual one is taken which is still sensible. Does so with a probability only (by p-e-w, as in llama.cpp).
/// </summary>
internal static class Xtc
{
    /// <summary>No two tokens can be above a higher threshold.</summary>
    public const double MostThreshold = 0.5;

    /// <summary>Whether it does anything, and so takes a random number.</summary>
    public static bool IsActive(double probability, double threshold) => probability > 0 && threshold <= MostThreshold;

    /// <summary>Narrows the candidates and keeps their order.</summary>
    public static void Apply(double probability, double threshold, Candidates candidates, ref Xoshiro256 random)
    {
        if (!IsActive(probability, threshold) || candidates.Count < 2) return;
        if (random.NextDouble() >= probability) return;
        var least = threshold * candidates.Weigh();
        var (above, last) = (0, -1);
        for (var i = 0; i < candidates.Count; i++)
        {
            if (candidates.Weights[i] < least) continue;
            above++;
            if (last < 0 || candidates.Better(last, i)) last = i;
        }
        if (above < 2) return;
        var kept = 0;
        for (var i = 0; i < candidates.Count; i++)
        {
            if (candidates.Weights[i] >= least && i != last) continue;
            candidates.Ids[kept] = candidates.Ids[i];
            candidates.Logits[kept++] = candidates.Logits[i];
        }
        candidates.Count = kept;
    }
}
