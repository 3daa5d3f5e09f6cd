using System.Runtime.InteropServices;
using System.Text.Json;
using WarpDecode.Formats;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Models;

/// <summary>
/// Models of several architectures and files against Hugging Face transformers 5.17.0 in FP64 (golden.json beside each says of what): folders
/// with safetensors files in both spellings of config.json, and the files that llama.cpp's converter and quantizer make of them.
/// tests/Golden/mixtral is ours and committed; the others are read where reference data is.
/// </summary>
public sealed class CheckpointTests : IDisposable
{
    private const double Bound = 5e-4;
    private readonly string folder = Directory.CreateTempSubdirectory("wd-checkpoint-").FullName;

    public static TheoryData<string, string, BackendKind> Folders
    {
        get
        {
            var data = new TheoryData<string, string, BackendKind>();
            foreach (var checkpoint in new[] { "mixtral", "qwen3_moe", "qwen3_moe_fp8" })
            {
                foreach (var config in new[] { "config.json", "config.hub.json" })
                {
                    data.Add(checkpoint, config, BackendKind.Cpu);
                    data.Add(checkpoint, config, BackendKind.Reference);
                }
            }
            return data;
        }
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [MemberData(nameof(Folders))]
    public void FoldersGiveTheLogitsOfTransformers(string checkpoint, string config, BackendKind backend) => Check(Copy(checkpoint, config), checkpoint, backend);

    [Theory]
    [InlineData("qwen3_moe", BackendKind.Cpu)]
    [InlineData("mixtral", BackendKind.Cpu)]
    [InlineData("mixtral", BackendKind.Reference)]
    public void ConvertedFilesGiveTheLogitsOfTransformers(string checkpoint, BackendKind backend) =>
        Check(TestData.Shared($"golden/gguf/{checkpoint}-bf16.gguf"), checkpoint, backend);

    /// <summary>The folder's order of queries and keys and the file's are two, the model is one: the same bits.</summary>
    [Fact]
    public void TheFolderAndTheConvertedFileAreOneModel()
    {
        var ids = Golden.Ids(Json("mixtral").GetProperty("prompts")[1], "ids");
        Assert.Equal(Golden.Logits(TestData.Shared("golden/gguf/mixtral-bf16.gguf"), BackendKind.Cpu, ids), Golden.Logits(Copy("mixtral", "config.json"), BackendKind.Cpu, ids));
    }

    /// <summary>Of MixtralForCausalLM, quantized by llama.cpp: against FP32 arithmetic on the dequantized weights.</summary>
    [Theory]
    [InlineData("Q4_0")]
    [InlineData("Q4_1")]
    [InlineData("Q5_0")]
    [InlineData("Q5_1")]
    [InlineData("Q8_0")]
    [InlineData("Q2_K")]
    [InlineData("Q3_K")]
    [InlineData("Q4_K")]
    [InlineData("Q4_K_M-mix")]
    [InlineData("Q5_K")]
    [InlineData("Q6_K")]
    [InlineData("IQ4_NL")]
    [InlineData("IQ4_XS")]
    [InlineData("MXFP4_MOE")]
    public void QuantizedFilesAgreeWithDequantizedWeights(string type)
    {
        string Find(string suffix) => type == "Q2_K" ? TestData.Golden($"mixtral/mixtral-{type}{suffix}") : TestData.Shared($"golden/gguf-quantized/mixtral-{type}{suffix}");
        var expected = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(Find(".dequantised.f32"))).ToArray();
        var logits = Golden.Logits(Find(".gguf"), BackendKind.Cpu, Golden.Ids(Json("mixtral").GetProperty("prompts")[1], "ids"));
        Assert.Equal(expected.Length, logits.Length);
        Assert.InRange(logits.Zip(expected, (a, b) => Math.Abs(a - b)).Max(), 0, 1e-3);
    }

    /// <summary>The error of a tokenizer that is not read yet comes when it is asked for, and says of which file.</summary>
    [Fact]
    public void ATokenizerThatIsNotSupportedDoesNotKeepAModelFromRunning()
    {
        var model = Copy("mixtral", "config.json");
        var path = Path.Combine(model, "tokenizer.json");
        File.WriteAllText(path, File.ReadAllText(path).Replace("\"BPE\"", "\"Magic\"", StringComparison.Ordinal));
        using var engine = Engine.Open(model, new EngineOptions { Backend = BackendKind.Cpu });
        var error = Assert.Throws<ModelFileException>(() => engine.Tokenizer);
        Assert.Equal(path, error.File);
        Assert.Contains("Magic", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LlamaWithoutExpertsIsRefused()
    {
        var path = Path.Combine(folder, "dense.gguf");
        using (var file = File.Create(path)) new GgufWriter("llama").Add("llama.block_count", 1u).Write(file);
        var error = Assert.Throws<ModelFileException>(() => Engine.Open(path, new EngineOptions { Backend = BackendKind.Cpu }));
        Assert.Equal("llama.expert_count", error.Item);
        Assert.Contains("Mixtral", error.Advice, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatIsPutTogetherInMemoryIsSaid()
    {
        var told = new Told();
        using var engine = Engine.Open(Copy("qwen3_moe_fp8", "config.json"), new EngineOptions { Backend = BackendKind.Cpu, Progress = told });
        Assert.Contains(engine.Notes, n => n.StartsWith("memory: ", StringComparison.Ordinal) && n.Contains(" MB of weights are put together in memory", StringComparison.Ordinal));
        Assert.Contains("putting blk.0.ffn_down_exps.weight together", told.Doing);
        told.Doing.Clear();
        using var plain = Engine.Open(Copy("mixtral", "config.json"), new EngineOptions { Backend = BackendKind.Cpu, Progress = told });
        Assert.Empty(told.Doing);
        Assert.DoesNotContain(plain.Notes, n => n.StartsWith("memory: ", StringComparison.Ordinal));
    }

    private sealed class Told : IProgress<LoadProgress>
    {
        public List<string> Doing { get; } = [];

        public void Report(LoadProgress value)
        {
            if (value.Doing is { } doing) Doing.Add(doing);
        }
    }

    /// <summary>Every position of the prompts within the bound, the continuations equal; a long prompt too.</summary>
    private static void Check(string path, string checkpoint, BackendKind backend)
    {
        var golden = Json(checkpoint);
        var expected = MemoryMarshal.Cast<byte, double>(File.ReadAllBytes(Find(checkpoint, "logits.f64"))).ToArray();
        var last = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(Find(checkpoint, "logits_long.f32"))).ToArray();
        using var engine = Engine.Open(path, new EngineOptions { Backend = backend, PrefillTokens = 64 });
        var worst = 0.0;
        foreach (var prompt in golden.GetProperty("prompts").EnumerateArray())
        {
            var row = prompt.GetProperty("logits_row").GetInt32();
            using var session = engine.CreateSession();
            session.Append(Golden.Ids(prompt, "ids"), (position, logits) =>
            {
                for (var v = 0; v < logits.Length; v++) worst = Math.Max(worst, Math.Abs(logits[v] - expected[((row + position) * engine.Vocabulary) + v]));
            });
            Assert.Equal(Golden.Ids(prompt, "greedy16"), Golden.Greedy(session, 16));
        }
        var longest = golden.GetProperty("long");
        var ids = Golden.Ids(longest, "ids");
        var first = ids.Length - longest.GetProperty("rows").GetInt32();
        using (var session = engine.CreateSession())
        {
            session.Append(ids, (position, logits) =>
            {
                for (var v = 0; position >= first && v < logits.Length; v++) worst = Math.Max(worst, Math.Abs(logits[v] - last[((position - first) * engine.Vocabulary) + v]));
            });
        }
        TestContext.Current.SendDiagnosticMessage($"{path}, {backend}: max |Δlogit| {worst:E2}");
        Assert.InRange(worst, 0, Bound);
    }

    private string Copy(string checkpoint, string config)
    {
        var to = Directory.CreateDirectory(Path.Combine(folder, checkpoint)).FullName;
        foreach (var name in new[] { "model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json", config })
            File.Copy(Find(checkpoint, name), Path.Combine(to, name == config ? "config.json" : name));
        return to;
    }

    private static string Find(string checkpoint, string name) =>
        checkpoint == "mixtral" ? TestData.Golden($"mixtral/{name}") : TestData.Shared($"golden/checkpoints/{checkpoint}/{name}");

    private static JsonElement Json(string checkpoint) => JsonDocument.Parse(File.ReadAllText(Find(checkpoint, "golden.json"))).RootElement;
}
