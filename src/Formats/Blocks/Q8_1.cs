using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 32 weights in 36 bytes, 9 bits each: w[i] = d · q[i]. GGML makes such blocks of activations only, and keeps s, the sum of their
/// weights, beside them; a weight does not need it.
/// <code>
/// byte 0   2   4                    36
///      | d | s | q0 q1 … q31        |     d, s = d · Σq halves, q signed bytes
/// </code>
/// </summary>
internal unsafe struct Q8_1 : IQuantFormat<Q8_1>
{
    public ushort D;
    public ushort S;
    public fixed sbyte Q[32];

    public static WeightType Type => WeightType.Q8_1;

    public static int Values => 32;

    public static int Group => 32;

    public static int Part => 32;

    public static bool HasOffset => false;

    public static float At(ref Q8_1 block, int i) => F16.ToSingle(block.D) * block.Q[i];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(Q8_1* block, float* scales, float* offsets) => scales[0] = F16.FiniteToSingle(block->D);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(Q8_1* block, nint part, int i) => Vector128.Load(block->Q + (16 * i));
}
