using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 32 weights in 17 bytes, 4.25 bits each: w[i] = 2^(e − 127) · f[q[i]], f the sixteen FP4 (E2M1) numbers ±{0, 0.5, 1, 1.5, 2, 3, 4, 6}.
/// Here as 2^(e − 128) times the integers 2f. OCP Microscaling Formats, version 1.0; e = 255, NaN there, is a number in GGML and here.
/// <code>
/// byte 0   1                    17
///      | e | q (16)             |     e an E8M0 exponent
///
/// q    weights 0–15 in the low nibbles of bytes 0 … 15, weights 16–31 in the high nibbles
/// </code>
/// </summary>
internal unsafe struct MXFP4 : IQuantFormat<MXFP4>
{
    public byte E;
    public fixed byte Q[16];

    public static WeightType Type => WeightType.MXFP4;

    public static int Values => 32;

    public static int Group => 32;

    public static int Part => 32;

    public static bool Nibbles => true;

    public static bool HasCodebook => true;

    public static bool HasOffset => false;

    /// <summary>2f; a negative zero is zero.</summary>
    public static Vector128<sbyte> Codebook
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector128.Create((sbyte)0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
    }

    public static float At(ref MXFP4 block, int i) => HalfOf(block.E) * Codebook[i < 16 ? block.Q[i] & 15 : block.Q[i - 16] >> 4];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(MXFP4* block, float* scales, float* offsets) => scales[0] = HalfOf(block->E);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(MXFP4* block, nint part, int i) => Codes.Lookup(Codebook, block->Q, i);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Nibbles16(MXFP4* block, nint part, int i) => Vector128.Load(block->Q);

    /// <summary>2^(e − 128): FP32's exponent field is e − 1; 0 and 1 are subnormal.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float HalfOf(byte e) => BitConverter.UInt32BitsToSingle(e < 2 ? 0x00200000u << e : (e - 1u) << 23);
}
