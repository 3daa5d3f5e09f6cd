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

    /// <summary>The kernel of decode steps. All forms give the same bits.</summary>
    /// <param name="headDim">Size of a head.</param>
    /// <param name="fused">Whether norms, rope and the store come with it.</param>
    /// <param name="form">How the work is divided.</param>
    /// <param name="whole">Whether rows of more than 256 bytes are to come in one pass, at one block to a multiprocessor; others do anyway.</param>
    public abstract Kernel<AttentionArgs> Decode(int headDim, bool fused, DecodeForm form, bool whole);

    /// <summary>For many tokens of one sequence, or null where there is none for the size of a head.</summary>
    public abstract Kernel<PrefillArgs>? Prefill(int headDim);
}

/// <summary>How attention of decode steps is divided among blocks.</summary>
internal enum DecodeForm
{
    /// <summary>A block has one split; the one that comes last combines.</summary>
    Splits,

    /// <summary>A block has a chunk of splits; the one that comes last combines.</summary>
    Chunks,

    /// <summary>A block has one split; the token's last one waits for the others and combines.</summary>
    Few,
}

/// <inheritdoc/>
internal sealed class KvKernels<TKv>(GpuDevice device) : KvKernels
    where TKv : struct, IKvFormat
{
    private readonly Kernel<AttentionArgs>?[] decode = new Kernel<AttentionArgs>?[3 * 3 * 2];
    private readonly Kernel<PrefillArgs>?[] prefill = new Kernel<PrefillArgs>?[4];
    private Kernel<RopeArgs>? rope;

    public override Kernel<RopeArgs> Rope => rope ??= device.Compile<RopeArgs>(Gpu.Rope.Run<TKv>);

    public override Kernel<AttentionArgs> Decode(int headDim, bool fused, DecodeForm form, bool whole)
    {
        var row = headDim * TKv.Bytes;
        var width = row <= 128 ? 0 : row <= 256 || !whole ? 1 : 2;
        return decode[(((int)form * 3) + width) * 2 + (fused ? 1 : 0)] ??= fused ? Decode<One>(form, width) : Decode<Zero>(form, width);
    }

    private Kernel<AttentionArgs> Decode<TFused>(DecodeForm form, int width)
        where TFused : struct, IConstant => (form, width) switch
        {
            (DecodeForm.Splits, 0) => device.Compile<AttentionArgs>(Attention.Decode<TKv, Zero, TFused, Zero>),
            (DecodeForm.Splits, 1) => device.Compile<AttentionArgs>(Attention.Decode<TKv, One, TFused, Zero>),
            (DecodeForm.Splits, _) => device.Compile<AttentionArgs>(Attention.DecodeWhole<TKv, TFused, Zero>),
            (DecodeForm.Chunks, 0) => device.Compile<AttentionArgs>(Attention.Decode<TKv, Zero, TFused, One>),
            (DecodeForm.Chunks, 1) => device.Compile<AttentionArgs>(Attention.Decode<TKv, One, TFused, One>),
            (DecodeForm.Chunks, _) => device.Compile<AttentionArgs>(Attention.DecodeWhole<TKv, TFused, One>),
            (_, 0) => device.Compile<AttentionArgs>(Attention.DecodeFew<TKv, Zero, TFused>),
            (_, 1) => device.Compile<AttentionArgs>(Attention.DecodeFew<TKv, One, TFused>),
            _ => device.Compile<AttentionArgs>(Attention.DecodeFew<TKv, Two, TFused>),
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
