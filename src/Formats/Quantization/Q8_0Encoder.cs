using System.Buffers.Binary;

namespace WarpDecode.Formats.Quantization;

/// <summary>
/// Q8_0 (<see cref="Blocks.Q8_0"/>): the largest weight becomes ±127. Levels are those nearest under the scale as it is stored, so
/// that what was Q8_0 before becomes the same bytes again.
/// </summary>
internal readonly struct Q8_0Encoder : IBlockEncoder
{
    public static WeightType Type => WeightType.Q8_0;

    public static bool UsesImportance => false; // at 8 bits no other scale is better by an amount that can be measured

    public static void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<byte> block)
    {
        var d = ScaleSearch.ToHalf(Math.Abs(ScaleSearch.Outermost(x)) / 127);
        BinaryPrimitives.WriteUInt16LittleEndian(block, d);
        Span<float> q = stackalloc float[32];
        ScaleSearch.Quantize<Signed8>(x, Blocks.F16.ToSingle(d), 0, q);
        for (var i = 0; i < q.Length; i++) block[2 + i] = (byte)(sbyte)q[i];
    }
}
