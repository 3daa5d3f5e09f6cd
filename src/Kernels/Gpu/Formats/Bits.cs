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

    /// <summary>Word <paramref name="part"/> of sixteen bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Word(U4 words, int part) => part < 2 ? (part == 0 ? words.X : words.Y) : (part == 2 ? words.Z : words.W);

    /// <summary>
    /// Four bits become bit 4 of four bytes: the product has copies of the four bits 7, 14 and 21 places up, so that bit i stands at 8·i
    /// in copy i; the other copies' bits are masked away.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Fifth(uint bits) => (((bits & 15) * 0x00204081) & 0x01010101) << 4;

    /// <summary>Four bytes of a table of sixteen, which the low four nibbles name: one of each half of the table, then the right one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Lookup(uint nibbles, uint table0, uint table1, uint table2, uint table3)
    {
        var low = Dev.Permute(table0, table1, nibbles & 0x7777);
        var high = Dev.Permute(table2, table3, nibbles & 0x7777);
        return Dev.Permute(low, high, 0x3210 | ((nibbles & 0x8888) >> 1));
    }

    /// <summary>From GGML's order, weights 0–15 in low nibbles and 16–31 in high ones, to nibble n for weight n.</summary>
    public static void RepackNibbles(long from, long to)
    {
        for (var i = 0; i < 8; i++)
        {
            var (at, shift) = (from + ((i & 3) * 4), (i >> 2) * 4);
            var four = 0u;
            for (var n = 0; n < 4; n++) four |= ((Dev.LoadU8(at + n) >> shift) & 15) << (n * 4);
            Dev.StoreU16(to + (i * 2), four);
        }
    }

    /// <summary>
    /// From the order of Q2_K's and Q3_K's pairs of bits (quarter k of a half of 256 weights: bits 2k+1:2k of its 32 bytes) to eight bytes
    /// for the 32 weights of quarter <paramref name="unit"/> of all: bits 2p+1:2p of byte i are weight 8p + i.
    /// </summary>
    public static void RepackPairs(long from, long to, int unit)
    {
        var (at, shift) = (from + ((unit >> 2) * 32), (unit & 3) * 2);
        for (var word = 0; word < 2; word++)
        {
            var bits = 0u;
            for (var i = 0; i < 4; i++)
            {
                for (var p = 0; p < 4; p++) bits |= ((Dev.LoadU8(at + (p * 8) + (word * 4) + i) >> shift) & 3) << ((i * 8) + (p * 2));
            }
            Dev.StoreInt(to + (word * 4), (int)bits);
        }
    }

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
