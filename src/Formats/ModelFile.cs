namespace WarpDecode.Formats;

/// <summary>One file of a model.</summary>
/// <param name="Path">Where it lies.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Tensors">How many tensors it holds.</param>
public sealed record ModelShard(string Path, long Bytes, int Tensors)
{
    /// <summary>Name and number of tensors, safe to print: a name may come from a model's own index.</summary>
    public override string ToString() => $"{ModelFileException.Printable(System.IO.Path.GetFileName(Path))}: {Tensors} tensors";
}

/// <summary>
/// A model on disk: its metadata and its tensors, mapped and checked, not yet given a meaning.
/// </summary>
/// <remarks>
/// Safe to read from many threads at once. Not to be disposed while another thread reads: the memory goes at once. Metadata and tensors that are read
/// afterwards throw <see cref="ObjectDisposedException"/>.
/// </remarks>
public abstract class ModelFile : IDisposable
{
    private protected ModelFile(string path) => Path = path;

    /// <summary>Path as given to <see cref="Open"/>.</summary>
    public string Path { get; }

    /// <summary>Format and version in words, for example <c>GGUF v3</c>.</summary>
    public abstract string Format { get; }

    /// <summary>Bytes on disk, of all shards together.</summary>
    public abstract long Length { get; }

    /// <summary>The files that hold the tensors, in their order; one, unless the model is split.</summary>
    public abstract IReadOnlyList<ModelShard> Shards { get; }

    /// <summary>Metadata by key.</summary>
    public abstract Metadata Metadata { get; }

    /// <summary>Tensors in the file's own order.</summary>
    public abstract IReadOnlyList<TensorView> Tensors { get; }

    /// <summary>The tensor of that name, or null.</summary>
    /// <param name="name">A name in the vocabulary of GGUF, for example <c>blk.0.ffn_gate_exps.weight</c>.</param>
    public abstract TensorView? Find(string name);

    /// <summary>Maps and checks a model's file or files.</summary>
    /// <param name="path">
    /// Path of a GGUF file (version 2 or 3, little-endian), of a split one of any of its shards; or of a folder with a model as Hugging
    /// Face lays it out, of its safetensors file or of its index, which is presented in the vocabulary of GGUF.
    /// </param>
    /// <exception cref="ModelFileException">The file cannot be read as a model; the message says where and why.</exception>
    public static ModelFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            if (!HuggingFace.ModelFiles.Takes(path)) return Gguf.Open(path);
            if (!File.Exists(path) && !Directory.Exists(path)) throw new ModelFileException(MissingModel.NoSuchFile, path, advice: "Check the path.");
            return new HuggingFace.FolderModel(path);
        }
        catch (ModelFileException e) when (e.File == path && e.InnerException is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ModelFileException(MissingModel.NoSuchFile, path, advice: e.Advice, inner: e.InnerException);
        }
    }

    /// <summary>A model that is made in memory: what <paramref name="writer"/> writes, its holes zero and taken from the system when they are touched.</summary>
    /// <param name="name">Name in the place of a path.</param>
    /// <param name="writer">Its content; the tensors' data may be written through <see cref="TensorView.Data"/> later.</param>
    /// <exception cref="IOException">The system has no room for it.</exception>
    internal static ModelFile InMemory(string name, GgufWriter writer) => new Gguf(new MappedFile(name, writer.Length, writer.Write));

    /// <summary>
    /// Checks that no file of the model shrank or failed since it was opened, so that what was read from the map until now is
    /// what the files held. Allocates nothing: called around each step.
    /// </summary>
    /// <exception cref="ModelFileException">One did; the message says which, from what length to what.</exception>
    internal abstract void CheckWhole();

    /// <summary>Unmaps the file; its memory and its handle are free when this returns.</summary>
    public void Dispose()
    {
        foreach (var tensor in Tensors ?? []) tensor.Close(); // none yet where opening failed
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    private protected abstract void Dispose(bool disposing);
}
