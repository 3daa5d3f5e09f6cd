using WarpDecode.Formats;

namespace WarpDecode.Runtime.Quantization;

/// <summary>How a model is quantized.</summary>
public sealed record QuantizeOptions
{
    /// <summary>What to.</summary>
    public required QuantizeTarget Target { get; init; }

    /// <summary>All weights get the target's type, none more bits.</summary>
    public bool Pure { get; init; }

    /// <summary>Type of <c>output.weight</c>, or null for the target's rule.</summary>
    public WeightType? OutputType { get; init; }

    /// <summary>Type of <c>token_embd.weight</c>, or null for the target's rule.</summary>
    public WeightType? TokenEmbeddingType { get; init; }

    /// <summary>Whether weights that are quantized already are quantized again.</summary>
    public bool AllowRequantize { get; init; }

    /// <summary>Path of an importance matrix, a GGUF file by llama.cpp's llama-imatrix; or null.</summary>
    public string? ImportancePath { get; init; }

    /// <summary>Whether an existing file is replaced.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Threads; 0 for one a core.</summary>
    public int Threads { get; init; }

    /// <summary>Hears how far it is.</summary>
    public IProgress<QuantizeProgress>? Progress { get; init; }
}

/// <summary>How far a quantization is.</summary>
/// <param name="Done">Weights that are done.</param>
/// <param name="Total">Weights in all.</param>
/// <param name="Tensor">Name of the tensor that is written.</param>
public readonly record struct QuantizeProgress(long Done, long Total, string Tensor);

/// <summary>One tensor of a plan.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Shape">Its sizes, outermost first.</param>
/// <param name="From">How it is stored in the input.</param>
/// <param name="To">How it will be stored.</param>
/// <param name="HasImportance">Whether the importance matrix guides it.</param>
public sealed record QuantizedTensor(string Name, IReadOnlyList<long> Shape, WeightType From, WeightType To, bool HasImportance)
{
    /// <summary>Number of weights.</summary>
    public long Count => Shape.Aggregate(1L, (a, b) => a * b);

    /// <summary>Bytes that it takes in the input.</summary>
    public long BytesBefore => From.RowBytes(Count);

    /// <summary>Bytes that it will take.</summary>
    public long Bytes => To.RowBytes(Count);

    /// <summary>What becomes of it, in a line that is safe to print.</summary>
    public override string ToString() => $"{ModelFileException.Printable(Name)} [{string.Join(", ", Shape)}] "
        + (From == To ? $"{To}, as it was" : $"{From} -> {To}") + (HasImportance ? ", by importance" : "");
}

/// <summary>What becomes of each tensor.</summary>
/// <param name="Tensors">The tensors, in the file's order.</param>
/// <param name="Notes">What did not go as the target's rule has it, a sentence each, safe to print.</param>
/// <param name="FileBytes">Bytes of the whole output.</param>
public sealed record QuantizePlan(IReadOnlyList<QuantizedTensor> Tensors, IReadOnlyList<string> Notes, long FileBytes)
{
    /// <summary>Bits a weight takes on average.</summary>
    public double BitsPerWeight => 8.0 * Tensors.Sum(t => t.Bytes) / Math.Max(1, Tensors.Sum(t => t.Count));
}

/// <summary>A quantization that cannot be.</summary>
public sealed class QuantizeException : Exception
{
    internal QuantizeException(string message, string advice)
        : base(message) => Advice = advice;

    /// <summary>What the user can do about it, in one sentence.</summary>
    public string Advice { get; }
}
