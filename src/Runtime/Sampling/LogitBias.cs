namespace WarpDecode.Runtime.Sampling;

/// <summary>Adds a number to the logits of some tokens; −∞ rules them out.</summary>
internal sealed class LogitBias
{
    private readonly int[] ids; // sorted
    private readonly float[] biases;

    public LogitBias(IEnumerable<KeyValuePair<int, double>> biases)
    {
        var sorted = biases.Where(b => b.Value != 0).OrderBy(b => b.Key).ToArray();
        ids = [.. sorted.Select(b => b.Key)];
        this.biases = [.. sorted.Select(b => (float)b.Value)];
    }

    /// <summary>How many tokens have one.</summary>
    public int Count => ids.Length;

    /// <summary>Whether no logit becomes higher.</summary>
    public bool OnlyWorsens => !biases.AsSpan().ContainsAnyExceptInRange(float.NegativeInfinity, 0);

    /// <summary>Changes the logits of all tokens.</summary>
    public void Apply(Span<float> logits)
    {
        for (var i = 0; i < ids.Length; i++) logits[ids[i]] += biases[i];
    }

    /// <summary>Changes the candidates' logits.</summary>
    public void Apply(Candidates candidates)
    {
        if (ids.Length == 0) return;
        for (var i = 0; i < candidates.Count; i++)
        {
            if (Array.BinarySearch(ids, candidates.Ids[i]) is >= 0 and var at) candidates.Logits[i] += biases[at];
        }
    }
}
