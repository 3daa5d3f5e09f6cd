namespace WarpDecode.Formats;

/// <summary>
/// One tensor where it lies in a mapped file. Nothing is copied: <see cref="Data"/> points into the map and is valid
/// until the <see cref="ModelFile"/> is disposed.
/// </summary>
public sealed unsafe class TensorView
{
    internal TensorView(string name, WeightType type, long[] shape, long offset, long bytes, byte* data, string file = "")
    {
        Name = name;
        Type = type;
        Shape = shape;
        Offset = offset;
        Bytes = bytes;
        Data = data;
        File = file;
    }

    /// <summary>Name in the file, for example <c>blk.0.ffn_gate_exps.weight</c>.</summary>
    public string Name { get; }

    /// <summary>How the weights are stored.</summary>
    public WeightType Type { get; }

    /// <summary>Sizes, outermost first (rows × columns), the last one contiguous: experts are [E, F, H].</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Path of the file that it lies in: of a model in shards, one of them. Empty for weights without a file.</summary>
    public string File { get; }

    /// <summary>The last part of <see cref="File"/>, safe to print.</summary>
    public string FileName => ModelFileException.Printable(Path.GetFileName(File));

    /// <summary>Byte offset of the first weight from the start of <see cref="File"/>.</summary>
    public long Offset { get; }

    /// <summary>Bytes that the tensor takes.</summary>
    public long Bytes { get; }

    /// <summary>Address of the first byte in the memory map.</summary>
    public byte* Data { get; }

    /// <summary>Number of weights.</summary>
    public long Count
    {
        get
        {
            var count = 1L;
            foreach (var size in Shape) count *= size;
            return count;
        }
    }

    /// <summary>Name, type and shape for error messages: <c>blk.0.attn_q.weight Q8_0 [256, 256]</c>.</summary>
    public override string ToString() => $"{ModelFileException.Printable(Name)} {Type} [{string.Join(", ", Shape)}]";
}
