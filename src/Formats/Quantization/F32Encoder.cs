using System.Runtime.InteropServices;

namespace WarpDecode.Formats.Quantization;

/// <summary>FP32 as it is.</summary>
internal sealed class F32Encoder : RowEncoder
{
    public override WeightType Type => WeightType.F32;

    public override bool UsesImportance => false;

    public override void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> importance, Span<byte> to) => MemoryMarshal.AsBytes(x).CopyTo(to);
}
