namespace WarpDecode.Formats;

/// <summary>
/// Upper bounds on what a header may declare. Real files stay far below them; a file above one is broken or hostile.
/// Every count is also checked against the bytes that remain, and nothing is allocated for an item before it was found, so
/// that no header makes the reader allocate more than about ten times its own size (a name becomes a string, a view and a
/// dictionary's entry).
/// </summary>
internal static class Limits
{
    /// <summary>
    /// Bytes of a whole header, or of all headers of a split model (vocabularies make them up to about 20 MB). Bounds the time that opening takes: arrays of
    /// strings are walked one by one, and a sparse file can be terabytes long.
    /// </summary>
    public const long HeaderBytes = 1 << 30;

    /// <summary>Files of one model (the largest published ones have about 200), each of which stays open.</summary>
    public const int Shards = 1000;

    /// <summary>Metadata entries in one file (real models have about 50).</summary>
    public const ulong MetadataEntries = 1 << 16;

    /// <summary>
    /// Tensors in one GGUF model, all shards together (61 layers with stacked experts have about 1,100). A tensor makes the reader allocate about
    /// ten times what it takes in a header: so many stay below 64 MiB.
    /// </summary>
    public const ulong GgufTensors = 1 << 16;

    /// <summary>
    /// Tensors in one safetensors file (60 layers of 384 separate experts and their scales have 140,000, in many files), chosen likewise.
    /// </summary>
    public const ulong Tensors = 1 << 18;

    /// <summary>Bytes of a metadata key (the GGUF specification's own limit).</summary>
    public const ulong KeyBytes = (1 << 16) - 1;

    /// <summary>Bytes of a tensor's name (ggml itself allows 64).</summary>
    public const ulong TensorNameBytes = 256;

    /// <summary>Bytes of one metadata string (chat templates reach tens of kilobytes).</summary>
    public const ulong StringBytes = 64 << 20;

    /// <summary>Elements of one metadata array (vocabularies reach about 300,000 entries).</summary>
    public const ulong ArrayElements = 1 << 26;

    /// <summary>Depth of arrays within arrays.</summary>
    public const int ArrayDepth = 4;

    /// <summary>Dimensions of a tensor (ggml's own limit).</summary>
    public const uint Dimensions = 4;

    /// <summary>Weights in one tensor: low enough that their bytes, 8 each at most, are below 2^63.</summary>
    public const ulong Weights = 1UL << 59;

    /// <summary>Largest alignment of tensor data, in bytes (the usual one is 32).</summary>
    public const uint Alignment = 1 << 16;

    /// <summary>Bytes of a safetensors header (the format's own limit; the largest models' shards have about 100 kilobytes).</summary>
    public const ulong SafetensorsHeaderBytes = 100_000_000;

    /// <summary>Dimensions of a tensor in safetensors, which has no limit of its own (blocks of weights have 4, convolutions 5).</summary>
    public const int SafetensorsDimensions = 8;

    /// <summary>Bytes of a JSON file beside the weights (tokenizer.json reaches 35 MB).</summary>
    public const long JsonBytes = 256 << 20;

    /// <summary>Experts of a layer (real models have up to about 500).</summary>
    public const int Experts = 1 << 16;
}
