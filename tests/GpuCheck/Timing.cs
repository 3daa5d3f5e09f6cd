using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.GpuCheck;

/// <summary>Time on the device, by events around a recorded graph.</summary>
internal sealed class Timing(CudaDevice device)
{
    /// <summary>Median microseconds of what <paramref name="queue"/> queues, recorded once and launched several times.</summary>
    public double Microseconds(Action queue, int repeats = 15) => device.Microseconds(queue, repeats, warm: 2);
}
