using WarpDecode.Formats;

namespace WarpDecode.Runtime.Benchmarking;

/// <summary>What a benchmark measures.</summary>
internal sealed record BenchmarkOptions
{
    /// <summary>A GGUF file; null with <see cref="Synthetic"/>.</summary>
    public string? Model { get; init; }

    /// <summary>A model of known shapes and random weights in the place of a file: <c>NAME[:TYPE][:layers]</c>.</summary>
    public string? Synthetic { get; init; }

    /// <summary>Where to compute, one after another.</summary>
    public IReadOnlyList<BackendKind> Backends { get; init; } = [BackendKind.Auto];

    /// <summary>How the experts are computed, one after another.</summary>
    public IReadOnlyList<MoeForm> MoeForms { get; init; } = [MoeForm.Auto];

    /// <summary>Tokens of the prompt; 0 for no measurement of prompts.</summary>
    public int PromptTokens { get; init; } = 512;

    /// <summary>Tokens that each sequence decodes; 0 for no measurement of decoding.</summary>
    public int DecodeTokens { get; init; } = 128;

    /// <summary>Sequences that decode together in a step. A prompt is always read alone.</summary>
    public IReadOnlyList<int> Batches { get; init; } = [1, 2, 4, 8, 16, 32];

    /// <summary>Tokens that stand in the cache before.</summary>
    public IReadOnlyList<int> Depths { get; init; } = [0, 4096];

    /// <summary>How often each is measured.</summary>
    public int Repeats { get; init; } = 5;

    /// <summary>Threads of the cpu backend; 0 for one a core.</summary>
    public int Threads { get; init; }

    /// <summary>Type of the cached keys and values; null for the backend's own choice.</summary>
    public WeightType? KvType { get; init; }

    /// <summary>Told how far it is.</summary>
    public IProgress<BenchmarkProgress>? Progress { get; init; }

    /// <summary>Told how far loading is, or the making of a synthetic model.</summary>
    public IProgress<LoadProgress>? Loading { get; init; }
}

/// <summary>How far a benchmark is, within one backend, form and depth.</summary>
/// <param name="What">What is measured now.</param>
/// <param name="Done">Measurements done; all of them take about as long in each repeat.</param>
/// <param name="Total">Measurements to do.</param>
internal readonly record struct BenchmarkProgress(string What, int Done, int Total);
