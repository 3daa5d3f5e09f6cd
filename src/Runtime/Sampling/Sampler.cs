using System.Numerics;
using System.Runtime.InteropServices;
using WarpDecode.Kernels;

namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// Chooses the next token: repeat penalty → top-k → top-p → min-p → temperature → draw (llama.cpp's order), or at temperature 0
/// the likeliest after the penalty. Belongs to one conversation; not for several threads at once. Allocates only at construction.
/// </summary>
public sealed class Sampler
{
    // More tokens than that are read as all of them.
    private const int MostTop = 128;

    private readonly SamplerOptions options;
    private readonly RepeatPenalty penalty;
    private readonly Candidates candidates;
    private readonly TopLogit[] top = new TopLogit[MostTop];
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
        candidates = new Candidates(options.Temperature > 0 ? vocabularySize : MostTop);
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
        if (options.Temperature == 0) return Greedy.Apply(logits);
        TopK.Apply(logits, options.TopK, candidates);
        return FromBest();
    }

    /// <summary>
    /// The next token of a session: that which <see cref="Sample(ReadOnlySpan{float})"/> chooses by its logits. Where the options look at
    /// the best few tokens only, no others are read from where the model runs.
    /// </summary>
    /// <inheritdoc cref="Sample(ReadOnlySpan{float})"/>
    public int Sample(Session session)
    {
        ArgumentNullException.ThrowIfNull(session);
        if (session.Vocabulary != vocabulary)
            throw new ArgumentException($"the session has logits of {session.Vocabulary} tokens, the sampler is for {vocabulary}", nameof(session));
        var k = options.Temperature == 0 ? 1 : options.TopK;
        var known = penalty.IsActive ? k + penalty.More : k;
        if (k == 0 || known is not { } count || count > MostTop || count >= vocabulary) return Sample(session.Logits);
        var best = top.AsSpan(0, count);
        // What is not usable is looked at as a whole, for the message.
        if (!session.TryTop(best) || !float.IsFinite(best[0].Logit)) return Sample(session.Logits);
        if (options.Temperature == 0 && !penalty.IsActive) return best[0].Id;
        for (var i = 0; i < count; i++) (candidates.Ids[i], candidates.Logits[i]) = (best[i].Id, best[i].Logit);
        candidates.Count = count;
        if (penalty.IsActive)
        {
            penalty.Apply(candidates);
            TopK.Apply(k, candidates);
        }
        return options.Temperature == 0 ? candidates.Ids[0] : FromBest();
    }

    private int FromBest()
    {
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
