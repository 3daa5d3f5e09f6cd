using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 32 weights in 18 bytes, 4.5 bits each: w[i] = d · v[q[i]], q 4 bits, v a table of sixteen integers that lie closer around 0.
/// <code>
/// byte 0   2                    18
///      | d | q (16)             |     d half
///
/// q    weights 0–15 in the low nibbles of bytes 0 … 15, weights 16–31 in the high nibbles
/// </code>
/// </summary>
internal unsafe struct IQ4_NL : IQuantFormat<IQ4_NL>
{
    public ushort D;
    public fixed byte Q[16];

    public static WeightType Type => WeightType.IQ4_NL;

    public static int Values => 32;

    public static int Group => 32;

    public static int Part => 32;

    public static bool Nibbles => true;

    public static bool HasCodebook => true;

    public static bool HasOffset => false;

    /// <summary>v, as GGML defines it; IQ4_XS has the same.</summary>
    public static Vector128<sbyte> Codebook
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector128.Create((sbyte)-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
    }

    public static float At(ref IQ4_NL block, int i) => F16.ToSingle(block.D) * Codebook[i < 16 ? block.Q[i] & 15 : block.Q[i - 16] >> 4];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(IQ4_NL* block, float* scales, float* offsets) => scales[0] = F16.FiniteToSingle(block->D);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(IQ4_NL* block, nint part, int i) => Codes.Lookup(Codebook, block->Q, i);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Nibbles16(IQ4_NL* block, nint part, int i) => Vector128.Load(block->Q);
}
