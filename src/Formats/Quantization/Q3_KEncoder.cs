using System.Buffers.Binary;

namespace WarpDecode.Formats.Quantization;

/// <summary>
/// Q3_K: 16 groups of 16, w[i] = d · (s[g] − 32) · (q[i] − 4). 32 bytes with the third bits of the levels (bit k of byte l: weight
/// 32k + l), 64 with their low two (as in Q2_K), 12 of scales, d. Scales: low nibbles of bytes 0–7 the low four bits of s0–s7, high
/// nibbles those of s8–s15; bits 2k+1:2k of byte 8 + j the upper two of s(4k + j).
/// </summary>
internal readonly struct Q3_KEncoder : IBlockEncoder
{
    public static WeightType Type => WeightType.Q3_K;

    public static void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<byte> block)
    {
        Span<float> q = stackalloc float[256];
        Span<int> s = stackalloc int[16];
        var d = SignedScales.Fit<Signed3>(x, w, 16, -32, s, q);
        block.Clear();
        for (var i = 0; i < 256; i++)
        {
            var level = (int)q[i] + 4;
            block[i % 32] |= (byte)((level >> 2) << (i / 32));
            block[32 + (i / 128 * 32) + (i % 32)] |= (byte)((level & 3) << (i % 128 / 32 * 2));
        }
        for (var g = 0; g < 16; g++)
        {
            var scale = s[g] + 32;
            block[96 + (g % 8)] |= (byte)((scale & 15) << (g / 8 * 4));
            block[104 + (g % 4)] |= (byte)((scale >> 4) << (g / 4 * 2));
        }
        BinaryPrimitives.WriteUInt16LittleEndian(block[108..], d);
    }
}
