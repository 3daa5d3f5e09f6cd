using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 128 weights in 132 bytes, 8.25 bits each: w[i] = scale · q[i]. Not a type of GGUF: what the FP8 weights of safetensors and their
/// scales, which lie apart there, are packed into.
/// <code>
/// byte 0       4                            132
///      | scale | q0 q1 … q127              |     scale FP32, q E4M3: sign 1 · exponent 4 (bias 7) · mantissa 3
/// </code>
/// E4M3 is that of the OCP 8-bit Floating Point Specification: no infinities, 0x7F and 0xFF are NaN, 448 the largest.
/// </summary>
internal unsafe struct FP8_E4M3 : IWidenFormat<FP8_E4M3>
{
    /// <summary>Weights of a block.</summary>
    public const int Width = 128;

    /// <summary>Bytes of a block.</summary>
    public const int Bytes = 4 + Width;

    public float Scale;
    public fixed byte Q[Width];

    // The fields of the code moved to FP32's places stand for a number 2^120 too small: the biases differ by 120. The product is exact.
    private const float BiasScale = 1.329227995784916e36f; // 2^120

    public static WeightType Type => WeightType.FP8_E4M3;

    public static int Values => Width;

    public static float At(ref FP8_E4M3 block, int i) => ToSingle(block.Q[i]) * block.Scale;

    /// <summary>A code as FP32, NaN included.</summary>
    public static float ToSingle(byte code) =>
        (code & 0x7F) == 0x7F ? float.NaN : BitConverter.Int32BitsToSingle(((code & 0x80) << 24) | ((code & 0x7F) << 20)) * BiasScale;

    /// <summary>Sixteen codes as FP32; NaN comes out as ±480.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ToSingle(Vector128<byte> codes)
    {
        var wide = Vector512.ShiftLeft(Vector512.Create(Widen(codes.GetLower()), Widen(codes.GetUpper())), 20);
        return (((wide & Vector512.Create(0x07F00000)) | (Vector512.ShiftLeft(wide, 4) & Vector512.Create(int.MinValue))).AsSingle()) * BiasScale;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static Vector256<int> Widen(Vector64<byte> half) => Vector256.WidenLower(Vector128.WidenLower(half.ToVector128Unsafe()).ToVector256Unsafe()).AsInt32();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Widen(FP8_E4M3* block, float* to)
    {
        var scale = Vector512.Create(block->Scale);
        for (var i = 0; i < Width; i += 16) (ToSingle(Vector128.Load(block->Q + i)) * scale).Store(to + i);
    }
}
