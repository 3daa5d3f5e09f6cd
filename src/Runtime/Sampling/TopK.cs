namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// Keeps the k best tokens, best first. One pass over the logits with the k best so far in a heap, the worst of them on top.
/// </summary>
internal static class TopK
{
    /// <summary>Fills the candidates from all logits; <paramref name="k"/> 0, or more than there are tokens, takes every token, by id.</summary>
    public static void Apply(ReadOnlySpan<float> logits, int k, Candidates candidates)
    {
        var keep = k == 0 ? logits.Length : Math.Min(k, logits.Length);
        var ids = candidates.Ids;
        var kept = candidates.Logits;
        for (var id = 0; id < keep; id++)
        {
            ids[id] = id;
            kept[id] = logits[id];
        }
        candidates.Count = keep;
        if (keep == logits.Length) return;

        for (var at = (keep / 2) - 1; at >= 0; at--) candidates.SiftWorst(at, keep);
        var worst = kept[0];
        for (var id = keep; id < logits.Length; id++)
        {
            // Ids rise, so a tie is worse than what is kept.
            if (!(logits[id] > worst)) continue;
            ids[0] = id;
            kept[0] = logits[id];
            candidates.SiftWorst(0, keep);
            worst = kept[0];
        }
        Order(candidates, keep);
    }

    /// <summary>Keeps the k best of the candidates, best first; 0 sorts all.</summary>
    public static void Apply(int k, Candidates candidates)
    {
        var keep = k == 0 ? candidates.Count : Math.Min(k, candidates.Count);
        for (var at = (keep / 2) - 1; at >= 0; at--) candidates.SiftWorst(at, keep);
        for (var i = keep; i < candidates.Count; i++)
        {
            if (!candidates.Better(i, 0)) continue;
            candidates.Swap(i, 0);
            candidates.SiftWorst(0, keep);
        }
        Order(candidates, keep);
        candidates.Count = keep;
    }

    /// <summary>From a heap to best first: sums over the candidates are then the same wherever the k best were chosen.</summary>
    private static void Order(Candidates candidates, int size)
    {
        for (var last = size - 1; last > 0; last--)
        {
            candidates.Swap(0, last);
            candidates.SiftWorst(0, last);
        }
    }
}
