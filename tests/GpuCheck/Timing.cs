using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.GpuCheck;

/// <summary>Time on the device, by events around a recorded graph.</summary>
internal sealed class Timing(CudaDevice device)
{
    /// <summary>Median microseconds of what <paramref name="queue"/> queues, recorded once and launched several times.</summary>
    public double Microseconds(Action queue, int repeats = 15)
    {
        queue(); // compiles kernels
        device.Synchronize();
        device.BeginCapture();
        queue();
        using var graph = device.EndCapture();
        device.Check(Driver.cuEventCreate(out var begin, 0), "creating an event");
        device.Check(Driver.cuEventCreate(out var end, 0), "creating an event");
        var times = new List<double>();
        for (var i = -2; i < repeats; i++)
        {
            device.Check(Driver.cuEventRecord(begin, device.Stream), "recording an event");
            graph.Launch();
            device.Check(Driver.cuEventRecord(end, device.Stream), "recording an event");
            device.Check(Driver.cuEventSynchronize(end), "waiting for an event");
            device.Check(Driver.cuEventElapsedTime(out var milliseconds, begin, end), "reading an event");
            if (i >= 0) times.Add(milliseconds * 1000.0);
        }
        _ = Driver.cuEventDestroy(begin);
        _ = Driver.cuEventDestroy(end);
        times.Sort();
        return times[times.Count / 2];
    }
}
