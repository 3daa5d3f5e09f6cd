using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime.Models;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests;

/// <summary>A model divided between a device, here ILGPU's CPU accelerator, and the CPU; and which of them auto takes.</summary>
public class PlacementTests
{
    private static readonly string Model = TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"); // two layers

    [Theory]
    [InlineData(0, 0, "cuda: nothing; cpu: layers 0 to 1, embedding and head")]
    [InlineData(1, 2, "cuda: layer 0; cpu: layer 1, embedding and head, experts of layer 0")]
    [InlineData(9, 1, "cuda: layers 0 to 1, embedding and head; cpu: experts of layer 0")]
    public void DividedItGivesTheLogitsOfTheCpu(int gpuLayers, int cpuMoe, string what)
    {
        SlowTests.Skip(gpuLayers != 1);
        var options = new EngineOptions { Backend = BackendKind.Cuda, ContextLength = 64, Threads = 2, GpuLayers = gpuLayers, CpuMoe = cpuMoe, Sessions = 2 };
        using var divided = Engine.Open(Model, options, () => new EmulatedDevice());
        using var cpu = Engine.Open(Model, new EngineOptions { Backend = BackendKind.Cpu, ContextLength = 64, Threads = 2, Sessions = 2 });
        Assert.Contains(what, divided.Notes);
        var (expected, found) = (Run(cpu), Run(divided));
        for (var i = 0; i < expected.Length; i++) Assert.InRange(Math.Abs(expected[i] - found[i]), 0, 1e-5);
    }

    /// <summary>Two steps; the second in a fork, which writes to a page that it shares.</summary>
    private static float[] Run(Engine engine)
    {
        using var session = engine.CreateSession();
        session.Append([1]);
        using var fork = session.Fork();
        fork.Append([2]);
        return [.. session.Logits, .. fork.Logits];
    }

    [Fact]
    public void AutoTakesTheDeviceIfTheModelFits()
    {
        using var engine = Engine.Open(Model, new EngineOptions { ContextLength = 64 }, () => new EmulatedDevice());
        Assert.StartsWith("cuda (", engine.Backend, StringComparison.Ordinal);
        Assert.Empty(engine.Notes);
    }

    [Theory]
    [InlineData(0, "alone up to 3 tokens (gate/up) and 2 (down), as asked for")]
    [InlineData(1, "alone up to 3 tokens (gate/up) and 2 (down), as asked for")]
    [InlineData(2, null)] // the cpu has all experts
    public void HowManyTokensGoAloneIsTakenAsAskedFor(int cpuMoe, string? what)
    {
        var options = new EngineOptions { Backend = BackendKind.Cuda, ContextLength = 64, Threads = 1, CpuMoe = cpuMoe, MoeAlone = (3, 2) };
        using var engine = Engine.Open(Model, options, () => new EmulatedDevice());
        Assert.Equal(what, engine.Experts);
    }

    [Fact]
    public void TheExpertsOfAFileAreThoseThatAreBound()
    {
        using var file = ModelFile.Open(Model);
        var architecture = Architectures.Of(file);
        var experts = architecture.Experts(file, architecture.ReadConfig(file)).ToArray();
        Assert.Equal(["blk.0.ffn_gate_exps.weight", "blk.1.ffn_gate_exps.weight"], experts.Select(e => e.Gate.Name));
        Assert.Equal(["blk.0.ffn_down_exps.weight", "blk.1.ffn_down_exps.weight"], experts.Select(e => e.Down.Name));
    }

    [Fact]
    public void NobodyGoesAloneUpToNoToken() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Engine.Open(Model, new EngineOptions { MoeAlone = (0, 1) }, () => new EmulatedDevice()));

    [Theory]
    [InlineData("no NVIDIA driver")]
    [InlineData("the model does not fit")]
    public void AutoTakesTheCpuElseAndSaysWhy(string why)
    {
        GpuDevice Device() => why.StartsWith("no", StringComparison.Ordinal) ? throw new GpuException("no NVIDIA driver: x cannot be loaded") : new EmulatedDevice(freeBytes: 1 << 20);
        using var engine = Engine.Open(Model, new EngineOptions { ContextLength = 64, Threads = 1 }, Device);
        Assert.StartsWith("cpu (1 thread", engine.Backend, StringComparison.Ordinal);
        Assert.StartsWith($"on the cpu: {why}", Assert.Single(engine.Notes), StringComparison.Ordinal);
        var e = Assert.Throws<GpuException>(() => Engine.Open(Model, new EngineOptions { Backend = BackendKind.Cuda, ContextLength = 64 }, Device));
        Assert.StartsWith(why, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AutoDoesNotTakeTheDeviceForAFewTokensOfContext()
    {
        using var engine = Engine.Open(Model, new EngineOptions { Sessions = 8, PrefillTokens = 128, Threads = 1 }, () => new EmulatedDevice((448L << 20) + (7L << 20)));
        Assert.StartsWith("on the cpu: the model does not fit", engine.Notes[0], StringComparison.Ordinal);
        Assert.Equal(engine.Config.ContextLength, engine.ContextLength);
    }

    [Fact]
    public void TheAdviceIsTheNearestSettingThatFits()
    {
        const long expertsOfALayer = 4 * 3 * 256 * 256 * 2;
        var free = 448L << 20; // what the backend keeps for itself
        long Needed(EngineOptions options)
        {
            var (low, high) = (0L, 64L << 20);
            while (high - low > 1000)
            {
                var middle = (low + high) / 2;
                try
                {
                    Engine.Open(Model, options with { Backend = BackendKind.Cuda, ContextLength = 4096, PrefillTokens = 16 }, () => new EmulatedDevice(free + middle)).Dispose();
                    high = middle;
                }
                catch (GpuException)
                {
                    low = middle;
                }
            }
            return high;
        }

        var (all, one, layer) = (Needed(new EngineOptions()), Needed(new EngineOptions { CpuMoe = 1 }), Needed(new EngineOptions { GpuLayers = 1 }));
        Assert.InRange(all - one, expertsOfALayer - 1000, expertsOfALayer + 1000);
        Assert.True(layer < one);
        var e = Assert.Throws<GpuException>(() => Engine.Open(
            Model, new EngineOptions { Backend = BackendKind.Cuda, ContextLength = 4096, PrefillTokens = 16 }, () => new EmulatedDevice(free + one + 2000)));
        Assert.Contains("(-c ", e.Advice, StringComparison.Ordinal);
        Assert.Contains("--cpu-moe 1 (", e.Advice, StringComparison.Ordinal);
        Assert.Contains("--gpu-layers 1 (", e.Advice, StringComparison.Ordinal);
    }

    [Fact]
    public void LoadingTellsHowFarItIsAndCanBeCancelled()
    {
        var told = new List<LoadProgress>();
        using var source = new CancellationTokenSource();
        var options = new EngineOptions { Backend = BackendKind.Cpu, Progress = new Told(told.Add) };
        Engine.Open(Model, options).Dispose();
        Assert.Equal(27, told.Count); // tensors
        Assert.Equal(told.OrderBy(p => p.Bytes), told);
        Assert.Equal(told[^1].Total, told[^1].Bytes);

        told.Clear();
        var cancelling = options with { Cancellation = source.Token, Progress = new Told(p => { told.Add(p); if (told.Count == 5) source.Cancel(); }) };
        Assert.Throws<OperationCanceledException>(() => Engine.Open(Model, cancelling));
        Assert.Equal(5, told.Count);
    }

    private sealed class Told(Action<LoadProgress> tell) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => tell(value);
    }

    [Fact]
    public void OnTheCpuNothingIsDivided() =>
        Assert.Throws<ArgumentException>(() => Engine.Open(Model, new EngineOptions { Backend = BackendKind.Cpu, GpuLayers = 1 }));
}
