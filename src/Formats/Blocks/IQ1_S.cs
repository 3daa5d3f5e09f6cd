using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 256 weights in 50 bytes, 1.56 bits each, in 8 groups of 32: w[i] = d · (2s[g] + 1) · (t[i] ± 1/8), s 3 bits. Eight t of {−1, 0, 1} at a
/// time are a point of a grid of 2048. Here as d · (2s + 1) / 8 times the integers 8t ± 1.
/// <code>
/// byte 0   2           34             50
///      | d | low (32)  | high: 8 × 2  |     d half
///
/// high, a 16-bit number a group   11:0  bits 10:8 of its four points, 3 bits each; bits 7:0 are in low
///                                14:12  s
///                                   15  1/8 is subtracted, else added
/// </code>
/// </summary>
internal unsafe struct IQ1_S : IQuantFormat<IQ1_S>
{
    public ushort D;
    public fixed byte Low[32];
    public fixed ushort High[8];

    public static WeightType Type => WeightType.IQ1_S;

    public static int Values => 256;

    public static int Group => 32;

    public static int Part => 32;

    public static bool HasOffset => false;

    private static readonly ulong* Grid = Grids.IQ1;

    public static float At(ref IQ1_S block, int i)
    {
        var high = block.High[i / 32];
        var t = ((sbyte*)(Grid + (block.Low[i / 8] | (((high >> (i % 32 / 8 * 3)) & 7) << 8))))[i % 8];
        return F16.ToSingle(block.D) * ((2 * ((high >> 12) & 7)) + 1) * 0.125f * (t + ((high & 0x8000) != 0 ? -1 : 1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(IQ1_S* block, float* scales, float* offsets)
    {
        var d = F16.FiniteToSingle(block->D) * 0.125f;
        for (var g = 0; g < 8; g++) scales[g] = d * ((2 * ((block->High[g] >> 12) & 7)) + 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(IQ1_S* block, nint part, int i)
    {
        var low = block->Low + (4 * part) + (2 * i);
        var high = (int)block->High[part];
        var points = high >> (6 * i);
        var shift = Vector128.Create((sbyte)(1 - ((high >> 15) * 2)));
        return Vector128.Create(Grid[low[0] | ((points & 7) << 8)], Grid[low[1] | ((points & 56) << 5)]).AsSByte() + shift;
    }
}
