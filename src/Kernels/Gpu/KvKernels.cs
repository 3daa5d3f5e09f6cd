using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>The kernels for one type of cache on one device, each compiled when it is first asked for.</summary>
internal abstract class KvKernels
{
    public abstract Kernel<RopeArgs> Rope { get; }

    public static KvKernels Of(WeightType type, GpuDevice device) => type switch
    {
        WeightType.F32 => new KvKernels<KvF32>(device),
        WeightType.F16 => new KvKernels<KvF16>(device),
        WeightType.BF16 => new KvKernels<KvBF16>(device),
        _ => throw new NotSupportedException($"no cache of type {type}"),
    };

    /// <param name="headDim">Size of a head.</param>
    /// <param name="fused">Whether norms, rope and the store come with it.</param>
    /// <param name="many">Whether a block has several splits.</param>
    public abstract Kernel<AttentionArgs> Decode(int headDim, bool fused, bool many);

    /// <summary>For many tokens of one sequence, or null where there is none for the size of a head.</summary>
    public abstract Kernel<PrefillArgs>? Prefill(int headDim);
}

/// <inheritdoc/>
internal sealed class KvKernels<TKv>(GpuDevice device) : KvKernels
    where TKv : struct, IKvFormat
{
    private readonly Kernel<AttentionArgs>?[] decode = new Kernel<AttentionArgs>?[8];
    private readonly Kernel<PrefillArgs>?[] prefill = new Kernel<PrefillArgs>?[4];
    private Kernel<RopeArgs>? rope;

    public override Kernel<RopeArgs> Rope => rope ??= device.Compile<RopeArgs>(Gpu.Rope.Run<TKv>);

    public override Kernel<AttentionArgs> Decode(int headDim, bool fused, bool many)
    {
        var wide = headDim * TKv.Bytes > 128;
        return decode[(many ? 4 : 0) | (wide ? 2 : 0) | (fused ? 1 : 0)] ??= many ? Decode<One>(wide, fused) : Decode<Zero>(wide, fused);
    }

    private Kernel<AttentionArgs> Decode<TMany>(bool wide, bool fused)
        where TMany : struct, IConstant => (wide, fused) switch
        {
            (false, false) => device.Compile<AttentionArgs>(Attention.Decode<TKv, Zero, Zero, TMany>),
            (false, true) => device.Compile<AttentionArgs>(Attention.Decode<TKv, Zero, One, TMany>),
            (true, false) => device.Compile<AttentionArgs>(Attention.Decode<TKv, One, Zero, TMany>),
            (true, true) => device.Compile<AttentionArgs>(Attention.Decode<TKv, One, One, TMany>),
        };

    public override Kernel<PrefillArgs>? Prefill(int headDim)
    {
        if (headDim % 32 != 0 || headDim > 128) return null;
        var chunks = headDim / 32;
        return prefill[chunks - 1] ??= chunks switch
        {
            1 => device.Compile<PrefillArgs>(AttentionPrefill.Run<TKv, One>),
            2 => device.Compile<PrefillArgs>(AttentionPrefill.Run<TKv, TwoChunks>),
            3 => device.Compile<PrefillArgs>(AttentionPrefill.Run<TKv, ThreeChunks>),
            _ => device.Compile<PrefillArgs>(AttentionPrefill.Run<TKv, Four>),
        };
    }
}
