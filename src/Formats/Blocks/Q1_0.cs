using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 128 weights in 18 bytes, 1.13 bits each: w[i] = d if bit i is set, else −d.
/// <code>
/// byte 0   2                    18
///      | d | bits (16)          |     d half; weight i is bit i mod 8 of byte i / 8
/// </code>
/// </summary>
internal unsafe struct Q1_0 : IQuantFormat<Q1_0>
{
    public ushort D;
    public fixed byte Q[16];

    public static WeightType Type => WeightType.Q1_0;

    public static int Values => 128;

    public static int Group => 32;

    public static int Part => 128;

    public static bool HasOffset => false;

    public static float At(ref Q1_0 block, int i) => F16.ToSingle(block.D) * ((((block.Q[i / 8] >> (i % 8)) & 1) * 2) - 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(Q1_0* block, float* scales, float* offsets) => Vector128.Create(F16.FiniteToSingle(block->D)).Store(scales);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(Q1_0* block, nint part, int i) =>
        (Codes.Mask16(*(ushort*)(block->Q + (2 * i))) & Vector128.Create((byte)2)).AsSByte() - Vector128<sbyte>.One;
}
