using System.Numerics;
using System.Runtime.InteropServices;

namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// Chooses the next token: repeat penalty → top-k → top-p → min-p → temperature → draw (llama.cpp's order), or at temperature 0
/// the likeliest after the penalty. Belongs to one conversation; not for several threads at once. Allocates only at construction.
/// </summary>
public sealed class Sampler
{
    private readonly SamplerOptions options;
    private readonly RepeatPenalty penalty;
    private readonly Candidates? candidates;
    private readonly float[] penalised;
    private readonly int vocabulary;
    private Xoshiro256 random;

    /// <summary>A sampler for a vocabulary of that size.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range, or the vocabulary is empty.</exception>
    public Sampler(SamplerOptions options, int vocabularySize)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabularySize);
        options.Validate();
        this.options = options;
        vocabulary = vocabularySize;
        penalty = new RepeatPenalty(options.RepeatLastN, options.RepeatPenalty);
        penalised = penalty.IsActive ? new float[vocabularySize] : [];
        candidates = options.Temperature > 0 ? new Candidates(vocabularySize) : null;
        // A random seed of 32 bits is enough to tell runs apart, and short enough to be typed in again.
        Seed = options.Seed ?? (uint)Random.Shared.NextInt64(1L << 32);
        random = new Xoshiro256(Seed);
    }

    /// <summary>The seed in use: that of the options, or the one taken at random.</summary>
    public ulong Seed { get; }

    /// <summary>The next token, by the logits of every token of the vocabulary.</summary>
    /// <exception cref="ArgumentException">There are not as many logits as tokens.</exception>
    /// <exception cref="InvalidOperationException">The logits are not usable: NaN, +∞, or every token ruled out.</exception>
    public int Sample(ReadOnlySpan<float> logits)
    {
        if (logits.Length != vocabulary)
            throw new ArgumentException($"{logits.Length} logits were given for a vocabulary of {vocabulary} tokens", nameof(logits));
        Check(logits);
        if (penalty.IsActive)
        {
            logits.CopyTo(penalised);
            penalty.Apply(logits, penalised);
            logits = penalised;
        }
        if (candidates is null) return Greedy.Apply(logits);
        TopK.Apply(logits, options.TopK, candidates);
        TopP.Apply(options.TopP, candidates);
        MinP.Apply(options.MinP, candidates);
        var total = Temperature.Apply(options.Temperature, candidates);
        return Draw.Apply(candidates, total, random.NextDouble());
    }

    /// <summary>Takes a token of the prompt or of the answer into the recent ones that the repeat penalty looks at.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public void Accept(int token)
    {
        if ((uint)token >= (uint)vocabulary)
            throw new ArgumentOutOfRangeException(nameof(token), token, $"a token id of this model is 0 to {vocabulary - 1}");
        penalty.Accept(token);
    }

    /// <summary>Back to the state at construction: no recent tokens, and the draws of the seed from the first.</summary>
    public void Reset()
    {
        penalty.Reset();
        random = new Xoshiro256(Seed);
    }

    // One pass that the good case leaves quickly: every logit below +∞ (so not NaN), and one above −∞.
    private static void Check(ReadOnlySpan<float> logits)
    {
        var top = new Vector<float>(float.NegativeInfinity);
        var sound = true;
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(logits);
        foreach (var v in vectors)
        {
            sound &= Vector.LessThanAll(v, new Vector<float>(float.PositiveInfinity));
            top = Vector.Max(top, v);
        }
        var possible = Vector.GreaterThanAny(top, new Vector<float>(float.NegativeInfinity));
        foreach (var logit in logits[(vectors.Length * Vector<float>.Count)..])
        {
            sound &= logit < float.PositiveInfinity;
            possible |= logit > float.NegativeInfinity;
        }
        if (!sound) ThrowUnsound(logits);
        if (!possible) throw new InvalidOperationException("the model gave −∞ for every logit: no token is possible");
    }

    private static void ThrowUnsound(ReadOnlySpan<float> logits)
    {
        var at = 0;
        while (logits[at] < float.PositiveInfinity) at++;
        var what = float.IsNaN(logits[at]) ? "NaN" : "infinite";
        throw new InvalidOperationException($"the model gave {what} logits (the first for token {at} of {logits.Length}): "
            + "its weights are damaged, or the computation overflowed");
    }
}
