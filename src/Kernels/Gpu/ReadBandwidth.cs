using System.Diagnostics;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="ReadBandwidth.Read"/>.</summary>
internal struct ReadArgs
{
    public long From;
    public long Units;
    public long To;
}

/// <summary>What the device's memory gives: the limit that everything else is measured against.</summary>
internal static class ReadBandwidth
{
    /// <summary>Far more than any level 2 cache.</summary>
    public const long Bytes = 4L << 30;

    private const int Threads = 512;
    private const int Launches = 8; // at once, so that the time of a launch does not count

    /// <summary>GB/s of a tuned read: for each repeat the best of four grid sizes.</summary>
    /// <param name="device">The device; nothing else runs on it meanwhile.</param>
    /// <param name="repeats">How often it is measured.</param>
    /// <param name="bytes">Bytes that are read, at most.</param>
    public static double[] Measure(GpuDevice device, int repeats, long bytes = Bytes)
    {
        device.Enter();
        bytes = Math.Min(bytes, device.FreeBytes / 2) / 4096 * 4096;
        int[] grids = [2, 4, 8, 16];
        var kernel = device.Compile<ReadArgs>(Read);
        var buffer = device.Allocate(bytes, "bandwidth");
        var sums = device.Allocate((long)device.Multiprocessors * grids[^1] * Threads * sizeof(int), "bandwidth");
        var rates = new double[repeats];
        for (var repeat = -1; repeat < repeats; repeat++) // the first is for warming up
        {
            foreach (var grid in grids)
            {
                device.Synchronize();
                var begun = Stopwatch.GetTimestamp();
                for (var i = 0; i < Launches; i++) kernel.Launch(new ReadArgs { From = buffer, Units = bytes / 16, To = sums }, device.Multiprocessors * grid);
                device.Synchronize();
                var rate = bytes * Launches / Stopwatch.GetElapsedTime(begun).TotalSeconds / 1e9;
                if (repeat >= 0) rates[repeat] = Math.Max(rates[repeat], rate);
            }
        }
        device.Free(buffer);
        device.Free(sums);
        return rates;
    }

    /// <summary>Reads everything, eight 16-byte loads in flight a thread.</summary>
    [Launch(Threads = Threads)]
    public static void Read(ReadArgs a)
    {
        var thread = ((long)Grid.IdxX * Group.DimX) + Group.IdxX;
        var stride = (long)Grid.DimX * Group.DimX * 16;
        var (at, end) = (a.From + (thread * 16), a.From + (a.Units * 16));
        var sum = 0u;
        for (; at + (7 * stride) < end; at += 8 * stride)
        {
            var (w0, w1, w2, w3) = (Dev.LoadWeights(at), Dev.LoadWeights(at + stride), Dev.LoadWeights(at + (2 * stride)), Dev.LoadWeights(at + (3 * stride)));
            var (w4, w5, w6, w7) = (Dev.LoadWeights(at + (4 * stride)), Dev.LoadWeights(at + (5 * stride)), Dev.LoadWeights(at + (6 * stride)), Dev.LoadWeights(at + (7 * stride)));
            sum += Mix(w0) + Mix(w1) + Mix(w2) + Mix(w3) + Mix(w4) + Mix(w5) + Mix(w6) + Mix(w7);
        }
        for (; at < end; at += stride) sum += Mix(Dev.LoadWeights(at));
        Dev.StoreInt(a.To + (thread * 4), (int)sum);
    }

    private static uint Mix(U4 w) => w.X ^ w.Y ^ w.Z ^ w.W;
}
