using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>bfloat16: sign 1 · exponent 8 · mantissa 7, the upper half of an FP32.</summary>
internal unsafe struct BF16 : IFloatFormat<BF16>
{
    public ushort Bits;

    public static WeightType Type => WeightType.BF16;

    public static int Values => 1;

    public static float At(ref BF16 block, int i) => BitConverter.UInt32BitsToSingle((uint)block.Bits << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load4(BF16* at) =>
        Vector128.ShiftLeft(Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)at).AsUInt16()), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(BF16* at) =>
        Vector256.ShiftLeft(Vector256.WidenLower(Vector128.Load((ushort*)at).ToVector256Unsafe()), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(BF16* at) =>
        Vector512.ShiftLeft(Vector512.WidenLower(Vector256.Load((ushort*)at).ToVector512Unsafe()), 16).AsSingle();
}
