using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// Q5_0 in three planes a row: its blocks of 22 bytes allow only loads of two. A unit is a block: 32 weights.
/// <code>
/// byte 0            C/2           5C/8          11C/16
///      | low …      | high …      | d …         |     low 16 bytes, high 4, d a half for each block
/// </code>
/// </summary>
internal struct Q5_0 : ILaneFormat
{
    private const int BlockBytes = 22;

    public static WeightType Type => WeightType.Q5_0;

    public static int UnitValues => 32;

    public static int InFlight => 2;

    public static bool Repacks => true;

    public static long RowBytes(int columns) => Bits.Align(columns / 32 * (long)BlockBytes);

    public static void Repack(long from, long to, int columns, int block)
    {
        var source = from + ((long)block * BlockBytes);
        var high = to + (columns / 2);
        Dev.StoreU16(high + (columns / 8) + (block * 2L), Dev.LoadU16(source));
        for (var i = 0; i < 2; i++) Dev.StoreU16(high + (block * 4L) + (i * 2), Dev.LoadU16(source + 2 + (i * 2)));
        for (var i = 0; i < 8; i++) Dev.StoreU16(to + (block * 16L) + (i * 2), Dev.LoadU16(source + 6 + (i * 2)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Unit Load(long row, int unit, int columns)
    {
        var high = row + (columns / 2);
        return new()
        {
            A = Dev.LoadWeights(row + (unit * 16L)),
            C = (uint)Dev.LoadInt(high + (unit * 4L)),
            D = Dev.LoadU16(high + (columns / 8) + (unit * 2L)),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scales Decode(Unit unit, int index) => new() { Low = Dev.Half(unit.D) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Part(Unit unit, Scales scales, int index, int part)
    {
        var (a, b) = (Bits.Word(unit.A, part, 0), Bits.Word(unit.A, part, 1));
        var fifth = unit.C >> (part * 8);
        var lower = (part < 2 ? Bits.Low(a) : Bits.High(a)) | Bits.Fifth(fifth);
        var upper = (part < 2 ? Bits.Low(b) : Bits.High(b)) | Bits.Fifth(fifth >> 4);
        return Bits.Scaled(lower, upper, scales.Low, scales.Low * -16f);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) => (index * 32) + (part * 8);
}
