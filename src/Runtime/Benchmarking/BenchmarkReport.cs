using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace WarpDecode.Runtime.Benchmarking;

/// <summary>What a benchmark found.</summary>
internal sealed record BenchmarkReport
{
    private const string Reflects = "The report becomes JSON by reflection.";
    private static readonly JsonSerializerOptions Format = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The model: a file's name, or what was asked for as synthetic.</summary>
    public required string Model { get; init; }

    /// <summary>Number of weights.</summary>
    public required long Parameters { get; init; }

    /// <summary>Bytes of the weights.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>Bytes of the weights that decoding one token reads.</summary>
    public required long ActiveBytes { get; init; }

    /// <summary>Processor, cores and framework of the host.</summary>
    public required string Machine { get; init; }

    /// <summary>Version and commit of this program.</summary>
    public required string Version { get; init; }

    /// <summary>How often each was measured.</summary>
    public required int Repeats { get; init; }

    /// <summary>What was asked for and not measured, and why; and what else there is to know.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>The measurements.</summary>
    public required IReadOnlyList<BenchmarkRow> Rows { get; init; }

    /// <summary>As JSON.</summary>
    [RequiresUnreferencedCode(Reflects)]
    [RequiresDynamicCode(Reflects)]
    public string ToJson() => JsonSerializer.Serialize(this, Format);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="JsonException">It is something else.</exception>
    [RequiresUnreferencedCode(Reflects)]
    [RequiresDynamicCode(Reflects)]
    public static BenchmarkReport FromJson(string json) => JsonSerializer.Deserialize<BenchmarkReport>(json, Format) ?? throw new JsonException("null is no result");
}

/// <summary>What was measured in one setting.</summary>
internal sealed record BenchmarkRow
{
    /// <summary>Name of <see cref="Test"/> for reading a prompt.</summary>
    public const string Prefill = "prefill";

    /// <summary>Name of <see cref="Test"/> for decoding.</summary>
    public const string Decode = "decode";

    /// <summary>Backend as the user types it.</summary>
    public required string Backend { get; init; }

    /// <summary>What it runs on.</summary>
    public required string Device { get; init; }

    /// <summary>How the experts are computed, as the user types it.</summary>
    public required string Moe { get; init; }

    /// <summary>Type of the cached keys and values.</summary>
    public required string KvType { get; init; }

    /// <summary><see cref="Prefill"/> or <see cref="Decode"/>.</summary>
    public required string Test { get; init; }

    /// <summary>Tokens of the prompt, or tokens that each sequence decoded.</summary>
    public required int Tokens { get; init; }

    /// <summary>Tokens that stood in the cache before.</summary>
    public required int Depth { get; init; }

    /// <summary>Sequences in a step.</summary>
    public required int Batch { get; init; }

    /// <summary>Tokens a second, over all sequences.</summary>
    public required Rates TokensPerSecond { get; init; }

    /// <summary>Bytes of weights and cache that must be read, on the mean, for each step of decoding, or for the whole prompt.</summary>
    public required double Bytes { get; init; }

    /// <summary>Different experts that a step read in a layer, on the mean.</summary>
    public required double DistinctExperts { get; init; }

    /// <summary>Read bandwidth of the memory that the weights are in, measured in the same run, GB/s.</summary>
    public required Rates ReadBandwidth { get; init; }

    /// <summary>Managed bytes allocated per step, the least over the repeats.</summary>
    public required long ManagedBytes { get; init; }

    /// <summary>Tokens a second of another program on the same model, or null; see <see cref="LlamaBench"/>.</summary>
    public Rates? Other { get; init; }

    /// <summary>Milliseconds of a step of decoding, or of the whole prompt: the median.</summary>
    public double Milliseconds => 1000 * PerStep / TokensPerSecond.Median;

    /// <summary>GB/s of weights and cache.</summary>
    public Rates Effective => TokensPerSecond.Scaled(Bytes / PerStep / 1e9);

    /// <summary>The least milliseconds that the bytes allow at the read bandwidth.</summary>
    public double BoundMilliseconds => Bytes / ReadBandwidth.Median / 1e6;

    /// <summary>The median of <see cref="Effective"/> as a share of the median of <see cref="ReadBandwidth"/>.</summary>
    public double Share => Effective.Median / ReadBandwidth.Median;

    /// <summary>How many times as fast as the other program, or null.</summary>
    public double? Ratio => Other is null ? null : TokensPerSecond.Median / Other.Median;

    private int PerStep => Test == Prefill ? Tokens : Batch;
}
