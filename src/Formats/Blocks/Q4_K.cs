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

    public static bool HasOffset => true;

    public static float At(ref Q4_K block, int i)
    {
        var group = i / 32;
        int scale, min;
        if (group < 4)
        {
            scale = block.ScaleBits[group] & 63;
            min = block.ScaleBits[group + 4] & 63;
        }
        else
        {
            scale = (block.ScaleBits[group + 4] & 15) | ((block.ScaleBits[group - 4] >> 6) << 4);
            min = (block.ScaleBits[group + 4] >> 4) | ((block.ScaleBits[group] >> 6) << 4);
        }
        var pair = block.Q[(group / 2 * 32) + (i % 32)];
        var q = (group & 1) == 0 ? pair & 15 : pair >> 4;
        return (F16.ToSingle(block.D) * scale * q) - (F16.ToSingle(block.DMin) * min);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(Q4_K* block, float* scales, float* offsets)
    {
        // The twelve bytes as three words; each result is eight 6-bit numbers, one a byte.
        var w0 = *(uint*)block->ScaleBits;
        var w1 = *(uint*)(block->ScaleBits + 4);
        var w2 = *(uint*)(block->ScaleBits + 8);
        var s = (w0 & 0x3F3F3F3F) | ((ulong)((w2 & 0x0F0F0F0F) | ((w0 >> 2) & 0x30303030)) << 32);
        var m = (w1 & 0x3F3F3F3F) | ((ulong)(((w2 >> 4) & 0x0F0F0F0F) | ((w1 >> 2) & 0x30303030)) << 32);
        Widen(s, F16.FiniteToSingle(block->D)).Store(scales);
        Widen(m, -F16.FiniteToSingle(block->DMin)).Store(offsets);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(Q4_K* block, int part, int i)
    {
        var pairs = Vector128.Load(block->Q + (32 * part) + (i % 2 * 16));
        // The shift moves 16-bit lanes: what crosses a byte border is masked away.
        if (i >= 2) pairs = Vector128.ShiftRightLogical(pairs.AsUInt16(), 4).AsByte();
        return (pairs & Vector128.Create((byte)15)).AsSByte();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Widen(ulong bytes, float factor)
    {
        var wide = Vector128.WidenLower(Vector128.CreateScalarUnsafe(bytes).AsByte());
        return Vector256.ConvertToSingle(Vector256.Create(Vector128.WidenLower(wide), Vector128.WidenUpper(wide)).AsInt32()) * factor;
    }
}
