using System.Diagnostics;
using System.IO.MemoryMappedFiles;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.GpuCheck;

/// <summary>What the memory gives: the denominators of everything else.</summary>
internal static class Bandwidth
{
    private static double read;

    /// <summary>GB/s of a tuned read of 4 GiB, measured once in a run.</summary>
    public static double Read(Report report, CudaDevice device)
    {
        if (read > 0) return read;
        read = ReadBandwidth.Measure(device, repeats: 7).Max();
        report.Line(Report.Text($"Read bandwidth, best of four grid sizes, 4 GiB: {read:F0} GB/s"));
        report.Value("read GB/s", read);
        return read;
    }

    public static unsafe void Run(Report report)
    {
        using var device = CudaDevice.Open();
        _ = Read(report, device);
        var buffer = device.Allocate(2L << 30, "bandwidth");

        // From a file in memory, as weights are loaded; the first time with the pages of the map and the buffers still to be made.
        const long mapped = 2L << 30;
        var path = Directory.Exists("/dev/shm") ? "/dev/shm/wd-gpu-check" : Path.GetTempFileName();
        try
        {
            using (var file = File.Create(path))
            {
                var chunk = new byte[64 << 20];
                Random.Shared.NextBytes(chunk);
                for (var done = 0L; done < mapped; done += chunk.Length) file.Write(chunk);
            }
            using var map = MemoryMappedFile.CreateFromFile(path, FileMode.Open);
            using var view = map.CreateViewAccessor(0, mapped, MemoryMappedFileAccess.Read);
            byte* start = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            foreach (var pass in (string[])["first", "second"])
            {
                var watch = Stopwatch.StartNew();
                device.UploadMapped(buffer, start + 100, mapped - 4096); // as tensors lie: not at a page's start
                device.Synchronize();
                var rate = mapped / watch.Elapsed.TotalSeconds / 1e9;
                report.Line(Report.Text($"Memory map to device, 2 GiB, {pass} time: {rate:F1} GB/s"));
                report.Value($"upload GB/s, {pass} time", rate);
            }
            var back = new byte[1 << 20];
            fixed (byte* to = back) device.Download(to, buffer + (mapped / 2) - (1 << 19), back.Length);
            report.Check("what arrives is what was mapped", back.AsSpan().SequenceEqual(new ReadOnlySpan<byte>(start + 100 + (mapped / 2) - (1 << 19), back.Length)), "1 MiB in the middle");
            view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
        finally
        {
            File.Delete(path);
        }
    }
}
