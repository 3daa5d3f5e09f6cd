using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>IEEE half precision: sign 1 · exponent 5 · mantissa 10.</summary>
internal unsafe struct F16 : IFloatFormat<F16>
{
    public ushort Bits;

    // A half's exponent and mantissa moved to FP32's places stand for a number 2^112 too small (the biases differ by 112):
    // the sign-extended half shifted by 13, with the copies of the sign between bit 31 and the exponent masked away. The
    // product is exact, subnormal halves included; infinities and NaN come out as finite numbers from 65,536 up.
    private const int FieldMask = unchecked((int)0x8FFFE000);
    private const float BiasScale = 5.192296858534828e33f; // 2^112

    public static WeightType Type => WeightType.F16;

    public static int Values => 1;

    public static float At(ref F16 block, int i) => ToSingle(block.Bits);

    /// <summary>A half as FP32, infinities and NaN included.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToSingle(ushort bits) => (float)BitConverter.UInt16BitsToHalf(bits);

    /// <summary>
    /// A finite half as FP32 in three instructions and no call, for inner loops: the runtime's own conversion is a call that
    /// spills every vector register around it. Infinities and NaN, which no scale should be, come out as numbers above 65504.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float FiniteToSingle(ushort bits) => BitConverter.Int32BitsToSingle(((short)bits << 13) & FieldMask) * BiasScale;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load4(F16* at)
    {
        var wide = Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(long*)at).AsInt16());
        return (Vector128.ShiftLeft(wide, 13) & Vector128.Create(FieldMask)).AsSingle() * BiasScale;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(F16* at)
    {
        var wide = Vector256.WidenLower(Vector128.Load((short*)at).ToVector256Unsafe());
        return (Vector256.ShiftLeft(wide, 13) & Vector256.Create(FieldMask)).AsSingle() * BiasScale;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(F16* at)
    {
        var wide = Vector512.WidenLower(Vector256.Load((short*)at).ToVector512Unsafe());
        return (Vector512.ShiftLeft(wide, 13) & Vector512.Create(FieldMask)).AsSingle() * BiasScale;
    }
}
