using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using WarpDecode.Formats;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>
/// SentencePiece's BPE ("llama" in GGUF): spaces become ▁, every text and every text after a special token gets one before it, and of all
/// neighbours that together are a token those with the best score merge first, of equal scores the leftmost. What is no token then is
/// spelled in bytes.
/// </summary>
internal sealed class SentencePieceTokenizer : Tokenizer
{
    private const int ShortWord = 64;

    private readonly TextTable ids;
    private readonly float[] scores;
    private readonly int[] byteIds;
    private readonly int unknown;
    private readonly int longest; // of all tokens, in UTF-16 units
    private readonly bool prefix;
    private readonly SpaceSeams seams;
    private readonly SentencePieceNormalizer? normalizer;
    private readonly WordCache cache = new();

    public SentencePieceTokenizer(ModelFile file)
        : this(file, Vocabulary.Read(file, new Vocabulary.Defaults(1, 2, 0)), Vocabulary.Flag(file, "add_space_prefix", true))
    {
    }

    private SentencePieceTokenizer(ModelFile file, Vocabulary vocabulary, bool prefix)
        : base(file, vocabulary, "llama (SentencePiece BPE)", addBos: true, addEos: false, SpaceMark.Decode, dropsFirstSpace: prefix)
    {
        this.prefix = prefix;
        ids = vocabulary.Ids;
        scores = Vocabulary.ReadScores(file, vocabulary.Count);
        byteIds = SpaceMark.FindBytes(ids);
        unknown = vocabulary.Unknown ?? -1;
        foreach (var text in vocabulary.Texts) longest = Math.Max(longest, text.Length);
        seams = new SpaceSeams(vocabulary.Texts);
        normalizer = SentencePieceNormalizer.OfBpe(file);
    }

    private protected override void EncodeText(ReadOnlySpan<char> text, bool atStart, List<int> to)
    {
        var marked = normalizer is null ? SpaceMark.Mark(text, prefix) : normalizer.Normalize(text, prefix);
        for (var at = 0; at < marked.Length;)
        {
            var end = seams.End(marked, at);
            var word = marked.AsSpan(at, end - at);
            at = end;
            if (cache.TryAppend(word, to)) continue;
            var from = to.Count;
            if (word.Length <= ShortWord) MergeShort(word, to);
            else MergeLong(word, to);
            cache.Put(word, CollectionsMarshal.AsSpan(to)[from..]);
        }
    }

    // Token of the characters from start to end, or -1.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Look(ReadOnlySpan<char> word, int start, int end) => end - start > longest ? -1 : ids.Find(word[start..end]);

    [SkipLocalsInit]
    private void MergeShort(ReadOnlySpan<char> word, List<int> to)
    {
        Span<int> starts = stackalloc int[ShortWord + 1];
        Span<int> pairs = stackalloc int[ShortWord]; // the token of parts i and i + 1
        var count = 0;
        for (var at = 0; at < word.Length; at += SpaceMark.CharacterLength(word, at)) starts[count++] = at;
        starts[count] = word.Length;
        for (var i = 0; i + 1 < count; i++) pairs[i] = Look(word, starts[i], starts[i + 2]);
        while (true)
        {
            var best = -1;
            for (var i = 0; i + 1 < count; i++)
            {
                if (pairs[i] >= 0 && (best < 0 || scores[pairs[i]] > scores[pairs[best]])) best = i; // of equal scores the leftmost
            }
            if (best < 0) break;
            starts[(best + 2)..(count + 1)].CopyTo(starts[(best + 1)..]);
            if (best + 2 < count) pairs[(best + 2)..count].CopyTo(pairs[(best + 1)..]);
            count--;
            if (best > 0) pairs[best - 1] = Look(word, starts[best - 1], starts[best + 1]);
            if (best + 1 < count) pairs[best] = Look(word, starts[best], starts[best + 2]);
        }
        var wasUnknown = false;
        for (var i = 0; i < count; i++) Append(word[starts[i]..starts[i + 1]], to, ref wasUnknown);
    }

    // The same with a heap and a linked list of parts, numbered by where they begin: n log n for words without end.
    private void MergeLong(ReadOnlySpan<char> word, List<int> to)
    {
        var ends = new int[word.Length]; // of the part that begins there; 0 where none does
        var before = new int[word.Length];
        var heap = new PriorityQueue<(int Start, int Middle, int End), long>(word.Length);
        var previous = -1;
        for (var at = 0; at < word.Length; at = ends[at])
        {
            ends[at] = at + SpaceMark.CharacterLength(word, at);
            before[at] = previous;
            if (previous >= 0) Offer(word, previous, at);
            previous = at;
        }
        while (heap.TryDequeue(out var pair, out _))
        {
            // Outdated when either side has merged with another since.
            if (ends[pair.Start] != pair.Middle || pair.Middle >= word.Length || ends[pair.Middle] != pair.End) continue;
            ends[pair.Start] = pair.End;
            ends[pair.Middle] = 0;
            if (pair.End < word.Length) before[pair.End] = pair.Start;
            if (before[pair.Start] >= 0) Offer(word, before[pair.Start], pair.Start);
            if (pair.End < word.Length) Offer(word, pair.Start, pair.End);
        }
        var wasUnknown = false;
        for (var at = 0; at < word.Length; at = ends[at]) Append(word[at..ends[at]], to, ref wasUnknown);

        void Offer(ReadOnlySpan<char> text, int start, int middle)
        {
            var id = Look(text, start, ends[middle]);
            if (id < 0) return;
            // Floats in the order of integers; the best score first, of equal scores the leftmost.
            var bits = BitConverter.SingleToInt32Bits(scores[id] + 0f); // + 0: no negative zero
            var order = bits ^ ((bits >> 31) & int.MaxValue);
            heap.Enqueue((start, middle, ends[middle]), ((long)~order << 32) | (uint)start);
        }
    }

    private void Append(ReadOnlySpan<char> part, List<int> to, ref bool wasUnknown)
    {
        var id = ids.Find(part);
        if (id >= 0)
        {
            to.Add(id);
            wasUnknown = false;
            return;
        }
        var from = to.Count;
        SpaceMark.AppendBytes(part, byteIds, unknown, to);
        var isUnknown = to.Count == from + 1 && to[from] == unknown;
        if (isUnknown && wasUnknown) to.RemoveAt(from); // neighbours without a token are one unknown
        wasUnknown = isUnknown;
    }
}
