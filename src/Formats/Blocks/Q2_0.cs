using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 64 weights in 18 bytes, 2.25 bits each: w[i] = d · (q[i] − 1), q 2 bits.
/// <code>
/// byte 0   2                    18
///      | d | q (16)             |     d half; weight i is bits 2(i mod 4)+1 : 2(i mod 4) of byte i / 4
/// </code>
/// </summary>
internal unsafe struct Q2_0 : IQuantFormat<Q2_0>
{
    public ushort D;
    public fixed byte Q[16];

    public static WeightType Type => WeightType.Q2_0;

    public static int Values => 64;

    public static int Group => 32;

    public static int Part => 64;

    public static bool HasOffset => false;

    public static float At(ref Q2_0 block, int i) => F16.ToSingle(block.D) * (((block.Q[i / 4] >> (i % 4 * 2)) & 3) - 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(Q2_0* block, float* scales, float* offsets)
    {
        var d = F16.FiniteToSingle(block->D);
        (scales[0], scales[1]) = (d, d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(Q2_0* block, nint part, int i)
    {
        // Four bytes become four words; copies of a word's byte 6, 12 and 18 places up put its pairs of bits 1, 2 and 3 at the bottom of
        // the word's bytes 1, 2 and 3. What else is there is masked away.
        var words = Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(uint*)(block->Q + (4 * i))).AsByte()));
        words |= Vector128.ShiftLeft(words, 12);
        words |= Vector128.ShiftLeft(words, 6);
        return (words.AsByte() & Vector128.Create((byte)3)).AsSByte() - Vector128<sbyte>.One;
    }
}
