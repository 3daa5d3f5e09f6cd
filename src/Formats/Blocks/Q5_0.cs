using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 32 weights in 22 bytes, 5.5 bits each: w[i] = d · (q[i] − 16), q 5 bits.
/// <code>
/// byte 0   2         6                22
///      | d | high    | low (16)      |     d half
///
/// bits 3:0   weights 0–15 in the low nibbles of low[0…15], weights 16–31 in the high nibbles
/// bit  4     bit i of high, a 32-bit number
/// </code>
/// </summary>
internal unsafe struct Q5_0 : IQuantFormat<Q5_0>
{
    public ushort D;
    public fixed byte High[4];
    public fixed byte Low[16];

    public static WeightType Type => WeightType.Q5_0;

    public static int Values => 32;

    public static int Group => 32;

    public static int Part => 32;

    public static bool HasOffset => false;

    public static float At(ref Q5_0 block, int i)
    {
        var nibble = i < 16 ? block.Low[i] & 15 : block.Low[i - 16] >> 4;
        var fifth = (block.High[i / 8] >> (i % 8)) & 1;
        return F16.ToSingle(block.D) * ((nibble | (fifth << 4)) - 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(Q5_0* block, float* scales, float* offsets) => scales[0] = F16.FiniteToSingle(block->D);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(Q5_0* block, nint part, int i)
    {
        var fifth = Codes.Mask16(*(ushort*)(block->High + (2 * i))) & Vector128.Create((byte)16);
        return (Codes.Nibbles(block->Low, i) | fifth).AsSByte() - Vector128.Create((sbyte)16);
    }
}
