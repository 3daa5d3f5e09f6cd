using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// Q5_K as in the file: its blocks of 176 bytes keep 16-byte loads aligned. Eight lanes share a block of 256 weights: a unit is
/// sixteen bytes of nibbles, sixteen weights of group 2j in the low and sixteen of group 2j + 1 in the high ones, the sixteen bytes
/// of high whose bits 2j and 2j + 1 are theirs, and the block's sixteen bytes of scales, which are those of Q4_K.
/// </summary>
internal struct Q5_K : ILaneFormat
{
    private const int BlockBytes = 176;

    public static WeightType Type => WeightType.Q5_K;

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
        return new()
        {
            A = Dev.LoadWeights(block + 48 + ((unit & 7) * 16)),
            B = Dev.LoadShared(block),
            E = Dev.LoadShared(block + 16 + ((unit & 1) * 16)),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scales Decode(Unit unit, int index) => Q4_K.Decode(unit, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Part(Unit unit, Scales scales, int index, int part)
    {
        var shift = (index & 6) + (part >> 1); // the group of these weights
        var (a, b) = (Bits.Word(unit.A, part, 0), Bits.Word(unit.A, part, 1));
        var (c, d) = (High(Bits.Word(unit.E, part, 0), shift), High(Bits.Word(unit.E, part, 1), shift));
        return part < 2
            ? Bits.Scaled(Bits.Low(a) | c, Bits.Low(b) | d, scales.Low, scales.LowOffset)
            : Bits.Scaled(Bits.High(a) | c, Bits.High(b) | d, scales.High, scales.HighOffset);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) => Q4_K.Column(index, part);

    private static uint High(uint bits, int shift) => ((bits >> shift) & 0x01010101) << 4;
}
