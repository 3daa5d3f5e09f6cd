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
        foreach (var token in recent.AsSpan(0, count))
        {
            // From the untouched logit, so that a token met twice is penalised once.
            var logit = logits[token];
            to[token] = (float)(logit > 0 ? logit / penalty : logit * penalty);
        }
    }
}
