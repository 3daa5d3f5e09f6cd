using System.Text.Json;
using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Cpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Reference;
using WarpDecode.Runtime.Evaluation;
using WarpDecode.Runtime.Models;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Evaluation;

/// <summary>The claim that warp decode is closer to FP64 than paths that round activations, measured; and that the measure measures.</summary>
public class AccuracyTests
{
    private const double Published = 1.4;

    private static readonly int[] Prompt =
        [.. JsonDocument.Parse(File.ReadAllText(TestData.Golden("qwen3_moe/golden.json"))).RootElement.GetProperty("long").GetProperty("ids").EnumerateArray().Select(e => e.GetInt32())];

    [Theory]
    [InlineData("tests/Golden/qwen3_moe/qwen3_moe-bf16.gguf")]
    [InlineData("tests/Golden/qwen3_moe/qwen3_moe-Q4_K_M-mix.gguf")]
    [InlineData("models/warpdecode-tiny-moe-q8_0.gguf")]
    public void WarpDecodeIsCloserToFp64ThanEveryPathThatRoundsActivations(string model)
    {
        var report = Accuracy.MeasureTokens(Path.Combine(TestData.Root, model), [Prompt], new AccuracyOptions { UseGpu = false, MostTokens = 12, WindowTokens = 7 }, NoGpu);
        Assert.Equal(["warp", "bf16", "conventional", "conventional-mxfp8"], report.Paths.Select(p => p.Key));
        var warp = report.Paths[0];
        Assert.InRange(warp.MeanIsolated, 1e-9, 1e-6); // FP32 rounding, and not none
        Assert.All(report.Paths, path =>
        {
            Assert.Equal(0, path.Excluded);
            Assert.Equal(report.Layers, path.Isolated.Count);
            Assert.Equal(report.Layers, path.Accumulated.Count);
            Assert.InRange(path.Logits.MeanKl, -1e-12, 1);
            Assert.InRange(path.Logits.MaxKl, path.Logits.MeanKl, 2);
            Assert.InRange(path.Logits.Top1Agreement, 0.5, 1);
            foreach (var layer in path.Isolated)
            {
                // Cosine and length of an error that has no direction of its own: 1 − cos is about half the square.
                Assert.InRange(layer.OneMinusCosine, 0, layer.RelativeL2 * layer.RelativeL2);
                Assert.True(layer.MaxAbsolute > 0);
            }
        });
        foreach (var path in report.Paths.Skip(1))
        {
            Assert.True(path.ErrorOver(warp) >= Published, $"{path.Key}: {path.ErrorOver(warp):F2}");
            for (var layer = 0; layer < report.Layers; layer++)
            {
                Assert.True(path.Isolated[layer].RelativeL2 >= Published * warp.Isolated[layer].RelativeL2, $"{path.Key}, layer {layer}");
                Assert.True(path.Accumulated[layer].RelativeL2 >= Published * warp.Accumulated[layer].RelativeL2, $"{path.Key}, layer {layer}, accumulated");
            }
            Assert.True(path.Logits.RelativeL2 >= Published * warp.Logits.RelativeL2);
            Assert.True(path.Logits.MeanKl > warp.Logits.MeanKl);
        }
        // What the formats promise: 8 bits of mantissa, some 7 of a block's largest, 4 bits.
        Assert.InRange(report.Paths[1].MeanIsolated, 5e-4, 5e-3);
        Assert.InRange(report.Paths[2].MeanIsolated, 5e-4, 3e-2);
        Assert.InRange(report.Paths[3].MeanIsolated, 5e-3, 1e-1);
    }

    /// <summary>The reference backend stores FP32 between operations: as an oracle of the isolated reading it would be no better than what it judges.</summary>
    [Fact]
    public void TheOracleIsCloserThanTheReferenceBackend()
    {
        var path = TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf");
        ModelConfig config;
        using (var file = ModelFile.Open(path)) config = Architectures.Of(file).ReadConfig(file);
        using var tap = new LayerTap(new ReferenceBackend(), config);
        using var engine = Engine.Open(path, new EngineOptions { ContextLength = 32 }, tap);
        var tokens = Prompt[..6];
        var trace = Run(engine, tap, config, tokens, null);
        var fed = Run(engine, tap, config, tokens, trace);
        for (var layer = 0; layer < config.Layers; layer++)
        {
            Assert.All(fed[layer].SameExperts, Assert.True);
            Assert.Equal(trace[layer].Input, fed[layer].Input);
            var exact = AccuracyOracle.Experts(trace[layer], tokens.Length, tap.Weights[layer], -1, default);
            var sum = new DeviationSum();
            sum.Add(fed[layer].After, exact);
            Assert.InRange(sum.Result().RelativeL2, 1e-9, 3e-7);
            // What the fed run left is what the experts add to the residual stream of the other.
            for (var i = 0; i < exact.Length; i++) Assert.Equal(trace[layer].Before[i] + exact[i], trace[layer].After[i], 1e-5 * (1 + Math.Abs(exact[i])));
        }
    }

    [Fact]
    public void AFedRunOfThePathThatWasRecordedGivesItsOwnExperts()
    {
        var path = TestData.Golden("qwen3_moe/qwen3_moe-Q4_K_M-mix.gguf");
        ModelConfig config;
        using (var file = ModelFile.Open(path)) config = Architectures.Of(file).ReadConfig(file);
        using var tap = new LayerTap(new CpuBackend(2, ExpertForm.Conventional), config);
        using var engine = Engine.Open(path, new EngineOptions { ContextLength = 32, PrefillTokens = 4 }, tap);
        var tokens = Prompt[..10]; // three steps
        var own = Run(engine, tap, config, tokens, null);
        var fed = Run(engine, tap, config, tokens, own);
        for (var layer = 0; layer < config.Layers; layer++)
        {
            Assert.Equal(own[layer].Experts, fed[layer].Experts);
            Assert.Equal(own[layer].Weights, fed[layer].Weights);
            // before + experts = after, rounded once
            Assert.Equal(own[layer].After, own[layer].Before.Zip(fed[layer].After, (a, b) => a + b));
        }
    }

    [Fact]
    public void DeviationsAreThoseOfTheirFormulas()
    {
        var sum = new DeviationSum();
        sum.Add([3f, 0f], new float[] { 3f, 4f });
        var d = sum.Result();
        Assert.Equal(4.0 / 5, d.RelativeL2, 1e-15);
        Assert.Equal(1 - (9 / (3.0 * 5)), d.OneMinusCosine, 1e-15);
        Assert.Equal(4, d.MaxAbsolute);

        var logits = new LogitsSum();
        logits.Add([1f, 2f, 0f], [1f, 2f, 0f]);
        logits.Add([2f, 1f, 0f], [1f, 2f, 0f]);
        double[] p = [Math.E, Math.Exp(2), 1];
        double[] q = [p[1], p[0], 1];
        var kl = Enumerable.Range(0, 3).Sum(i => p[i] / p.Sum() * Math.Log(p[i] / q[i]));
        var l = logits.Result();
        Assert.Equal(kl / 2, l.MeanKl, 1e-12);
        Assert.Equal(kl, l.MaxKl, 1e-12);
        Assert.Equal(0.5, l.Top1Agreement);
        Assert.Equal(1, l.MaxAbsolute);
    }

    [Fact]
    public void TextsWithoutTwoTokensAreRefused() =>
        Assert.Throws<ArgumentException>(() => Accuracy.MeasureTokens(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), [[5], []], new AccuracyOptions(), NoGpu));

    [Fact]
    public void MeasuringCanBeCancelled()
    {
        using var cancel = new CancellationTokenSource();
        var options = new AccuracyOptions { UseGpu = false, Progress = new Once(cancel) };
        Assert.Throws<OperationCanceledException>(() => Accuracy.MeasureTokens(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), [Prompt], options, NoGpu, cancel.Token));
    }

    [Fact]
    public void WithoutAGpuANoteSaysSoOnce()
    {
        var report = Accuracy.MeasureTokens(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), [Prompt], new AccuracyOptions { MostTokens = 2 }, NoGpu);
        Assert.Equal(["not on a GPU: no GPU here"], report.Notes);
        Assert.Equal(4, report.Paths.Count);
    }

    [Theory]
    [InlineData(BackendKind.Reference, MoeForm.Conventional, "one way only")]
    [InlineData(BackendKind.Reference, MoeForm.WarpFp32, "one way only")]
    public void FormsThatABackendHasNotAreRefused(BackendKind backend, MoeForm form, string message)
    {
        var e = Assert.Throws<ArgumentException>(() => Engine.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = backend, Moe = form }));
        Assert.Contains(message, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ABaselineIsThatOfTheBackendThatIsFound()
    {
        var (path, options) = (TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Moe = MoeForm.Conventional });
        using (var engine = Engine.Open(path, options, () => new EmulatedDevice()))
        {
            Assert.Contains("ILGPU", engine.Backend, StringComparison.Ordinal);
            Assert.Contains("conventional experts", engine.Backend, StringComparison.Ordinal);
        }
        using var cpu = Engine.Open(path, options, () => throw new GpuException("no GPU here"));
        Assert.Contains("threads", cpu.Backend, StringComparison.Ordinal);
        Assert.Contains("conventional experts", cpu.Backend, StringComparison.Ordinal);
        Assert.Contains("no GPU here", cpu.Notes[0], StringComparison.Ordinal);
    }

    private static GpuDevice NoGpu() => throw new GpuException("no GPU here");

    private static LayerTrace[] Run(Engine engine, LayerTap tap, ModelConfig config, int[] tokens, LayerTrace[]? feed)
    {
        var trace = Enumerable.Range(0, config.Layers).Select(_ => new LayerTrace(tokens.Length, config.Hidden, config.TopK)).ToArray();
        (tap.Record, tap.Feed) = (trace, feed);
        using var session = engine.CreateSession();
        session.Append(tokens);
        return trace;
    }

    private sealed class Once(CancellationTokenSource cancel) : IProgress<AccuracyProgress>
    {
        public void Report(AccuracyProgress value)
        {
            Assert.Equal(1, value.Tokens);
            cancel.Cancel();
        }
    }
}
