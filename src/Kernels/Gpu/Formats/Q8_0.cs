using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// Q8_0 in two planes a row: its blocks of 34 bytes allow only loads of two. A unit is sixteen weights, one load and a scale.
/// <code>
/// byte 0              C                  C + C/16
///      | q0 q1 …      | d0 d1 …          |     C columns; d: a half for each 32 weights
/// </code>
/// </summary>
internal struct Q8_0 : ILaneFormat
{
    private const int BlockBytes = 34;

    public static WeightType Type => WeightType.Q8_0;

    public static int UnitValues => 16;

    public static int InFlight => 4;

    public static bool Repacks => true;

    public static long RowBytes(int columns) => Bits.Align(columns + (columns / 16));

    public static void Repack(long from, long to, int columns, int block)
    {
        var source = from + ((long)block * BlockBytes);
        Dev.StoreU16(to + columns + (block * 2L), Dev.LoadU16(source));
        for (var i = 0; i < 16; i++) Dev.StoreU16(to + (block * 32L) + (i * 2), Dev.LoadU16(source + 2 + (i * 2)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Unit Load(long row, int unit, int columns) =>
        new() { A = Dev.LoadWeights(row + (unit * 16L)), C = Dev.LoadU16(row + columns + (unit >> 1 << 1)) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scales Decode(Unit unit, int index) => new() { Low = Dev.Half(unit.C) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Part(Unit unit, Scales scales, int index, int part)
    {
        // With their sign bits turned round the bytes are unsigned and 128 too large: d · u − 128 · d is exact.
        var lower = Bits.Word(unit.A, part, 0) ^ 0x80808080;
        var upper = Bits.Word(unit.A, part, 1) ^ 0x80808080;
        return Bits.Scaled(lower, upper, scales.Low, scales.Low * -128f);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) => (index * 16) + (part * 8);
}
