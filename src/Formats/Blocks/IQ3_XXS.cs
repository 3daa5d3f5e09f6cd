using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 256 weights in 98 bytes, 3.06 bits each, in 8 groups of 32: w[i] = ±d · (2s[g] + 1) / 4 · m[i], s 4 bits. Four magnitudes m at a
/// time are a point of a grid of 256.
/// <code>
/// byte 0   2              66                98
///      | d | points (64)  | bits: 8 × 4     |     d half
///
/// bits, a 32-bit number   27:0  signs, 7 bits for each 8 weights (bit j: weight j is negative; the eighth makes their number even)
///                        31:28  s
/// </code>
/// </summary>
internal unsafe struct IQ3_XXS : IQuantFormat<IQ3_XXS>
{
    public ushort D;
    public fixed byte Q[64];
    public fixed byte SignsAndScales[32];

    public static WeightType Type => WeightType.IQ3_XXS;

    public static int Values => 256;

    public static int Group => 32;

    public static int Part => 32;

    public static bool HasOffset => false;

    private static readonly uint* Grid = Grids.Expand4(Grids.IQ3_XXS, [4, 12, 20, 28, 36, 44, 52, 62]);

    public static float At(ref IQ3_XXS block, int i)
    {
        fixed (byte* words = block.SignsAndScales)
        {
            var bits = *(uint*)(words + (i / 32 * 4));
            var magnitude = ((sbyte*)(Grid + block.Q[i / 4]))[i % 4];
            var negative = (Grids.EvenSigns(bits >> (i % 32 / 8 * 7)) >> (i % 8)) & 1;
            return F16.ToSingle(block.D) * ((2 * (bits >> 28)) + 1) * 0.25f * (negative != 0 ? -magnitude : magnitude);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(IQ3_XXS* block, float* scales, float* offsets)
    {
        var d = F16.FiniteToSingle(block->D) * 0.25f;
        for (var g = 0; g < 8; g++) scales[g] = d * ((2 * (block->SignsAndScales[(4 * g) + 3] >> 4)) + 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(IQ3_XXS* block, nint part, int i)
    {
        var q = block->Q + (8 * part) + (4 * i);
        var bits = *(uint*)(block->SignsAndScales + (4 * part)) >> (14 * i);
        return Grids.Signed(Grids.Join(Grid[q[0]], Grid[q[1]]), Grids.Join(Grid[q[2]], Grid[q[3]]),
            Grids.EvenSigns(bits) | (Grids.EvenSigns(bits >> 7) << 8));
    }
}
