using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 32 weights in 34 bytes, 8.5 bits each: w[i] = d · q[i].
/// <code>
/// byte 0   2                    34
///      | d | q0 q1 … q31        |     d half, q signed bytes
/// </code>
/// </summary>
internal unsafe struct Q8_0 : IQuantFormat<Q8_0>
{
    public ushort D;
    public fixed sbyte Q[32];

    public static WeightType Type => WeightType.Q8_0;

    public static int Values => 32;

    public static int Group => 32;

    public static int Part => 32;

    public static bool HasOffset => false;

    public static float At(ref Q8_0 block, int i) => F16.ToSingle(block.D) * block.Q[i];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(Q8_0* block, float* scales, float* offsets) => scales[0] = F16.FiniteToSingle(block->D);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(Q8_0* block, nint part, int i) => Vector128.Load(block->Q + (16 * i));
}
