using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

/// <summary>A tensor in device memory.</summary>
/// <param name="address">Where.</param>
/// <param name="length">Values.</param>
internal sealed class DeviceTensor(long address, long length) : Tensor(length)
{
    public DeviceTensor(GpuDevice device, long length, string purpose)
        : this(device.Allocate(checked(length * sizeof(float)), purpose), length)
    {
    }

    public long Address { get; } = address;

    public static long Of(Tensor tensor) => ((DeviceTensor)tensor).Address;
}

/// <summary>A weight in device memory, in the layout of its lane format or in tiles.</summary>
internal sealed class DeviceWeight(TensorView view, int experts, int rows, int columns, FormatKernels kernels, TileFormatKernels? tiles, long address)
    : Weight(view.Name, view.Type, experts, rows, columns)
{
    /// <summary>Where it came from.</summary>
    public TensorView View { get; } = view;

    /// <summary>The kernels for its tiles, or null if it lies in rows.</summary>
    public TileFormatKernels? Tiles { get; } = tiles;

    /// <summary>The kernels for its type.</summary>
    public FormatKernels Kernels { get; } = kernels;

    public long Address { get; } = address;

    /// <summary>Bytes from one row to the next.</summary>
    public long RowBytes { get; } = kernels.RowBytes(columns);

    /// <summary>Of experts: which kernels take a step's tokens through them; null until that is decided.</summary>
    public ExpertDispatch? Dispatch { get; set; }
}

/// <summary>Routes in device memory.</summary>
internal sealed unsafe class DeviceRouting(GpuDevice device, int tokens, int topK, int experts) : Routing(tokens, topK, experts)
{
    /// <summary>Expert ids [T, K].</summary>
    public long Ids { get; } = device.Allocate((long)tokens * topK * sizeof(int), "routes");

    /// <summary>Expert weights [T, K].</summary>
    public long Weights { get; } = device.Allocate((long)tokens * topK * sizeof(float), "routes");

    /// <summary>Scores of all experts [T, E], each with the launch that it is of.</summary>
    public long Scores { get; } = device.Allocate((long)tokens * experts * sizeof(long), "routes");

    /// <summary>Launches of the router so far.</summary>
    public long Launches { get; } = device.Allocate(sizeof(int), "routes");

    /// <summary>Expert ids [T, K], each with the launch that it is of.</summary>
    public long Chosen { get; } = device.Allocate((long)tokens * topK * sizeof(long), "routes");

    /// <summary>Where each expert's slots begin [E + 1]; this and the next three are described at <see cref="Groups"/>.</summary>
    public long Offsets { get; } = device.Allocate((experts + 1L) * sizeof(int), "routes");

    /// <summary>Count and ids of the experts that have slots [1 + E].</summary>
    public long Active { get; } = device.Allocate((experts + 1L) * sizeof(int), "routes");

    /// <summary>Expert, first place in <see cref="Slots"/> and the place behind the last of each expert that has slots [E, 4], and its first slots [E, 8].</summary>
    public long Runs { get; } = device.Allocate((long)experts * Groups.RunBytes, "routes");

    /// <summary>Slots by expert [T, K].</summary>
    public long Slots { get; } = device.Allocate((long)tokens * topK * sizeof(int), "routes");

    /// <summary>Whether what is queued finds the slots of each expert.</summary>
    public bool Grouped { get; set; }

    public override int Expert(int t, int k)
    {
        int id;
        device.Download(&id, Ids + ((((long)t * TopK) + k) * sizeof(int)), sizeof(int));
        return id;
    }

    public override float WeightOf(int t, int k)
    {
        float weight;
        device.Download(&weight, Weights + ((((long)t * TopK) + k) * sizeof(float)), sizeof(float));
        return weight;
    }

    public override void CopyTo(HostRouting to, int tokens)
    {
        var pairs = tokens * TopK;
        device.Download(to.Ids, Ids, pairs * (long)sizeof(int));
        device.Download(to.Weights, Weights, pairs * (long)sizeof(float));
        to.GroupByExpert(tokens);
    }

    /// <summary>Gives its memory back; it is of no use then.</summary>
    public void Free()
    {
        foreach (var address in (ReadOnlySpan<long>)[Ids, Weights, Scores, Launches, Chosen, Offsets, Active, Runs, Slots]) device.Free(address);
    }
}

/// <summary>A paged cache in device memory: for each layer the keys of all pages, then the values (layouts: <see cref="Pages"/>).</summary>
internal sealed class DeviceKvCache : KvCache
{
    private readonly GpuDevice device;
    private readonly long start;
    private readonly long planeBytes;

    public DeviceKvCache(GpuDevice device, in KvShape shape)
        : base(shape)
    {
        this.device = device;
        Kernels = KvKernels.Of(shape.Type, device);
        PageBytes = (long)shape.PageTokens * shape.KvHeads * shape.HeadDim * shape.Type.BlockBytes();
        planeBytes = PageBytes * shape.Pages;
        start = device.Allocate(planeBytes * 2 * shape.Layers, "keys and values");
    }

    /// <summary>The kernels for its type.</summary>
    public KvKernels Kernels { get; }

    /// <summary>Bytes of the keys, or of the values, of a page in one layer.</summary>
    public long PageBytes { get; }

    public long Keys(int layer) => start + (2 * layer * planeBytes);

    public long Values(int layer) => start + (((2 * layer) + 1) * planeBytes);

    public void CopyPage(int from, int to)
    {
        for (var plane = 0; plane < 2 * Shape.Layers; plane++)
        {
            var at = start + (plane * planeBytes);
            device.Copy(at + (to * PageBytes), at + (from * PageBytes), PageBytes);
        }
    }

    public override void Dispose() => device.Free(start);
}
