using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// Index of texts. A table of its own because a vocabulary is looked up half a million times while the program starts, when a
/// dictionary with span lookup still runs unoptimized: this code is compiled optimized at its first use.
/// </summary>
internal sealed class TextTable
{
    // Different in every process, so that no file can be made whose texts all collide.
    private static readonly ulong Seed = (ulong)Random.Shared.NextInt64() | 1;

    private readonly string[] texts;
    private readonly int[] slots; // index plus one; 0 is empty
    private readonly int shift;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public TextTable(string[] texts)
    {
        this.texts = texts;
        var size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, checked(texts.Length + (texts.Length / 2))));
        slots = new int[size];
        shift = 64 - BitOperations.Log2((uint)size);
        for (var index = 0; index < texts.Length; index++)
        {
            var slot = Slot(texts[index]);
            if (slots[slot] == 0) slots[slot] = index + 1; // of equal texts the first
        }
    }

    /// <summary>Index of a text, or -1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Find(ReadOnlySpan<char> text) => slots[Slot(text)] - 1;

    // Where the text is, or the empty place where it would be.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Slot(ReadOnlySpan<char> text)
    {
        var slot = (int)(Hash(text) >> shift);
        while (slots[slot] != 0 && !text.SequenceEqual(texts[slots[slot] - 1])) slot = (slot + 1) & (slots.Length - 1);
        return slot;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong Hash(ReadOnlySpan<char> text)
    {
        var hash = Seed ^ (ulong)text.Length;
        var bytes = MemoryMarshal.AsBytes(text);
        for (; bytes.Length >= 8; bytes = bytes[8..]) hash = Mix(hash ^ MemoryMarshal.Read<ulong>(bytes));
        if (bytes.Length >= 4)
        {
            hash = Mix(hash ^ MemoryMarshal.Read<uint>(bytes));
            bytes = bytes[4..];
        }
        return Mix(hash ^ (bytes.Length >= 2 ? MemoryMarshal.Read<ushort>(bytes) : 0u));
    }

    // Multiplying moves information up, the shift brings it down again for the next round.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Mix(ulong hash)
    {
        hash *= 0x9E3779B97F4A7C15;
        return hash ^ (hash >> 32);
    }
}
