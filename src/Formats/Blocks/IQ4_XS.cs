using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 256 weights in 136 bytes, 4.25 bits each, in 8 groups of 32: w[i] = d · (s[g] − 32) · v[q[i]], q 4 bits, s 6 bits, v as in IQ4_NL.
/// <code>
/// byte 0   2       4             8                          136
///      | d | high  | low (4)     | q: 8 × 16 bytes          |     d half
///
/// s[g]  bits 3:0   byte g / 2 of low, low nibble for even g, high nibble for odd g
///       bits 5:4   bits 2g+1:2g of high, a 16-bit number
/// q     bytes 16g … 16g+15 hold weights 0–15 of group g in their low nibbles and 16–31 in their high nibbles
/// </code>
/// </summary>
internal unsafe struct IQ4_XS : IQuantFormat<IQ4_XS>
{
    public ushort D;
    public ushort High;
    public fixed byte Low[4];
    public fixed byte Q[128];

    public static WeightType Type => WeightType.IQ4_XS;

    public static int Values => 256;

    public static int Group => 32;

    public static int Part => 32;

    public static bool Nibbles => true;

    public static bool HasCodebook => true;

    public static bool HasOffset => false;

    public static Vector128<sbyte> Codebook
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => IQ4_NL.Codebook;
    }

    public static float At(ref IQ4_XS block, int i)
    {
        var group = i / 32;
        var scale = ((block.Low[group / 2] >> (group % 2 * 4)) & 15) | (((block.High >> (2 * group)) & 3) << 4);
        var pair = block.Q[(group * 16) + (i % 16)];
        return F16.ToSingle(block.D) * (scale - 32) * Codebook[i % 32 < 16 ? pair & 15 : pair >> 4];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(IQ4_XS* block, float* scales, float* offsets)
    {
        var d = F16.FiniteToSingle(block->D);
        var low = *(uint*)block->Low;
        for (var g = 0; g < 8; g++) scales[g] = d * ((int)(((low >> (4 * g)) & 15) | (((block->High >> (2 * g)) & 3u) << 4)) - 32);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(IQ4_XS* block, nint part, int i) => Codes.Lookup(Codebook, block->Q + (16 * part), i);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Nibbles16(IQ4_XS* block, nint part, int i) => Vector128.Load(block->Q + (16 * part));
}
