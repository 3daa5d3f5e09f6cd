using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 256 weights in 66 bytes, 2.06 bits each: w[i] = d · (q[i] − 1), q 2 bits; ternary weights, but GGML reads a q of 3, too.
/// <code>
/// byte 0              64  66
///      | q (64)       | d |     d half
///
/// q    each half h of 128 weights has 32 bytes; its quarter k (32 weights), l = 0…31: bits 2k+1:2k of q[32h + l]
/// </code>
/// </summary>
internal unsafe struct TQ2_0 : IQuantFormat<TQ2_0>
{
    public fixed byte Q[64];
    public ushort D;

    public static WeightType Type => WeightType.TQ2_0;

    public static int Values => 256;

    public static int Group => 32;

    public static int Part => 128;

    public static bool HasOffset => false;

    public static float At(ref TQ2_0 block, int i) =>
        F16.ToSingle(block.D) * (((block.Q[(i / 128 * 32) + (i % 32)] >> (i % 128 / 32 * 2)) & 3) - 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(TQ2_0* block, float* scales, float* offsets) => Vector256.Create(F16.FiniteToSingle(block->D)).Store(scales);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(TQ2_0* block, nint part, int i) =>
        Codes.Pairs(block->Q + (32 * part) + (i % 2 * 16), i / 2).AsSByte() - Vector128<sbyte>.One;
}
