using System.Diagnostics;
using System.IO.MemoryMappedFiles;
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
        var timing = new Timing(device);
        const long bytes = 4L << 30;
        var (buffer, sums) = (device.Allocate(bytes, "bandwidth"), device.Allocate(64 << 20, "bandwidth"));
        var kernel = device.Compile<ReadArgs>(Synthetic.Read);
        foreach (var blocks in (int[])[2, 4, 8, 16])
        {
            var time = timing.Microseconds(() => kernel.Launch(new ReadArgs { From = buffer, Units = bytes / 16, To = sums }, device.Multiprocessors * blocks), 7);
            read = Math.Max(read, bytes / time / 1000);
        }
        device.Free(buffer);
        device.Free(sums);
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
            using var handle = File.OpenHandle(path);
            using var map = MemoryMappedFile.CreateFromFile(handle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            using var view = map.CreateViewAccessor(0, mapped, MemoryMappedFileAccess.Read);
            byte* start = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            var back = new byte[1 << 20];
            foreach (var way in (string[])["file", "map"])
            {
                var offset = way == "file" ? 100 : 200; // as tensors lie: not at a page's start
                foreach (var pass in (string[])["first", "second"])
                {
                    var watch = Stopwatch.StartNew();
                    device.UploadMapped(buffer, start + offset, mapped - 4096, way == "file" ? handle : null, offset);
                    device.Synchronize();
                    var rate = mapped / watch.Elapsed.TotalSeconds / 1e9;
                    report.Line(Report.Text($"Mapped file to device, 2 GiB, by the {way}, {pass} time: {rate:F1} GB/s"));
                    report.Value($"upload by the {way} GB/s, {pass} time", rate);
                }
                foreach (var at in (long[])[0, (mapped / 2) - (1 << 19), mapped - 4096 - back.Length])
                {
                    fixed (byte* to = back) device.Download(to, buffer + at, back.Length);
                    report.Check($"what arrives is what the {way} has", back.AsSpan().SequenceEqual(new ReadOnlySpan<byte>(start + offset + at, back.Length)), $"1 MiB at {at}");
                }
            }
            view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
        finally
        {
            File.Delete(path);
        }
    }
}
