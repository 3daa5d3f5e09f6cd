using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 256 weights in 176 bytes, 5.5 bits each, in 8 groups of 32: w[i] = d · s[g] · q[i] − dmin · m[g], q 5 bits, s and m 6 bits.
/// <code>
/// byte 0   2      4                16           48                              176
///      | d | dmin | scales (12)    | high (32)  | low: 4 × 32 bytes             |     d, dmin halves
///
/// bits 3:0   bytes 32j … 32j+31 of low hold group 2j in their low nibbles and group 2j+1 in their high nibbles
/// bit  4     weight l of group g: bit g of high[l]
/// scales     as in Q4_K
/// </code>
/// </summary>
internal unsafe struct Q5_K : IQuantFormat<Q5_K>
{
    public ushort D;
    public ushort DMin;
    public fixed byte ScaleBits[12];
    public fixed byte High[32];
    public fixed byte Low[128];

    public static WeightType Type => WeightType.Q5_K;

    public static int Values => 256;

    public static int Group => 32;

    public static int Part => 64;

    public static bool IsUnsigned => true;

    public static bool HasOffset => true;

    public static float At(ref Q5_K block, int i)
    {
        var group = i / 32;
        int scale, min;
        fixed (byte* bits = block.ScaleBits) (scale, min) = Q4_K.ScaleAndMin(bits, group);
        var pair = block.Low[(group / 2 * 32) + (i % 32)];
        var q = ((group & 1) == 0 ? pair & 15 : pair >> 4) | (((block.High[i % 32] >> group) & 1) << 4);
        return (F16.ToSingle(block.D) * scale * q) - (F16.ToSingle(block.DMin) * min);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(Q5_K* block, float* scales, float* offsets) => Q4_K.Scales((Q4_K*)block, scales, offsets);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(Q5_K* block, nint part, int i)
    {
        var l = i % 2 * 16;
        var low = Codes.Nibbles(block->Low + (32 * part) + l, i / 2);
        // The shifts move 16-bit lanes: what crosses a byte border is masked away.
        var high = Vector128.ShiftRightLogical(Vector128.Load(block->High + l).AsUInt16(), (int)(2 * part) + (i / 2)) & Vector128.Create((ushort)0x0101);
        return (low | Vector128.ShiftLeft(high, 4).AsByte()).AsSByte();
    }
}
