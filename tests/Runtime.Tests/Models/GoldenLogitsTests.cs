using System.Runtime.InteropServices;
using System.Text.Json;
using WarpDecode.Formats;
using WarpDecode.Runtime.Tests.Evaluation;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Models;

/// <summary>
/// Logits against Hugging Face transformers (tests/Golden/qwen3_moe, made by transformers 5.17.0 in FP64 on the same bf16 weights) and,
/// for quantized files, against FP32 arithmetic on the dequantized weights.
/// </summary>
public class GoldenLogitsTests
{
    private static readonly JsonElement Transformers =
        JsonDocument.Parse(File.ReadAllText(TestData.Golden("qwen3_moe/golden.json"))).RootElement;

    public static TheoryData<BackendKind> Backends => [BackendKind.Reference, BackendKind.Cpu];

    [Theory]
    [MemberData(nameof(Backends))]
    public void EveryPositionOfEveryPromptIsWithin1e3OfTransformersFp64(BackendKind backend)
    {
        var expected = MemoryMarshal.Cast<byte, double>(File.ReadAllBytes(TestData.Golden("qwen3_moe/logits.f64"))).ToArray();
        using var engine = Engine.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = backend });
        var worst = 0.0;
        foreach (var prompt in Transformers.GetProperty("prompts").EnumerateArray())
        {
            var row = prompt.GetProperty("logits_row").GetInt32();
            using var session = engine.CreateSession();
            session.Append(Golden.Ids(prompt, "ids"), (position, logits) =>
            {
                for (var v = 0; v < logits.Length; v++)
                    worst = Math.Max(worst, Math.Abs(logits[v] - expected[((row + position) * engine.Vocabulary) + v]));
            });
        }
        TestContext.Current.SendDiagnosticMessage($"{backend}: max |Δlogit| {worst:E2}");
        Assert.InRange(worst, 0, 1e-3);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void ALongPromptIsWithin1e3OfTransformers(BackendKind backend)
    {
        var golden = Transformers.GetProperty("long");
        var ids = Golden.Ids(golden, "ids");
        var expected = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(TestData.Golden("qwen3_moe/logits_long.f32"))).ToArray();
        using var engine = Engine.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = backend, PrefillTokens = 64 });
        using var session = engine.CreateSession();
        var first = ids.Length - golden.GetProperty("rows").GetInt32();
        var worst = 0.0;
        session.Append(ids, (position, logits) =>
        {
            if (position < first) return;
            for (var v = 0; v < logits.Length; v++)
                worst = Math.Max(worst, Math.Abs(logits[v] - expected[((position - first) * engine.Vocabulary) + v]));
        });
        Assert.InRange(worst, 0, 1e-3);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void GreedyContinuationsAreThoseOfTransformers(BackendKind backend)
    {
        using var engine = Engine.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = backend });
        foreach (var prompt in Transformers.GetProperty("prompts").EnumerateArray())
        {
            using var session = engine.CreateSession();
            session.Append(Golden.Ids(prompt, "ids"));
            Assert.Equal(Golden.Ids(prompt, "greedy16"), Golden.Greedy(session, 16));
        }
    }

    /// <summary>
    /// The other reading of norm_topk_prob: a file whose flag is off weighs the experts by their softmax over all. There is no golden
    /// of it, so the backends are compared with each other, and with the normalized run, from which it must differ.
    /// </summary>
    [Fact]
    public void TheFlagThatTurnsNormalizationOffIsObeyed()
    {
        var ids = Golden.Ids(Transformers.GetProperty("prompts")[1], "ids");
        var path = TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf");
        var off = Path.Combine(Path.GetTempPath(), $"wd-{Environment.ProcessId}-unnormalized.gguf");
        try
        {
            TinyModel.Write(off, more: writer => writer.Add("qwen3moe.expert_weights_norm", false));
            var unnormalized = Golden.Logits(off, BackendKind.Cpu, ids);
            Assert.InRange(Nmse(unnormalized, Golden.Logits(off, BackendKind.Reference, ids)), 0, 1e-9);
            Assert.True(Nmse(unnormalized, Golden.Logits(path, BackendKind.Cpu, ids)) > 1e-4);
        }
        finally
        {
            File.Delete(off);
        }
    }

    /// <summary>All tensors of the BF16 file as doubles, vectors too: the same numbers in the same order, so the same bits.</summary>
    [Fact]
    public void AFileOfDoublesGivesTheSameBits()
    {
        var ids = Golden.Ids(Transformers.GetProperty("prompts")[1], "ids");
        var doubles = Path.Combine(Path.GetTempPath(), $"wd-{Environment.ProcessId}-doubles.gguf");
        try
        {
            WriteAsDoubles(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), doubles);
            Assert.Equal(Golden.Logits(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), BackendKind.Cpu, ids), Golden.Logits(doubles, BackendKind.Cpu, ids));
        }
        finally
        {
            File.Delete(doubles);
        }
    }

    /// <summary>Both backends compute with unquantized activations, so only rounding differs.</summary>
    [Theory]
    [InlineData("Q4_0")]
    [InlineData("Q4_1")]
    [InlineData("Q5_0")]
    [InlineData("Q5_1")]
    [InlineData("Q8_0")]
    [InlineData("Q2_K")]
    [InlineData("Q2_K-mix")]
    [InlineData("Q3_K")]
    [InlineData("Q4_K")]
    [InlineData("Q4_K_M-mix")]
    [InlineData("Q5_K")]
    [InlineData("Q6_K")]
    [InlineData("IQ4_NL")]
    [InlineData("IQ4_XS")]
    [InlineData("MXFP4_MOE")]
    public void QuantizedFilesAgreeWithTheReferenceBackendAndWithDequantizedWeights(string type)
    {
        var committed = type == "Q4_K_M-mix";
        string Find(string suffix) => committed
            ? TestData.Golden($"qwen3_moe/qwen3_moe-{type}{suffix}")
            : TestData.Shared($"golden/gguf-quantized/qwen3_moe-{type}{suffix}");
        var path = Find(".gguf");
        var ids = Golden.Ids(Transformers.GetProperty("prompts")[1], "ids");
        var reference = Golden.Logits(path, BackendKind.Reference, ids);
        var cpu = Golden.Logits(path, BackendKind.Cpu, ids);
        var dequantized = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(Find(".dequantised.f32"))).ToArray();

        var nmse = Nmse(cpu, reference);
        Assert.Equal(dequantized.Length, cpu.Length);
        var worst = cpu.Zip(dequantized, (a, b) => Math.Abs(a - b)).Max();
        TestContext.Current.SendDiagnosticMessage($"{type}: NMSE {nmse:E2} of the reference, max |Δlogit| {worst:E2} of dequantized weights");
        Assert.InRange(nmse, 0, 1e-9);
        Assert.InRange(worst, 0, 1e-3);
        if (committed) return; // the index of the others is not ours to publish
        using var index = JsonDocument.Parse(File.ReadAllText(TestData.Shared("golden/gguf-quantized/quantized.json")));
        var greedy = index.RootElement.GetProperty("files").GetProperty("qwen3_moe").GetProperty(type).GetProperty("dequantised");
        using var engine = Engine.Open(path, new EngineOptions { Backend = BackendKind.Cpu });
        using var session = engine.CreateSession();
        session.Append(ids);
        Assert.Equal(Golden.Ids(greedy, "greedy16"), Golden.Greedy(session, 16));
    }

    private static unsafe void WriteAsDoubles(string from, string to)
    {
        using var file = ModelFile.Open(from);
        var writer = new GgufWriter(file.Metadata.GetString("general.architecture"));
        foreach (var key in file.Metadata.Keys.Where(key => key is not ("general.architecture" or "general.alignment"))) writer.Copy(file.Metadata, key);
        foreach (var tensor in file.Tensors)
        {
            var values = new double[tensor.Count];
            for (var i = 0; i < values.Length; i++)
            {
                values[i] = tensor.Type == WeightType.F32
                    ? ((float*)tensor.Data)[i]
                    : BitConverter.UInt32BitsToSingle((uint)((ushort*)tensor.Data)[i] << 16);
            }
            writer.Add(tensor.Name, WeightType.F64, [.. tensor.Shape], stream => stream.Write(MemoryMarshal.AsBytes<double>(values)));
        }
        using var copy = File.Create(to);
        writer.Write(copy);
    }

    private static double Nmse(float[] x, float[] reference)
    {
        double error = 0, norm = 0;
        for (var i = 0; i < x.Length; i++)
        {
            error += Math.Pow((double)x[i] - reference[i], 2);
            norm += Math.Pow(reference[i], 2);
        }
        return error / norm;
    }
}
