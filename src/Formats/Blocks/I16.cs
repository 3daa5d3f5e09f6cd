using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>A signed 16-bit integer.</summary>
internal unsafe struct I16 : IFloatFormat<I16>
{
    public short Value;

    public static WeightType Type => WeightType.I16;

    public static int Values => 1;

    public static float At(ref I16 block, int i) => block.Value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load4(I16* at) =>
        Vector128.ConvertToSingle(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)at).AsInt16()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(I16* at) =>
        Vector256.ConvertToSingle(Vector256.WidenLower(Vector128.Load((short*)at).ToVector256Unsafe()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(I16* at) =>
        Vector512.ConvertToSingle(Vector512.WidenLower(Vector256.Load((short*)at).ToVector512Unsafe()));
}
