using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>IEEE double precision, rounded to FP32 when it is read.</summary>
internal unsafe struct F64 : IFloatFormat<F64>
{
    public double Value;

    public static WeightType Type => WeightType.F64;

    public static int Values => 1;

    public static float At(ref F64 block, int i) => (float)block.Value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load4(F64* at) =>
        Vector128.Narrow(Vector128.Load((double*)at), Vector128.Load((double*)at + 2));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(F64* at) =>
        Vector256.Narrow(Vector256.Load((double*)at), Vector256.Load((double*)at + 4));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(F64* at) =>
        Vector512.Narrow(Vector512.Load((double*)at), Vector512.Load((double*)at + 8));
}
