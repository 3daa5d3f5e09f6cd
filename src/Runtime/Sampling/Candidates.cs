namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// The tokens that are still in the running, in buffers as large as the vocabulary that every stage reuses.
/// "Better" is a higher logit, and of equal logits the lower id, so that ties fall the same way everywhere.
/// </summary>
internal sealed class Candidates(int vocabulary)
{
    /// <summary>Token of each candidate.</summary>
    public int[] Ids { get; } = new int[vocabulary];

    /// <summary>Logit of each candidate.</summary>
    public float[] Logits { get; } = new float[vocabulary];

    /// <summary>How many candidates there are.</summary>
    public int Count { get; set; }

    /// <summary>Weight of each candidate, for the stages that need probabilities; not kept between stages.</summary>
    public double[] Weights { get; } = new double[vocabulary];

    /// <summary>Whether candidate <paramref name="a"/> is better than candidate <paramref name="b"/>.</summary>
    public bool Better(int a, int b) => Logits[a] > Logits[b] || (Logits[a] == Logits[b] && Ids[a] < Ids[b]);

    /// <summary>Exchanges two candidates.</summary>
    public void Swap(int a, int b)
    {
        (Ids[a], Ids[b]) = (Ids[b], Ids[a]);
        (Logits[a], Logits[b]) = (Logits[b], Logits[a]);
    }

    /// <summary>Logit of the best candidate.</summary>
    public float Best()
    {
        var best = float.NegativeInfinity;
        foreach (var logit in Logits.AsSpan(0, Count)) best = Math.Max(best, logit);
        return best;
    }

    /// <summary>Moves the candidate at <paramref name="at"/> down a heap of <paramref name="size"/> with its best at 0.</summary>
    public void SiftBest(int at, int size)
    {
        while (true)
        {
            var child = (2 * at) + 1;
            if (child >= size) return;
            if (child + 1 < size && Better(child + 1, child)) child++;
            if (!Better(child, at)) return;
            Swap(at, child);
            at = child;
        }
    }

    /// <summary>Moves the candidate at <paramref name="at"/> down a heap of <paramref name="size"/> with its worst at 0.</summary>
    public void SiftWorst(int at, int size)
    {
        while (true)
        {
            var child = (2 * at) + 1;
            if (child >= size) return;
            if (child + 1 < size && Better(child, child + 1)) child++;
            if (!Better(at, child)) return;
            Swap(at, child);
            at = child;
        }
    }
}
