using System.Buffers.Binary;

namespace WarpDecode.Formats.Quantization;

/// <summary>
/// Q5_K: 8 groups of 32, w[i] = d · s[g] · q[i] − dmin · m[g]. d, dmin and scales as in Q4_K, 32 bytes with the fifth bits of the
/// levels (bit g of byte l: weight 32g + l), 128 with the others, as in Q4_K.
/// </summary>
internal readonly struct Q5_KEncoder : IBlockEncoder
{
    public static WeightType Type => WeightType.Q5_K;

    public static void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<byte> block)
    {
        Span<float> q = stackalloc float[256];
        Span<int> s = stackalloc int[8];
        Span<int> m = stackalloc int[8];
        var (d, dmin) = OffsetScales.Fit<Unsigned5>(x, w, 32, 63, s, m, q);
        block.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(block, d);
        BinaryPrimitives.WriteUInt16LittleEndian(block[2..], dmin);
        Q4_KEncoder.PackScales(s, m, block.Slice(4, 12));
        for (var i = 0; i < 256; i++)
        {
            var (level, g) = ((int)q[i], i / 32);
            block[16 + (i % 32)] |= (byte)((level >> 4) << g);
            block[48 + (g / 2 * 32) + (i % 32)] |= (byte)((level & 15) << (g % 2 * 4));
        }
    }
}
