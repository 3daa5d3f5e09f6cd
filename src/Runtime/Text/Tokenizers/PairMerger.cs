using System.Runtime.CompilerServices;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>
/// Byte pair merging of one word: of all neighbours that a <see cref="MergeTable"/> merges the best rank goes first, of equal ranks
/// the leftmost, until none is left.
/// </summary>
internal sealed class PairMerger(MergeTable merges)
{
    // Up to here rescanning the word for the best pair beats a heap.
    private const int ShortWord = 64;

    /// <summary>Merges in place and says how many are left; a part of -1 merges with nothing.</summary>
    [SkipLocalsInit]
    public int Merge(Span<int> parts)
    {
        if (parts.Length < 2) return parts.Length;
        return parts.Length <= ShortWord ? MergeShort(parts) : MergeLong(parts);
    }

    // ranks[i] and merged[i] are of the pair (i, i + 1); only the two pairs beside a merge change.
    [SkipLocalsInit]
    private int MergeShort(Span<int> parts)
    {
        Span<int> ranks = stackalloc int[ShortWord];
        Span<int> merged = stackalloc int[ShortWord];
        var count = parts.Length;
        for (var i = 0; i + 1 < count; i++) ranks[i] = merges.Rank(parts[i], parts[i + 1], out merged[i]);
        while (count > 1)
        {
            var best = 0;
            for (var i = 1; i + 1 < count; i++)
            {
                if (ranks[i] < ranks[best]) best = i; // of equal ranks the leftmost
            }
            if (ranks[best] == MergeTable.None) break;
            parts[best] = merged[best];
            count--;
            for (var i = best + 1; i < count; i++)
            {
                parts[i] = parts[i + 1];
                ranks[i] = ranks[i + 1];
                merged[i] = merged[i + 1];
            }
            if (best > 0) ranks[best - 1] = merges.Rank(parts[best - 1], parts[best], out merged[best - 1]);
            if (best + 1 < count) ranks[best] = merges.Rank(parts[best], parts[best + 1], out merged[best]);
        }
        return count;
    }

    // The same with a heap and a linked list: n log n for words without end, such as a megabyte of one letter.
    private int MergeLong(Span<int> word)
    {
        var parts = word.ToArray();
        var before = new int[parts.Length];
        var after = new int[parts.Length];
        for (var i = 0; i < parts.Length; i++)
        {
            before[i] = i - 1;
            after[i] = i + 1 < parts.Length ? i + 1 : -1;
        }
        var found = new List<(Pair, long)>(parts.Length);
        for (var i = 0; i + 1 < parts.Length; i++)
        {
            if (Look(i) is { } pair) found.Add((pair, Priority(pair)));
        }
        var heap = new PriorityQueue<Pair, long>(found);
        while (heap.TryDequeue(out var pair, out _))
        {
            var right = after[pair.At];
            // Outdated when either side has merged with another since: ids at a place only ever change.
            if (parts[pair.At] != pair.Left || right < 0 || parts[right] != pair.Right) continue;
            parts[pair.At] = pair.Merged;
            parts[right] = -2;
            after[pair.At] = after[right];
            if (after[right] >= 0) before[after[right]] = pair.At;
            if (before[pair.At] >= 0 && Look(before[pair.At]) is { } left) heap.Enqueue(left, Priority(left));
            if (Look(pair.At) is { } next) heap.Enqueue(next, Priority(next));
        }
        var count = 0;
        for (var i = 0; i >= 0; i = after[i]) word[count++] = parts[i];
        return count;

        Pair? Look(int at)
        {
            if (after[at] < 0) return null;
            var (left, right) = (parts[at], parts[after[at]]);
            var rank = merges.Rank(left, right, out var result);
            return rank == MergeTable.None ? null : new Pair(at, left, right, rank, result);
        }

        static long Priority(Pair pair) => ((long)pair.Rank << 32) | (uint)pair.At;
    }

    private readonly record struct Pair(int At, int Left, int Right, int Rank, int Merged);
}
