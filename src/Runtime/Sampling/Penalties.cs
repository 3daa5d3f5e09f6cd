namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// Penalties on each token among the last n, as llama.cpp has them. The repeat penalty p, once however often the token occurs: logit / p
/// where it is positive, logit · p where it is not (Keskar et al. 2019). Then, as in OpenAI's API, the frequency penalty for each time
/// that it occurs and the presence penalty once are taken off.
/// </summary>
internal sealed class Penalties
{
    private readonly double repeat;
    private readonly double frequency;
    private readonly double presence;
    private readonly int[] recent;   // a ring: the oldest at next once it is full
    private readonly int[] counts;   // [vocabulary] how often each token is among them
    private readonly int[] distinct; // those with a count, each once, in no order
    private readonly int[] places;   // [vocabulary] where in distinct
    private int count;
    private int next;

    public Penalties(int vocabulary, int lastN, double repeat, double frequency, double presence)
    {
        (this.repeat, this.frequency, this.presence) = (repeat, frequency, presence);
        IsActive = lastN > 0 && (repeat != 1 || frequency != 0 || presence != 0);
        var size = IsActive ? vocabulary : 0;
        recent = new int[IsActive ? lastN : 0];
        counts = new int[size];
        distinct = new int[size];
        places = new int[size];
    }

    /// <summary>Whether they change anything.</summary>
    public bool IsActive { get; }

    /// <summary>Whether no logit becomes higher.</summary>
    public bool OnlyWorsen => repeat >= 1 && frequency >= 0 && presence >= 0;

    /// <summary>How many different tokens are among the recent ones.</summary>
    public int Distinct { get; private set; }

    /// <summary>Takes a token into the recent ones.</summary>
    public void Accept(int token)
    {
        if (!IsActive) return;
        if (count == recent.Length) Remove(recent[next]);
        else count++;
        recent[next] = token;
        next = (next + 1) % recent.Length;
        if (counts[token]++ > 0) return;
        places[token] = Distinct;
        distinct[Distinct++] = token;
    }

    /// <summary>Forgets the recent tokens.</summary>
    public void Reset()
    {
        foreach (var token in distinct.AsSpan(0, Distinct)) counts[token] = 0;
        count = next = Distinct = 0;
    }

    /// <summary>Changes the logits of all tokens.</summary>
    public void Apply(Span<float> logits)
    {
        foreach (var token in distinct.AsSpan(0, Distinct)) logits[token] = Penalised(logits[token], counts[token]);
    }

    /// <summary>Changes the candidates' logits.</summary>
    public void Apply(Candidates candidates)
    {
        for (var i = 0; i < candidates.Count; i++)
        {
            if (counts[candidates.Ids[i]] is > 0 and var times) candidates.Logits[i] = Penalised(candidates.Logits[i], times);
        }
    }

    private void Remove(int token)
    {
        if (--counts[token] > 0) return;
        var last = distinct[--Distinct];
        distinct[places[token]] = last;
        places[last] = places[token];
    }

    private float Penalised(float logit, int times)
    {
        if (float.IsNegativeInfinity(logit)) return logit;
        // Rounded after the first as after the second: where only one is used, it is the other's identity.
        var penalised = (float)(logit > 0 ? logit / repeat : logit * repeat);
        var less = (times * frequency) + presence;
        return Math.Clamp(less == 0 ? penalised : (float)(penalised - less), float.MinValue, float.MaxValue); // extreme, but possible still
    }
}
