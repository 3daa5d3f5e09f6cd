using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;
using Xunit;

namespace WarpDecode.Kernels.Tests.Gpu;

/// <summary>
/// Where the kernels run in these tests: on ILGPU's CPU accelerator, or with WD_TEST_DEVICE=cuda on the machine's first GPU, whose
/// compiler and order of execution no emulation has (bench/gpu-check.sh does so).
/// </summary>
internal static class TestDevice
{
    public static bool IsEmulated => Environment.GetEnvironmentVariable("WD_TEST_DEVICE") != "cuda";

    /// <summary>Leaves out on the emulator what takes it long and what other cases there show too; WD_SLOW_TESTS=1 leaves nothing out.</summary>
    public static void SkipSlow(bool slow) => Assert.SkipWhen(
        slow && IsEmulated && Environment.GetEnvironmentVariable("WD_SLOW_TESTS") != "1",
        "slow without a GPU: set WD_TEST_DEVICE=cuda where there is one, or WD_SLOW_TESTS=1");

    /// <summary>The types that stand for the others in what is computed with them: floats, bytes, nibbles, bits in planes, a table.</summary>
    public static bool IsOfMany(WeightType type) => type is not (WeightType.F32 or WeightType.F16 or WeightType.BF16 or WeightType.Q8_0 or WeightType.Q5_0
        or WeightType.Q4_K or WeightType.Q6_K or WeightType.MXFP4);

    public static GpuDevice Open() => IsEmulated ? new EmulatedDevice() : CudaDevice.Open();

    /// <summary>A step of one token of each of so many sequences, for operations that look at no position.</summary>
    public static Step Decode(int tokens)
    {
        var step = new Step(tokens, tokens, 1);
        for (var i = 0; i < tokens; i++)
        {
            step.AddSequence([i]);
            step.AddToken(0, 0);
        }
        return step;
    }
}
