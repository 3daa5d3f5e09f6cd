using System.Buffers.Binary;

namespace WarpDecode.Formats.Quantization;

/// <summary>
/// IQ4_XS: 8 groups of 32, w[i] = d · (s[g] − 32) · level[q[i]]. d; 16 bits with the upper two of each scale (bits 2g+1:2g); 4 bytes
/// with the lower four (even groups low); 128 bytes of levels, each group's 16 bytes as in IQ4_NL.
/// </summary>
internal readonly struct IQ4_XSEncoder : IBlockEncoder
{
    public static WeightType Type => WeightType.IQ4_XS;

    public static void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<byte> block)
    {
        Span<float> q = stackalloc float[256];
        Span<int> s = stackalloc int[8];
        var d = SignedScales.Fit<NonLinear4>(x, w, 32, -32, s, q);
        block.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(block, d);
        var high = 0;
        for (var g = 0; g < 8; g++)
        {
            var scale = s[g] + 32;
            high |= (scale >> 4) << (2 * g);
            block[4 + (g / 2)] |= (byte)((scale & 15) << (g % 2 * 4));
            IQ4_NLEncoder.Pack(q.Slice(32 * g, 32), block[(8 + (16 * g))..]);
        }
        BinaryPrimitives.WriteUInt16LittleEndian(block[2..], (ushort)high);
    }
}
