using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// Q6_K in four planes a row: its blocks of 210 bytes allow only loads of two. Eight lanes share a block of 256 weights: a unit
/// is sixteen bytes of low, whose low nibbles are weights of quarter k mod 2 of a half of the block and whose high nibbles those
/// of the quarter two further on, and the sixteen bytes of high that hold their upper bits.
/// <code>
/// byte 0            C/2           3C/4          13C/16         105C/128
///      | low …      | high …      | s …         | d …          |     128, 64, 16 and 2 bytes for each block
/// </code>
/// </summary>
internal struct Q6_K : ILaneFormat
{
    private const int BlockBytes = 210;

    public static WeightType Type => WeightType.Q6_K;

    public static int UnitValues => 32;

    public static int InFlight => 2;

    public static bool Repacks => true;

    public static long RowBytes(int columns) => Bits.Align(columns / 256 * (long)BlockBytes);

    public static void Repack(long from, long to, int columns, int block)
    {
        var source = from + ((long)block * BlockBytes);
        var high = to + (columns / 2);
        var scales = high + (columns / 4);
        for (var i = 0; i < 64; i++) Dev.StoreU16(to + (block * 128L) + (i * 2), Dev.LoadU16(source + (i * 2)));
        for (var i = 0; i < 32; i++) Dev.StoreU16(high + (block * 64L) + (i * 2), Dev.LoadU16(source + 128 + (i * 2)));
        for (var i = 0; i < 8; i++) Dev.StoreU16(scales + (block * 16L) + (i * 2), Dev.LoadU16(source + 192 + (i * 2)));
        Dev.StoreU16(scales + (columns / 16) + (block * 2L), Dev.LoadU16(source + 208));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Unit Load(long row, int unit, int columns)
    {
        var high = row + (columns / 2);
        var scales = high + (columns / 4);
        // unit = 8·block + 4·half + 2·(quarter mod 2) + sixteenth
        var (half, odd, l) = ((unit >> 2) & 1, (unit >> 1) & 1, unit & 1);
        var scale = scales + ((unit >> 3) * 16L) + (half * 8) + (odd * 2) + l;
        return new()
        {
            A = Dev.LoadWeights(row + (unit * 16L)),
            B = Dev.LoadShared(high + ((unit >> 3) * 64L) + (half * 32) + (l * 16)),
            C = Dev.LoadU8(scale) | (Dev.LoadU8(scale + 4) << 8),
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
        var quarter = ((index >> 1) & 1) + (part >> 1 << 1);
        var scale = part < 2 ? scales.Low : scales.High;
        return Bits.Scaled(Six(unit, part, quarter, 0), Six(unit, part, quarter, 1), scale, scale * -32f);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) =>
        ((index >> 3) * 256) + (((index >> 2) & 1) * 128) + (((index >> 1) & 1) * 32) + ((part >> 1) * 64) + ((index & 1) * 16) + ((part & 1) * 8);

    private static uint Six(Unit unit, int part, int quarter, int second)
    {
        var low = Bits.Word(unit.A, part, second);
        return (part < 2 ? Bits.Low(low) : Bits.High(low)) | (((Bits.Word(unit.B, part, second) >> (quarter * 2)) & 0x03030303) << 4);
    }
}
