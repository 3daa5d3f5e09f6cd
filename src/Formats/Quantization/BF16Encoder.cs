using System.Runtime.InteropServices;

namespace WarpDecode.Formats.Quantization;

/// <summary>The nearest bfloat16, ties to even.</summary>
internal sealed class BF16Encoder : RowEncoder
{
    public override WeightType Type => WeightType.BF16;

    public override bool UsesImportance => false;

    public override void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> importance, Span<byte> to)
    {
        var upper = MemoryMarshal.Cast<byte, ushort>(to)[..x.Length];
        for (var i = 0; i < x.Length; i++)
        {
            var bits = BitConverter.SingleToUInt32Bits(x[i]);
            bits += 0x7FFF + ((bits >> 16) & 1);
            if ((bits & 0x7F800000) == 0x7F800000) throw new WeightRangeException($"a weight of {x[i]} is beyond the largest bfloat16, 3.39e38");
            upper[i] = (ushort)(bits >> 16);
        }
    }
}
