namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// Penalty p on each token among the last n: logit / p where it is positive, logit · p where it is not, once however often the
/// token occurs (Keskar et al. 2019, as in llama.cpp).
/// </summary>
internal sealed class RepeatPenalty(int lastN, double penalty)
{
    private readonly int[] recent = new int[lastN]; // a ring: the oldest at next once it is full
    private int count;
    private int next;

    /// <summary>Whether it changes anything.</summary>
    public bool IsActive => lastN > 0 && penalty != 1.0;

    /// <summary>
    /// How many more of the best tokens must be known for the k best after the penalty, or null if all: a penalty above 1 only makes worse,
    /// so those that were before one of the k and are not now are among the recent tokens.
    /// </summary>
    public int? More => penalty > 1 ? count : null;

    /// <summary>Takes a token into the recent ones.</summary>
    public void Accept(int token)
    {
        if (lastN == 0) return;
        recent[next] = token;
        next = (next + 1) % lastN;
        if (count < lastN) count++;
    }

    /// <summary>Forgets the recent tokens.</summary>
    public void Reset() => count = next = 0;

    /// <summary>Changes <paramref name="to"/>, a copy of <paramref name="logits"/>.</summary>
    public void Apply(ReadOnlySpan<float> logits, Span<float> to)
    {
        // From the untouched logit, so that a token met twice is penalised once.
        foreach (var token in recent.AsSpan(0, count)) to[token] = Penalised(logits[token]);
    }

    /// <summary>Changes the candidates' logits.</summary>
    public void Apply(Candidates candidates)
    {
        for (var i = 0; i < candidates.Count; i++)
        {
            if (recent.AsSpan(0, count).Contains(candidates.Ids[i])) candidates.Logits[i] = Penalised(candidates.Logits[i]);
        }
    }

    private float Penalised(float logit) => (float)(logit > 0 ? logit / penalty : logit * penalty);
}
