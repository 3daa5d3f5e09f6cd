using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// IQ4_XS in two planes a row. A unit is a group of 32 weights; nibble n of its sixteen bytes
/// is weight n, so that a part is a word, looked up eight nibbles at a time.
/// <code>
/// byte 0            C/2                17C/32
///      | q …        | d high low …     |     128 and 2 + 2 + 4 bytes for each block of 256
/// </code>
/// </summary>
internal struct IQ4_XS : ILaneFormat
{
    private const int BlockBytes = 136;

    public static WeightType Type => WeightType.IQ4_XS;

    public static int UnitValues => 32;

    public static int InFlight => 2;

    public static bool Repacks => true;

    public static long RowBytes(int columns) => Bits.Align(columns / 256 * (long)BlockBytes);

    public static void Repack(long from, long to, int columns, int block)
    {
        var source = from + ((long)block * BlockBytes);
        var head = to + (columns / 2) + (block * 8L);
        Dev.StoreInt(head, Dev.LoadInt(source));
        Dev.StoreInt(head + 4, Dev.LoadInt(source + 4));
        for (var group = 0; group < 8; group++) Bits.RepackNibbles(source + 8 + (group * 16), to + (block * 128L) + (group * 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Unit Load(long row, int unit, int columns)
    {
        var head = row + (columns / 2) + ((unit >> 3) * 8L);
        return new() { A = Dev.LoadWeights(row + (unit * 16L)), C = (uint)Dev.LoadInt(head), D = (uint)Dev.LoadInt(head + 4) };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scales Decode(Unit unit, int index)
    {
        var group = index & 7;
        var scale = ((unit.D >> (group * 4)) & 15) | (((unit.C >> (16 + (group * 2))) & 3) << 4);
        return new() { Low = Dev.Half(unit.C) * ((int)scale - 32) };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Part(Unit unit, Scales scales, int index, int part) => IQ4_NL.Values(Bits.Word(unit.A, part), scales.Low);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) => (index * 32) + (part * 8);
}
