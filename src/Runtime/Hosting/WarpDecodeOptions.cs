using System.Text;
using WarpDecode.Formats;
using WarpDecode.Runtime.Sampling;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime;

/// <summary>
/// A model in an application's configuration: which file, where it runs, and how it answers unless a request says otherwise. Settings that are
/// null are as the model suggests (<c>general.sampling.*</c> of its file), else as <see cref="SamplerOptions"/> and <see cref="EngineOptions"/> have them.
/// </summary>
public sealed class WarpDecodeOptions
{
    /// <summary>Name of the section of the configuration that is read where a whole configuration is given.</summary>
    public const string DefaultSection = "WarpDecode";

    /// <summary>The model: what <see cref="ModelFile.Open"/> takes, relative to the current folder. Must be set.</summary>
    public string ModelPath { get; set; } = "";

    /// <summary>Where it runs: Auto, Cpu, Cuda or Reference.</summary>
    public BackendKind Backend { get; set; }

    /// <summary>Threads of the cpu backend; 0 for one a core.</summary>
    public int Threads { get; set; }

    /// <summary>Most tokens of one conversation; null for what the model was trained for, or what there is memory for.</summary>
    public int? ContextLength { get; set; }

    /// <summary>Conversations that are computed at the same time, each with a full context; more of them wait for their turn.</summary>
    public int Sessions { get; set; } = 4;

    /// <summary>Type of the cached keys and values: F32, F16 or BF16; null for the backend's own choice.</summary>
    public WeightType? KvType { get; set; }

    /// <summary>Layers from the first on that the GPU computes, the others the CPU; null for all.</summary>
    public int? GpuLayers { get; set; }

    /// <summary>Layers from the first on whose experts stay in the host's memory and are computed by the CPU.</summary>
    public int CpuMoe { get; set; }

    /// <summary>How the experts are computed: Auto, WarpFp32, Conventional, ConventionalMxfp8 or BF16.</summary>
    public MoeForm Moe { get; set; }

    /// <summary>Pre-tokenizer of a byte-level BPE vocabulary, by llama.cpp's name, in the place of the one that the file names.</summary>
    public string? PreTokenizer { get; set; }

    /// <summary>Path of a chat template in Jinja, in the place of the model's own.</summary>
    public string? ChatTemplateFile { get; set; }

    /// <summary>How reasoning and calls are written in the model's answers: a name of <see cref="Text.AnswerFormat.Names"/>; null finds it in the model.</summary>
    public string? AnswerFormat { get; set; }

    /// <summary>What the model is called in responses, logs, traces and metrics; null for its own name.</summary>
    public string? ModelId { get; set; }

    /// <summary>Most tokens of an answer; null until it ends by itself or the context is full.</summary>
    public int? MaxOutputTokens { get; set; }

    /// <summary>Texts that end an answer and are not part of it.</summary>
    public IList<string> Stop { get; set; } = [];

    /// <summary>0 (always the likeliest token) to 100.</summary>
    public double? Temperature { get; set; }

    /// <summary>Keeps the likeliest so many tokens; 0 keeps all.</summary>
    public int? TopK { get; set; }

    /// <summary>Keeps the likeliest tokens until their probabilities reach this sum; 1 keeps all.</summary>
    public double? TopP { get; set; }

    /// <summary>Keeps tokens at least this many times as probable as the likeliest; 0 keeps all.</summary>
    public double? MinP { get; set; }

    /// <summary>Above 1 makes recent tokens less likely; 1 leaves them.</summary>
    public double? RepeatPenalty { get; set; }

    /// <summary>Taken off a recent token's logit for each time that it occurs.</summary>
    public double? FrequencyPenalty { get; set; }

    /// <summary>Taken off a recent token's logit once.</summary>
    public double? PresencePenalty { get; set; }

    /// <summary>Seed of the draws: the same for every answer; null takes another for each.</summary>
    public long? Seed { get; set; }

    /// <summary>
    /// Whether a host opens the model while it starts, so that what is wrong with it ends the start, and the first request finds it open. Otherwise, or without a host, it is
    /// opened when it is first used.
    /// </summary>
    public bool LoadAtStartup { get; set; } = true;

    /// <summary>How to open the model. Reads the chat template, if one is given.</summary>
    /// <exception cref="IOException">The template's file cannot be read.</exception>
    /// <exception cref="TemplateException">It is no template.</exception>
    public EngineOptions ToEngineOptions() => new()
    {
        Backend = Backend,
        Threads = Threads,
        ContextLength = ContextLength,
        Sessions = Sessions,
        KvType = KvType,
        GpuLayers = GpuLayers,
        CpuMoe = CpuMoe,
        Moe = Moe,
        PreTokenizer = PreTokenizer,
        Template = ChatTemplateFile is null ? null : ChatTemplate.Parse(File.ReadAllText(ChatTemplateFile, Encoding.UTF8), ChatTemplateFile),
    };

    /// <summary>How the model answers: these settings over what its makers suggest.</summary>
    /// <param name="model">Metadata of the model.</param>
    /// <exception cref="ArgumentOutOfRangeException">A setting, or a suggestion that no setting replaces, is out of its range.</exception>
    /// <exception cref="ModelFileException">A suggestion is of the wrong type.</exception>
    /// <exception cref="FormatException">The suggested order of the samplers is none.</exception>
    public GenerationOptions ToGenerationOptions(Metadata model)
    {
        var given = new HashSet<string>(StringComparer.Ordinal);
        if (Temperature is not null) given.Add(nameof(SamplerOptions.Temperature));
        if (TopK is not null) given.Add(nameof(SamplerOptions.TopK));
        if (TopP is not null) given.Add(nameof(SamplerOptions.TopP));
        if (MinP is not null) given.Add(nameof(SamplerOptions.MinP));
        if (RepeatPenalty is not null) given.Add(nameof(SamplerOptions.RepeatPenalty));
        var sampling = Over(SamplerOptions.Suggested(model, given));
        sampling.Validate();
        return new GenerationOptions { MaxTokens = MaxOutputTokens, Stop = [.. Stop], Sampling = sampling };
    }

    /// <summary>These settings in the place of others.</summary>
    internal SamplerOptions Over(SamplerOptions others) => others with
    {
        Temperature = Temperature ?? others.Temperature,
        TopK = TopK ?? others.TopK,
        TopP = TopP ?? others.TopP,
        MinP = MinP ?? others.MinP,
        RepeatPenalty = RepeatPenalty ?? others.RepeatPenalty,
        FrequencyPenalty = FrequencyPenalty ?? others.FrequencyPenalty,
        PresencePenalty = PresencePenalty ?? others.PresencePenalty,
        Seed = Seed is { } seed ? (ulong)seed : others.Seed,
    };
}
