using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// Q3_K in four planes a row, its scales as signed bytes. A unit is 32 neighbouring weights: eight bytes of low, as in Q2_K, and four of
/// high, where bit p of byte i is weight 8p + i and bit 4 + p weight 8p + 4 + i.
/// <code>
/// byte 0            C/4           3C/8          7C/16          57C/128
///      | low …      | high …      | s …         | d …          |     64, 32, 16 and 2 bytes for each block of 256
/// </code>
/// </summary>
internal struct Q3_K : ILaneFormat
{
    private const int BlockBytes = 110;

    public static WeightType Type => WeightType.Q3_K;

    public static int UnitValues => 32;

    public static int InFlight => 2;

    public static bool Repacks => true;

    public static long RowBytes(int columns) => Bits.Align(columns / 256 * 114L);

    public static void Repack(long from, long to, int columns, int block)
    {
        var source = from + ((long)block * BlockBytes);
        var high = to + (columns / 4);
        var scales = high + (columns / 8);
        Dev.StoreU16(scales + (columns / 16) + (block * 2L), Dev.LoadU16(source + 108));
        for (var group = 0; group < 16; group += 2)
        {
            var pair = Scale(source + 96, group) | (Scale(source + 96, group + 1) << 8);
            Dev.StoreU16(scales + (block * 16L) + group, pair);
        }
        for (var unit = 0; unit < 8; unit++)
        {
            Bits.RepackPairs(source + 32, to + (block * 64L) + (unit * 8), unit);
            var bits = 0u;
            for (var l = 0; l < 32; l++) bits |= ((Dev.LoadU8(source + l) >> unit) & 1) << (((l & 3) * 8) + (l >> 3) + (l & 4));
            Dev.StoreInt(high + (block * 32L) + (unit * 4), (int)bits);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Unit Load(long row, int unit, int columns)
    {
        var high = row + (columns / 4);
        var scales = high + (columns / 8);
        return new()
        {
            A = new()
            {
                X = (uint)Dev.LoadInt(row + (unit * 8L)),
                Y = (uint)Dev.LoadInt(row + (unit * 8L) + 4),
                Z = (uint)Dev.LoadInt(high + (unit * 4L)),
            },
            C = Dev.LoadU16(scales + (unit * 2L)),
            D = Dev.LoadU16(scales + (columns / 16) + ((unit >> 3) * 2L)),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scales Decode(Unit unit, int index)
    {
        var d = Dev.Half(unit.D);
        return new() { Low = d * Bits.Signed(unit.C), High = d * Bits.Signed(unit.C >> 8) };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Part(Unit unit, Scales scales, int index, int part)
    {
        var scale = part < 2 ? scales.Low : scales.High;
        var lower = ((unit.A.X >> (part * 2)) & 0x03030303) | (((unit.A.Z >> part) & 0x01010101) << 2);
        var upper = ((unit.A.Y >> (part * 2)) & 0x03030303) | (((unit.A.Z >> (part + 4)) & 0x01010101) << 2);
        return Bits.Scaled(lower, upper, scale, scale * -4f);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) => (index * 32) + (part * 8);

    // s − 32 as a byte.
    private static uint Scale(long bits, int group)
    {
        var low = (Dev.LoadU8(bits + (group & 7)) >> (group < 8 ? 0 : 4)) & 15;
        var high = (Dev.LoadU8(bits + 8 + (group & 3)) >> ((group >> 2) * 2)) & 3;
        return ((low | (high << 4)) - 32) & 255;
    }
}
