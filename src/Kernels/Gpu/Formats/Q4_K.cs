using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// Q4_K as in the file: its blocks of 144 bytes keep 16-byte loads aligned. Eight lanes share a block of 256 weights: a unit is
/// sixteen bytes of nibbles, sixteen weights of group 2j in the low and sixteen of group 2j + 1 in the high ones, and the
/// block's sixteen bytes of scales, which all eight load (one sector).
/// </summary>
internal struct Q4_K : ILaneFormat
{
    private const int BlockBytes = 144;

    public static WeightType Type => WeightType.Q4_K;

    public static int UnitValues => 32;

    public static int InFlight => 2;

    public static bool Repacks => false;

    public static long RowBytes(int columns) => columns / 256 * (long)BlockBytes;

    public static void Repack(long from, long to, int columns, int block)
    {
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Unit Load(long row, int unit, int columns)
    {
        var block = row + ((unit >> 3) * (long)BlockBytes);
        return new() { A = Dev.LoadWeights(block + 16 + ((unit & 7) * 16)), B = Dev.LoadShared(block) };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scales Decode(Unit unit, int index)
    {
        // Groups 2j and 2j + 1 have their 6-bit numbers in neighbouring bytes: byte 2(j mod 2) and the next of a word.
        var j = (index >> 1) & 3;
        var shift = (j & 1) * 16;
        var (s, m, rest) = (unit.B.Y >> shift, unit.B.Z >> shift, unit.B.W >> shift);
        var scales = j < 2 ? s & 0x3F3F : (rest & 0x0F0F) | ((s & 0xC0C0) >> 2);
        var mins = j < 2 ? m & 0x3F3F : ((rest >> 4) & 0x0F0F) | ((m & 0xC0C0) >> 2);
        var (d, dMin) = (Dev.Half(unit.B.X), -Dev.Half(unit.B.X >> 16));
        return new()
        {
            Low = d * Bits.Byte0(scales),
            High = d * Bits.Byte1(scales),
            LowOffset = dMin * Bits.Byte0(mins),
            HighOffset = dMin * Bits.Byte1(mins),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Part(Unit unit, Scales scales, int index, int part)
    {
        var (a, b) = (Bits.Word(unit.A, part, 0), Bits.Word(unit.A, part, 1));
        return part < 2
            ? Bits.Scaled(Bits.Low(a), Bits.Low(b), scales.Low, scales.LowOffset)
            : Bits.Scaled(Bits.High(a), Bits.High(b), scales.High, scales.HighOffset);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) =>
        ((index >> 3) * 256) + (((index >> 1) & 3) * 64) + ((part >> 1) * 32) + ((index & 1) * 16) + ((part & 1) * 8);
}
