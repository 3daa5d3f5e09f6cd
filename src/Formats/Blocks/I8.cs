using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>A signed byte.</summary>
internal unsafe struct I8 : IFloatFormat<I8>
{
    public sbyte Value;

    public static WeightType Type => WeightType.I8;

    public static int Values => 1;

    public static float At(ref I8 block, int i) => block.Value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load4(I8* at) =>
        Vector128.ConvertToSingle(Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(uint*)at).AsSByte())));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(I8* at) =>
        Vector256.ConvertToSingle(Vector256.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)at).AsSByte()).ToVector256Unsafe()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(I8* at) =>
        Vector512.ConvertToSingle(Vector512.WidenLower(Vector256.WidenLower(Vector128.Load((sbyte*)at).ToVector256Unsafe()).ToVector512Unsafe()));
}
