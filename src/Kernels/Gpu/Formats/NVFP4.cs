using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// NVFP4 in two planes a row, its scales, halved, as halves, which hold them exactly. A unit is 32 weights of two groups; nibble n of
/// its sixteen bytes is weight n, so that a part is a word, looked up eight nibbles at a time.
/// <code>
/// byte 0            C/2           5C/8
///      | q …        | s …         |     16 bytes and two halves for each 32 weights
/// </code>
/// </summary>
internal struct NVFP4 : ILaneFormat
{
    private const int BlockBytes = 36;

    public static WeightType Type => WeightType.NVFP4;

    public static int UnitValues => 32;

    public static int InFlight => 2;

    public static bool Repacks => true;

    public static long RowBytes(int columns) => Bits.Align(columns / 64 * 40L);

    public static void Repack(long from, long to, int columns, int block)
    {
        var source = from + ((long)block * BlockBytes);
        for (var group = 0; group < 4; group++)
        {
            var s = Dev.LoadU8(source + group);
            Dev.StoreU16(to + (columns / 2) + (block * 8L) + (group * 2), s == 0x7F ? 0 : Half(s & 0x7F));
            for (var i = 0; i < 4; i++)
            {
                // Bytes hold weights l and l + 8 of a group.
                var (at, shift) = (source + 4 + (group * 8) + ((i & 1) * 4), (i >> 1) * 4);
                var four = 0u;
                for (var n = 0; n < 4; n++) four |= ((Dev.LoadU8(at + n) >> shift) & 15) << (n * 4);
                Dev.StoreU16(to + (block * 32L) + (group * 8) + (i * 2), four);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Unit Load(long row, int unit, int columns) =>
        new() { A = Dev.LoadWeights(row + (unit * 16L)), C = (uint)Dev.LoadInt(row + (columns / 2) + (unit * 4L)) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scales Decode(Unit unit, int index) => new() { Low = Dev.Half(unit.C), High = Dev.Half(unit.C >> 16) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Part(Unit unit, Scales scales, int index, int part) =>
        MXFP4.Values(Bits.Word(unit.A, part), part < 2 ? scales.Low : scales.High);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) => (index * 32) + (part * 8);

    // Half of an E4M3 number as a half: exponent bias 7 and one less to 15; subnormals, m · 2⁻¹⁰, are normal there.
    private static uint Half(uint s)
    {
        if (s >= 8) return (((s >> 3) + 7) << 10) | ((s & 7) << 7);
        if (s == 0) return 0;
        // The highest bit that is set, 0 to 2, without a choice: ILGPU folds two nested ones of constants into one.
        var top = (int)((s >> 1) - ((s >> 2) & (s >> 1) & 1));
        return (uint)((top + 5) << 10) | ((s << (10 - top)) & 0x3FF);
    }
}
