using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using WarpDecode.Formats;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// Byte-level byte pair encoding ("gpt2" in GGUF): text is cut into words, each word is its UTF-8 bytes, and neighbours merge in
/// the order of the merge list until none of the list is left.
/// </summary>
/// <remarks>
/// Not Microsoft.ML.Tokenizers' BpeTokenizer, though it gives the same ids (a test holds the two together). Measured in fresh
/// processes on two cores: 440 ms against 105 to construct for 151,646 tokens, and its merging is quadratic in the length of a
/// word (200,000 letters: 3.5 s; here a million take 0.5 s).
/// </remarks>
internal sealed class BytePairTokenizer : Tokenizer
{
    // Up to here rescanning the word for the best pair beats a heap.
    private const int ShortWord = 64;

    private readonly PreTokenizer pre;
    private readonly MergeTable merges;
    private readonly int[] byteIds;
    private readonly TextTable? wholeWords;

    public BytePairTokenizer(ModelFile file)
        : this(file, Vocabulary.Read(file), PreName(file))
    {
    }

    private BytePairTokenizer(ModelFile file, Vocabulary vocabulary, string preName)
        : this(file, vocabulary, preName, FindPre(file, preName))
    {
    }

    private BytePairTokenizer(ModelFile file, Vocabulary vocabulary, string preName, PreTokenizer pre)
        : base(file, vocabulary, $"gpt2 / {preName}", pre.AddBos, addEos: false, ByteAlphabet.Decode)
    {
        this.pre = pre;
        byteIds = FindBytes(vocabulary);
        merges = ReadMerges(file, vocabulary.Ids);
        if (pre.WholeWords) wholeWords = vocabulary.Ids;
    }

    private protected override void EncodeText(ReadOnlySpan<char> text, List<int> ids)
    {
        foreach (var (start, length) in pre.Split(text)) EncodeWord(text.Slice(start, length), ids);
    }

    // Without the key llama.cpp takes its own "default" cascade, for files older than the key.
    private static string PreName(ModelFile file) =>
        file.Metadata.Contains("tokenizer.ggml.pre") ? file.Metadata.GetString("tokenizer.ggml.pre") : "default";

    private static PreTokenizer FindPre(ModelFile file, string name) => PreTokenizer.Find(name)
        ?? throw new ModelFileException("pre-tokenizer not supported yet:", file.Path, "tokenizer.ggml.pre", null, $"one of {PreTokenizer.Names}", name,
            "Another way of cutting words would give this model other tokens than it was trained on, so there is no fallback.");

    private static int[] FindBytes(Vocabulary vocabulary)
    {
        var ids = new int[256];
        for (var value = 0; value < 256; value++)
        {
            ids[value] = vocabulary.Ids.Find([ByteAlphabet.CharOf((byte)value)]);
            // Real vocabularies lack bytes that their training text lacked (StarCoder's has no 0xF1), but never these.
            if (ids[value] < 0 && value is '\n' or (>= ' ' and <= '~'))
                ModelFileException.Throw("metadata", vocabulary.File, "tokenizer.ggml.tokens", null, $"a token for byte 0x{value:X2}", "none");
        }
        return ids;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // runs once, over a list as long as the vocabulary
    private static MergeTable ReadMerges(ModelFile file, TextTable ids)
    {
        const string key = "tokenizer.ggml.merges";
        var lines = file.Metadata.GetStrings(key);
        var table = new MergeTable(lines.Length);
        Span<char> room = stackalloc char[256];
        for (var rank = 0; rank < lines.Length; rank++)
        {
            var line = lines[rank].AsSpan();
            var space = line.Length > 1 ? line[1..].IndexOf(' ') + 1 : 0; // the first character may not be the separator
            if (space == 0) ModelFileException.Throw("metadata", file.Path, key, null, $"two tokens and a space between them in merge {rank}", lines[rank]);
            var joined = line.Length <= room.Length ? room[..(line.Length - 1)] : new char[line.Length - 1];
            line[..space].CopyTo(joined);
            line[(space + 1)..].CopyTo(joined[space..]);
            // A merge whose parts or result are no tokens can never be applied.
            var left = ids.Find(joined[..space]);
            var right = ids.Find(joined[space..]);
            var merged = ids.Find(joined);
            if (left >= 0 && right >= 0 && merged >= 0) table.Add(left, right, rank, merged);
        }
        return table;
    }

    private void EncodeWord(ReadOnlySpan<char> word, List<int> ids)
    {
        byte[]? rented = null;
        var room = Encoding.UTF8.GetMaxByteCount(word.Length);
        var utf8 = room <= 512 ? stackalloc byte[512] : rented = ArrayPool<byte>.Shared.Rent(room);
        utf8 = utf8[..Encoding.UTF8.GetBytes(word, utf8)]; // lone surrogates become U+FFFD here
        if (!TryWholeWord(utf8, ids))
        {
            if (utf8.Length <= ShortWord) MergeShort(utf8, ids);
            else MergeLong(utf8, ids);
        }
        if (rented is not null) ArrayPool<byte>.Shared.Return(rented);
    }

    private bool TryWholeWord(ReadOnlySpan<byte> utf8, List<int> ids)
    {
        if (wholeWords is null || utf8.Length > 256) return false;
        Span<char> key = stackalloc char[256];
        for (var i = 0; i < utf8.Length; i++) key[i] = ByteAlphabet.CharOf(utf8[i]);
        var id = wholeWords.Find(key[..utf8.Length]);
        if (id < 0) return false;
        ids.Add(id);
        return true;
    }

    // A byte that the vocabulary lacks (-1) merges with nothing and is left out, as llama.cpp and tokenizers do.
    private static void Add(int id, List<int> ids)
    {
        if (id >= 0) ids.Add(id);
    }

    // ranks[i] and merged[i] are of the pair (i, i + 1); only the two pairs beside a merge change.
    private void MergeShort(ReadOnlySpan<byte> utf8, List<int> ids)
    {
        Span<int> parts = stackalloc int[ShortWord];
        Span<int> ranks = stackalloc int[ShortWord];
        Span<int> merged = stackalloc int[ShortWord];
        var count = utf8.Length;
        for (var i = 0; i < count; i++) parts[i] = byteIds[utf8[i]];
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
        for (var i = 0; i < count; i++) Add(parts[i], ids);
    }

    // The same with a heap and a linked list: n log n for words without end, such as a megabyte of one letter.
    private void MergeLong(ReadOnlySpan<byte> utf8, List<int> ids)
    {
        var parts = new int[utf8.Length];
        var before = new int[utf8.Length];
        var after = new int[utf8.Length];
        for (var i = 0; i < parts.Length; i++)
        {
            parts[i] = byteIds[utf8[i]];
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
            parts[right] = -1;
            after[pair.At] = after[right];
            if (after[right] >= 0) before[after[right]] = pair.At;
            if (before[pair.At] >= 0 && Look(before[pair.At]) is { } left) heap.Enqueue(left, Priority(left));
            if (Look(pair.At) is { } next) heap.Enqueue(next, Priority(next));
        }
        for (var i = 0; i >= 0; i = after[i]) Add(parts[i], ids);

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
