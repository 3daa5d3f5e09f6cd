using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 256 weights in 56 bytes, 1.75 bits each, in 16 groups of 16: w[i] = d · (2s[g] + 1) · (t[i] ± 1/8), s 3 bits. Eight t of {−1, 0, 1} at a
/// time are a point p of a grid of 2048. Here as d · (2s + 1) / 8 times the integers 8t ± 1.
/// <code>
/// byte 0           32           48               56
///      | low (32)  | high (16)  | scales: 4 × 2  |
///
/// p = i / 8   bits 7:0   low[p]
///             bits 10:8  a nibble of high[p / 2], low for even p, high for odd p: its bits 2:0; bit 3: 1/8 is subtracted, else added
/// scales      four 16-bit numbers: s[g] in bits 3j+2:3j of number g / 4, j = g mod 4; bits 15:12 of the four are a half, d, lowest first
/// </code>
/// </summary>
internal unsafe struct IQ1_M : IQuantFormat<IQ1_M>
{
    public fixed byte Low[32];
    public fixed byte High[16];
    public fixed ushort ScaleBits[4];

    public static WeightType Type => WeightType.IQ1_M;

    public static int Values => 256;

    public static int Group => 16;

    public static int Part => 32;

    public static bool HasOffset => false;

    private static readonly ulong* Grid = Grids.IQ1;

    public static float At(ref IQ1_M block, int i)
    {
        var high = block.High[i / 16] >> (i / 8 % 2 * 4);
        var t = ((sbyte*)(Grid + (block.Low[i / 8] | ((high & 7) << 8))))[i % 8];
        var scale = (block.ScaleBits[i / 64] >> (i / 16 % 4 * 3)) & 7;
        fixed (ushort* bits = block.ScaleBits) return F16.ToSingle(D(bits)) * ((2 * scale) + 1) * 0.125f * (t + ((high & 8) != 0 ? -1 : 1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(IQ1_M* block, float* scales, float* offsets)
    {
        var d = F16.FiniteToSingle(D(block->ScaleBits)) * 0.125f;
        for (var g = 0; g < 16; g++) scales[g] = d * ((2 * ((block->ScaleBits[g / 4] >> (g % 4 * 3)) & 7)) + 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(IQ1_M* block, nint part, int i)
    {
        var low = block->Low + (4 * part) + (2 * i);
        var high = (int)block->High[(2 * part) + i];
        // ±1 in all eight bytes: −1 is 0xFF, so 1 less 2 in each.
        var shifts = Vector128.Create((sbyte)(1 - ((high >> 2) & 2)), (sbyte)(1 - ((high >> 6) & 2)), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        return Vector128.Create(Grid[low[0] | ((high & 7) << 8)], Grid[low[1] | ((high & 0x70) << 4)]).AsSByte()
            + Vector128.Shuffle(shifts, Vector128.Create((sbyte)0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ushort D(ushort* bits) => (ushort)((bits[0] >> 12) | ((bits[1] >> 8) & 0xF0) | ((bits[2] >> 4) & 0xF00) | (bits[3] & 0xF000));
}
