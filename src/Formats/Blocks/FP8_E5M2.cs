using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 128 weights in 132 bytes, 8.25 bits each: w[i] = scale · q[i]. As <see cref="FP8_E4M3"/>, with E5M2 codes, which are the upper
/// bytes of halves.
/// <code>
/// byte 0       4                            132
///      | scale | q0 q1 … q127              |     scale FP32, q E5M2: sign 1 · exponent 5 (bias 15) · mantissa 2
/// </code>
/// </summary>
internal unsafe struct FP8_E5M2 : IWidenFormat<FP8_E5M2>
{
    public float Scale;
    public fixed byte Q[FP8_E4M3.Width];

    // As in F16: the biases differ by 112.
    private const float BiasScale = 5.192296858534828e33f; // 2^112

    public static WeightType Type => WeightType.FP8_E5M2;

    public static int Values => FP8_E4M3.Width;

    public static float At(ref FP8_E5M2 block, int i) => ToSingle(block.Q[i]) * block.Scale;

    /// <summary>A code as FP32, infinities and NaN included.</summary>
    public static float ToSingle(byte code) => F16.ToSingle((ushort)(code << 8));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Widen(FP8_E5M2* block, float* to)
    {
        var scale = Vector512.Create(block->Scale);
        for (var i = 0; i < FP8_E4M3.Width; i += 16)
        {
            var codes = Vector128.Load(block->Q + i);
            var wide = Vector512.ShiftLeft(Vector512.Create(Wide(codes.GetLower()), Wide(codes.GetUpper())), 21);
            var bits = (wide & Vector512.Create(0x0FE00000)) | (Vector512.ShiftLeft(wide, 3) & Vector512.Create(int.MinValue));
            (bits.AsSingle() * BiasScale * scale).Store(to + i);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static Vector256<int> Wide(Vector64<byte> half) => Vector256.WidenLower(Vector128.WidenLower(half.ToVector128Unsafe()).ToVector256Unsafe()).AsInt32();
    }
}
