using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 32 weights in 18 bytes, 4.5 bits each: w[i] = d · (q[i] − 8), q 4 bits.
/// <code>
/// byte 0   2                    18
///      | d | q (16)             |     d half
///
/// q    weights 0–15 in the low nibbles of bytes 0 … 15, weights 16–31 in the high nibbles
/// </code>
/// </summary>
internal unsafe struct Q4_0 : IQuantFormat<Q4_0>
{
    public ushort D;
    public fixed byte Q[16];

    public static WeightType Type => WeightType.Q4_0;

    public static int Values => 32;

    public static int Group => 32;

    public static int Part => 32;

    public static bool Nibbles => true;

    public static bool HasCodebook => true;

    public static bool HasOffset => false;

    /// <summary>q − 8.</summary>
    public static Vector128<sbyte> Codebook
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector128.Create((sbyte)-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
    }

    public static float At(ref Q4_0 block, int i) => F16.ToSingle(block.D) * ((i < 16 ? block.Q[i] & 15 : block.Q[i - 16] >> 4) - 8);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(Q4_0* block, float* scales, float* offsets) => scales[0] = F16.FiniteToSingle(block->D);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(Q4_0* block, nint part, int i) => Codes.Lookup(Codebook, block->Q, i);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Nibbles16(Q4_0* block, nint part, int i) => Vector128.Load(block->Q);
}
