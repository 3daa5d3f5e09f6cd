using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 256 weights in 66 bytes, 2.06 bits each, in 8 groups of 32: w[i] = ±d · (2s[g] + 1) / 8 · m[i], s 4 bits. Eight magnitudes m at a
/// time are a point of a grid of 256.
/// <code>
/// byte 0   2                            66
///      | d | 8 × (points (4), bits (4)) |     d half
///
/// bits, a 32-bit number   27:0  signs of the four points, 7 bits each (bit j: weight j is negative; the eighth makes their number even)
///                        31:28  s
/// </code>
/// </summary>
internal unsafe struct IQ2_XXS : IQuantFormat<IQ2_XXS>
{
    public ushort D;
    public fixed byte Q[64];

    public static WeightType Type => WeightType.IQ2_XXS;

    public static int Values => 256;

    public static int Group => 32;

    public static int Part => 32;

    public static bool HasOffset => false;

    private static readonly ulong* Grid = Grids.Expand8(Grids.IQ2_XXS, [8, 25, 43]);

    public static float At(ref IQ2_XXS block, int i)
    {
        var (group, point) = (i / 32, i % 32 / 8);
        fixed (byte* q = block.Q)
        {
            var bits = *(uint*)(q + (8 * group) + 4);
            var magnitude = ((sbyte*)(Grid + q[(8 * group) + point]))[i % 8];
            var negative = (Grids.EvenSigns(bits >> (7 * point)) >> (i % 8)) & 1;
            return F16.ToSingle(block.D) * ((2 * (bits >> 28)) + 1) * 0.125f * (negative != 0 ? -magnitude : magnitude);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(IQ2_XXS* block, float* scales, float* offsets)
    {
        var d = F16.FiniteToSingle(block->D) * 0.125f;
        for (var g = 0; g < 8; g++) scales[g] = d * ((2 * (block->Q[(8 * g) + 7] >> 4)) + 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(IQ2_XXS* block, nint part, int i)
    {
        var q = block->Q + (8 * part);
        var bits = *(uint*)(q + 4) >> (14 * i);
        return Grids.Signed(Grid[q[2 * i]], Grid[q[(2 * i) + 1]], Grids.EvenSigns(bits) | (Grids.EvenSigns(bits >> 7) << 8));
    }
}
