using System.Runtime.CompilerServices;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>From packed integers to FP32. (float)uint would be two conversions through FP64: all go through int.</summary>
internal static class Bits
{
    private const uint Nibbles = 0x0F0F0F0F;

    /// <summary>scale · byte + offset for the eight unsigned bytes of two words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Scaled(uint lower, uint upper, float scale, float offset) => F8.Of(
        Dev.Fma(Byte0(lower), scale, offset), Dev.Fma(Byte1(lower), scale, offset), Dev.Fma(Byte2(lower), scale, offset),
        Dev.Fma(Byte3(lower), scale, offset), Dev.Fma(Byte0(upper), scale, offset), Dev.Fma(Byte1(upper), scale, offset),
        Dev.Fma(Byte2(upper), scale, offset), Dev.Fma(Byte3(upper), scale, offset));

    /// <summary>Low nibbles of four bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Low(uint bytes) => bytes & Nibbles;

    /// <summary>High nibbles of four bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint High(uint bytes) => (bytes >> 4) & Nibbles;

    /// <summary>Word 2·part or 2·part + 1 of sixteen bytes, part 0 or 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Word(U4 words, int part, int second) =>
        (part & 1) == 0 ? (second == 0 ? words.X : words.Y) : (second == 0 ? words.Z : words.W);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Byte0(uint w) => (int)(w & 255);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Byte1(uint w) => (int)((w >> 8) & 255);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Byte2(uint w) => (int)((w >> 16) & 255);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Byte3(uint w) => (int)(w >> 24);

    /// <summary>A signed byte in the low bits of a word.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Signed(uint w) => (int)(w << 24) >> 24;

    /// <summary>The next multiple of 16.</summary>
    public static long Align(long bytes) => (bytes + 15) & ~15L;
}
