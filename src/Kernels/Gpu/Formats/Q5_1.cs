using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// Q5_1 in three planes a row: its blocks of 24 bytes allow only loads of eight. A unit is a block: 32 weights.
/// <code>
/// byte 0            C/2           5C/8          3C/4
///      | low …      | high …      | d m …       |     low 16 bytes, high 4, d and m halves for each block
/// </code>
/// </summary>
internal struct Q5_1 : ILaneFormat
{
    private const int BlockBytes = 24;

    public static WeightType Type => WeightType.Q5_1;

    public static int UnitValues => 32;

    public static int InFlight => 2;

    public static bool Repacks => true;

    public static long RowBytes(int columns) => Bits.Align(columns / 32 * (long)BlockBytes);

    public static void Repack(long from, long to, int columns, int block)
    {
        var source = from + ((long)block * BlockBytes);
        var high = to + (columns / 2);
        Dev.StoreInt(high + (columns / 8) + (block * 4L), Dev.LoadInt(source));
        Dev.StoreInt(high + (block * 4L), Dev.LoadInt(source + 4));
        for (var i = 0; i < 4; i++) Dev.StoreInt(to + (block * 16L) + (i * 4), Dev.LoadInt(source + 8 + (i * 4)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Unit Load(long row, int unit, int columns)
    {
        var high = row + (columns / 2);
        return new()
        {
            A = Dev.LoadWeights(row + (unit * 16L)),
            C = (uint)Dev.LoadInt(high + (unit * 4L)),
            D = (uint)Dev.LoadInt(high + (columns / 8) + (unit * 4L)),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scales Decode(Unit unit, int index) => new() { Low = Dev.Half(unit.D), LowOffset = Dev.Half(unit.D >> 16) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Part(Unit unit, Scales scales, int index, int part)
    {
        var (a, b) = (Bits.Word(unit.A, part, 0), Bits.Word(unit.A, part, 1));
        var fifth = unit.C >> (part * 8);
        var lower = (part < 2 ? Bits.Low(a) : Bits.High(a)) | Bits.Fifth(fifth);
        var upper = (part < 2 ? Bits.Low(b) : Bits.High(b)) | Bits.Fifth(fifth >> 4);
        return Bits.Scaled(lower, upper, scales.Low, scales.LowOffset);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) => (index * 32) + (part * 8);
}
