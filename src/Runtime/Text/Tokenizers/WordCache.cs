using System.Runtime.CompilerServices;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>
/// Ids of words seen lately: ordinary text repeats its words. One place per hash, the newest word in it, so that it never grows
/// beyond a few megabytes; entries never change, so that threads share it without locks.
/// </summary>
internal sealed class WordCache
{
    private const int Places = 1 << 15;
    private const int LongestWord = 32;
    private const int MostIds = 16;

    private Entry?[]? entries; // made at the first word: many programs never encode

    private sealed record Entry(string Word, int[] Ids);

    /// <summary>Appends the ids of a word that is known.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryAppend(ReadOnlySpan<char> word, List<int> ids)
    {
        if (word.Length > LongestWord || entries is not { } all) return false;
        var entry = Volatile.Read(ref all[Place(word)]);
        if (entry is null || !word.SequenceEqual(entry.Word)) return false;
        if (entry.Ids.Length == 1) ids.Add(entry.Ids[0]);
        else ids.AddRange(entry.Ids);
        return true;
    }

    /// <summary>Remembers what was appended for a word.</summary>
    public void Put(ReadOnlySpan<char> word, ReadOnlySpan<int> ids)
    {
        if (word.Length > LongestWord || ids.Length > MostIds) return;
        entries ??= new Entry?[Places]; // two threads may each make one: the loser's words are forgotten
        Volatile.Write(ref entries[Place(word)], new Entry(word.ToString(), ids.ToArray()));
    }

    private static int Place(ReadOnlySpan<char> word) => (int)(TextTable.Hash(word) >> 49);
}
