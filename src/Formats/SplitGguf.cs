using System.Globalization;

namespace WarpDecode.Formats;

/// <summary>
/// A GGUF model in several files (shards), as llama.cpp's gguf-split writes them: <c>NAME-00001-of-00003.gguf</c> and so on in
/// one folder. Each is a GGUF file of its own with the keys of <see cref="GgufShard"/>; the first has the metadata, and a tensor
/// lies in one of them whole. Offsets count from the start of the tensor's own shard.
/// </summary>
internal sealed class SplitGguf : ModelFile
{
    private const string Architecture = "general.architecture";
    private const string CompleteAdvice = "Download all shards of one model into the same folder, and compare their sizes and checksums.";

    private readonly Gguf[] shards;
    private readonly Dictionary<string, TensorView> byName = new(StringComparer.Ordinal);
    private readonly List<TensorView> tensors = [];

    /// <summary>Opens the other shards of a model, and takes over the one that is open.</summary>
    /// <param name="opened">Any of them.</param>
    /// <param name="shard">What its keys say.</param>
    public SplitGguf(Gguf opened, GgufShard shard)
        : base(opened.Path)
    {
        shards = new Gguf[shard.Count];
        try
        {
            OpenOthers(opened, shard);
            foreach (var file in shards) AddTensors(file);
            if (tensors.Count != shard.Tensors)
                ModelFileException.Throw("number of tensors in all shards together, as announced by", Path, GgufShard.TensorsKey, null, $"{shard.Tensors}", $"{tensors.Count}", CompleteAdvice);
            Tensors = tensors.AsReadOnly();
            Shards = [.. shards.SelectMany(s => s.Shards)];
            Length = shards.Sum(s => s.Length);
        }
        catch
        {
            foreach (var file in shards)
            {
                if (file != opened) file?.Dispose();
            }
            throw;
        }
    }

    public override string Format => $"{shards[0].Format}, {shards.Length} shards";

    public override long Length { get; }

    public override IReadOnlyList<ModelShard> Shards { get; }

    public override Metadata Metadata => shards[0].Metadata;

    public override IReadOnlyList<TensorView> Tensors { get; }

    public override TensorView? Find(string name) => byName.GetValueOrDefault(name);

    internal override void CheckWhole()
    {
        foreach (var file in shards) file.CheckWhole();
    }

    private protected override void Dispose(bool disposing)
    {
        foreach (var file in shards) file.Dispose();
    }

    private void OpenOthers(Gguf opened, GgufShard shard)
    {
        var prefix = shard.Prefix(opened.Path);
        var folder = new ModelFolder(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(opened.Path))!);
        // Before any is read: who lacks one mostly lacks several.
        var names = Enumerable.Range(0, shard.Count).Select(i => GgufShard.Name(prefix, i, shard.Count)).ToArray();
        var missing = names.Where(name => !folder.Contains(name)).ToList();
        if (missing.Count > 0)
            ModelFileException.Throw($"{missing.Count} of {shard.Count} shards are missing, the first is", opened.Path, missing[0], advice: CompleteAdvice);

        var headerBytes = Limits.HeaderBytes - opened.HeaderBytes;
        for (var i = 0; i < shards.Length; i++)
        {
            if (i == shard.No)
            {
                shards[i] = opened;
                continue;
            }
            shards[i] = new Gguf(new MappedFile(folder.Resolve(names[i])), headerBytes);
            headerBytes -= shards[i].HeaderBytes;
            Check(shards[i], i, shard);
        }
        CheckArchitectures();
    }

    private static void Check(Gguf file, int number, GgufShard shard)
    {
        var found = GgufShard.Of(file)
            ?? throw new ModelFileException("metadata has no key", file.Path, GgufShard.CountKey, expected: $"{shard.Count}, as in the other shards", found: "none", advice: CompleteAdvice);
        Same(GgufShard.CountKey, shard.Count, found.Count, "as in the other shards");
        Same(GgufShard.NumberKey, number, found.No, "as its name says");
        Same(GgufShard.TensorsKey, shard.Tensors, found.Tensors, "as in the other shards");

        void Same(string key, long expected, long value, string why)
        {
            if (value != expected)
                ModelFileException.Throw("metadata", file.Path, key, file.Metadata.OffsetOf(key), $"{expected}, {why}", $"{value}", CompleteAdvice);
        }
    }

    // Only the first shard has to name the architecture; where others do, they name the same one.
    private void CheckArchitectures()
    {
        var first = shards[0].Metadata.Contains(Architecture) ? shards[0].Metadata.GetString(Architecture) : null;
        foreach (var file in shards.Skip(1).Where(s => s.Metadata.Contains(Architecture)))
        {
            var named = file.Metadata.GetString(Architecture);
            if (named != first)
                ModelFileException.Throw("metadata", file.Path, Architecture, file.Metadata.OffsetOf(Architecture), first is null ? "none, as in the first shard" : $"'{first}', as in the first shard", $"'{named}'", CompleteAdvice);
        }
    }

    private void AddTensors(Gguf file)
    {
        foreach (var tensor in file.Tensors)
        {
            if (!byName.TryAdd(tensor.Name, tensor))
                ModelFileException.Throw("name of tensor", file.Path, tensor.Name, tensor.Offset, "a name of its own", $"one that occurs in {byName[tensor.Name].File} too", CompleteAdvice);
            if (tensors.Count == (int)Limits.Tensors)
                ModelFileException.Throw("too many tensors: tensor", file.Path, tensor.Name, tensor.Offset, $"at most {Limits.Tensors} in all shards together", "more", CompleteAdvice);
            tensors.Add(tensor);
        }
    }
}

/// <summary>What a GGUF file says of its place in a split model.</summary>
/// <param name="No">Its number, from 0.</param>
/// <param name="Count">How many shards there are.</param>
/// <param name="Tensors">Tensors in all of them.</param>
internal sealed record GgufShard(int No, int Count, int Tensors)
{
    public const string NumberKey = "split.no";
    public const string CountKey = "split.count";
    public const string TensorsKey = "split.tensors.count";

    private const string Extension = ".gguf";

    /// <summary>The keys of a file, or null if it is whole.</summary>
    public static GgufShard? Of(Gguf file)
    {
        if (!file.Metadata.Contains(CountKey)) return null;
        var count = file.Metadata.GetInt32(CountKey, 0, Limits.Shards);
        return count <= 1
            ? new GgufShard(0, 1, file.Tensors.Count)
            : new GgufShard(file.Metadata.GetInt32(NumberKey, 0, count - 1), count, file.Metadata.GetInt32(TensorsKey, 0, (int)Limits.Tensors));
    }

    /// <summary>Name of a shard: numbers of five digits, from 1.</summary>
    public static string Name(string prefix, int no, int count) =>
        string.Create(CultureInfo.InvariantCulture, $"{prefix}-{no + 1:D5}-of-{count:D5}{Extension}");

    /// <summary>What the shards' names begin with, from the name of this one.</summary>
    /// <exception cref="ModelFileException">The name is not that of a shard with these keys.</exception>
    public string Prefix(string path)
    {
        var name = Path.GetFileName(path);
        var suffix = Name("", No, Count);
        if (!name.EndsWith(suffix, StringComparison.Ordinal))
        {
            ModelFileException.Throw($"is shard {No + 1} of {Count} of a split model, which its name does not say", path, null, null, $"a name that ends in {suffix}", name,
                "The other shards are found by their names: give all of them the names that they were published with.");
        }
        return name[..^suffix.Length];
    }
}
