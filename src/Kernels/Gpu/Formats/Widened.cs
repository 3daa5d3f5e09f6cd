using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// What types become that have no lanes of their own, when they are loaded: signed bytes under an FP32 scale for each sixteen, which hold
/// the weights of every quantized type without offsets exactly. A unit is sixteen weights.
/// <code>
/// byte 0              C                  5C/4
///      | q0 q1 …      | s0 s1 …          |     C columns; s an FP32 for each sixteen weights
/// </code>
/// </summary>
internal struct Widened : ILaneFormat
{
    /// <summary>Its nearest relative: in no file are weights like this.</summary>
    public static WeightType Type => WeightType.Q8_K;

    public static int UnitValues => 16;

    public static int InFlight => 4;

    public static bool Repacks => false;

    public static long RowBytes(int columns) => Bits.Align(columns + (columns / 4));

    public static void Repack(long from, long to, int columns, int block)
    {
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Unit Load(long row, int unit, int columns) =>
        new() { A = Dev.LoadWeights(row + (unit * 16L)), C = (uint)Dev.LoadInt(row + columns + (unit * 4L)) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scales Decode(Unit unit, int index) => new() { Low = Interop.IntAsFloat(unit.C) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Part(Unit unit, Scales scales, int index, int part)
    {
        // With their sign bits turned round the bytes are unsigned and 128 too large: s · u − 128 · s is exact.
        var lower = Bits.Word(unit.A, part, 0) ^ 0x80808080;
        var upper = Bits.Word(unit.A, part, 1) ^ 0x80808080;
        return Bits.Scaled(lower, upper, scales.Low, scales.Low * -128f);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) => (index * 16) + (part * 8);
}
