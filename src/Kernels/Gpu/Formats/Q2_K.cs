using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// Q2_K in three planes a row. A unit is 32 neighbouring weights in eight bytes: bits 2p+1:2p of byte i are weight 8p + i, so that a
/// part is a shift and a mask.
/// <code>
/// byte 0            C/4           5C/16          21C/64
///      | q …        | scales …    | d dmin …     |     64, 16 and 4 bytes for each block of 256
/// </code>
/// </summary>
internal struct Q2_K : ILaneFormat
{
    private const int BlockBytes = 84;

    public static WeightType Type => WeightType.Q2_K;

    public static int UnitValues => 32;

    public static int InFlight => 2;

    public static bool Repacks => true;

    public static long RowBytes(int columns) => Bits.Align(columns / 256 * (long)BlockBytes);

    public static void Repack(long from, long to, int columns, int block)
    {
        var source = from + ((long)block * BlockBytes);
        var scales = to + (columns / 4);
        for (var i = 0; i < 4; i++) Dev.StoreInt(scales + (block * 16L) + (i * 4), Dev.LoadInt(source + (i * 4)));
        Dev.StoreInt(scales + (columns / 16) + (block * 4L), Dev.LoadInt(source + 80));
        for (var unit = 0; unit < 8; unit++) Bits.RepackPairs(source + 16, to + (block * 64L) + (unit * 8), unit);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Unit Load(long row, int unit, int columns)
    {
        var scales = row + (columns / 4);
        return new()
        {
            A = new() { X = (uint)Dev.LoadInt(row + (unit * 8L)), Y = (uint)Dev.LoadInt(row + (unit * 8L) + 4) },
            C = Dev.LoadU16(scales + (unit * 2L)),
            D = (uint)Dev.LoadInt(scales + (columns / 16) + ((unit >> 3) * 4L)),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scales Decode(Unit unit, int index)
    {
        var (d, dMin) = (Dev.Half(unit.D), -Dev.Half(unit.D >> 16));
        return new()
        {
            Low = d * (int)(unit.C & 15),
            LowOffset = dMin * (int)((unit.C >> 4) & 15),
            High = d * (int)((unit.C >> 8) & 15),
            HighOffset = dMin * (int)(unit.C >> 12),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Part(Unit unit, Scales scales, int index, int part)
    {
        var (lower, upper) = ((unit.A.X >> (part * 2)) & 0x03030303, (unit.A.Y >> (part * 2)) & 0x03030303);
        return part < 2 ? Bits.Scaled(lower, upper, scales.Low, scales.LowOffset) : Bits.Scaled(lower, upper, scales.High, scales.HighOffset);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) => (index * 32) + (part * 8);
}
