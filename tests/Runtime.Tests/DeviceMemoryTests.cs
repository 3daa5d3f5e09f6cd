using WarpDecode.Kernels;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests;

/// <summary>What a device must hold is added up before anything is allocated on it; here on ILGPU's CPU accelerator with bounds.</summary>
public class DeviceMemoryTests
{
    // What the backend keeps for itself, and the golden model's 4 MB with a little room.
    private const long Least = (64L << 20) + (128L << 20) + (256L << 20) + (7L << 20);

    [Fact]
    public void AModelThatDoesNotFitIsRefusedWithThePlanAndTheContextThatWould()
    {
        var e = Assert.Throws<GpuException>(() => Open(Least, new EngineOptions { ContextLength = 4096, Sessions = 8 }));
        Assert.Contains("weights 0.00 GB + cache ", e.Message, StringComparison.Ordinal);
        Assert.Contains("(8 × 4096 tokens)", e.Message, StringComparison.Ordinal);
        var advised = int.Parse(e.Advice!.Split("(-c ")[1].Split(')')[0]);
        Assert.InRange(advised, 32, 4095);
        Open(Least, new EngineOptions { ContextLength = advised, Sessions = 8 }).Dispose();
        Assert.Throws<GpuException>(() => Open(Least, new EngineOptions { ContextLength = advised + 32, Sessions = 8 }));
    }

    [Fact]
    public void WithoutALengthTheContextIsWhatFits()
    {
        using var engine = Open(Least, new EngineOptions { Sessions = 8 });
        Assert.InRange(engine.ContextLength, 32, engine.Config.ContextLength - 1);
        Assert.Contains(engine.Notes, note => note.StartsWith("memory: weights ", StringComparison.Ordinal));
    }

    [Fact]
    public void AModelWhoseWeightsDoNotFitIsToldSo() =>
        Assert.Contains("smaller model", Assert.Throws<GpuException>(() => Open(Least - (6L << 20), new EngineOptions { ContextLength = 32 })).Advice, StringComparison.Ordinal);

    private static Engine Open(long free, EngineOptions options) =>
        Engine.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), options with { Backend = BackendKind.Cuda, PrefillTokens = 128 }, new CudaBackend(new EmulatedDevice(free)));
}
