using System.Numerics;
using System.Runtime.InteropServices;
using WarpDecode.Kernels;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// Chooses the next token. What is ruled out by a constraint or a logit bias comes first, then the stages of
/// <see cref="SamplerOptions.Order"/>, then the draw; at temperature 0 the likeliest of what is left is taken. Belongs to one conversation;
/// not for several threads at once. Allocates only at construction.
/// </summary>
public sealed class Sampler
{
    // More tokens than that are read as all of them.
    private const int MostTop = 128;

    private readonly SamplerOptions options;
    private readonly SamplerPlan plan;
    private readonly Penalties penalties;
    private readonly Dry dry;
    private readonly LogitBias bias;
    private readonly Mirostat? mirostat;
    private readonly BannedStrings? banned;
    private readonly ITokenConstraint? constraint;
    private readonly Candidates candidates;
    private readonly TopLogit[] top = new TopLogit[MostTop];
    private readonly float[] changed; // the logits of all tokens, where something changes them before any is chosen
    private readonly bool changes;
    private readonly int vocabulary;
    private Xoshiro256 random;

    /// <summary>A sampler for a vocabulary of that size.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range, or the vocabulary is empty.</exception>
    /// <exception cref="ArgumentException">An option needs the tokenizer: banned strings, DRY's breakers, ignoring the end of a turn.</exception>
    public Sampler(SamplerOptions options, int vocabularySize)
        : this(options, vocabularySize, null)
    {
    }

    /// <summary>A sampler for a vocabulary of that size, with what looks at text.</summary>
    /// <param name="options">How to choose.</param>
    /// <param name="vocabularySize">How many logits there are.</param>
    /// <param name="tokenizer">Tokenizer of the model.</param>
    /// <param name="constraint">What the answer may be; of this sampler alone.</param>
    /// <inheritdoc cref="Sampler(SamplerOptions, int)"/>
    public Sampler(SamplerOptions options, int vocabularySize, Tokenizer? tokenizer, ITokenConstraint? constraint = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabularySize);
        options.Validate();
        this.options = options;
        this.constraint = constraint;
        vocabulary = vocabularySize;
        penalties = new Penalties(vocabularySize, options.RepeatLastN, options.RepeatPenalty, options.FrequencyPenalty, options.PresencePenalty);
        var repeats = options.DryMultiplier > 0 && options.DryLastN > 0;
        dry = new Dry(vocabularySize, options.DryLastN, options.DryMultiplier, options.DryBase, options.DryAllowedLength,
            !repeats || options.DrySequenceBreakers.Count == 0 ? new DryBreakers([]) : DryBreakers.FromTexts(options.DrySequenceBreakers, Need("the sequence breakers of DRY")));
        bias = new LogitBias(options.LogitBias.Where(b => !Ends(b.Key)).Concat(Ending().Select(id => KeyValuePair.Create(id, double.NegativeInfinity))));
        if (options.LogitBias.Keys.Any(id => id >= vocabularySize))
            throw new ArgumentOutOfRangeException(nameof(options), options.LogitBias.Keys.Max(), $"a logit bias is for a token id of this model, 0 to {vocabularySize - 1}");
        if (options.BannedStrings.Count > 0) banned = new BannedStrings(options.BannedStrings, Need("a banned string"));
        if (options.Mirostat == 2) mirostat = new Mirostat(options.MirostatTau, options.MirostatEta);
        plan = new SamplerPlan(options, penalties.IsActive, dry.IsActive);
        changes = plan.Lead > 0 || bias.Count > 0 || constraint is not null;
        changed = changes || banned is not null ? new float[vocabularySize] : [];
        candidates = new Candidates(plan.GreedyAtOnce ? MostTop : vocabularySize);
        // A random seed of 32 bits is enough to tell runs apart, and short enough to be typed in again.
        Seed = options.Seed ?? (uint)Random.Shared.NextInt64(1L << 32);
        random = new Xoshiro256(Seed);

        Tokenizer Need(string what) => tokenizer ?? throw new ArgumentException($"{what} cannot be found without the model's tokenizer", nameof(tokenizer));
        bool Ends(int id) => options.IgnoreEndOfTurn && Need("the end of a turn").EndOfTurn.Contains(id);
        IEnumerable<int> Ending() => options.IgnoreEndOfTurn ? Need("the end of a turn").EndOfTurn : [];
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
        ChooseFromAll(logits, withoutBanned: false);
        return Take() ?? TakeWithoutBanned(logits);
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
        if (!TryChooseFromBest(session)) return Sample(session.Logits);
        if (Take() is { } token) return token;
        Check(session.Logits);
        return TakeWithoutBanned(session.Logits);
    }

    /// <summary>Takes a token of the answer: the penalties, the banned strings and the constraint go on from it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    /// <exception cref="InvalidOperationException">The constraint does not allow it.</exception>
    public void Accept(int token)
    {
        AcceptPrompt(token);
        banned?.Accept(token);
        constraint?.Accept(token);
    }

    /// <summary>Takes a token of the prompt: what the penalties look at, but no part of the answer.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public void AcceptPrompt(int token)
    {
        if ((uint)token >= (uint)vocabulary)
            throw new ArgumentOutOfRangeException(nameof(token), token, $"a token id of this model is 0 to {vocabulary - 1}");
        penalties.Accept(token);
        dry.Accept(token);
    }

    /// <summary>Back to the state at construction: no tokens, and the draws of the seed from the first.</summary>
    public void Reset()
    {
        penalties.Reset();
        dry.Reset();
        banned?.Reset();
        mirostat?.Reset();
        constraint?.Reset();
        random = new Xoshiro256(Seed);
    }

    /// <summary>Narrows all tokens to those to draw from.</summary>
    private void ChooseFromAll(ReadOnlySpan<float> logits, bool withoutBanned)
    {
        if (changes || withoutBanned)
        {
            logits.CopyTo(changed);
            if (constraint is not null) TokenMask.Apply(Allowed(), changed);
            if (withoutBanned) banned!.Apply(changed);
            bias.Apply(changed);
            foreach (var stage in plan.Stages.AsSpan(0, plan.Lead))
            {
                if (stage == SamplerStage.Penalties) penalties.Apply(changed);
                else dry.Apply(changed);
            }
            logits = changed;
        }
        candidates.Temperature = 1;
        if (plan.GreedyAtOnce)
        {
            var best = Greedy.Apply(logits);
            candidates.Set(best, logits[best]);
            candidates.DropImpossible();
        }
        else
        {
            // The first top-k chooses while the tokens become candidates.
            var first = plan.Lead < plan.Stages.Length && plan.Stages[plan.Lead] == SamplerStage.TopK;
            TopK.Apply(logits, first ? options.TopK : 0, candidates);
            candidates.DropImpossible();
            Run(plan.Lead + (first ? 1 : 0));
        }
        if (candidates.Count == 0)
            throw new NoTokenException("no token is possible: the constraint, the logit bias and the banned strings together rule out every one");
    }

    /// <summary>Does the same with the best tokens alone; false if that cannot be known to be the same.</summary>
    private bool TryChooseFromBest(Session session)
    {
        var needed = plan.Needed;
        if (needed is 0 or > MostTop || !bias.OnlyWorsens || (plan.Lead > 0 && penalties.IsActive && !penalties.OnlyWorsen)) return false;
        // With so many more the needed are there whatever is worse than it was; a constraint and DRY may still leave enough.
        var more = constraint is not null || dry.IsActive ? MostTop : penalties.Distinct + bias.Count;
        var count = changes ? Math.Min(MostTop, needed + more) : needed;
        if (count >= vocabulary) return false;
        var best = top.AsSpan(0, count);
        // What is not usable is looked at as a whole, for the message.
        if (!session.TryTop(best) || !float.IsFinite(best[0].Logit)) return false;
        for (var i = 0; i < count; i++) (candidates.Ids[i], candidates.Logits[i]) = (best[i].Id, best[i].Logit);
        candidates.Count = count;
        candidates.Temperature = 1;
        if (changes && !TryChangeBest(needed, best[^1])) return false;
        candidates.DropImpossible();
        if (candidates.Count == 0) return false;
        if (plan.GreedyAtOnce) candidates.Count = 1;
        else Run(plan.Lead);
        return true;
    }

    /// <summary>
    /// Changes the best tokens' logits and sorts them again. Nothing becomes better, so every other token stays behind what the last of them was:
    /// where the needed ones are not behind it, they are the best of all.
    /// </summary>
    private bool TryChangeBest(int needed, TopLogit last)
    {
        var whole = float.IsNegativeInfinity(last.Logit);
        if (constraint is not null)
        {
            var allowed = Allowed();
            TokenMask.Apply(allowed, candidates);
            whole |= candidates.Count == TokenMask.Count(allowed, vocabulary);
        }
        bias.Apply(candidates);
        foreach (var stage in plan.Stages.AsSpan(0, plan.Lead))
        {
            if (stage == SamplerStage.Penalties) penalties.Apply(candidates);
            else dry.Apply(candidates);
        }
        TopK.Apply(0, candidates);
        if (whole) return true;
        if (candidates.Count < needed) return false;
        var (id, logit) = (candidates.Ids[needed - 1], candidates.Logits[needed - 1]);
        return logit > last.Logit || (logit == last.Logit && id <= last.Id);
    }

    private void Run(int from)
    {
        foreach (var stage in plan.Stages.AsSpan(from))
        {
            switch (stage)
            {
                case SamplerStage.Penalties:
                    candidates.ApplyTemperature();
                    penalties.Apply(candidates);
                    break;
                case SamplerStage.Dry:
                    candidates.ApplyTemperature();
                    dry.Apply(candidates);
                    break;
                case SamplerStage.TopNSigma:
                    TopNSigma.Apply(options.TopNSigma, candidates);
                    break;
                case SamplerStage.TopK:
                    TopK.Apply(options.TopK, candidates);
                    break;
                case SamplerStage.Typical:
                    Typical.Apply(options.Typical, candidates);
                    break;
                case SamplerStage.TopP:
                    TopP.Apply(options.TopP, candidates);
                    break;
                case SamplerStage.MinP:
                    MinP.Apply(options.MinP, candidates);
                    break;
                case SamplerStage.Xtc:
                    Xtc.Apply(options.XtcProbability, options.XtcThreshold, candidates, ref random);
                    break;
                default:
                    Temperature.Apply(options.Temperature, plan.DynamicRange, options.DynamicTemperatureExponent, candidates);
                    break;
            }
        }
        if (candidates.Count > 1) mirostat?.Apply(candidates);
    }

    /// <summary>Draws one of the candidates; null if each would complete a banned string.</summary>
    private int? Take()
    {
        var total = candidates.Weigh();
        var token = plan.Greedy ? candidates.Ids[0] : Draw.Apply(candidates, total, random.NextDouble());
        if (banned is not null && banned.Completes(token))
        {
            total = 0;
            for (var i = 0; i < candidates.Count; i++)
            {
                if (banned.Completes(candidates.Ids[i])) candidates.Weights[i] = 0;
                total += candidates.Weights[i];
            }
            if (!(total > 0)) return null;
            token = Draw.Apply(candidates, total, random.NextDouble());
        }
        mirostat?.Observe(candidates.Weights[Array.IndexOf(candidates.Ids, token, 0, candidates.Count)] / total);
        return token;
    }

    /// <summary>Chooses once more, among the tokens that complete no banned string.</summary>
    private int TakeWithoutBanned(ReadOnlySpan<float> logits)
    {
        ChooseFromAll(logits, withoutBanned: true);
        return Take()!.Value;
    }

    private ReadOnlySpan<ulong> Allowed()
    {
        var allowed = constraint!.Allowed;
        if (allowed.Length < (vocabulary + 63) / 64)
            throw new InvalidOperationException($"the constraint's mask has {allowed.Length} words, {(vocabulary + 63) / 64} are needed for {vocabulary} tokens");
        return allowed;
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
