namespace WarpDecode.Runtime.Sampling;

/// <summary>How the next token is chosen. The stages run in the order of the properties, the temperature last.</summary>
public sealed record SamplerOptions
{
    /// <summary>Divides the logits before the draw: 0 always takes the likeliest token, 1 draws from the model's own distribution.</summary>
    public double Temperature { get; init; } = 0.8;

    /// <summary>Keeps the likeliest so many tokens; 0 keeps all.</summary>
    public int TopK { get; init; } = 40;

    /// <summary>Keeps the likeliest tokens until their probabilities reach this sum; 1 keeps all.</summary>
    public double TopP { get; init; } = 0.95;

    /// <summary>Keeps tokens at least this many times as probable as the likeliest; 0 keeps all.</summary>
    public double MinP { get; init; } = 0.05;

    /// <summary>Makes recent tokens less likely (above 1) or likelier (below 1); 1 leaves them.</summary>
    public double RepeatPenalty { get; init; } = 1.0;

    /// <summary>How many tokens count as recent.</summary>
    public int RepeatLastN { get; init; } = 64;

    /// <summary>Seed of the draws; null takes one at random (see <see cref="Sampler.Seed"/>).</summary>
    public ulong? Seed { get; init; }

    /// <summary>Checks that every option is within its range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One is not; the message says what is allowed.</exception>
    public void Validate()
    {
        // Written so that NaN fails too.
        if (!(Temperature is >= 0 and <= 100)) Fail(nameof(Temperature), Temperature, "temperature is 0 (always the likeliest token) to 100");
        if (TopK < 0) Fail(nameof(TopK), TopK, "top-k is 0 (all tokens) or more");
        if (!(TopP is > 0 and <= 1)) Fail(nameof(TopP), TopP, "top-p is above 0, up to 1 (all tokens)");
        if (!(MinP is >= 0 and <= 1)) Fail(nameof(MinP), MinP, "min-p is 0 (all tokens) to 1");
        if (!(RepeatPenalty is > 0 and <= 100)) Fail(nameof(RepeatPenalty), RepeatPenalty, "the repeat penalty is above 0, up to 100; 1 is none");
        if (RepeatLastN is < 0 or > 1 << 20) Fail(nameof(RepeatLastN), RepeatLastN, "the repeat penalty looks back 0 to 1048576 tokens");
    }

    private static void Fail(string name, object value, string range) => throw new ArgumentOutOfRangeException(name, value, range);
}
