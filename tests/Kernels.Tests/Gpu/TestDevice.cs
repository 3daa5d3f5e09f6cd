using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Tests.Gpu;

/// <summary>
/// Where the kernels run in these tests: on ILGPU's CPU accelerator, or with WD_TEST_DEVICE=cuda on the machine's first GPU, whose
/// compiler and order of execution no emulation has (bench/gpu-check.sh does so).
/// </summary>
internal static class TestDevice
{
    public static bool IsEmulated => Environment.GetEnvironmentVariable("WD_TEST_DEVICE") != "cuda";

    public static GpuDevice Open() => IsEmulated ? new EmulatedDevice() : CudaDevice.Open();
}
