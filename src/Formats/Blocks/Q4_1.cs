using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 32 weights in 20 bytes, 5 bits each: w[i] = d · q[i] + m, q 4 bits.
/// <code>
/// byte 0   2   4                    20
///      | d | m | q (16)             |     d, m halves
///
/// q    weights 0–15 in the low nibbles of bytes 0 … 15, weights 16–31 in the high nibbles
/// </code>
/// </summary>
internal unsafe struct Q4_1 : IQuantFormat<Q4_1>
{
    public ushort D;
    public ushort M;
    public fixed byte Q[16];

    public static WeightType Type => WeightType.Q4_1;

    public static int Values => 32;

    public static int Group => 32;

    public static int Part => 32;

    public static bool Nibbles => true;

    public static bool IsUnsigned => true;

    public static bool HasOffset => true;

    public static float At(ref Q4_1 block, int i) =>
        (F16.ToSingle(block.D) * (i < 16 ? block.Q[i] & 15 : block.Q[i - 16] >> 4)) + F16.ToSingle(block.M);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(Q4_1* block, float* scales, float* offsets)
    {
        scales[0] = F16.FiniteToSingle(block->D);
        offsets[0] = F16.FiniteToSingle(block->M);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(Q4_1* block, nint part, int i) => Codes.Nibbles(block->Q, i).AsSByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Nibbles16(Q4_1* block, nint part, int i) => Vector128.Load(block->Q);
}
