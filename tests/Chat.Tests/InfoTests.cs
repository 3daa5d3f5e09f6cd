using System.Text.Json;
using Xunit;

namespace WarpDecode.Chat.Tests;

public sealed class InfoTests(ModelFiles files) : IClassFixture<ModelFiles>
{
    // The tiny model, from its shapes: rows × columns of each matrix.
    private const int Vocabulary = 512, Hidden = 256, Layers = 2, Heads = 4, KvHeads = 2, HeadDim = 32, Experts = 4, TopK = 2, Ff = 256;
    private const int Attention = (2 * Heads * HeadDim * Hidden) + (2 * KvHeads * HeadDim * Hidden); // q and o, k and v
    private const int Expert = 3 * Ff * Hidden;
    private const int Router = Experts * Hidden;
    private const int Norms = (2 * Hidden) + (2 * HeadDim);
    private const int Matrices = (2 * Vocabulary * Hidden) + (Layers * (Attention + (Experts * Expert))); // BF16
    private const int Vectors = (Layers * (Router + Norms)) + Hidden; // F32
    private const int ActiveMatrices = Hidden + (Vocabulary * Hidden) + (Layers * (Attention + (TopK * Expert))); // one row of the embedding

    [Fact]
    public void JsonHoldsTheNumbers()
    {
        using var json = JsonDocument.Parse(WdRun.Run("info", WdRun.Model, "--json").Succeeds().Bytes);
        var root = json.RootElement;
        long Number(string name) => root.GetProperty(name).GetInt64();
        string? Text(string name) => root.GetProperty(name).GetString();

        Assert.Equal(2_035_072, Matrices + Vectors); // what PyTorch counted (golden.json)
        Assert.Equal(Matrices + Vectors, Number("parameters"));
        Assert.Equal(ActiveMatrices + Vectors, Number("active_parameters"));
        Assert.Equal((2 * ActiveMatrices) + (4 * Vectors), Number("active_bytes"));
        Assert.Equal(new FileInfo(WdRun.Model).Length, Number("bytes"));
        Assert.Equal(
            [Vocabulary, Hidden, Layers, Heads, KvHeads, HeadDim, Experts, TopK, Ff, 4096],
            new[] { "vocabulary", "hidden", "layers", "heads", "kv_heads", "head_dim", "experts", "experts_used", "ff", "context" }.Select(Number));
        Assert.Equal(2 * Layers * KvHeads * HeadDim * sizeof(float), Number("cache_bytes_per_token")); // keys and values
        Assert.Equal("qwen3moe", Text("architecture"));
        Assert.Equal("GGUF v3", Text("format"));
        Assert.Equal("ChatML", Text("template"));
        Assert.Contains("qwen2", Text("tokenizer"), StringComparison.Ordinal);
        Assert.Equal(["cpu", "reference"], root.GetProperty("backends").EnumerateArray().Select(b => b.GetString()));
        Assert.Contains("driver", root.GetProperty("backend_plans").GetProperty("cuda").GetString(), StringComparison.Ordinal);
        Assert.Equal(JsonValueKind.Null, root.GetProperty("problem").ValueKind);
        Assert.Equal(JsonValueKind.Object, root.GetProperty("experts_dispatch").ValueKind);
        Assert.False(root.TryGetProperty("tensors", out _));
        Assert.Equal(
            [("BF16", 2 + (7 * Layers), 2 * Matrices, true), ("F32", (5 * Layers) + 1, 4 * Vectors, true)],
            root.GetProperty("weight_types").EnumerateArray().Select(t => (
                t.GetProperty("type").GetString(), t.GetProperty("tensors").GetInt32(), t.GetProperty("bytes").GetInt32(), t.GetProperty("computable").GetBoolean())));
    }

    [Fact]
    public void JsonListsTensorsOnDemand()
    {
        using var json = JsonDocument.Parse(WdRun.Run("info", WdRun.Model, "--json", "--tensors").Succeeds().Bytes);
        var tensors = json.RootElement.GetProperty("tensors").EnumerateArray().ToArray();
        Assert.Equal(27, tensors.Length);
        var experts = Assert.Single(tensors, t => t.GetProperty("name").GetString() == "blk.1.ffn_down_exps.weight");
        Assert.Equal([Experts, Hidden, Ff], experts.GetProperty("shape").EnumerateArray().Select(n => n.GetInt32()));
        Assert.Equal(2 * Experts * Hidden * Ff, experts.GetProperty("bytes").GetInt32());
        Assert.Equal(json.RootElement.GetProperty("bytes").GetInt64(), tensors.Max(t => t.GetProperty("offset").GetInt64() + t.GetProperty("bytes").GetInt64()));
    }

    [Fact]
    public void TextSaysTheSame()
    {
        var text = WdRun.Run("info", WdRun.Model).Succeeds().Text;
        foreach (var part in new[]
        {
            "qwen3_moe-bf16.gguf (GGUF v3, 3.90 MiB)", "qwen3moe", "2.04 M, 1.12 M active per token (2.14 MiB)",
            "2 layers, hidden 256, 4 heads (2 key/value) of 32, vocabulary 512", "4 a layer, 2 used per token, ff 256",
            "4096 tokens, 1.0 KiB of cache each", "BF16: 16 tensors, 3.88 MiB", "F32: 11 tensors, 13.5 KiB", "512 tokens", "ChatML", "runs on       cpu (", "reference", "not on        cuda: ",
        })
        {
            Assert.Contains(part, text, StringComparison.Ordinal);
        }
        Assert.DoesNotContain("blk.0", text, StringComparison.Ordinal);
        Assert.Contains("blk.1.ffn_down_exps.weight BF16 [4, 256, 256]", WdRun.Run("info", WdRun.Model, "--tensors").Succeeds().Text, StringComparison.Ordinal);
    }

    /// <summary>Types without lanes of their own: 256 Ki weights of ten bits, and of FP32.</summary>
    [Fact]
    public void WhatAGpuWidensIsSaid()
    {
        var text = WdRun.Run("info", files.WithoutLanes).Succeeds().Text;
        Assert.Contains("IQ2_XS: 1 tensors, 74.0 KiB (on a GPU as bytes with FP32 scales, 320.0 KiB)", text, StringComparison.Ordinal);
        Assert.Contains("F64: 1 tensors, 2.00 MiB (on a GPU as FP32, 1.00 MiB)", text, StringComparison.Ordinal);
        using var json = JsonDocument.Parse(WdRun.Run("info", files.WithoutLanes, "--json").Succeeds().Bytes);
        Assert.Equal(
            [("F64", "FP32", 1024 * 1024), ("IQ2_XS", "bytes with FP32 scales", 320 * 1024)],
            json.RootElement.GetProperty("weight_types").EnumerateArray().Select(t => (
                t.GetProperty("type").GetString(), t.GetProperty("gpu_as").GetString(), t.GetProperty("gpu_bytes").GetInt32())));
    }

    [Fact]
    public void WhatCannotRunIsSaidAndNotAFailure()
    {
        var vocabulary = WdRun.Run("info", files.VocabularyOnly).Succeeds().Text;
        Assert.Contains("nothing yet: the file holds a vocabulary and no weights", vocabulary, StringComparison.Ordinal);
        Assert.Contains("512 tokens", vocabulary, StringComparison.Ordinal);

        using var json = JsonDocument.Parse(WdRun.Run("info", files.UnknownArchitecture, "--json").Succeeds().Bytes);
        Assert.Equal(0, json.RootElement.GetProperty("backends").GetArrayLength());
        Assert.Equal(JsonValueKind.Null, json.RootElement.GetProperty("active_parameters").ValueKind);
        var problem = json.RootElement.GetProperty("problem").GetString();
        Assert.Contains("no-such-architecture", problem, StringComparison.Ordinal);
        Assert.DoesNotContain(files.Folder, problem, StringComparison.Ordinal); // the file is named above

        var text = WdRun.Run("info", files.UnknownTokenizer).Succeeds().Text;
        Assert.Contains("not usable: tokenizer not supported yet", text, StringComparison.Ordinal);
        Assert.Contains("not usable: the model has no chat template", WdRun.Run("info", files.WithoutTemplate).Succeeds().Text, StringComparison.Ordinal);
    }
}
