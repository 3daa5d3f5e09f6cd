namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// "Don't repeat yourself" (by p-e-w, as in llama.cpp): a token that would make a sequence longer which has been before is taken
/// multiplier · base^(length − allowed) off its logit. The length is that of the longest end of the text which stood before the same token
/// already; it does not go over a breaker.
/// </summary>
internal sealed class Dry
{
    private readonly double multiplier;
    private readonly double growth;
    private readonly int allowed;
    private readonly int mostExponent;
    private readonly DryBreakers breakers;
    private readonly int[] recent;  // a ring: the oldest at next once it is full
    private readonly int[] newest;  // the same, newest first
    private readonly int[] ends;    // how long the end of the text is that stands before each of them, too
    private readonly int[] lengths; // [vocabulary] 1 + the length that each token would extend; 0 if none. Zeros between steps
    private readonly int[] found;   // the tokens that have one
    private int count;
    private int next;
    private int foundCount;

    public Dry(int vocabulary, int lastN, double multiplier, double growth, int allowed, DryBreakers breakers)
    {
        IsActive = multiplier > 0 && lastN > 0;
        (this.multiplier, this.growth, this.allowed, this.breakers) = (multiplier, growth, allowed, breakers);
        // Beyond this the power is not a number that FP32 has.
        mostExponent = growth > 1.000001 ? (int)(88.7228391 / Math.Log(growth)) : 0;
        var size = IsActive ? lastN : 0;
        recent = new int[size];
        newest = new int[size];
        ends = new int[size];
        lengths = new int[IsActive ? vocabulary : 0];
        found = new int[IsActive ? vocabulary : 0];
    }

    /// <summary>Whether it changes anything. It makes no logit higher.</summary>
    public bool IsActive { get; }

    /// <summary>Takes a token into the text.</summary>
    public void Accept(int token)
    {
        if (!IsActive) return;
        recent[next] = token;
        next = (next + 1) % recent.Length;
        if (count < recent.Length) count++;
    }

    /// <summary>Forgets the text.</summary>
    public void Reset() => count = next = 0;

    /// <summary>Changes the logits of all tokens.</summary>
    public void Apply(Span<float> logits)
    {
        Find();
        foreach (var token in found.AsSpan(0, foundCount)) logits[token] = Penalised(logits[token], lengths[token] - 1);
        Clear();
    }

    /// <summary>Changes the candidates' logits.</summary>
    public void Apply(Candidates candidates)
    {
        Find();
        for (var i = 0; foundCount > 0 && i < candidates.Count; i++)
        {
            if (lengths[candidates.Ids[i]] is > 0 and var length) candidates.Logits[i] = Penalised(candidates.Logits[i], length - 1);
        }
        Clear();
    }

    private float Penalised(float logit, int length)
    {
        if (float.IsNegativeInfinity(logit)) return logit;
        var exponent = length - allowed;
        if (mostExponent > 0) exponent = Math.Min(exponent, mostExponent);
        return (float)Math.Max(logit - (multiplier * Math.Pow(growth, exponent)), float.MinValue); // extreme, but possible still
    }

    private void Clear()
    {
        foreach (var token in found.AsSpan(0, foundCount)) lengths[token] = 0;
        foundCount = 0;
    }

    private void Find()
    {
        if (count <= allowed) return;
        var text = newest.AsSpan(0, count);
        for (var (i, at) = (0, next); i < count; i++)
        {
            if (--at < 0) at = recent.Length - 1;
            text[i] = recent[at];
        }
        var most = breakers.Since(text);
        if (most < allowed) return;
        Repeats(text, ends);
        for (var k = 1; k < count; k++)
        {
            var length = Math.Min(ends[k], most);
            if (length < allowed) continue;
            var token = text[k - 1];
            ref var longest = ref lengths[token];
            if (longest == 0)
            {
                if (breakers.IsBreaker(token)) continue;
                found[foundCount++] = token;
            }
            longest = Math.Max(longest, length + 1);
        }
    }

    /// <summary>
    /// The Z-algorithm (Main and Lorentz 1984): for each place k ≥ 1, how many tokens from there on are those of the text's beginning.
    /// [from, to) is the stretch found so far that reaches furthest, so that each token is compared once.
    /// </summary>
    private static void Repeats(ReadOnlySpan<int> text, Span<int> lengths)
    {
        var (from, to) = (0, 0);
        for (var k = 1; k < text.Length; k++)
        {
            var length = k < to ? Math.Min(to - k, lengths[k - from]) : 0;
            while (k + length < text.Length && text[k + length] == text[length]) length++;
            lengths[k] = length;
            if (k + length > to) (from, to) = (k, k + length);
        }
    }
}
