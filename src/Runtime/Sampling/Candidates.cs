namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// The tokens that are still in the running, in buffers as large as the vocabulary that every stage reuses.
/// "Better" is a higher logit, and of equal logits the lower id, so that ties fall the same way everywhere.
/// </summary>
internal sealed class Candidates(int vocabulary)
{
    /// <summary>Token of each candidate.</summary>
    public int[] Ids { get; } = new int[vocabulary];

    /// <summary>Logit of each candidate, before the temperature.</summary>
    public float[] Logits { get; } = new float[vocabulary];

    /// <summary>How many candidates there are.</summary>
    public int Count { get; set; }

    /// <summary>
    /// Temperature t of the probabilities: each is in proportion to exp(logit / t). Kept beside the logits and not applied to them, so that
    /// it rounds nothing.
    /// </summary>
    public double Temperature { get; set; } = 1;

    /// <summary>A number for each candidate, mostly its weight; not kept between stages.</summary>
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

    /// <summary>Makes one token the only candidate.</summary>
    public void Set(int id, float logit)
    {
        (Ids[0], Logits[0], Count) = (id, logit, 1);
    }

    /// <summary>Keeps the best candidate alone.</summary>
    public void KeepBest()
    {
        var best = 0;
        for (var i = 1; i < Count; i++)
        {
            if (Better(i, best)) best = i;
        }
        Set(Ids[best], Logits[best]);
    }

    /// <summary>Keeps the candidates whose logit is at least that, in their order.</summary>
    public void KeepFrom(double least)
    {
        var kept = 0;
        for (var i = 0; i < Count; i++)
        {
            if (Logits[i] < least) continue;
            Ids[kept] = Ids[i];
            Logits[kept++] = Logits[i];
        }
        Count = kept;
    }

    /// <summary>Drops the candidates that cannot be: those with a logit of −∞.</summary>
    public void DropImpossible() => KeepFrom(float.MinValue);

    /// <summary>
    /// Fills the weights: wᵢ = exp((logitᵢ − best) / t), probabilities but for their sum. In double precision, so that platforms'
    /// exponentials agree but for the last bits of 53, which decide no draw in practice.
    /// </summary>
    /// <returns>The sum of the weights.</returns>
    public double Weigh()
    {
        var best = Best();
        var total = 0.0;
        for (var i = 0; i < Count; i++)
        {
            var weight = Math.Exp(((double)Logits[i] - best) / Temperature);
            Weights[i] = weight;
            total += weight;
        }
        return total;
    }

    /// <summary>
    /// Entropy −Σ p ln p of the candidates; there is one of weight above 0. Fills the weights.
    /// </summary>
    /// <param name="surprise">−ln p of the best candidate: that of another is larger by (best − logit) / t.</param>
    public double Entropy(out double surprise)
    {
        var total = Weigh();
        var best = Best();
        surprise = Math.Log(total);
        var entropy = 0.0;
        for (var i = 0; i < Count; i++)
        {
            if (Weights[i] > 0) entropy += Weights[i] / total * (surprise + ((best - (double)Logits[i]) / Temperature));
        }
        return entropy;
    }

    /// <summary>Divides the logits by the temperature, for a stage that changes them.</summary>
    public void ApplyTemperature()
    {
        if (Temperature == 1) return;
        for (var i = 0; i < Count; i++) Logits[i] = (float)Math.Clamp(Logits[i] / Temperature, float.MinValue, float.MaxValue);
        Temperature = 1;
    }

    /// <summary>Keeps the last so many candidates, in reverse order: what a heap at the front gave up at the back, one after another.</summary>
    public void KeepFromBack(int taken)
    {
        var ids = Ids.AsSpan();
        var logits = Logits.AsSpan();
        ids.Slice(Count - taken, taken).CopyTo(ids);
        logits.Slice(Count - taken, taken).CopyTo(logits);
        ids[..taken].Reverse();
        logits[..taken].Reverse();
        Count = taken;
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
