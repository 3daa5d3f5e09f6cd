using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 256 weights in 144 bytes, 4.5 bits each, in 8 groups of 32: w[i] = d · s[g] · q[i] − dmin · m[g], q 4 bits, s and m 6 bits.
/// <code>
/// byte 0   2      4                16                              144
///      | d | dmin | scales (12)    | q: 4 × 32 bytes                |
///
/// q        bytes 32j … 32j+31 hold group 2j in their low nibbles and group 2j+1 in their high nibbles
/// scales   bytes 0–3   [ s4..s7 bits 5:4 | s0..s3 ]     group g &lt; 4: low 6 bits of byte g
///          bytes 4–7   [ m4..m7 bits 5:4 | m0..m3 ]     likewise for m
///          bytes 8–11  [ m4..m7 bits 3:0 | s4..s7 bits 3:0 ]
/// </code>
/// </summary>
internal unsafe struct Q4_K : IQuantFormat<Q4_K>
{
    public ushort D;
    public ushort DMin;
    public fixed byte ScaleBits[12];
    public fixed byte Q[128];

    public static WeightType Type => WeightType.Q4_K;

    public static int Values => 256;

    public static int Group => 32;

    public static int Part => 64;

    public static bool Nibbles => true;

    public static bool IsUnsigned => true;

    public static bool HasOffset => true;

    public static float At(ref Q4_K block, int i)
    {
        var group = i / 32;
        int scale, min;
        fixed (byte* bits = block.ScaleBits) (scale, min) = ScaleAndMin(bits, group);
        var pair = block.Q[(group / 2 * 32) + (i % 32)];
        var q = (group & 1) == 0 ? pair & 15 : pair >> 4;
        return (F16.ToSingle(block.D) * scale * q) - (F16.ToSingle(block.DMin) * min);
    }

    /// <summary>s[group] and m[group]; Q5_K has them in the same twelve bytes.</summary>
    public static (int Scale, int Min) ScaleAndMin(byte* bits, int group) => group < 4
        ? (bits[group] & 63, bits[group + 4] & 63)
        : ((bits[group + 4] & 15) | ((bits[group - 4] >> 6) << 4), (bits[group + 4] >> 4) | ((bits[group] >> 6) << 4));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(Q4_K* block, float* scales, float* offsets)
    {
        // Words of a block's first 16 bytes: d and dmin, then w0, w1, w2. Both results, eight 6-bit numbers s and eight m, one a
        // byte, are made at once: low words w0, w1 & 63; high words w2 & 15, w2 >> 4 & 15, with w0, w1 >> 2 & 48.
        var head = Vector128.Load((uint*)block);
        var first = Vector128.Shuffle(head, Vector128.Create(1u, 3, 2, 3));
        var bits = (first & Vector128.Create(0x3F3F3F3Fu, 0x0F0F0F0F, 0x3F3F3F3F, 0))
            | (Vector128.ShiftRightLogical(first, 4) & Vector128.Create(0, 0, 0, 0x0F0F0F0Fu))
            | (Vector128.ShiftRightLogical(Vector128.Shuffle(head, Vector128.Create(1u, 1, 1, 2)), 2) & Vector128.Create(0, 0x30303030u, 0, 0x30303030));
        var (s, m) = Vector128.Widen(bits.AsByte());
        var d = F16.Load4((F16*)block);
        Widen(s, d[0]).Store(scales);
        Widen(m, -d[1]).Store(offsets);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(Q4_K* block, nint part, int i)
    {
        var pairs = Nibbles16(block, part, i % 2);
        // The shift moves 16-bit lanes: what crosses a byte border is masked away.
        if (i >= 2) pairs = Vector128.ShiftRightLogical(pairs.AsUInt16(), 4).AsByte();
        return (pairs & Vector128.Create((byte)15)).AsSByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Nibbles16(Q4_K* block, nint part, int i) => Vector128.Load(block->Q + (32 * part) + (16 * i));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Widen(Vector128<ushort> numbers, float factor) =>
        Vector256.ConvertToSingle(Vector256.WidenLower(numbers.ToVector256Unsafe()).AsInt32()) * factor;
}
