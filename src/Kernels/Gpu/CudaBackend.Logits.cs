using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

// What the host reads and writes: logits above all, or the best of them.
internal sealed unsafe partial class CudaBackend
{
    private Kernel<TopLogitsArgs>? topLogits;
    private long topPartials;
    private long topPartialsBytes;
    private long topArrived;
    private int topRows;
    private byte* topBest;
    private long topBestBytes;

    // Logits of the last head, mirrored in pinned memory at the first reading.
    private byte* mirror;
    private long mirrorBytes;
    private Tensor? headed;
    private long headedLength;
    private bool mirrored;

    public int MostTop(int vocabulary) => Gpu.TopLogits.Most(vocabulary);

    public void TopLogits(Tensor logits, int rows, int vocabulary, int count, Span<TopLogit> top)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, MostTop(vocabulary));
        device.Enter();
        topLogits ??= device.Compile<TopLogitsArgs>(Gpu.TopLogits.Run);
        var parts = Gpu.TopLogits.Parts(rows);
        var chunks = Blocks(vocabulary, parts * Gpu.TopLogits.Part);
        // Buffers grow to the largest call and stay.
        if (rows > topRows)
        {
            if (topArrived != 0) device.Free(topArrived);
            topArrived = device.Allocate(rows * (long)sizeof(int), "best logits");
            topRows = rows;
        }
        if ((long)rows * chunks * count * sizeof(ulong) is var partials && partials > topPartialsBytes)
        {
            if (topPartials != 0) device.Free(topPartials);
            topPartials = device.Allocate(partials, "best logits");
            topPartialsBytes = partials;
        }
        if ((long)rows * count * sizeof(ulong) is var best && best > topBestBytes)
        {
            device.FreePinned(topBest);
            topBest = device.AllocatePinned(best);
            topBestBytes = best;
        }
        // The kernel writes its few keys straight into the host's memory: no copy to wait for.
        var args = new TopLogitsArgs
        {
            Logits = DeviceTensor.Of(logits),
            Partials = topPartials,
            Arrived = topArrived,
            Best = (long)topBest,
            Vocabulary = vocabulary,
            Count = count,
            Parts = parts,
        };
        topLogits.Launch(args, chunks, rows);
        device.Synchronize();
        var keys = (ulong*)topBest;
        for (var i = 0; i < rows * count; i++) top[i] = TopLogit.Of(keys[i]);
    }

    public ReadOnlySpan<float> Read(Tensor tensor, long start, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start + length, tensor.Length);
        device.Enter();
        RopeNow();
        if (tensor == headed && start + length <= headedLength)
        {
            // All rows of logits at once: the next calls are for the other rows.
            if (!mirrored) Mirror(tensor, 0, headedLength);
            mirrored = true;
            return new ReadOnlySpan<float>((float*)mirror + start, length);
        }
        mirrored = false;
        Mirror(tensor, start, length);
        return new ReadOnlySpan<float>(mirror, length);
    }

    public void Write(Tensor tensor, long start, ReadOnlySpan<float> values)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start + values.Length, tensor.Length);
        device.Enter();
        RopeNow();
        if (tensor == headed) headed = null;
        fixed (float* from = values) device.Upload(DeviceTensor.Of(tensor) + (start * sizeof(float)), from, values.Length * (long)sizeof(float));
    }

    private void Mirror(Tensor tensor, long start, long length)
    {
        var bytes = length * sizeof(float);
        if (bytes > mirrorBytes)
        {
            device.FreePinned(mirror);
            mirror = device.AllocatePinned(bytes);
            mirrorBytes = bytes;
        }
        device.Download(mirror, DeviceTensor.Of(tensor) + (start * sizeof(float)), bytes);
    }
}
