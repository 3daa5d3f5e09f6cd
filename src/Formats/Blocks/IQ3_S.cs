using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 256 weights in 110 bytes, 3.44 bits each, in 8 groups of 32: w[i] = ±d · (2s[g] + 1) · m[i], s 4 bits. Four magnitudes m at a time are a
/// point p of a grid of 512.
/// <code>
/// byte 0   2           66        74           106          110
///      | d | low (64)  | high (8) | signs (32) | scales (4) |     d half
///
/// p = i / 4   bits 7:0  low[p]
///             bit  8    bit p mod 8 of high[p / 8]
/// signs       bit i mod 8 of signs[i / 8]: weight i is negative
/// scales      byte g / 2, low nibble for even g, high nibble for odd g
/// </code>
/// </summary>
internal unsafe struct IQ3_S : IQuantFormat<IQ3_S>
{
    public ushort D;
    public fixed byte Low[64];
    public fixed byte High[8];
    public fixed byte Signs[32];
    public fixed byte ScaleBits[4];

    public static WeightType Type => WeightType.IQ3_S;

    public static int Values => 256;

    public static int Group => 32;

    public static int Part => 32;

    public static bool HasOffset => false;

    private static readonly uint* Grid = Grids.Expand4(Grids.IQ3_S, [1, 3, 5, 7, 9, 11, 13, 15]);

    public static float At(ref IQ3_S block, int i)
    {
        var p = i / 4;
        var magnitude = ((sbyte*)(Grid + (block.Low[p] | (((block.High[p / 8] >> (p % 8)) & 1) << 8))))[i % 4];
        var negative = (block.Signs[i / 8] >> (i % 8)) & 1;
        var scale = (block.ScaleBits[i / 64] >> (i / 32 % 2 * 4)) & 15;
        return F16.ToSingle(block.D) * ((2 * scale) + 1) * (negative != 0 ? -magnitude : magnitude);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(IQ3_S* block, float* scales, float* offsets)
    {
        var d = F16.FiniteToSingle(block->D);
        var bits = *(uint*)block->ScaleBits;
        for (var g = 0; g < 8; g++) scales[g] = d * ((2 * (int)((bits >> (4 * g)) & 15)) + 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(IQ3_S* block, nint part, int i)
    {
        var low = block->Low + (8 * part) + (4 * i);
        var high = block->High[part] << (8 - (4 * i)); // bit 8 is the first point's
        return Grids.Signed(
            Grids.Join(Grid[low[0] | (high & 256)], Grid[low[1] | ((high >> 1) & 256)]),
            Grids.Join(Grid[low[2] | ((high >> 2) & 256)], Grid[low[3] | ((high >> 3) & 256)]),
            *(ushort*)(block->Signs + (4 * part) + (2 * i)));
    }
}
