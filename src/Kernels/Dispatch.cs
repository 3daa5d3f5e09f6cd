using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using WarpDecode.Formats;
using WarpDecode.Formats.Blocks;
using WarpDecode.Kernels.Cpu;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using Lanes = WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels;

/// <summary>How the weights of a type lie on a GPU.</summary>
internal enum LaneForm
{
    /// <summary>Packed as in the file, in lanes of the type's own.</summary>
    Own,

    /// <summary>Widened to <see cref="Gpu.Formats.Widened"/>: signed bytes with FP32 scales, ten bits a weight.</summary>
    Bytes,

    /// <summary>Widened to FP32.</summary>
    F32,
}

/// <summary>From a weight type to its generic kernels: the only switch over types. A new format is one row here.</summary>
internal static class Dispatch
{
    /// <summary>The vector width that row kernels use on this machine.</summary>
    public static LaneWidth Width { get; } = Widest();

    /// <summary>Row arithmetic for <paramref name="type"/> at the machine's vector width.</summary>
    /// <exception cref="NotSupportedException">No block format for this type yet.</exception>
    public static RowKernel Rows(WeightType type) => Rows(type, Width);

    public static RowKernel Rows(WeightType type, LaneWidth width) =>
        TryRows(type, width) ?? throw new NotSupportedException($"weights of type {type} cannot be computed with yet");

    private static RowKernel? TryRows(WeightType type, LaneWidth width) => type switch
    {
        WeightType.F32 => Floats<F32>(width),
        WeightType.F16 => Floats<F16>(width),
        WeightType.BF16 => Floats<BF16>(width),
        WeightType.F64 => Floats<F64>(width),
        WeightType.I8 => Floats<I8>(width),
        WeightType.I16 => Floats<I16>(width),
        WeightType.I32 => Floats<I32>(width),
        WeightType.I64 => Floats<I64>(width),
        WeightType.Q4_0 => Quants<Q4_0>(width),
        WeightType.Q4_1 => Quants<Q4_1>(width),
        WeightType.Q5_0 => Quants<Q5_0>(width),
        WeightType.Q5_1 => Quants<Q5_1>(width),
        WeightType.Q8_0 => Quants<Q8_0>(width),
        WeightType.Q8_1 => Quants<Q8_1>(width),
        WeightType.Q2_K => Quants<Q2_K>(width),
        WeightType.Q3_K => Quants<Q3_K>(width),
        WeightType.Q4_K => Quants<Q4_K>(width),
        WeightType.Q5_K => Quants<Q5_K>(width),
        WeightType.Q6_K => Quants<Q6_K>(width),
        WeightType.Q8_K => Quants<Q8_K>(width),
        WeightType.IQ1_S => Quants<IQ1_S>(width),
        WeightType.IQ1_M => Quants<IQ1_M>(width),
        WeightType.IQ2_XXS => Quants<IQ2_XXS>(width),
        WeightType.IQ2_XS => Quants<IQ2_XS>(width),
        WeightType.IQ2_S => Quants<IQ2_S>(width),
        WeightType.IQ3_XXS => Quants<IQ3_XXS>(width),
        WeightType.IQ3_S => Quants<IQ3_S>(width),
        WeightType.IQ4_NL => Quants<IQ4_NL>(width),
        WeightType.IQ4_XS => Quants<IQ4_XS>(width),
        WeightType.TQ1_0 => Quants<TQ1_0>(width),
        WeightType.TQ2_0 => Quants<TQ2_0>(width),
        WeightType.MXFP4 => Quants<MXFP4>(width),
        WeightType.NVFP4 => Quants<NVFP4>(width),
        WeightType.Q1_0 => Quants<Q1_0>(width),
        WeightType.Q2_0 => Quants<Q2_0>(width),
        WeightType.FP8_E4M3 => Widened<FP8_E4M3>(width),
        WeightType.FP8_E5M2 => Widened<FP8_E5M2>(width),
        WeightType.MXFP8 => Widened<MXFP8>(width),
        _ => null,
    };

    /// <summary>The types that there are kernels for; makes those of all of them, so it is for messages and tests.</summary>
    public static IReadOnlyList<WeightType> Supported => [.. Enum.GetValues<WeightType>().Where(Supports)];

    /// <summary>Whether there is a kernel for <paramref name="type"/>.</summary>
    public static bool Supports(WeightType type) => TryRows(type, Width) is not null;

    /// <summary>GPU kernels for <paramref name="type"/> on <paramref name="device"/>: for its own lanes, or for what it is widened to.</summary>
    /// <exception cref="NotSupportedException">No kernels for this type yet.</exception>
    public static FormatKernels Gpu(WeightType type, GpuDevice device) => Lane(type) is { } lanes ? lanes(device) : GpuForm(type) switch
    {
        LaneForm.Bytes => new FormatKernels<Lanes.Widened>(device),
        LaneForm.F32 => new FormatKernels<Lanes.F32>(device),
        _ => throw new NotSupportedException($"weights of type {type} cannot be computed with on a GPU yet"),
    };

    /// <summary>In which form weights of <paramref name="type"/> lie on a GPU; the last two take more memory than the file, and are exact.</summary>
    public static LaneForm GpuForm(WeightType type) => Lane(type) is not null || !Supports(type) ? LaneForm.Own : Rows(type).CanSplit ? LaneForm.Bytes : LaneForm.F32;

    /// <summary>Exact tensor-core kernels for <paramref name="type"/> on <paramref name="device"/>, or null if there are none.</summary>
    public static TileFormatKernels? GpuTiles(WeightType type, GpuDevice device) => !device.HasTiles ? null : type switch
    {
        WeightType.Q8_0 => new TileFormatKernels<Lanes.Q8_0Tile>(device),
        WeightType.Q4_K => new TileFormatKernels<Lanes.Q4_KTile>(device),
        WeightType.Q6_K => new TileFormatKernels<Lanes.Q6_KTile>(device),
        _ => null,
    };

    /// <summary>The types that have lanes of their own on a GPU.</summary>
    private static Func<GpuDevice, FormatKernels>? Lane(WeightType type) => type switch
    {
        WeightType.F32 => device => new FormatKernels<Lanes.F32>(device),
        WeightType.F16 => device => new FormatKernels<Lanes.F16>(device),
        WeightType.BF16 => device => new FormatKernels<Lanes.BF16>(device),
        WeightType.Q4_0 => device => new FormatKernels<Lanes.Q4_0>(device),
        WeightType.Q4_1 => device => new FormatKernels<Lanes.Q4_1>(device),
        WeightType.Q5_0 => device => new FormatKernels<Lanes.Q5_0>(device),
        WeightType.Q5_1 => device => new FormatKernels<Lanes.Q5_1>(device),
        WeightType.Q8_0 => device => new FormatKernels<Lanes.Q8_0>(device),
        WeightType.Q2_K => device => new FormatKernels<Lanes.Q2_K>(device),
        WeightType.Q3_K => device => new FormatKernels<Lanes.Q3_K>(device),
        WeightType.Q4_K => device => new FormatKernels<Lanes.Q4_K>(device),
        WeightType.Q5_K => device => new FormatKernels<Lanes.Q5_K>(device),
        WeightType.Q6_K => device => new FormatKernels<Lanes.Q6_K>(device),
        WeightType.IQ4_NL => device => new FormatKernels<Lanes.IQ4_NL>(device),
        WeightType.IQ4_XS => device => new FormatKernels<Lanes.IQ4_XS>(device),
        WeightType.MXFP4 => device => new FormatKernels<Lanes.MXFP4>(device),
        WeightType.NVFP4 => device => new FormatKernels<Lanes.NVFP4>(device),
        _ => null,
    };

    private static LaneWidth Widest() =>
        Vector512.IsHardwareAccelerated && Avx512F.IsSupported ? LaneWidth.Avx512
        : Avx2.IsSupported && Fma.IsSupported ? LaneWidth.Avx2
        : AdvSimd.Arm64.IsSupported ? LaneWidth.Neon
        : LaneWidth.Portable;

    private static RowKernel Floats<TFloat>(LaneWidth width)
        where TFloat : unmanaged, IFloatFormat<TFloat> => width switch
        {
            LaneWidth.Avx512 => new FloatRows<TFloat, Lanes512, Vector512<float>>(),
            LaneWidth.Avx2 => new FloatRows<TFloat, Lanes256, Pair256>(),
            _ => new FloatRows<TFloat, Lanes128, Quad128>(),
        };

    private static RowKernel Widened<TBlock>(LaneWidth width)
        where TBlock : unmanaged, IWidenFormat<TBlock> => width switch
        {
            LaneWidth.Avx512 => new WidenedRows<TBlock, Lanes512, Vector512<float>>(),
            LaneWidth.Avx2 => new WidenedRows<TBlock, Lanes256, Pair256>(),
            _ => new WidenedRows<TBlock, Lanes128, Quad128>(),
        };

    [UnconditionalSuppressMessage("Trimming", "IL2059", Justification = "Only when the constructor runs is at stake: one that was trimmed away had nothing to do.")]
    private static RowKernel Quants<TBlock>(LaneWidth width)
        where TBlock : unmanaged, IQuantFormat<TBlock>
    {
        // A format's tables are there before its kernels are compiled: the loops would otherwise ask for them each time.
        RuntimeHelpers.RunClassConstructor(typeof(TBlock).TypeHandle);
        return width switch
        {
            LaneWidth.Avx512 => new QuantRows<TBlock, Lanes512, Vector512<float>>
            {
                Integers = new IntegerRows<TBlock, Lanes512, Vector512<float>, Integers512, Bytes256>(),
            },
            LaneWidth.Avx2 => new QuantRows<TBlock, Lanes256, Pair256>
            {
                Integers = new IntegerRows<TBlock, Lanes256, Pair256, Integers256, Bytes256>(),
            },
            _ => new QuantRows<TBlock, Lanes128, Quad128>
            {
                Integers = new IntegerRows<TBlock, Lanes128, Quad128, Integers128, Bytes128>(),
            },
        };
    }
}
