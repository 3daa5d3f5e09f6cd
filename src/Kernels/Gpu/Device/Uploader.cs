using System.Collections.Concurrent;

namespace WarpDecode.Kernels.Gpu.Device;

/// <summary>
/// From the memory map to the device: threads copy pieces into pinned buffers, two each, from which the device takes them. The threads
/// also wait for the disk where the file is not in memory yet, each at a place of its own. The other way, to register the map itself
/// and let the device read it, is bound by the registration, which the driver does for one thread at a time (measured on an H200's
/// host with 16 cores, 2 GiB in the page cache: registered 18 GB/s the first time and 29 later, staged 35 and 48 of the link's 55).
/// </summary>
internal sealed unsafe class Uploader(CudaDevice device, nint stream, int threads) : IDisposable
{
    /// <summary>Fewer cores than that copy slower than the driver registers.</summary>
    public const int LeastThreads = 6;

    /// <summary>More than that gain nothing.</summary>
    public const int MostThreads = 12;

    // Larger ones are hardly faster, and pinning their buffers takes longer: 1 MiB gave 35 and 48 GB/s, 4 MiB 24 and 50.
    private const int PieceBytes = 1 << 20;

    private readonly ParallelOptions parallel = new() { MaxDegreeOfParallelism = threads };
    private readonly ConcurrentBag<Buffers> idle = [];
    private readonly List<Buffers> all = [];

    /// <summary>Queues a copy; the source has been read when this returns.</summary>
    public void Copy(long to, byte* from, long bytes)
    {
        var source = (nint)from;
        var pieces = (int)((bytes + PieceBytes - 1) / PieceBytes);
        try
        {
            Parallel.For(0, pieces, parallel, Take, (piece, _, buffers) =>
            {
                var at = (long)piece * PieceBytes;
                buffers.Copy(to + at, (byte*)source + at, Math.Min(PieceBytes, bytes - at), stream);
                return buffers;
            }, idle.Add);
        }
        catch (AggregateException e)
        {
            throw e.InnerExceptions[0] is GpuException gpu ? new GpuException(gpu.Message, gpu.Advice, e) : e;
        }
    }

    public void Dispose()
    {
        foreach (var buffers in all) buffers.Dispose();
        all.Clear();
        idle.Clear();
    }

    private Buffers Take()
    {
        device.Enter();
        if (idle.TryTake(out var buffers)) return buffers;
        buffers = new Buffers(device, PieceBytes);
        lock (all) all.Add(buffers);
        return buffers;
    }

    /// <summary>Two pinned buffers of one thread: one is filled while the device reads the other.</summary>
    private sealed class Buffers : IDisposable
    {
        private readonly CudaDevice device;
        private readonly byte* memory;
        private readonly long size;
        private readonly nint[] taken = new nint[2];
        private int turn;

        public Buffers(CudaDevice device, long size)
        {
            this.device = device;
            this.size = size;
            memory = device.AllocatePinned(2 * size);
            for (var i = 0; i < 2; i++) device.Check(Driver.cuEventCreate(out taken[i], Driver.EventNoTiming), "creating an event");
        }

        public void Copy(long to, byte* from, long bytes, nint stream)
        {
            var buffer = memory + (turn * size);
            device.Check(Driver.cuEventSynchronize(taken[turn]), "waiting for a copy");
            Buffer.MemoryCopy(from, buffer, size, bytes);
            device.Check(Driver.cuMemcpyHtoDAsync(to, buffer, (nuint)bytes, stream), $"copying {bytes} bytes of weights to the device");
            device.Check(Driver.cuEventRecord(taken[turn], stream), "recording an event");
            turn ^= 1;
        }

        public void Dispose()
        {
            for (var i = 0; i < 2; i++) _ = Driver.cuEventDestroy(taken[i]);
            device.FreePinned(memory);
        }
    }
}
