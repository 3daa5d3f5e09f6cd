using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 256 weights in 84 bytes, 2.63 bits each, in 16 groups of 16: w[i] = d · s[g] · q[i] − dmin · m[g], q 2 bits, s and m 4 bits.
/// <code>
/// byte 0              16             80  82     84
///      | scales (16)  | q (64)       | d | dmin |     d, dmin halves
///
/// scales   byte g: [ m[g] | s[g] ], s in the low nibble
/// q        each half h of 128 weights has 32 bytes; its quarter k (32 weights), l = 0…31: bits 2k+1:2k of q[32h + l]
/// </code>
/// </summary>
internal unsafe struct Q2_K : IQuantFormat<Q2_K>
{
    public fixed byte ScaleBits[16];
    public fixed byte Q[64];
    public ushort D;
    public ushort DMin;

    public static WeightType Type => WeightType.Q2_K;

    public static int Values => 256;

    public static int Group => 16;

    public static int Part => 128;

    public static bool IsUnsigned => true;

    public static bool HasOffset => true;

    public static float At(ref Q2_K block, int i)
    {
        var bits = block.ScaleBits[i / 16];
        var q = (block.Q[(i / 128 * 32) + (i % 32)] >> (i % 128 / 32 * 2)) & 3;
        return (F16.ToSingle(block.D) * (bits & 15) * q) - (F16.ToSingle(block.DMin) * (bits >> 4));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(Q2_K* block, float* scales, float* offsets)
    {
        Codes.Scale16(Codes.Nibbles(block->ScaleBits, 0).AsSByte(), F16.FiniteToSingle(block->D), scales);
        Codes.Scale16(Codes.Nibbles(block->ScaleBits, 1).AsSByte(), -F16.FiniteToSingle(block->DMin), offsets);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(Q2_K* block, nint part, int i) => Codes.Pairs(block->Q + (32 * part) + (i % 2 * 16), i / 2).AsSByte();
}
