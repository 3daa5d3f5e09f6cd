using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 256 weights in 292 bytes, 9.13 bits each: w[i] = d · q[i]. GGML makes such blocks of activations only, and keeps the sums of 16
/// integers beside them; a weight does not need them. d being FP32, a weight is rounded once.
/// <code>
/// byte 0   4                    260            292
///      | d | q0 q1 … q255       | sums (16)    |     d FP32, q signed bytes, sums signed 16 bits
/// </code>
/// </summary>
internal unsafe struct Q8_K : IQuantFormat<Q8_K>
{
    public float D;
    public fixed sbyte Q[256];
    public fixed short Sums[16];

    public static WeightType Type => WeightType.Q8_K;

    public static int Values => 256;

    public static int Group => 32;

    public static int Part => 128;

    public static bool HasOffset => false;

    public static float At(ref Q8_K block, int i) => block.D * block.Q[i];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(Q8_K* block, float* scales, float* offsets) => Vector256.Create(block->D).Store(scales);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(Q8_K* block, nint part, int i) => Vector128.Load(block->Q + (128 * part) + (16 * i));
}
