using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>A signed 32-bit integer, rounded to FP32 when it is read.</summary>
internal unsafe struct I32 : IFloatFormat<I32>
{
    public int Value;

    public static WeightType Type => WeightType.I32;

    public static int Values => 1;

    public static float At(ref I32 block, int i) => block.Value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load4(I32* at) =>
        Vector128.ConvertToSingle(Vector128.Load((int*)at));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(I32* at) =>
        Vector256.ConvertToSingle(Vector256.Load((int*)at));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(I32* at) =>
        Vector512.ConvertToSingle(Vector512.Load((int*)at));
}
