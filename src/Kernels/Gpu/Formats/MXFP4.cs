using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// MXFP4 in two planes a row. A unit is a block, 32 weights; nibble n of its sixteen bytes
/// is weight n, so that a part is a word, looked up eight nibbles at a time.
/// <code>
/// byte 0            C/2           17C/32
///      | q …        | e …         |     q 16 bytes, e a byte for each block
/// </code>
/// </summary>
internal struct MXFP4 : ILaneFormat
{
    private const int BlockBytes = 17;

    public static WeightType Type => WeightType.MXFP4;

    public static int UnitValues => 32;

    public static int InFlight => 2;

    public static bool Repacks => true;

    public static long RowBytes(int columns) => Bits.Align(columns / 32 * (long)BlockBytes);

    public static void Repack(long from, long to, int columns, int block)
    {
        // Exponents are written two at a time.
        var source = from + ((long)block * BlockBytes);
        Bits.RepackNibbles(source + 1, to + (block * 16L));
        if ((block & 1) != 0) return;
        var e = Dev.LoadU8(source);
        if (block + 1 < columns / 32) e |= Dev.LoadU8(source + BlockBytes) << 8;
        Dev.StoreU16(to + (columns / 2) + block, e);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Unit Load(long row, int unit, int columns) =>
        new() { A = Dev.LoadWeights(row + (unit * 16L)), C = Dev.LoadU8(row + (columns / 2) + unit) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scales Decode(Unit unit, int index)
    {
        // 2^(e − 128): the exponent field is e − 1; 0 and 1 are subnormal.
        var bits = unit.C < 2 ? 0x00200000u << (int)unit.C : (unit.C - 1) << 23;
        return new() { Low = Interop.IntAsFloat(bits) };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Part(Unit unit, Scales scales, int index, int part) => Values(Bits.Word(unit.A, part), scales.Low);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) => (index * 32) + (part * 8);

    /// <summary>Eight weights from their nibbles; the table has 2f + 12, and scale · (2f + 12) − 12 · scale is exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Values(uint nibbles, float scale) => Bits.Scaled(
        Bits.Lookup(nibbles, 0x0F0E0D0C, 0x18141210, 0x090A0B0C, 0x00040608),
        Bits.Lookup(nibbles >> 16, 0x0F0E0D0C, 0x18141210, 0x090A0B0C, 0x00040608), scale, scale * -12f);
}
