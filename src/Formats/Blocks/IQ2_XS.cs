using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 256 weights in 74 bytes, 2.31 bits each, in 16 groups of 16: w[i] = ±d · (2s[g] + 1) / 8 · m[i], s 4 bits. Eight magnitudes m at a
/// time are a point of a grid of 512.
/// <code>
/// byte 0   2              66            74
///      | d | points (64)  | scales (8)  |     d half
///
/// points   32 numbers of 16 bits: 8:0 the point, 15:9 signs (bit j: weight j is negative; the eighth makes their number even)
/// scales   byte g / 2, low nibble for even g, high nibble for odd g
/// </code>
/// </summary>
internal unsafe struct IQ2_XS : IQuantFormat<IQ2_XS>
{
    public ushort D;
    public fixed ushort Q[32];
    public fixed byte ScaleBits[8];

    public static WeightType Type => WeightType.IQ2_XS;

    public static int Values => 256;

    public static int Group => 16;

    public static int Part => 32;

    public static bool HasOffset => false;

    private static readonly ulong* Grid = Grids.Expand8(Grids.IQ2_XS, [8, 25, 43]);

    public static float At(ref IQ2_XS block, int i)
    {
        uint q = block.Q[i / 8];
        var magnitude = ((sbyte*)(Grid + (q & 511)))[i % 8];
        var negative = (Grids.EvenSigns(q >> 9) >> (i % 8)) & 1;
        var scale = (block.ScaleBits[i / 32] >> (i / 16 % 2 * 4)) & 15;
        return F16.ToSingle(block.D) * ((2 * scale) + 1) * 0.125f * (negative != 0 ? -magnitude : magnitude);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(IQ2_XS* block, float* scales, float* offsets) =>
        Codes.Scale16(Codes.Interleaved(block->ScaleBits), F16.FiniteToSingle(block->D) * 0.125f, scales);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(IQ2_XS* block, nint part, int i)
    {
        var q = block->Q + (4 * part) + (2 * i);
        return Grids.Signed(Grid[q[0] & 511], Grid[q[1] & 511], Grids.EvenSigns((uint)q[0] >> 9) | (Grids.EvenSigns((uint)q[1] >> 9) << 8));
    }
}
