using System.Numerics;
using System.Runtime.CompilerServices;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// Pairs of tokens that merge, with their rank and result. A table of its own because a dictionary's hash of a 64-bit key is the
/// exclusive or of its halves, under which neighbouring ids collide in long chains; here the key is multiplied first.
/// </summary>
internal sealed class MergeTable
{
    public const int None = int.MaxValue;

    private readonly Slot[] slots;
    private readonly int shift;

    public MergeTable(int count)
    {
        var size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, checked(count + (count / 2))));
        slots = new Slot[size];
        shift = 64 - BitOperations.Log2((uint)size);
    }

    /// <summary>One place of the table; <c>Result</c> is the merged id plus one, so that an empty place is all zeros.</summary>
    private struct Slot
    {
        public ulong Pair;
        public int Rank;
        public int Result;
    }

    /// <summary>Adds a merge unless the pair is there: the first of equal pairs has the better rank.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(int left, int right, int rank, int merged)
    {
        var pair = Pair(left, right);
        var i = Start(pair);
        while (slots[i].Result != 0)
        {
            if (slots[i].Pair == pair) return;
            i = (i + 1) & (slots.Length - 1);
        }
        slots[i] = new Slot { Pair = pair, Rank = rank, Result = merged + 1 };
    }

    /// <summary>Rank of a pair, lower merges first, or <see cref="None"/>.</summary>
    public int Rank(int left, int right, out int merged)
    {
        var pair = Pair(left, right);
        for (var i = Start(pair); slots[i].Result != 0; i = (i + 1) & (slots.Length - 1))
        {
            if (slots[i].Pair != pair) continue;
            merged = slots[i].Result - 1;
            return slots[i].Rank;
        }
        merged = -1;
        return None;
    }

    private static ulong Pair(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private int Start(ulong pair) => (int)((pair * 0x9E3779B97F4A7C15) >> shift); // 2^64 over the golden ratio
}
