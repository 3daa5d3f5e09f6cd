using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Runtime.Models;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime;

/// <summary>Weights of one type in a file.</summary>
/// <param name="Type">How they are stored.</param>
/// <param name="Tensors">How many tensors are stored so.</param>
/// <param name="Bytes">Their bytes together.</param>
/// <param name="Computable">Whether this runtime has kernels for the type.</param>
/// <param name="Widened">What they become on a GPU, which has no kernels for the type itself; null if it has. Exact, but for FP64 and long integers.</param>
/// <param name="GpuBytes">The bytes that widened matrices take there; those in the file if nothing is widened.</param>
internal sealed record WeightTypeSummary(WeightType Type, int Tensors, long Bytes, bool Computable, string? Widened, long GpuBytes);

/// <summary>
/// What a model file holds, without loading it. Parts that cannot be read, or are not supported yet, say so in their place.
/// </summary>
internal sealed record ModelSummary
{
    private ModelSummary()
    {
    }

    /// <summary>Path of the file.</summary>
    public required string Path { get; init; }

    /// <summary>Format and version.</summary>
    public required string Format { get; init; }

    /// <summary>Bytes on disk.</summary>
    public required long FileBytes { get; init; }

    /// <summary>The files of the model; one, unless it is split.</summary>
    public required IReadOnlyList<ModelShard> Shards { get; init; }

    /// <summary>Name that the file gives itself.</summary>
    public required string? Name { get; init; }

    /// <summary>Architecture that the file names.</summary>
    public required string? Architecture { get; init; }

    /// <summary>Why the model cannot be run, or null if it can.</summary>
    public required string? Problem { get; init; }

    /// <summary>Number of weights.</summary>
    public required long Parameters { get; init; }

    /// <summary>Weights that one token is multiplied with: all but the experts it is not routed to and the embedding's other rows.</summary>
    public required long? ActiveParameters { get; init; }

    /// <summary>Bytes of the active weights: what decoding one token reads.</summary>
    public required long? ActiveBytes { get; init; }

    /// <summary>Weights by type, the largest first.</summary>
    public required IReadOnlyList<WeightTypeSummary> WeightTypes { get; init; }

    /// <summary>Positions that the model was trained for.</summary>
    public required int? ContextLength { get; init; }

    /// <summary>Layers.</summary>
    public required int? Layers { get; init; }

    /// <summary>Size of a token's vector.</summary>
    public required int? Hidden { get; init; }

    /// <summary>Query heads.</summary>
    public required int? Heads { get; init; }

    /// <summary>Key/value heads.</summary>
    public required int? KvHeads { get; init; }

    /// <summary>Size of a head.</summary>
    public required int? HeadDim { get; init; }

    /// <summary>Experts in a layer.</summary>
    public required int? Experts { get; init; }

    /// <summary>Experts used per token.</summary>
    public required int? TopK { get; init; }

    /// <summary>Intermediate size of an expert.</summary>
    public required int? Ff { get; init; }

    /// <summary>Rows of the embedding table.</summary>
    public required int? Vocabulary { get; init; }

    /// <summary>Bytes of the cache of keys and values for each token of context.</summary>
    public required long? CacheBytesPerToken { get; init; }

    /// <summary>Tokenizer, or why it cannot be used.</summary>
    public required string Tokenizer { get; init; }

    /// <summary>Chat template, or why it cannot be used.</summary>
    public required string Template { get; init; }

    /// <summary>Tensors in the file's order.</summary>
    public required IReadOnlyList<TensorView> Tensors { get; init; }

    /// <summary>Reads a model file's summary; valid as long as the file is open.</summary>
    public static ModelSummary Of(ModelFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        ModelConfig? config = null;
        string? problem = null;
        try
        {
            config = Architectures.Of(file).ReadConfig(file);
        }
        catch (ModelFileException e)
        {
            problem = WithoutPath(e);
        }
        var types = file.Tensors.GroupBy(t => t.Type)
            .Select(g => Summary(g.Key, [.. g]))
            .OrderByDescending(t => t.Bytes).ToList();
        if (file.Tensors.Count == 0) problem ??= "the file holds a vocabulary and no weights";
        if (types.Find(t => !t.Computable) is { } missing) problem ??= $"weights of type {missing.Type} cannot be computed with yet";
        return new ModelSummary
        {
            Path = file.Path,
            Format = file.Format,
            FileBytes = file.Length,
            Shards = file.Shards,
            Name = file.Metadata.Contains("general.name") ? file.Metadata.Show("general.name") : null,
            Architecture = file.Metadata.Contains("general.architecture") ? file.Metadata.Show("general.architecture") : null,
            Problem = problem,
            Parameters = file.Tensors.Sum(t => t.Count),
            ActiveParameters = config is null ? null : Active(file, config, t => t.Count),
            ActiveBytes = config is null ? null : Active(file, config, t => t.Bytes),
            WeightTypes = types,
            ContextLength = config?.ContextLength,
            Layers = config?.Layers,
            Hidden = config?.Hidden,
            Heads = config?.Heads,
            KvHeads = config?.KvHeads,
            HeadDim = config?.HeadDim,
            Experts = config?.Experts,
            TopK = config?.TopK,
            Ff = config?.Ff,
            Vocabulary = config?.Vocabulary,
            CacheBytesPerToken = config is null ? null : new KvShape(config.Layers, 1, 1, config.KvHeads, config.HeadDim).PageBytes,
            Tokenizer = Describe(() => Text.Tokenizer.FromMetadata(file) is { } t ? $"{t.Kind}, {t.Count} tokens" : ""),
            Template = Describe(() => ChatTemplate.FromMetadata(file).Description),
            Tensors = file.Tensors,
        };
    }

    private static WeightTypeSummary Summary(WeightType type, TensorView[] tensors)
    {
        var bytes = tensors.Sum(t => t.Bytes);
        var (widened, gpuBytes) = Dispatch.GpuForm(type) switch
        {
            LaneForm.Bytes => ("bytes with FP32 scales", tensors.Sum(t => t.Count + (t.Count / 4))),
            LaneForm.F32 => ("FP32", tensors.Sum(t => t.Count * sizeof(float))),
            _ => ((string?)null, bytes),
        };
        return new WeightTypeSummary(type, tensors.Length, bytes, Dispatch.Supports(type), widened, gpuBytes);
    }

    private static long Active(ModelFile file, ModelConfig config, Func<TensorView, long> size)
    {
        var tied = file.Find("output.weight") is null;
        return file.Tensors.Sum(t =>
            t.Shape.Count == 3 && t.Shape[0] == config.Experts ? size(t) / config.Experts * config.TopK
            : t.Name == "token_embd.weight" && !tied && t.Shape[0] > 0 ? size(t) / t.Shape[0]
            : size(t));
    }

    private static string Describe(Func<string> read)
    {
        try
        {
            return read();
        }
        catch (ModelFileException e)
        {
            return "not usable: " + WithoutPath(e);
        }
    }

    // Whoever reads a file's summary knows the path that the message begins with.
    private static string WithoutPath(ModelFileException e) =>
        e.Message.StartsWith(e.File + ": ", StringComparison.Ordinal) ? e.Message[(e.File.Length + 2)..] : e.Message;
}
