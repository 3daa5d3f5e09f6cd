using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 256 ternary weights in 54 bytes, 1.69 bits each: w[i] = d · (t[i] − 1). A byte b holds five digits in base 3 as the fraction b / 256:
/// digit n is the whole part of 3 · (3ⁿ · b mod 256) / 256.
/// <code>
/// byte 0              48        52  54
///      | q (48)       | last(4) | d |     d half
///
/// weights   0–159   digit i / 32 of q[i mod 32]
///         160–239   digit (i − 160) / 16 of q[32 + i mod 16]
///         240–255   digit (i − 240) / 4 of last[i mod 4]
/// </code>
/// </summary>
internal unsafe struct TQ1_0 : IQuantFormat<TQ1_0>
{
    public fixed byte Q[48];
    public fixed byte Last[4];
    public ushort D;

    public static WeightType Type => WeightType.TQ1_0;

    public static int Values => 256;

    public static int Group => 32;

    public static int Part => 32;

    public static bool HasOffset => false;

    private static ReadOnlySpan<byte> Powers => [1, 3, 9, 27, 81];

    public static float At(ref TQ1_0 block, int i)
    {
        var (b, digit) = i < 160 ? (block.Q[i % 32], i / 32) : i < 240 ? (block.Q[32 + (i % 16)], (i - 160) / 16) : (block.Last[i % 4], (i - 240) / 4);
        return F16.ToSingle(block.D) * ((((byte)(b * Powers[digit]) * 3) >> 8) - 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(TQ1_0* block, float* scales, float* offsets) => Vector256.Create(F16.FiniteToSingle(block->D)).Store(scales);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(TQ1_0* block, nint part, int i)
    {
        // Sixteenths 0–9 are digits of 32 bytes, 10–14 of the 16 after them, and the last sixteenth all digits of the last four.
        var sixteenth = (2 * (int)part) + i;
        var bytes = sixteenth < 15 ? Vector128.Load(block->Q + (sixteenth < 10 ? i * 16 : 32)) : Vector128.Create(*(uint*)block->Last).AsByte();
        var powers = sixteenth < 15
            ? Vector128.Create(Powers[sixteenth < 10 ? (int)part : sixteenth - 10])
            : Vector128.Create(0x01010101u, 0x03030303, 0x09090909, 0x1B1B1B1B).AsByte();
        var (b0, b1) = Vector128.Widen(bytes);
        var (p0, p1) = Vector128.Widen(powers);
        return Vector128.Narrow(Digits(b0 * p0), Digits(b1 * p1)).AsSByte() - Vector128<sbyte>.One;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> Digits(Vector128<ushort> products) =>
        Vector128.ShiftRightLogical((products & Vector128.Create((ushort)255)) * Vector128.Create((ushort)3), 8);
}
