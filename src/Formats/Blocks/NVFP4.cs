using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 64 weights in 36 bytes, 4.5 bits each, in 4 groups of 16: w[i] = s[g] · f[q[i]], f the sixteen FP4 (E2M1) numbers as in MXFP4, s an
/// FP8 number (E4M3) without its sign. Here as s/2 times the integers 2f.
/// <code>
/// byte 0        4                       36
///      | s (4)  | q: 4 × 8 bytes        |
///
/// q    bytes 8g … 8g+7 hold weights 0–7 of group g in their low nibbles and 8–15 in their high nibbles
/// </code>
/// </summary>
internal unsafe struct NVFP4 : IQuantFormat<NVFP4>
{
    public fixed byte S[4];
    public fixed byte Q[32];

    public static WeightType Type => WeightType.NVFP4;

    public static int Values => 64;

    public static int Group => 16;

    public static int Part => 64;

    public static bool HasOffset => false;

    public static float At(ref NVFP4 block, int i)
    {
        var pair = block.Q[(i / 16 * 8) + (i % 8)];
        return HalfOf(block.S[i / 16]) * MXFP4.Codebook[i % 16 < 8 ? pair & 15 : pair >> 4];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(NVFP4* block, float* scales, float* offsets)
    {
        for (var g = 0; g < 4; g++) scales[g] = HalfOf(block->S[g]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(NVFP4* block, nint part, int i)
    {
        var pairs = *(ulong*)(block->Q + (8 * i));
        return Vector128.ShuffleNative(MXFP4.Codebook, Vector128.Create(pairs, pairs >> 4).AsSByte() & Vector128.Create((sbyte)15));
    }

    /// <summary>
    /// Half of an E4M3 number without its sign: exponent bias 7, subnormals below 2⁻⁶. 0x7F, NaN there, is 0, and bit 7 is not looked
    /// at otherwise: so GGML reads it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float HalfOf(byte s)
    {
        // Exponent and mantissa moved to FP32's places stand for a number 2^120 too small (the biases differ by 120); with the half
        // 2^119. The product is exact, subnormals included.
        var magnitude = s == 0x7F ? 0u : s & 0x7Fu;
        return BitConverter.UInt32BitsToSingle(magnitude << 20) * 6.64613997892457936e35f;
    }
}
