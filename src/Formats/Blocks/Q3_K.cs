using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 256 weights in 110 bytes, 3.44 bits each, in 16 groups of 16: w[i] = d · (s[g] − 32) · (q[i] − 4), q 3 bits, s 6 bits.
/// <code>
/// byte 0            32            96             108  110
///      | high (32)  | low (64)    | scales (12)  | d  |     d half
///
/// each half h of 128 weights has 32 bytes of low; its quarter k (32 weights), l = 0…31, takes
///   bits 1:0   low[32h + l], bits 2k+1:2k
///   bit  2     high[l], bit 4h + k
/// scales   bits 3:0 of s[g]   byte g mod 8, low nibble for g &lt; 8, high nibble for g ≥ 8
///          bits 5:4 of s[g]   byte 8 + g mod 4, bits 2j+1:2j, j = g / 4
/// </code>
/// </summary>
internal unsafe struct Q3_K : IQuantFormat<Q3_K>
{
    public fixed byte High[32];
    public fixed byte Low[64];
    public fixed byte ScaleBits[12];
    public ushort D;

    public static WeightType Type => WeightType.Q3_K;

    public static int Values => 256;

    public static int Group => 16;

    public static int Part => 128;

    public static bool HasOffset => false;

    public static float At(ref Q3_K block, int i)
    {
        var group = i / 16;
        var nibble = group < 8 ? block.ScaleBits[group] & 15 : block.ScaleBits[group - 8] >> 4;
        var scale = nibble | (((block.ScaleBits[8 + (group % 4)] >> (group / 4 * 2)) & 3) << 4);
        var low = (block.Low[(i / 128 * 32) + (i % 32)] >> (i % 128 / 32 * 2)) & 3;
        var high = (block.High[i % 32] >> (i / 32)) & 1;
        return F16.ToSingle(block.D) * (scale - 32) * ((low | (high << 2)) - 4);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(Q3_K* block, float* scales, float* offsets)
    {
        var low = *(ulong*)block->ScaleBits;
        var high = *(uint*)(block->ScaleBits + 8);
        var nibbles = Vector128.Create(low, low >> 4).AsByte() & Vector128.Create((byte)15);
        var rest = Vector128.Create(high << 4, high << 2, high, high >> 2).AsByte() & Vector128.Create((byte)0x30);
        Codes.Scale16((nibbles | rest).AsSByte() - Vector128.Create((sbyte)32), F16.FiniteToSingle(block->D), scales);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(Q3_K* block, nint part, int i)
    {
        var l = i % 2 * 16;
        var low = Codes.Pairs(block->Low + (32 * part) + l, i / 2);
        // The shifts move 16-bit lanes: what crosses a byte border is masked away.
        var high = Vector128.ShiftRightLogical(Vector128.Load(block->High + l).AsUInt16(), (int)(4 * part) + (i / 2)) & Vector128.Create((ushort)0x0101);
        return (low | Vector128.ShiftLeft(high, 2).AsByte()).AsSByte() - Vector128.Create((sbyte)4);
    }
}
