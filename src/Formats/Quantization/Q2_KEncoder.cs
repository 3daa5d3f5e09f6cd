using System.Buffers.Binary;

namespace WarpDecode.Formats.Quantization;

/// <summary>
/// Q2_K: 16 groups of 16, w[i] = d · s[g] · q[i] − dmin · m[g]. 16 bytes of scales (s low, m high nibbles), 64 of levels, d, dmin.
/// Byte 32h + l of the levels holds weights 128h + l, + 32, + 64 and + 96, from the low bits up.
/// </summary>
internal readonly struct Q2_KEncoder : IBlockEncoder
{
    public static WeightType Type => WeightType.Q2_K;

    public static void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<byte> block)
    {
        Span<float> q = stackalloc float[256];
        Span<int> s = stackalloc int[16];
        Span<int> m = stackalloc int[16];
        var (d, dmin) = OffsetScales.Fit<Unsigned2>(x, w, 16, 15, s, m, q);
        for (var g = 0; g < 16; g++) block[g] = (byte)(s[g] | (m[g] << 4));
        for (var i = 0; i < 64; i++)
        {
            var at = q[((i / 32 * 128) + (i % 32))..];
            block[16 + i] = (byte)((int)at[0] | ((int)at[32] << 2) | ((int)at[64] << 4) | ((int)at[96] << 6));
        }
        BinaryPrimitives.WriteUInt16LittleEndian(block[80..], d);
        BinaryPrimitives.WriteUInt16LittleEndian(block[82..], dmin);
    }
}
