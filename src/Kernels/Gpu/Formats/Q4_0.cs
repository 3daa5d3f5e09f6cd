using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// Q4_0 in two planes a row: its blocks of 18 bytes allow only loads of two. A unit is a block: 32 weights.
/// <code>
/// byte 0            C/2           9C/16
///      | q …        | d …         |     q 16 bytes, d a half for each block
/// </code>
/// </summary>
internal struct Q4_0 : ILaneFormat
{
    private const int BlockBytes = 18;

    public static WeightType Type => WeightType.Q4_0;

    public static int UnitValues => 32;

    public static int InFlight => 2;

    public static bool Repacks => true;

    public static long RowBytes(int columns) => Bits.Align(columns / 32 * (long)BlockBytes);

    public static void Repack(long from, long to, int columns, int block)
    {
        var source = from + ((long)block * BlockBytes);
        Dev.StoreU16(to + (columns / 2) + (block * 2L), Dev.LoadU16(source));
        for (var i = 0; i < 8; i++) Dev.StoreU16(to + (block * 16L) + (i * 2), Dev.LoadU16(source + 2 + (i * 2)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Unit Load(long row, int unit, int columns) =>
        new() { A = Dev.LoadWeights(row + (unit * 16L)), C = Dev.LoadU16(row + (columns / 2) + (unit * 2L)) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scales Decode(Unit unit, int index) => new() { Low = Dev.Half(unit.C) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Part(Unit unit, Scales scales, int index, int part)
    {
        var (a, b) = (Bits.Word(unit.A, part, 0), Bits.Word(unit.A, part, 1));
        return part < 2
            ? Bits.Scaled(Bits.Low(a), Bits.Low(b), scales.Low, scales.Low * -8f)
            : Bits.Scaled(Bits.High(a), Bits.High(b), scales.Low, scales.Low * -8f);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) => (index * 32) + (part * 8);
}
