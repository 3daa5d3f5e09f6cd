using Xunit;

namespace WarpDecode.Formats.Tests;

/// <summary>Models in several files, as llama.cpp's gguf-split writes them.</summary>
public sealed unsafe class SplitTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("wd-split-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void AnyShardOpensTheWholeModel(int named)
    {
        WriteAll();
        using var model = ModelFile.Open(Name(named));
        Walk.Everything(model);
        Assert.Equal(Name(named), model.Path);
        Assert.Equal("GGUF v3, 3 shards", model.Format);
        Assert.Equal(["a0", "a1", "b0", "b1", "c0", "c1"], model.Tensors.Select(t => t.Name));
        Assert.Equal("test", model.Metadata.GetString("general.architecture")); // only the first shard has it
        Assert.Equal(Enumerable.Range(0, 3).Select(i => new FileInfo(Name(i)).Length).Sum(), model.Length);
        Assert.Equal(Enumerable.Range(0, 3).Select(i => new ModelShard(Name(i), new FileInfo(Name(i)).Length, 2)), model.Shards);
        foreach (var tensor in model.Tensors)
        {
            Assert.Equal(Name(tensor.Name[0] - 'a'), tensor.File);
            var bytes = File.ReadAllBytes(tensor.File!).AsSpan((int)tensor.Offset, (int)tensor.Bytes);
            Assert.Equal(Data(tensor.Name), bytes);
            Assert.Equal(bytes, new ReadOnlySpan<byte>(tensor.Data, (int)tensor.Bytes));
        }
    }

    [Fact]
    public void TheFirstShardMayHoldMetadataAlone() // gguf-split --no-tensor-first-split
    {
        Write(0, 2, 2, []);
        Write(1, 2, 2, ["b0", "b1"]);
        using var model = ModelFile.Open(Name(0, 2));
        Assert.Equal(["b0", "b1"], model.Tensors.Select(t => t.Name));
    }

    [Fact]
    public void AFileThatIsTheOnlyShardNeedsNoName()
    {
        var path = Path.Combine(folder, "model.gguf");
        using (var stream = File.Create(path)) Shard(0, 1, 1, ["a0"]).Write(stream);
        using var model = ModelFile.Open(path);
        Assert.Equal("GGUF v3", model.Format);
    }

    [Fact]
    public void OpensARelativePath()
    {
        WriteAll();
        using var model = ModelFile.Open(Path.GetRelativePath(Environment.CurrentDirectory, Name(0)));
        Assert.Equal(6, model.Tensors.Count);
    }

    [Fact]
    public void SaysWhichShardsAreMissing()
    {
        WriteAll();
        File.Delete(Name(1));
        Refuses(Name(0), Name(0), "1 of 3 shards are missing, the first is 'model-00002-of-00003.gguf'");
        File.Delete(Name(0));
        Refuses(Name(2), Name(2), "2 of 3 shards are missing, the first is 'model-00001-of-00003.gguf'");
    }

    [Fact]
    public void SaysThatAShardHasAnotherName()
    {
        WriteAll();
        File.Move(Name(0), Path.Combine(folder, "renamed.gguf"));
        Refuses(Path.Combine(folder, "renamed.gguf"), Path.Combine(folder, "renamed.gguf"), "is shard 1 of 3 of a split model", "expected a name that ends in -00001-of-00003.gguf", "found renamed.gguf");
        File.Move(Name(1), Name(0)); // the name of another place
        Refuses(Name(0), Name(0), "is shard 2 of 3", "expected a name that ends in -00002-of-00003.gguf");
    }

    [Fact]
    public void RefusesShardsThatDoNotFitEachOther()
    {
        WriteAll();
        File.Copy(Name(2), Name(1), overwrite: true);
        Refuses(Name(0), Name(1), "'split.no' at offset", "expected 1, as its name says, found 2");

        Write(1, 3, 6, ["b0", "b1"], count: 4);
        Refuses(Name(0), Name(1), "'split.count' at offset", "expected 3, as in the other shards, found 4");

        Write(1, 3, 7, ["b0", "b1"]);
        Refuses(Name(0), Name(1), "'split.tensors.count' at offset", "expected 6, as in the other shards, found 7");

        using (var stream = File.Create(Name(1))) new GgufWriter("test").Write(stream); // of no split model
        Refuses(Name(0), Name(1), "no key 'split.count'", "expected 3");

        Write(1, 3, 6, ["b0"]);
        Refuses(Name(0), Name(0), "'split.tensors.count'", "expected 6, found 5");

        Write(1, 3, 6, ["b0", "a1"]);
        using (var second = new Gguf(new MappedFile(Name(1))))
            Refuses(Name(0), Name(1), $"name of tensor 'a1' at offset {second.Find("a1")!.Offset}", $"found one that occurs in {Name(0)} too");

        Write(1, 3, 6, ["b0", "b1"], architecture: "other");
        Refuses(Name(0), Name(1), "'general.architecture' at offset", "expected 'test', as in the first shard, found 'other'");

        Write(1, 3, 6, ["b0", "b1"], architecture: "test"); // named again, the same
        ModelFile.Open(Name(0)).Dispose();
    }

    [Theory]
    [InlineData("split.count", 1001, "from 0 to 1000")]
    [InlineData("split.count", 65_535, "from 0 to 1000")]
    [InlineData("split.no", 3, "from 0 to 2")]
    [InlineData("split.tensors.count", -1, "from 0 to 1048576")]
    public void RefusesNumbersOutOfRange(string key, int value, string says)
    {
        using (var stream = File.Create(Name(0)))
        {
            new GgufWriter("test")
                .Add(GgufShard.CountKey, key == GgufShard.CountKey ? value : 3)
                .Add(GgufShard.NumberKey, key == GgufShard.NumberKey ? value : 0)
                .Add(GgufShard.TensorsKey, key == GgufShard.TensorsKey ? value : 0).Write(stream);
        }
        Refuses(Name(0), Name(0), $"'{key}' at offset", says, $"found {value}");
    }

    [Fact]
    public void ADamagedShardIsNamed()
    {
        WriteAll();
        var bytes = File.ReadAllBytes(Name(1));
        File.WriteAllBytes(Name(1), bytes[..^40]);
        Refuses(Name(0), Name(1), "data of tensor 'b1' at offset", "found the end of the file");
    }

    [Fact]
    public void ARefusedModelLeavesItsShardsFree()
    {
        WriteAll();
        File.WriteAllBytes(Name(2), File.ReadAllBytes(Name(2))[..50]);
        Assert.Throws<ModelFileException>(() => ModelFile.Open(Name(1)));
        for (var i = 0; i < 3; i++)
        {
            using var stream = new FileStream(Name(i), FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        }
    }

    [Fact]
    public void ALinkOutOfTheFolderIsRefused()
    {
        WriteAll();
        using var elsewhere = new TempFile(File.ReadAllBytes(Name(1)));
        File.Delete(Name(1));
        File.CreateSymbolicLink(Name(1), elsewhere.Path);
        Refuses(Name(0), Name(1), "is a symbolic link that leads out of the model's folder", elsewhere.Path);
    }

    [Fact]
    public void ACacheOfTheHubOpens()
    {
        var snapshot = Cache();
        using var model = ModelFile.Open(Path.Combine(snapshot, Path.GetFileName(Name(0))));
        Assert.Equal(6, model.Tensors.Count);
        Walk.Everything(model);
    }

    [Fact]
    public void ACacheWhoseBlobsLieElsewhereIsRefused()
    {
        var snapshot = Cache();
        var blobs = Path.Combine(snapshot, "..", "..", "blobs");
        var elsewhere = Path.Combine(folder, "elsewhere");
        Directory.Move(blobs, elsewhere);
        Directory.CreateSymbolicLink(Path.GetFullPath(blobs), elsewhere);
        var first = Path.Combine(snapshot, Path.GetFileName(Name(0)));
        Refuses(first, Path.Combine(snapshot, Path.GetFileName(Name(1))), "leads out of the model's folder");
    }

    [Theory]
    [InlineData("../secret")]
    [InlineData("sub/../../secret")]
    [InlineData("/etc/hostname")]
    [InlineData("./a")]
    [InlineData("a//b")]
    [InlineData("..\\secret")]
    [InlineData("a\0b")]
    [InlineData("")]
    public void NamesThatLeadOutAreRefused(string name)
    {
        var error = Assert.Throws<ModelFileException>(() => new ModelFolder(folder).Resolve(name));
        Assert.Contains("within the model's folder", error.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", error.Advice, StringComparison.Ordinal);
    }

    [Fact]
    public void LinksWithinTheFolderAreFollowed()
    {
        var sub = Directory.CreateDirectory(Path.Combine(folder, "sub")).FullName;
        File.WriteAllText(Path.Combine(sub, "file"), "x");
        File.CreateSymbolicLink(Path.Combine(folder, "a"), Path.Combine("sub", "..", "b"));
        Directory.CreateSymbolicLink(Path.Combine(folder, "b"), sub);
        var model = new ModelFolder(folder);
        Assert.Equal(Path.Combine(folder, "a/file"), model.Resolve("a/file"));
        Directory.CreateSymbolicLink(Path.Combine(sub, "up"), "../..");
        Assert.Throws<ModelFileException>(() => model.Resolve("b/up"));
        File.CreateSymbolicLink(Path.Combine(folder, "loop"), "loop");
        Assert.Contains("at most 40 symbolic links", Assert.Throws<ModelFileException>(() => model.Resolve("loop")).Message, StringComparison.Ordinal);
        // A folder that is itself reached through a link is the user's choice.
        Assert.Equal(Path.Combine(folder, "b", "file"), new ModelFolder(Path.Combine(folder, "b")).Resolve("file"));
        // Beside the folder is not in it, however alike the names are.
        Directory.CreateDirectory(folder + "x");
        File.CreateSymbolicLink(Path.Combine(folder, "beside"), folder + "x");
        try
        {
            Assert.Throws<ModelFileException>(() => model.Resolve("beside"));
        }
        finally
        {
            Directory.Delete(folder + "x");
        }
    }

    // models--x/snapshots/r/NAME → ../../blobs/hash
    private string Cache()
    {
        WriteAll();
        var snapshot = Directory.CreateDirectory(Path.Combine(folder, "models--x", "snapshots", "r")).FullName;
        var blobs = Directory.CreateDirectory(Path.Combine(folder, "models--x", "blobs")).FullName;
        for (var i = 0; i < 3; i++)
        {
            File.Move(Name(i), Path.Combine(blobs, $"hash{i}"));
            File.CreateSymbolicLink(Path.Combine(snapshot, Path.GetFileName(Name(i))), $"../../blobs/hash{i}");
        }
        return snapshot;
    }

    private string Name(int i, int of = 3) => Path.Combine(folder, $"model-{i + 1:D5}-of-{of:D5}.gguf");

    private void WriteAll()
    {
        Write(0, 3, 6, ["a0", "a1"]);
        Write(1, 3, 6, ["b0", "b1"]);
        Write(2, 3, 6, ["c0", "c1"]);
    }

    private void Write(int no, int of, int tensors, string[] names, int? count = null, string? architecture = null)
    {
        using var stream = File.Create(Name(no, of));
        Shard(no, count ?? of, tensors, names, architecture).Write(stream);
    }

    // As gguf-split types its keys. Its later shards name no architecture.
    private static GgufWriter Shard(int no, int of, int tensors, string[] names, string? architecture = null)
    {
        var writer = new GgufWriter(architecture ?? (no == 0 ? "test" : null));
        writer.Add(GgufShard.NumberKey, (ushort)no).Add(GgufShard.CountKey, (ushort)of).Add(GgufShard.TensorsKey, tensors);
        foreach (var name in names) writer.Add(name, WeightType.I8, [64], s => s.Write(Data(name)));
        return writer;
    }

    private static byte[] Data(string name) => [.. Enumerable.Range(0, 64).Select(i => (byte)((i * 7) + (name[0] * 31) + name[1]))];

    private static void Refuses(string opened, string named, params string[] says)
    {
        var error = Assert.Throws<ModelFileException>(() => ModelFile.Open(opened));
        Assert.Equal(named, error.File);
        foreach (var piece in says) Assert.Contains(piece, error.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", error.Advice, StringComparison.Ordinal);
    }
}
