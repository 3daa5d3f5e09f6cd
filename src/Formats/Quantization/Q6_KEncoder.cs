using System.Buffers.Binary;

namespace WarpDecode.Formats.Quantization;

/// <summary>Q6_K (<see cref="Blocks.Q6_K"/>): 16 groups of 16, w[i] = d · s[g] · (q[i] − 32).</summary>
internal readonly struct Q6_KEncoder : IBlockEncoder
{
    public static WeightType Type => WeightType.Q6_K;

    public static void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<byte> block)
    {
        Span<float> q = stackalloc float[256];
        Span<int> s = stackalloc int[16];
        var d = SignedScales.Fit<Signed6>(x, w, 16, -128, s, q);
        block.Clear();
        for (var i = 0; i < 256; i++)
        {
            var level = (int)q[i] + 32;
            var (half, quarter, l) = (i / 128, i % 128 / 32, i % 32);
            block[(64 * half) + (quarter % 2 * 32) + l] |= (byte)((level & 15) << (quarter / 2 * 4));
            block[128 + (32 * half) + l] |= (byte)((level >> 4) << (2 * quarter));
        }
        for (var g = 0; g < 16; g++) block[192 + g] = (byte)(sbyte)s[g];
        BinaryPrimitives.WriteUInt16LittleEndian(block[208..], d);
    }
}
