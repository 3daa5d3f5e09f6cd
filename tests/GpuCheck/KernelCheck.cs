using System.Diagnostics;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.GpuCheck;

/// <summary>The device, and how long it takes to have its kernels.</summary>
internal static class KernelCheck
{
    public static void Run(Report report, Func<GpuDevice> open)
    {
        foreach (var pass in (string[])["first", "second"])
        {
            var watch = Stopwatch.StartNew();
            using var device = open();
            var opened = watch.Elapsed.TotalMilliseconds;
            var count = 0;
            foreach (var type in Dispatch.Supported.Where(t => Dispatch.GpuForm(t) == LaneForm.Own))
            {
                var kernels = Dispatch.Gpu(type, device);
                _ = (kernels.Embed, kernels.Route(false), kernels.Route(true), kernels.GateUp, kernels.Down);
                foreach (var norm in (bool[])[false, true]) _ = (kernels.Project(norm, false), kernels.Project(norm, true));
                count += 9;
            }
            if (pass == "first")
            {
                report.Line($"Device: {device.Description}");
                report.Value("device", device.Description);
            }
            report.Line(Report.Text($"{pass} time: opening the device {opened:F0} ms, {count} kernels {watch.Elapsed.TotalMilliseconds - opened:F0} ms"));
            report.Value($"kernels, {pass} time, ms", watch.Elapsed.TotalMilliseconds - opened);
        }
    }
}
