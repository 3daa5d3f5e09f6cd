using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using WarpDecode.Kernels;

namespace WarpDecode.Runtime.Benchmarking;

/// <summary>The machine that a result belongs to, and what its memory gives.</summary>
internal static unsafe class HostMachine
{
    // Results go here, so that no work is without effect.
    private static float sink;

    /// <summary>In words.</summary>
    public static string Description { get; } = string.Create(
        CultureInfo.InvariantCulture,
        $"{CpuModel()}, {Environment.ProcessorCount} cores, {RuntimeInformation.FrameworkDescription}, {Dispatch.Width}");

    /// <summary>Version of this program, with its commit where the build knew it.</summary>
    public static string Version { get; } = Assembly.GetExecutingAssembly().GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    /// <summary>Bytes of memory that can still be taken without pushing others out.</summary>
    public static long AvailableBytes
    {
        get
        {
            var limit = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
            const string info = "/proc/meminfo", key = "MemAvailable:";
            var line = File.Exists(info) ? File.ReadLines(info).FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal)) : null;
            return line is not null && long.TryParse(line.AsSpan(key.Length).Trim().TrimEnd(" kB"), NumberStyles.None, CultureInfo.InvariantCulture, out var kib)
                ? Math.Min(limit, kib << 10)
                : limit;
        }
    }

    /// <summary>Seconds until <paramref name="threads"/> threads that start together have all done their part.</summary>
    public static double Seconds(int threads, Func<int, float> part)
    {
        using var start = new Barrier(threads);
        var watch = new Stopwatch();
        var others = new Thread[threads - 1];
        for (var i = 1; i < threads; i++)
        {
            var index = i;
            others[i - 1] = new Thread(() => Run(index));
            others[i - 1].Start();
        }
        Run(0);
        foreach (var other in others) other.Join();
        return watch.Elapsed.TotalSeconds;

        void Run(int index)
        {
            start.SignalAndWait();
            if (index == 0) watch.Start();
            var result = part(index);
            if (float.IsNaN(result)) sink += result;
        }
    }

    /// <summary>Reads <paramref name="bytes"/> bytes with plain vector loads, in four streams as the prefetcher likes them.</summary>
    // Compiled with all optimizations at once: a measurement calls it a few times only, and code that was replaced in mid-loop is slower than memory.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Read(byte* start, long bytes)
    {
        var (a, b, c, d) = (Vector256<int>.Zero, Vector256<int>.Zero, Vector256<int>.Zero, Vector256<int>.Zero);
        for (var end = start + (bytes & ~127L); start != end; start += 128)
        {
            a ^= Vector256.Load((int*)start);
            b ^= Vector256.Load((int*)(start + 32));
            c ^= Vector256.Load((int*)(start + 64));
            d ^= Vector256.Load((int*)(start + 96));
        }
        return ((a ^ b) ^ (c ^ d))[0];
    }

    private static string CpuModel()
    {
        const string info = "/proc/cpuinfo";
        var line = File.Exists(info) ? File.ReadLines(info).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line is null ? RuntimeInformation.ProcessArchitecture.ToString() : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}

/// <summary>The read bandwidth of the host's memory: several threads over a buffer that no cache holds.</summary>
internal sealed unsafe class HostBandwidth : IDisposable
{
    private const int Passes = 3;

    private readonly int threads;
    private readonly long bytes;
    private readonly HostMemory memory;

    /// <param name="threads">Threads that read at once; 0 for one a core.</param>
    /// <param name="most">Most bytes of the buffer.</param>
    public HostBandwidth(int threads, long most = long.MaxValue)
    {
        this.threads = threads == 0 ? Environment.ProcessorCount : threads;
        bytes = Math.Min(BytesNeeded(HostMachine.AvailableBytes), most);
        memory = new HostMemory(bytes);
        for (var at = 0L; at < bytes; at += 4096) memory.Start[at] = 1; // untouched pages are all the same one
    }

    /// <summary>Bytes of the buffer on a machine with that much memory available.</summary>
    public static long BytesNeeded(long available) => Math.Clamp(available / 16, 64L << 20, 1L << 30) & ~4095L;

    /// <summary>GB/s of the best of a few passes: during the first an engine's threads may still be awake, waiting for work.</summary>
    public double Measure() => Enumerable.Range(0, Passes).Max(_ => Pass());

    public void Dispose() => memory.Dispose();

    /// <summary>GB/s of one pass.</summary>
    public double Pass()
    {
        var part = bytes / threads & ~127L;
        return part * threads / HostMachine.Seconds(threads, i => HostMachine.Read(memory.Start + (i * part), part)) / 1e9;
    }
}
