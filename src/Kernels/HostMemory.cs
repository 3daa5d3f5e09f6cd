using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using WarpDecode.Formats;

namespace WarpDecode.Kernels;

/// <summary>Zeroed memory outside the managed heap, aligned to 64 bytes; pages are committed by the system as they are touched.</summary>
internal sealed unsafe class HostMemory : SafeHandle
{
    public HostMemory(long bytes)
        : base(0, ownsHandle: true)
    {
        // calloc gives untouched zero pages for large blocks, so that a long context costs only what is used of it.
        const int alignment = 64;
        var raw = NativeMemory.AllocZeroed((nuint)(bytes + alignment));
        SetHandle((nint)raw);
        Start = (byte*)(((nuint)raw + alignment - 1) & ~(nuint)(alignment - 1));
    }

    public byte* Start { get; }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        NativeMemory.Free((void*)handle);
        return true;
    }
}

/// <summary>A tensor in host memory.</summary>
internal sealed unsafe class HostTensor : Tensor, IDisposable
{
    private readonly HostMemory memory;

    public HostTensor(long length)
        : base(length)
    {
        memory = new HostMemory(checked(length * sizeof(float)));
        Data = (float*)memory.Start;
    }

    public float* Data { get; }

    public static float* Of(Tensor tensor) => ((HostTensor)tensor).Data;

    public void Dispose() => memory.Dispose();
}

/// <summary>A weight read where it lies in the memory map, or in memory of its own where it does not lie there expert by expert.</summary>
internal sealed unsafe class HostWeight : Weight, IDisposable
{
    private const long PackedAtOnce = 1 << 20; // bytes

    private readonly nint[] starts; // of each expert
    private readonly HostMemory? packed;

    public HostWeight(TensorView view, int experts, int rows, int columns, RowKernel kernel)
        : base(view.Name, view.Type, experts, rows, columns)
    {
        RowBytes = view.Type.RowBytes(columns);
        Kernel = kernel;
        starts = new nint[experts];
        if (!IsInPlace(view)) packed = Pack(view);
        for (var e = 0; e < experts; e++)
            starts[e] = packed is null ? (nint)view.Row((long)e * rows) : (nint)(packed.Start + ((long)e * rows * RowBytes));
    }

    /// <summary>Bytes from one row to the next.</summary>
    public long RowBytes { get; }

    /// <summary>Arithmetic on rows of this weight's type.</summary>
    public RowKernel Kernel { get; }

    /// <summary>Whether a weight is read where it lies; else it takes memory of the host's own.</summary>
    public static bool IsInPlace(TensorView view) => view.IsMapped && view.PieceRows % view.Shape[^2] == 0;

    public byte* Row(int row) => (byte*)starts[0] + (row * RowBytes);

    public byte* Row(int expert, int row) => (byte*)starts[expert] + (row * RowBytes);

    /// <summary>Copies all rows, one after another, to memory that the caller disposes of.</summary>
    public static HostMemory Pack(TensorView view)
    {
        var memory = new HostMemory(view.Bytes);
        try
        {
            var rowsAtOnce = Math.Max(1, PackedAtOnce / Math.Max(1, view.RowBytes));
            Parallel.For(0L, (view.Rows + rowsAtOnce - 1) / rowsAtOnce, i =>
            {
                var row = i * rowsAtOnce;
                view.CopyRows(row, Math.Min(rowsAtOnce, view.Rows - row), memory.Start + (row * view.RowBytes));
            });
            return memory;
        }
        catch (Exception e)
        {
            memory.Dispose();
            if (e is AggregateException { InnerExceptions: [ModelFileException first, ..] }) ExceptionDispatchInfo.Throw(first);
            throw;
        }
    }

    public void Dispose() => packed?.Dispose();
}

/// <summary>Routes in host memory, with the tokens of each expert listed for steps of several tokens.</summary>
internal sealed unsafe class HostRouting : Routing, IDisposable
{
    private readonly HostMemory memory;

    public HostRouting(int tokens, int topK, int experts)
        : base(tokens, topK, experts)
    {
        var pairs = (long)tokens * topK;
        memory = new HostMemory(((pairs * 3) + (experts * 2L) + 1) * sizeof(int));
        Ids = (int*)memory.Start;
        Weights = (float*)(Ids + pairs);
        ByExpert = (int*)(Weights + pairs);
        Offsets = ByExpert + pairs;
        Active = Offsets + experts + 1;
    }

    /// <summary>Expert ids [T, K].</summary>
    public int* Ids { get; }

    /// <summary>Expert weights [T, K].</summary>
    public float* Weights { get; }

    /// <summary>Pairs t·K + k in order of their expert, and of t within one expert.</summary>
    public int* ByExpert { get; }

    /// <summary>Where each expert's pairs begin in <see cref="ByExpert"/> [E + 1].</summary>
    public int* Offsets { get; }

    /// <summary>Experts with at least one token, in order.</summary>
    public int* Active { get; }

    /// <summary>How many of <see cref="Active"/> count.</summary>
    public int ActiveCount { get; private set; }

    public override int Expert(int t, int k) => Ids[(t * TopK) + k];

    public override float WeightOf(int t, int k) => Weights[(t * TopK) + k];

    public override void CopyTo(HostRouting to, int tokens)
    {
        var pairs = tokens * TopK;
        new ReadOnlySpan<int>(Ids, pairs).CopyTo(new Span<int>(to.Ids, pairs));
        new ReadOnlySpan<float>(Weights, pairs).CopyTo(new Span<float>(to.Weights, pairs));
        to.GroupByExpert(tokens);
    }

    public override void Read(int first, Span<int> ids, Span<float> weights)
    {
        CheckRange(first, ids, weights);
        new ReadOnlySpan<int>(Ids + (first * TopK), ids.Length).CopyTo(ids);
        new ReadOnlySpan<float>(Weights + (first * TopK), weights.Length).CopyTo(weights);
    }

    /// <summary>Fills <see cref="ByExpert"/> and <see cref="Offsets"/> from the ids of the first <paramref name="tokens"/> tokens.</summary>
    public void GroupByExpert(int tokens)
    {
        var pairs = tokens * TopK;
        new Span<int>(Offsets, Experts + 1).Clear();
        for (var i = 0; i < pairs; i++) Offsets[Ids[i]]++;
        var sum = 0;
        for (var e = 0; e <= Experts; e++) Offsets[e] = sum += Offsets[e]; // ends, turned into starts below
        for (var i = pairs - 1; i >= 0; i--) ByExpert[--Offsets[Ids[i]]] = i;
        ActiveCount = 0;
        for (var e = 0; e < Experts; e++)
        {
            if (Offsets[e + 1] > Offsets[e]) Active[ActiveCount++] = e;
        }
    }

    public void Dispose() => memory.Dispose();
}

/// <summary>
/// A paged cache in host memory. Within a layer a page is [kvHeads, pageTokens, headDim], so that one head's keys of a page
/// are contiguous; values likewise.
/// </summary>
internal sealed unsafe class HostKvCache : KvCache
{
    private readonly HostMemory memory;
    private readonly long pageValues;
    private readonly long layerValues;

    public HostKvCache(in KvShape shape)
        : base(shape)
    {
        pageValues = (long)shape.PageTokens * shape.KvHeads * shape.HeadDim;
        layerValues = pageValues * shape.Pages;
        memory = new HostMemory(checked(shape.PageBytes * shape.Pages));
    }

    public float* Key(int layer, int page, int head, int slot) => At(2 * layer, page, head, slot);

    public float* Value(int layer, int page, int head, int slot) => At((2 * layer) + 1, page, head, slot);

    public void CopyPage(int from, int to)
    {
        for (var plane = 0; plane < 2 * Shape.Layers; plane++)
        {
            var source = At(plane, from, 0, 0);
            Buffer.MemoryCopy(source, At(plane, to, 0, 0), pageValues * sizeof(float), pageValues * sizeof(float));
        }
    }

    public override void Dispose() => memory.Dispose();

    private float* At(int plane, int page, int head, int slot) =>
        (float*)memory.Start + (plane * layerValues) + (page * pageValues) + ((((long)head * Shape.PageTokens) + slot) * Shape.HeadDim);
}
