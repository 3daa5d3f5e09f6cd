using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 32 weights in 33 bytes, 8.25 bits each: w[i] = 2^(e − 127) · q[i] (OCP Microscaling Formats Specification v1.0, MXFP8). Not a type
/// of GGUF: what such weights of safetensors and their scales, which lie apart there, are packed into.
/// <code>
/// byte 0   1                    33
///      | e | q0 q1 … q31        |     e E8M0 (0xFF is NaN), q E4M3: sign 1 · exponent 4 (bias 7) · mantissa 3
/// </code>
/// </summary>
internal unsafe struct MXFP8 : IWidenFormat<MXFP8>
{
    /// <summary>Bytes of a block.</summary>
    public const int Bytes = 33;

    public byte E;
    public fixed byte Q[32];

    public static WeightType Type => WeightType.MXFP8;

    public static int Values => 32;

    public static float At(ref MXFP8 block, int i) => FP8_E4M3.ToSingle(block.Q[i]) * Power(block.E);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Widen(MXFP8* block, float* to)
    {
        var scale = Vector512.Create(Power(block->E));
        (FP8_E4M3.ToSingle(Vector128.Load(block->Q)) * scale).Store(to);
        (FP8_E4M3.ToSingle(Vector128.Load(block->Q + 16)) * scale).Store(to + 16);
    }

    // 2^−127, the least, is subnormal as FP32.
    private static float Power(byte e) => e == 0xFF ? float.NaN : BitConverter.Int32BitsToSingle(e == 0 ? 1 << 22 : e << 23);
}
