using System.Buffers.Binary;

namespace WarpDecode.Formats.Quantization;

/// <summary>Q4_K (<see cref="Blocks.Q4_K"/>): 8 groups of 32, w[i] = d · s[g] · q[i] − dmin · m[g].</summary>
internal readonly struct Q4_KEncoder : IBlockEncoder
{
    public static WeightType Type => WeightType.Q4_K;

    public static void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<byte> block)
    {
        Span<float> q = stackalloc float[256];
        Span<int> s = stackalloc int[8];
        Span<int> m = stackalloc int[8];
        var (d, dmin) = OffsetScales.Fit<Unsigned4>(x, w, 32, 63, s, m, q);
        BinaryPrimitives.WriteUInt16LittleEndian(block, d);
        BinaryPrimitives.WriteUInt16LittleEndian(block[2..], dmin);
        PackScales(s, m, block.Slice(4, 12));
        for (var i = 0; i < 128; i++)
        {
            var at = q[((i / 32 * 64) + (i % 32))..];
            block[16 + i] = (byte)((int)at[0] | ((int)at[32] << 4));
        }
    }

    /// <summary>Eight scales and eight offsets of 6 bits in 12 bytes, as <see cref="Blocks.Q4_K"/> draws them.</summary>
    internal static void PackScales(ReadOnlySpan<int> s, ReadOnlySpan<int> m, Span<byte> to)
    {
        for (var g = 0; g < 4; g++)
        {
            to[g] = (byte)(s[g] | ((s[g + 4] >> 4) << 6));
            to[g + 4] = (byte)(m[g] | ((m[g + 4] >> 4) << 6));
            to[g + 8] = (byte)((s[g + 4] & 15) | ((m[g + 4] & 15) << 4));
        }
    }
}
