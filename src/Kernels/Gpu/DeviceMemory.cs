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
