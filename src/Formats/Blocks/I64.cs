using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>A signed 64-bit integer, rounded to FP32 when it is read: one by one, for there is no vector conversion that rounds once.</summary>
internal unsafe struct I64 : IFloatFormat<I64>
{
    public long Value;

    public static WeightType Type => WeightType.I64;

    public static int Values => 1;

    public static float At(ref I64 block, int i) => block.Value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load4(I64* at) =>
        Vector128.Create((float)at[0].Value, at[1].Value, at[2].Value, at[3].Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(I64* at) =>
        Vector256.Create(Load4(at), Load4(at + 4));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(I64* at) =>
        Vector512.Create(Load8(at), Load8(at + 8));
}
