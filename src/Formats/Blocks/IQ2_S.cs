using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 256 weights in 82 bytes, 2.56 bits each, in 16 groups of 16: w[i] = ±d · (2s[g] + 1) / 8 · m[i], s 4 bits. Eight magnitudes m at a
/// time are a point p of a grid of 1024.
/// <code>
/// byte 0   2           34           66        74            82
///      | d | low (32)  | signs (32) | high (8) | scales (8) |     d half
///
/// p = i / 8   bits 7:0  low[p]
///             bits 9:8  high[p / 4], bits 2j+1:2j, j = p mod 4
/// signs       bit j of signs[p]: weight 8p + j is negative
/// scales      byte g / 2, low nibble for even g, high nibble for odd g
/// </code>
/// </summary>
internal unsafe struct IQ2_S : IQuantFormat<IQ2_S>
{
    public ushort D;
    public fixed byte Low[32];
    public fixed byte Signs[32];
    public fixed byte High[8];
    public fixed byte ScaleBits[8];

    public static WeightType Type => WeightType.IQ2_S;

    public static int Values => 256;

    public static int Group => 16;

    public static int Part => 32;

    public static bool HasOffset => false;

    private static readonly ulong* Grid = Grids.Expand8(Grids.IQ2_S, [8, 25, 43]);

    public static float At(ref IQ2_S block, int i)
    {
        var p = i / 8;
        var magnitude = ((sbyte*)(Grid + (block.Low[p] | (((block.High[p / 4] >> (p % 4 * 2)) & 3) << 8))))[i % 8];
        var negative = (block.Signs[p] >> (i % 8)) & 1;
        var scale = (block.ScaleBits[i / 32] >> (i / 16 % 2 * 4)) & 15;
        return F16.ToSingle(block.D) * ((2 * scale) + 1) * 0.125f * (negative != 0 ? -magnitude : magnitude);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(IQ2_S* block, float* scales, float* offsets) =>
        Codes.Scale16(Codes.Interleaved(block->ScaleBits), F16.FiniteToSingle(block->D) * 0.125f, scales);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(IQ2_S* block, nint part, int i)
    {
        var low = block->Low + (4 * part) + (2 * i);
        var high = block->High[part] >> (4 * i);
        return Grids.Signed(Grid[low[0] | ((high & 3) << 8)], Grid[low[1] | ((high & 12) << 6)], *(ushort*)(block->Signs + (4 * part) + (2 * i)));
    }
}
