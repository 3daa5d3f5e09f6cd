using System.Collections.Immutable;
using System.Text;

namespace WarpDecode.Runtime.Sampling;

/// <summary>How the next token is chosen. Names and meanings are llama.cpp's.</summary>
public sealed partial record SamplerOptions
{
    /// <summary>The most tokens that a penalty can look back.</summary>
    public const int LongestLookBack = 1 << 20;

    /// <summary>llama.cpp's order: penalties, DRY, top-nσ, top-k, typical, top-p, min-p, XTC, temperature.</summary>
    public static ImmutableArray<SamplerStage> DefaultOrder { get; } = [.. Enum.GetValues<SamplerStage>()];

    /// <summary>The order of the stages; one that is left out does nothing. Logit bias and constraints come before all, the draw comes last.</summary>
    public ImmutableArray<SamplerStage> Order { get; init; } = DefaultOrder;

    /// <summary>Divides the logits before the draw: 0 always takes the likeliest token, 1 draws from the model's own distribution.</summary>
    public double Temperature { get; init; } = 0.8;

    /// <summary>How far the temperature goes up where many tokens are likely, and down where few are; 0 leaves it.</summary>
    public double DynamicTemperatureRange { get; init; }

    /// <summary>Bends the way from the lowest dynamic temperature to the highest; 1 is straight.</summary>
    public double DynamicTemperatureExponent { get; init; } = 1;

    /// <summary>Keeps the likeliest so many tokens; 0 keeps all.</summary>
    public int TopK { get; init; } = 40;

    /// <summary>Keeps the likeliest tokens until their probabilities reach this sum; 1 keeps all.</summary>
    public double TopP { get; init; } = 0.95;

    /// <summary>Keeps tokens at least this many times as probable as the likeliest; 0 keeps all.</summary>
    public double MinP { get; init; } = 0.05;

    /// <summary>Keeps the most typical tokens until their probabilities exceed this sum; 1 keeps all.</summary>
    public double Typical { get; init; } = 1;

    /// <summary>Keeps tokens whose logit is within so many standard deviations of the best; 0 keeps all.</summary>
    public double TopNSigma { get; init; }

    /// <summary>How often the likeliest of several likely tokens are dropped; 0 never.</summary>
    public double XtcProbability { get; init; }

    /// <summary>What is likely to <see cref="XtcProbability"/>; above 0.5 nothing is dropped.</summary>
    public double XtcThreshold { get; init; } = 0.1;

    /// <summary>Makes recent tokens less likely (above 1) or likelier (below 1); 1 leaves them.</summary>
    public double RepeatPenalty { get; init; } = 1.0;

    /// <summary>How many tokens count as recent.</summary>
    public int RepeatLastN { get; init; } = 64;

    /// <summary>Taken off a recent token's logit for each time that it occurs.</summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>Taken off a recent token's logit once.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>Taken off the logit of a token that repeats a sequence; 0 is no DRY.</summary>
    public double DryMultiplier { get; init; }

    /// <summary>Grows that with each token of the sequence beyond the allowed length.</summary>
    public double DryBase { get; init; } = 1.75;

    /// <summary>Length of a sequence that may be repeated.</summary>
    public int DryAllowedLength { get; init; } = 2;

    /// <summary>How many tokens back sequences are looked for.</summary>
    public int DryLastN { get; init; } = LongestLookBack;

    /// <summary>Texts that no repeated sequence goes over.</summary>
    public IReadOnlyList<string> DrySequenceBreakers { get; init; } = ["\n", ":", "\"", "*"];

    /// <summary>2 is mirostat 2, which has no stage before it but the temperature; 0 is none.</summary>
    public int Mirostat { get; init; }

    /// <summary>The surprise that mirostat aims at, in bits.</summary>
    public double MirostatTau { get; init; } = 5;

    /// <summary>How quickly mirostat learns.</summary>
    public double MirostatEta { get; init; } = 0.1;

    /// <summary>Added to the logits of tokens; −∞ rules one out.</summary>
    public IReadOnlyDictionary<int, double> LogitBias { get; init; } = ImmutableDictionary<int, double>.Empty;

    /// <summary>Rules out the tokens that end a turn: the answer goes on until something else ends it.</summary>
    public bool IgnoreEndOfTurn { get; init; }

    /// <summary>Texts that must not appear in the answer.</summary>
    public IReadOnlyList<string> BannedStrings { get; init; } = [];

    /// <summary>Seed of the draws; null takes one at random (see <see cref="Sampler.Seed"/>).</summary>
    public ulong? Seed { get; init; }

    /// <summary>Checks that every option is within its range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One is not; the message says what is allowed.</exception>
    public void Validate()
    {
        // Written so that NaN fails too.
        if (!(Temperature is >= 0 and <= 100)) Fail(nameof(Temperature), Temperature, "temperature is 0 (always the likeliest token) to 100");
        if (!(DynamicTemperatureRange is >= 0 and <= 100))
            Fail(nameof(DynamicTemperatureRange), DynamicTemperatureRange, "the range of the dynamic temperature is 0 (none) to 100");
        if (!(DynamicTemperatureExponent is >= 0 and <= 100))
            Fail(nameof(DynamicTemperatureExponent), DynamicTemperatureExponent, "the exponent of the dynamic temperature is 0 to 100");
        if (TopK < 0) Fail(nameof(TopK), TopK, "top-k is 0 (all tokens) or more");
        if (!(TopP is > 0 and <= 1)) Fail(nameof(TopP), TopP, "top-p is above 0, up to 1 (all tokens)");
        if (!(MinP is >= 0 and <= 1)) Fail(nameof(MinP), MinP, "min-p is 0 (all tokens) to 1");
        if (!(Typical is > 0 and <= 1)) Fail(nameof(Typical), Typical, "typical is above 0, up to 1 (all tokens)");
        if (!(TopNSigma is >= 0 and <= 1000)) Fail(nameof(TopNSigma), TopNSigma, "top-nσ is 0 (all tokens) to 1000");
        if (!(XtcProbability is >= 0 and <= 1)) Fail(nameof(XtcProbability), XtcProbability, "the probability of XTC is 0 (never) to 1");
        if (!(XtcThreshold is >= 0 and <= 1)) Fail(nameof(XtcThreshold), XtcThreshold, "the threshold of XTC is 0 to 1 (above 0.5 drops nothing)");
        if (!(RepeatPenalty is > 0 and <= 100)) Fail(nameof(RepeatPenalty), RepeatPenalty, "the repeat penalty is above 0, up to 100; 1 is none");
        if (RepeatLastN is < 0 or > LongestLookBack) Fail(nameof(RepeatLastN), RepeatLastN, "the penalties look back 0 to 1048576 tokens");
        if (!(FrequencyPenalty is >= -100 and <= 100)) Fail(nameof(FrequencyPenalty), FrequencyPenalty, "the frequency penalty is -100 to 100; 0 is none");
        if (!(PresencePenalty is >= -100 and <= 100)) Fail(nameof(PresencePenalty), PresencePenalty, "the presence penalty is -100 to 100; 0 is none");
        if (!(DryMultiplier is >= 0 and <= 100)) Fail(nameof(DryMultiplier), DryMultiplier, "the multiplier of DRY is 0 (none) to 100");
        if (!(DryBase is >= 1 and <= 100)) Fail(nameof(DryBase), DryBase, "the base of DRY is 1 to 100");
        if (DryAllowedLength is < 0 or > LongestLookBack) Fail(nameof(DryAllowedLength), DryAllowedLength, "the length that DRY allows is 0 to 1048576 tokens");
        if (DryLastN is < 0 or > LongestLookBack) Fail(nameof(DryLastN), DryLastN, "DRY looks back 0 to 1048576 tokens");
        if (Mirostat is not (0 or 2)) Fail(nameof(Mirostat), Mirostat, "mirostat is 0 (none) or 2; version 1 is not supported: use 2");
        if (!(MirostatTau is >= 0 and <= 100)) Fail(nameof(MirostatTau), MirostatTau, "mirostat's target entropy is 0 to 100");
        if (!(MirostatEta is >= 0 and <= 1)) Fail(nameof(MirostatEta), MirostatEta, "mirostat's learning rate is 0 to 1");
        ValidateLists();
    }

    private void ValidateLists()
    {
        if (Order.IsDefault || Order.Any(s => !Enum.IsDefined(s)) || Order.Distinct().Count() < Order.Length)
            Fail(nameof(Order), "", $"the order of the stages names each at most once: {SamplerStages.Text(DefaultOrder)}");
        foreach (var breaker in DrySequenceBreakers)
        {
            if (Encoding.UTF8.GetByteCount(breaker) is 0 or > DryBreakers.LongestText)
                Fail(nameof(DrySequenceBreakers), breaker, $"a sequence breaker of DRY has 1 to {DryBreakers.LongestText} bytes");
        }
        if (DrySequenceBreakers.Count > 100) Fail(nameof(DrySequenceBreakers), DrySequenceBreakers.Count, "DRY takes 0 to 100 sequence breakers");
        foreach (var (token, bias) in LogitBias)
        {
            if (token < 0 || !(bias is double.NegativeInfinity or (>= -1e6 and <= 1e6)))
                Fail(nameof(LogitBias), (token, bias), "a logit bias is a token id from 0 on, and -inf (never) or a number from -1000000 to 1000000");
        }
        if (BannedStrings.Any(string.IsNullOrEmpty)) Fail(nameof(BannedStrings), "", "a banned string has 1 byte or more, not 0 ");
        if (BannedStrings.Sum(s => (long)Encoding.UTF8.GetByteCount(s)) is > Sampling.BannedStrings.MostBytes and var bytes)
            Fail(nameof(BannedStrings), bytes, $"the banned strings have 0 to {Sampling.BannedStrings.MostBytes} bytes together");
    }

    private static void Fail(string name, object value, string range) => throw new ArgumentOutOfRangeException(name, value, range);
}
