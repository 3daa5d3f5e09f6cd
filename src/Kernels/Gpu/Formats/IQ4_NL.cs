using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// IQ4_NL in two planes a row. A unit is a block, 32 weights; nibble n of its sixteen bytes
/// is weight n, so that a part is a word, looked up eight nibbles at a time.
/// <code>
/// byte 0            C/2           9C/16
///      | q …        | d …         |     q 16 bytes, d a half for each block
/// </code>
/// </summary>
internal struct IQ4_NL : ILaneFormat
{
    private const int BlockBytes = 18;

    public static WeightType Type => WeightType.IQ4_NL;

    public static int UnitValues => 32;

    public static int InFlight => 2;

    public static bool Repacks => true;

    public static long RowBytes(int columns) => Bits.Align(columns / 32 * (long)BlockBytes);

    public static void Repack(long from, long to, int columns, int block)
    {
        var source = from + ((long)block * BlockBytes);
        Dev.StoreU16(to + (columns / 2) + (block * 2L), Dev.LoadU16(source));
        Bits.RepackNibbles(source + 2, to + (block * 16L));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Unit Load(long row, int unit, int columns) =>
        new() { A = Dev.LoadWeights(row + (unit * 16L)), C = Dev.LoadU16(row + (columns / 2) + (unit * 2L)) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scales Decode(Unit unit, int index) => new() { Low = Dev.Half(unit.C) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Part(Unit unit, Scales scales, int index, int part) => Values(Bits.Word(unit.A, part), scales.Low);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) => (index * 32) + (part * 8);

    /// <summary>Eight weights from their nibbles; the table has v + 128, and scale · (v + 128) − 128 · scale is exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Values(uint nibbles, float scale) => Bits.Scaled(
        Bits.Lookup(nibbles, 0x3F2D1801, 0x766A5D4F, 0xA6998D81, 0xF1D9C5B5),
        Bits.Lookup(nibbles >> 16, 0x3F2D1801, 0x766A5D4F, 0xA6998D81, 0xF1D9C5B5), scale, scale * -128f);
}
