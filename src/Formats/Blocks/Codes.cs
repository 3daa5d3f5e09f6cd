using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>Ways of packing that several formats share, unpacked sixteen weights at a time.</summary>
internal static unsafe class Codes
{
    /// <summary>The low (half 0) or high (half 1) nibbles of sixteen bytes; inlined, with a constant half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Nibbles(byte* at, int half)
    {
        var pairs = Vector128.Load(at);
        // The shift moves 16-bit lanes: what crosses a byte border is masked away.
        if (half == 1) pairs = Vector128.ShiftRightLogical(pairs.AsUInt16(), 4).AsByte();
        return pairs & Vector128.Create((byte)15);
    }

    /// <summary>The integers of a codebook that the low (half 0) or high (half 1) nibbles of sixteen bytes name.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Lookup(Vector128<sbyte> codebook, byte* at, int half) =>
        Vector128.ShuffleNative(codebook, Nibbles(at, half).AsSByte());

    /// <summary>Bits 2k+1:2k of sixteen bytes; inlined, with a constant k.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Pairs(byte* at, int k) =>
        Vector128.ShiftRightLogical(Vector128.Load(at).AsUInt16(), 2 * k).AsByte() & Vector128.Create((byte)3);

    /// <summary>Sixteen bits become sixteen bytes, 0xFF where a bit is set: each byte sees its own bit of the two.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Mask16(ushort bits)
    {
        var bytes = Vector128.Shuffle(Vector128.Create(bits).AsByte(), Vector128.Create((byte)0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
        var mask = Vector128.Create(0x8040201008040201).AsByte();
        return Vector128.Equals(bytes & mask, mask);
    }

    /// <summary>2s + 1 for the sixteen nibbles s of eight bytes, each byte's low one first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Interleaved(byte* at)
    {
        var words = Vector128.WidenLower(Vector128.CreateScalarUnsafe(*(ulong*)at).AsByte()); // a byte each: 0xHL
        var nibbles = (words | Vector128.ShiftLeft(words, 4)) & Vector128.Create((ushort)0x0F0F);
        return (nibbles + nibbles).AsSByte() + Vector128<sbyte>.One;
    }

    /// <summary>Writes sixteen integers times a factor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scale16(Vector128<sbyte> integers, float factor, float* to)
    {
        var (lower, upper) = Vector128.Widen(integers);
        var (a, b) = Vector128.Widen(lower);
        var (c, d) = Vector128.Widen(upper);
        (Vector128.ConvertToSingle(a) * factor).Store(to);
        (Vector128.ConvertToSingle(b) * factor).Store(to + 4);
        (Vector128.ConvertToSingle(c) * factor).Store(to + 8);
        (Vector128.ConvertToSingle(d) * factor).Store(to + 12);
    }
}
