using System.Runtime.InteropServices;

namespace WarpDecode.Formats.Quantization;

/// <summary>The nearest half, ties to even.</summary>
internal sealed class F16Encoder : RowEncoder
{
    public override WeightType Type => WeightType.F16;

    public override bool UsesImportance => false;

    public override void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> importance, Span<byte> to)
    {
        var halves = MemoryMarshal.Cast<byte, Half>(to)[..x.Length];
        for (var i = 0; i < x.Length; i++)
        {
            halves[i] = (Half)x[i];
            if (!Half.IsFinite(halves[i])) throw new WeightRangeException($"a weight of {x[i]} is beyond the largest half, {Half.MaxValue}");
        }
    }
}
