using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// Q4_1 in two planes a row: its blocks of 20 bytes allow only loads of four. A unit is a block: 32 weights.
/// <code>
/// byte 0            C/2           5C/8
///      | q …        | d m …       |     q 16 bytes, d and m halves for each block
/// </code>
/// </summary>
internal struct Q4_1 : ILaneFormat
{
    private const int BlockBytes = 20;

    public static WeightType Type => WeightType.Q4_1;

    public static int UnitValues => 32;

    public static int InFlight => 2;

    public static bool Repacks => true;

    public static long RowBytes(int columns) => Bits.Align(columns / 32 * (long)BlockBytes);

    public static void Repack(long from, long to, int columns, int block)
    {
        var source = from + ((long)block * BlockBytes);
        Dev.StoreInt(to + (columns / 2) + (block * 4L), Dev.LoadInt(source));
        for (var i = 0; i < 4; i++) Dev.StoreInt(to + (block * 16L) + (i * 4), Dev.LoadInt(source + 4 + (i * 4)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Unit Load(long row, int unit, int columns) =>
        new() { A = Dev.LoadWeights(row + (unit * 16L)), C = (uint)Dev.LoadInt(row + (columns / 2) + (unit * 4L)) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scales Decode(Unit unit, int index) => new() { Low = Dev.Half(unit.C), LowOffset = Dev.Half(unit.C >> 16) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Part(Unit unit, Scales scales, int index, int part)
    {
        var (a, b) = (Bits.Word(unit.A, part, 0), Bits.Word(unit.A, part, 1));
        return part < 2
            ? Bits.Scaled(Bits.Low(a), Bits.Low(b), scales.Low, scales.LowOffset)
            : Bits.Scaled(Bits.High(a), Bits.High(b), scales.Low, scales.LowOffset);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) => (index * 32) + (part * 8);
}
