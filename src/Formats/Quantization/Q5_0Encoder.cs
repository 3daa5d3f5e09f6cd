using System.Buffers.Binary;

namespace WarpDecode.Formats.Quantization;

/// <summary>Q5_0 (<see cref="Blocks.Q5_0"/>): w[i] = d · (q[i] − 16).</summary>
internal readonly struct Q5_0Encoder : IBlockEncoder
{
    public static WeightType Type => WeightType.Q5_0;

    public static void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<byte> block)
    {
        var d = ScaleSearch.Fit<Signed5>(x, w, half: true);
        BinaryPrimitives.WriteUInt16LittleEndian(block, ScaleSearch.ToHalf(d));
        Span<float> q = stackalloc float[32];
        ScaleSearch.Quantize<Signed5>(x, d, 0, q);
        Pack(q, 16, block[2..]);
    }

    /// <summary>Levels in 20 bytes: their fifth bits in a 32-bit number, then nibbles, those of weights 16–31 high.</summary>
    internal static void Pack(ReadOnlySpan<float> q, int zero, Span<byte> to)
    {
        var high = 0u;
        for (var i = 0; i < 16; i++)
        {
            var (a, b) = ((uint)((int)q[i] + zero), (uint)((int)q[i + 16] + zero));
            high |= ((a >> 4) << i) | ((b >> 4) << (i + 16));
            to[4 + i] = (byte)((a & 15) | ((b & 15) << 4));
        }
        BinaryPrimitives.WriteUInt32LittleEndian(to, high);
    }
}
