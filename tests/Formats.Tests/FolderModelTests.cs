using System.Runtime.InteropServices;
using WarpDecode.Tests;
using Xunit;
using static WarpDecode.Formats.Tests.TempModel;

namespace WarpDecode.Formats.Tests;

/// <summary>Models as Hugging Face lays them out, presented in the vocabulary of GGUF.</summary>
public sealed unsafe class FolderModelTests : IDisposable
{
    private const string Gate = "blk.0.ffn_gate_exps.weight";
    private const string GateOf1 = Layer + "mlp.experts.1.gate_proj.weight";

    private readonly TempModel model = new();

    public void Dispose() => model.Dispose();

    /// <summary>
    /// The converted file holds what the folder shows: the same metadata, but for what depends on the file, and the same weights in the
    /// same order of rows.
    /// </summary>
    [Theory]
    [InlineData("qwen3_moe", "config.json", "qwen3_moe-bf16")]
    [InlineData("qwen3_moe", "config.hub.json", "qwen3_moe-bf16")]
    [InlineData("mixtral", "config.json", "mixtral-bf16")]
    [InlineData("mixtral", "config.hub.json", "mixtral-bf16")]
    public void ShowsWhatLlamaCppsConverterWrites(string checkpoint, string config, string converted)
    {
        using var gguf = ModelFile.Open(TestData.Shared($"golden/gguf/{converted}.gguf"));
        foreach (var name in new[] { "model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json", config })
        {
            var path = TestData.Shared($"golden/checkpoints/{checkpoint}/{name}");
            File.Copy(path, Path.Combine(model.Folder, name == config ? "config.json" : name));
        }
        using var folder = ModelFile.Open(model.Folder);

        Assert.Equal(gguf.Tensors.Select(t => t.Name).Order(StringComparer.Ordinal), folder.Tensors.Select(t => t.Name).Order(StringComparer.Ordinal));
        foreach (var tensor in gguf.Tensors)
        {
            var shown = folder.Find(tensor.Name)!;
            Assert.Equal(tensor.Shape, shown.Shape);
            Assert.Equal(Widened(tensor), Widened(shown));
        }

        string[] ofTheFile = ["general.name", "general.size_label", "general.file_type", "general.quantization_version"];
        // Of SentencePiece the scores and types of tokens that never merge are the converter's own choice; ids are compared elsewhere.
        string[] free = checkpoint == "mixtral" ? ["tokenizer.ggml.scores", "tokenizer.ggml.token_type", "tokenizer.ggml.add_sep_token"] : [];
        foreach (var key in gguf.Metadata.Keys.Except([.. ofTheFile, .. free], StringComparer.Ordinal))
        {
            Assert.True(folder.Metadata.Contains(key), key);
            Assert.Equal(gguf.Metadata.Describe(key), folder.Metadata.Describe(key));
            Assert.True(gguf.Metadata.Encoded(key).SequenceEqual(folder.Metadata.Encoded(key)), key);
        }
        Assert.Empty(folder.Metadata.Refused);
    }

    [Fact]
    public void TheSamePlacesOfTheSameShards() // of an architecture that is not known yet: its shards alone
    {
        var index = TestData.Shared("golden/checkpoints/olmoe/sharded/model.safetensors.index.json");
        using var whole = new Safetensors(TestData.Shared("golden/checkpoints/olmoe/model.safetensors"));
        var shards = HuggingFace.ModelFiles.Open(index).OpenWeights();
        try
        {
            Assert.Equal(4, shards.Count);
            var parts = shards.SelectMany(s => s.Tensors).ToDictionary(t => t.Name, StringComparer.Ordinal);
            Assert.Equal(whole.Tensors.Count, parts.Count);
            foreach (var tensor in whole.Tensors)
                Assert.True(new ReadOnlySpan<byte>(tensor.Data, (int)tensor.Bytes).SequenceEqual(new ReadOnlySpan<byte>(parts[tensor.Name].Data, (int)parts[tensor.Name].Bytes)));
        }
        finally
        {
            foreach (var shard in shards) shard.Dispose();
        }
    }

    [Fact]
    public void SeparateExpertsAreOneStackWhereTheyLie()
    {
        using var file = model.Open();
        var gate = file.Find(Gate)!;
        Assert.Equal([Experts, Ff, Hidden], gate.Shape);
        Assert.Equal([Experts, Hidden, Ff], file.Find("blk.0.ffn_down_exps.weight")!.Shape);
        Assert.True(gate.IsMapped);
        Assert.Equal(Ff, gate.PieceRows);
        Assert.Throws<InvalidOperationException>(() => (nint)gate.Data);
        for (var e = 0; e < Experts; e++)
            Assert.True(new ReadOnlySpan<byte>(gate.Row(e * Ff), Ff * Hidden * 4).SequenceEqual(model.Tensors[$"{Layer}mlp.experts.{e}.gate_proj.weight"].Bytes));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void FusedExpertsAreTheSameStacks(bool transposed)
    {
        float[][] separate, fused;
        string[] names = [Gate, "blk.0.ffn_up_exps.weight", "blk.0.ffn_down_exps.weight"];
        using (var file = model.Open()) separate = [.. names.Select(n => Widened(file.Find(n)!))];
        model.Fuse(transposed);
        using (var file = model.Open())
        {
            fused = [.. names.Select(n => Widened(file.Find(n)!))];
            Assert.All(names, n => Assert.Equal(!transposed, file.Find(n)!.IsMapped));
            Assert.Equal([Experts, Hidden, Ff], file.Find(names[2])!.Shape);
        }
        Assert.Equal(separate, fused);
    }

    [Fact]
    public void OrdersOfRopeAreEachOthersInverse()
    {
        var (there, back) = (RopeOrder.ToNeighbours(3, 8), RopeOrder.ToHalves(3, 8));
        Assert.Equal([0, 4, 1, 5, 2, 6, 3, 7, 8, 12], there[..10]);
        Assert.Equal(Enumerable.Range(0, 24), back.Select(i => there[i]));
    }

    [Theory]
    [InlineData("model_type", "\"gpt_oss\"", "architecture in 'model_type'", "qwen3_moe or mixtral", "'gpt_oss'")]
    [InlineData("model_type", "7", "value 'model_type'", "a text", "7")]
    [InlineData("num_attention_heads", "null", "has no value 'num_attention_heads'")]
    [InlineData("num_attention_heads", "-1", "value 'num_attention_heads'", "an integer from 0")]
    [InlineData("num_experts", "100000", "value 'num_experts'", "from 0 to 65536")]
    [InlineData("hidden_act", "\"gelu\"", "value 'hidden_act'", "'silu'", "'gelu'")]
    [InlineData("rope_scaling", "{\"rope_type\":\"llama3\",\"factor\":8}", "rope_scaling.rope_type", "\"llama3\"")]
    [InlineData("rope_parameters", "{\"rope_type\":\"default\"}", "has no value 'rope_parameters.rope_theta'")]
    [InlineData("rope_parameters", "{\"rope_type\":\"default\",\"rope_theta\":1,\"partial_rotary_factor\":0.5}", "partial_rotary_factor", "0.5")]
    [InlineData("quantization_config", "{\"quant_method\":\"gptq\"}", "quantization_config.quant_method", "\"gptq\"")]
    [InlineData("quantization_config", "{\"weight_block_size\":[128]}", "weight_block_size", "two numbers")]
    [InlineData("decoder_sparse_step", "2", "decoder_sparse_step", "layers without experts")]
    [InlineData("rms_norm_eps", "\"small\"", "value 'rms_norm_eps'", "a finite number")]
    public void RefusesConfigsThatItCannotFollow(string key, string value, params string[] says)
    {
        model.Config[key] = value;
        var error = Refused(() => model.Open());
        Assert.Equal(Path.Combine(model.Folder, "config.json"), error.File);
        Assert.All(says, s => Assert.Contains(s, error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void ScaledRopeIsShownAsGgufShowsIt() // and refused by the architectures that do not do it
    {
        model.Config["rope_scaling"] = "{\"type\":\"yarn\",\"factor\":4.0,\"original_max_position_embeddings\":32}";
        using var file = model.Open();
        Assert.Equal("yarn", file.Metadata.GetString("qwen3moe.rope.scaling.type"));
        Assert.Equal(4, file.Metadata.GetNumber("qwen3moe.rope.scaling.factor"));
    }

    [Fact]
    public void RefusesMissingExperts()
    {
        model.Tensors.Remove(GateOf1);
        Assert.Contains("none of number 1", Refused(() => model.Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RefusesExpertsOfSeveralShapes()
    {
        model.Add(GateOf1, Ff + 1, Hidden);
        var error = Refused(() => model.Open());
        Assert.Equal(GateOf1, error.Item);
        Assert.Contains("F32 [6, 8], as the others, found F32 [7, 8]", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("U8", 1)]
    [InlineData("BOOL", 1)]
    [InlineData("F8_E8M0", 1)]
    public void RefusesTypesThatItHasNoUseFor(string type, int size)
    {
        model.Add("lm_head.weight", type, [4, Hidden], new byte[4 * Hidden * size]);
        Assert.Contains("type of tensor 'lm_head.weight'", Refused(() => model.Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RefusesFp8WithoutItsScales()
    {
        model.Config["quantization_config"] = "{\"quant_method\":\"fp8\",\"weight_block_size\":[128,128]}";
        model.Add("lm_head.weight", "F8_E4M3", [4, Hidden], new byte[4 * Hidden]);
        Assert.Contains("no scales for tensor 'lm_head.weight'", Refused(() => model.Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void SaysWhatTheFolderLacks()
    {
        Assert.Contains("is a folder without a config.json", Refused(() => ModelFile.Open(model.Folder)).Message, StringComparison.Ordinal);
        model.WriteConfig();
        Assert.Contains("found none", Refused(() => ModelFile.Open(model.Folder)).Message, StringComparison.Ordinal);
        model.Write("a.safetensors", GateOf1);
        model.Write("b.safetensors", GateOf1);
        Assert.Contains("several", Refused(() => ModelFile.Open(model.Folder)).Message, StringComparison.Ordinal);
        Assert.Contains("no such file", Refused(() => ModelFile.Open(Path.Combine(model.Folder, "c.safetensors"))).Message, StringComparison.Ordinal);
        File.Delete(Path.Combine(model.Folder, "config.json"));
        Assert.Contains("no config.json beside it", Refused(() => ModelFile.Open(Path.Combine(model.Folder, "a.safetensors"))).Message, StringComparison.Ordinal);
        model.Put("config.json", "{\"a\":1,\"a\":2}");
        Assert.Contains("JSON", Refused(() => ModelFile.Open(model.Folder)).Message, StringComparison.Ordinal);
        model.Put("config.json", "[]");
        Assert.Contains("a JSON object", Refused(() => ModelFile.Open(model.Folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OpensShards()
    {
        var names = model.Tensors.Keys.ToArray();
        model.WriteConfig();
        model.Write("model-00001-of-00002.safetensors", names[..4]);
        model.Write("model-00002-of-00002.safetensors", names[4..]);
        model.WriteIndex(names.Select((n, i) => (n, i < 4 ? "model-00001-of-00002.safetensors" : "model-00002-of-00002.safetensors")));
        foreach (var path in new[] { "", "model.safetensors.index.json", "model-00002-of-00002.safetensors" })
        {
            using var file = ModelFile.Open(Path.Combine(model.Folder, path));
            Assert.Equal(3, file.Tensors.Count);
            Assert.Equal([4, 5], file.Shards.Select(s => s.Tensors));
            Assert.Equal(model.Tensors[GateOf1].Bytes, MemoryMarshal.AsBytes<float>(Widened(file.Find(Gate)!).AsSpan(Ff * Hidden, Ff * Hidden)).ToArray());
        }
    }

    [Theory]
    [InlineData("../model.safetensors")]
    [InlineData("/etc/passwd.safetensors")]
    [InlineData("sub/model.safetensors")]
    [InlineData("model.bin")]
    [InlineData("")]
    public void RefusesIndexesThatNameOtherFiles(string shard)
    {
        model.WriteConfig();
        model.WriteIndex([(GateOf1, shard)]);
        var error = Refused(() => ModelFile.Open(model.Folder));
        Assert.Equal(GateOf1, error.Item);
        Assert.Contains("in the same folder", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RefusesIndexesThatDoNotFitTheirShards()
    {
        var names = model.Tensors.Keys.ToArray();
        model.WriteConfig();
        model.WriteIndex(names.Select(n => (n, "one.safetensors")));
        Assert.Contains("not there: 'one.safetensors'", Refused(() => ModelFile.Open(model.Folder)).Message, StringComparison.Ordinal);
        model.Write("one.safetensors", names[1..]);
        Assert.Contains($"not in its shard: '{names[0]}'", Refused(() => ModelFile.Open(model.Folder)).Message, StringComparison.Ordinal);
        model.Write("one.safetensors", names);
        model.WriteIndex(names[1..].Select(n => (n, "one.safetensors")));
        Assert.Contains($"holds tensor '{names[0]}'", Refused(() => ModelFile.Open(model.Folder)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("config.json")]
    [InlineData("tokenizer.json")]
    public void RefusesLinksOutOfTheFolder(string name)
    {
        model.Open().Dispose();
        model.Put("tokenizer.json", "{}");
        using var elsewhere = new TempFile(File.ReadAllBytes(Path.Combine(model.Folder, name)));
        File.Delete(Path.Combine(model.Folder, name));
        File.CreateSymbolicLink(Path.Combine(model.Folder, name), elsewhere.Path);
        var link = Assert.Throws<ModelFileException>(() =>
        {
            using var file = ModelFile.Open(model.Folder);
            file.Metadata.GetString("tokenizer.ggml.model"); // the tokenizer's errors wait until it is asked for
        });
        Assert.Contains("leads out of the model's folder", link.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FollowsTheLinksOfTheHubsCache()
    {
        model.Open().Dispose();
        var repository = Path.Combine(model.Folder, "models--someone--Some-MoE");
        var (blobs, snapshot) = (Path.Combine(repository, "blobs"), Path.Combine(repository, "snapshots", "0123abcd"));
        Directory.CreateDirectory(blobs);
        Directory.CreateDirectory(snapshot);
        foreach (var (name, blob) in new[] { ("model.safetensors", "aaaa"), ("config.json", "bbbb") })
        {
            File.Move(Path.Combine(model.Folder, name), Path.Combine(blobs, blob));
            File.CreateSymbolicLink(Path.Combine(snapshot, name), $"../../blobs/{blob}");
        }
        using var file = ModelFile.Open(snapshot);
        Assert.Equal(3, file.Tensors.Count);
        Assert.Equal("Some-MoE", file.Metadata.GetString("general.name"));
    }

    private static ModelFileException Refused(Func<ModelFile> open)
    {
        var error = Assert.Throws<ModelFileException>(() => open().Dispose());
        Assert.NotNull(error.Advice);
        return error;
    }

    private static float[] Widened(TensorView view)
    {
        var bytes = new byte[view.Bytes];
        fixed (byte* to = bytes) view.CopyRows(0, view.Rows, to);
        return view.Type == WeightType.F32 ? MemoryMarshal.Cast<byte, float>(bytes).ToArray()
            : [.. MemoryMarshal.Cast<byte, ushort>(bytes).ToArray().Select(b => BitConverter.Int32BitsToSingle(b << 16))];
    }
}
