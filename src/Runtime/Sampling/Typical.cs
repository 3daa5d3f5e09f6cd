namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// Locally typical sampling (Meister et al. 2022): keeps the tokens whose surprise −ln p is nearest to the entropy, until their probabilities
/// sum to more than p. The likeliest may not be among them.
/// </summary>
internal static class Typical
{
    /// <summary>Narrows the candidates and leaves them most typical first.</summary>
    public static void Apply(double p, Candidates candidates)
    {
        if (p >= 1) return;
        candidates.DropImpossible();
        var count = candidates.Count;
        if (count <= 1) return;
        var entropy = candidates.Entropy(out var least);
        var best = candidates.Best();
        var temperature = candidates.Temperature;
        for (var i = 0; i < count; i++)
            candidates.Weights[i] = Math.Abs(least + ((best - (double)candidates.Logits[i]) / temperature) - entropy);

        // As in TopP: a heap at the front that shrinks from the back, where the tokens taken collect, the last one first.
        for (var at = (count / 2) - 1; at >= 0; at--) Sift(candidates, at, count);
        var taken = 0;
        var sum = 0.0;
        while (taken < count)
        {
            sum += Math.Exp(((candidates.Logits[0] - (double)best) / temperature) - least);
            taken++;
            Swap(candidates, 0, count - taken);
            if (sum > p) break;
            Sift(candidates, 0, count - taken);
        }
        candidates.KeepFromBack(taken);
    }

    private static bool Nearer(Candidates c, int a, int b) => c.Weights[a] < c.Weights[b] || (c.Weights[a] == c.Weights[b] && c.Better(a, b));

    private static void Swap(Candidates c, int a, int b)
    {
        c.Swap(a, b);
        (c.Weights[a], c.Weights[b]) = (c.Weights[b], c.Weights[a]);
    }

    private static void Sift(Candidates c, int at, int size)
    {
        while (true)
        {
            var child = (2 * at) + 1;
            if (child >= size) return;
            if (child + 1 < size && Nearer(c, child + 1, child)) child++;
            if (!Nearer(c, child, at)) return;
            Swap(c, at, child);
            at = child;
        }
    }
}
