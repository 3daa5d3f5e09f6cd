using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

/// <summary>
/// A step on the device: one stretch of memory, filled from a pinned twin by one copy a step. Kernels read positions and pages from
/// here, so that a recorded step can be queued again for other tokens.
/// <code>tokens [T] | positions [T] | sequences [T] | page tables [sequences, pages]   and, apart, selected rows [T]</code>
/// </summary>
internal sealed unsafe class StepInputs : IDisposable
{
    private readonly GpuDevice device;
    private readonly int capacity;
    private readonly int tables;
    private readonly int pagesPerSequence;
    private readonly int* pinned;

    public StepInputs(GpuDevice device, Step step)
    {
        this.device = device;
        (capacity, tables, pagesPerSequence) = (step.Capacity, step.PageTables.Length, step.PagesPerSequence);
        var bytes = ((capacity * 4L) + tables) * sizeof(int);
        pinned = (int*)device.AllocatePinned(bytes);
        Tokens = device.Allocate(bytes, "step inputs");
        Positions = Tokens + (capacity * (long)sizeof(int));
        Sequences = Positions + (capacity * (long)sizeof(int));
        Tables = Sequences + (capacity * (long)sizeof(int));
        Selected = Tables + (tables * (long)sizeof(int));
    }

    public long Tokens { get; }

    public long Positions { get; }

    public long Sequences { get; }

    public long Tables { get; }

    private long Selected { get; }

    public bool Fits(Step step) => step.Capacity == capacity && step.PageTables.Length == tables && step.PagesPerSequence == pagesPerSequence;

    /// <summary>Queues the copy of the step's inputs.</summary>
    public void Send(Step step)
    {
        device.WaitForUploads(); // of the step before
        step.Tokens.AsSpan(0, step.Count).CopyTo(new Span<int>(pinned, capacity));
        step.Positions.AsSpan(0, step.Count).CopyTo(new Span<int>(pinned + capacity, capacity));
        step.Sequences.AsSpan(0, step.Count).CopyTo(new Span<int>(pinned + (2 * capacity), capacity));
        var pages = step.SequenceCount * pagesPerSequence;
        step.PageTables.AsSpan(0, pages).CopyTo(new Span<int>(pinned + (3 * capacity), tables));
        device.UploadPinned(Tokens, (byte*)pinned, ((capacity * 3L) + pages) * sizeof(int));
    }

    /// <summary>Queues the copy of a list of rows; returns where it will be.</summary>
    public long Select(ReadOnlySpan<int> rows)
    {
        device.WaitForUploads();
        var offset = (capacity * 3) + tables;
        rows.CopyTo(new Span<int>(pinned + offset, capacity));
        device.UploadPinned(Selected, (byte*)(pinned + offset), rows.Length * (long)sizeof(int));
        return Selected;
    }

    public void Dispose()
    {
        device.WaitForUploads();
        device.FreePinned((byte*)pinned);
        device.Free(Tokens);
    }
}
