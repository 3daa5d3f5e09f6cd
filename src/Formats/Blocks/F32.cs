using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>IEEE single precision: sign 1 · exponent 8 · mantissa 23.</summary>
internal unsafe struct F32 : IFloatFormat<F32>
{
    public float Value;

    public static WeightType Type => WeightType.F32;

    public static int Values => 1;

    public static float At(ref F32 block, int i) => block.Value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load4(F32* at) => Vector128.Load((float*)at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(F32* at) => Vector256.Load((float*)at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(F32* at) => Vector512.Load((float*)at);
}
