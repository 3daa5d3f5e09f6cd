using System.Runtime.InteropServices;
using System.Text.Json;
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
    private static readonly JsonElement Golden =
        JsonDocument.Parse(File.ReadAllText(TestData.Golden("qwen3_moe/golden.json"))).RootElement;

    public static TheoryData<BackendKind> Backends => [BackendKind.Reference, BackendKind.Cpu];

    [Theory]
    [MemberData(nameof(Backends))]
    public void EveryPositionOfEveryPromptIsWithin1e3OfTransformersFp64(BackendKind backend)
    {
        var expected = MemoryMarshal.Cast<byte, double>(File.ReadAllBytes(TestData.Golden("qwen3_moe/logits.f64"))).ToArray();
        using var engine = Engine.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = backend });
        var worst = 0.0;
        foreach (var prompt in Golden.GetProperty("prompts").EnumerateArray())
        {
            var row = prompt.GetProperty("logits_row").GetInt32();
            using var session = engine.CreateSession();
            session.Append(Ids(prompt, "ids"), (position, logits) =>
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
        var golden = Golden.GetProperty("long");
        var ids = Ids(golden, "ids");
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
        foreach (var prompt in Golden.GetProperty("prompts").EnumerateArray())
        {
            using var session = engine.CreateSession();
            Assert.Equal(Ids(prompt, "greedy16"), Greedy(session, Ids(prompt, "ids"), 16));
        }
    }

    /// <summary>
    /// The other reading of norm_topk_prob: a file whose flag is off weighs the experts by their softmax over all. There is no golden
    /// of it, so the backends are compared with each other, and with the normalized run, from which it must differ.
    /// </summary>
    [Fact]
    public void TheFlagThatTurnsNormalizationOffIsObeyed()
    {
        var ids = Ids(Golden.GetProperty("prompts")[1], "ids");
        var path = TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf");
        var off = Path.Combine(Path.GetTempPath(), $"wd-{Environment.ProcessId}-unnormalized.gguf");
        try
        {
            TinyModel.Write(off, more: writer => writer.Add("qwen3moe.expert_weights_norm", false));
            var unnormalized = Logits(off, BackendKind.Cpu, ids);
            Assert.InRange(Nmse(unnormalized, Logits(off, BackendKind.Reference, ids)), 0, 1e-9);
            Assert.True(Nmse(unnormalized, Logits(path, BackendKind.Cpu, ids)) > 1e-4);
        }
        finally
        {
            File.Delete(off);
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
        var ids = Ids(Golden.GetProperty("prompts")[1], "ids");
        var reference = Logits(path, BackendKind.Reference, ids);
        var cpu = Logits(path, BackendKind.Cpu, ids);
        var dequantized = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(Find(".dequantised.f32"))).ToArray();

        var nmse = Nmse(cpu, reference);
        Assert.Equal(dequantized.Length, cpu.Length);
        var worst = cpu.Zip(dequantized, (a, b) => Math.Abs(a - b)).Max();
        TestContext.Current.SendDiagnosticMessage($"{type}: NMSE {nmse:E2} of the reference, max |Δlogit| {worst:E2} of dequantized weights");
        Assert.InRange(nmse, 0, 1e-9);
        Assert.InRange(worst, 0, 1e-3);
    }

    private static float[] Logits(string path, BackendKind backend, int[] ids)
    {
        using var engine = Engine.Open(path, new EngineOptions { Backend = backend });
        using var session = engine.CreateSession();
        var all = new List<float>();
        session.Append(ids, (_, logits) => all.AddRange(logits));
        return [.. all];
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

    private static int[] Greedy(Session session, int[] prompt, int count)
    {
        var tokens = new int[count];
        session.Append(prompt);
        for (var i = 0; i < count; i++)
        {
            tokens[i] = ArgMax(session.Logits);
            session.Append([tokens[i]]);
        }
        return tokens;
    }

    private static int ArgMax(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best]) best = i;
        }
        return best;
    }

    private static int[] Ids(JsonElement parent, string name) => [.. parent.GetProperty(name).EnumerateArray().Select(e => e.GetInt32())];
}
