using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using WarpDecode.Formats;
using WarpDecode.Runtime.Text.Tokenizers;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// Byte pair encoding with a list of merges ("gpt2" in GGUF): text is cut into words, each word is its UTF-8 bytes, and neighbours merge in
/// the order of the merge list until none of the list is left. In the vocabularies of Gemma 4 and Sarvam the parts are characters instead,
/// with ▁ for spaces, and bytes only stand for characters that the vocabulary lacks.
/// </summary>
/// <remarks>
/// Not Microsoft.ML.Tokenizers' BpeTokenizer, though it gives the same ids (a test holds the two together). Measured in fresh
/// processes on two cores: 440 ms against 105 to construct for 151,646 tokens, and its merging is quadratic in the length of a
/// word (200,000 letters: 3.5 s; here a million take 0.5 s).
/// </remarks>
internal sealed class BytePairTokenizer : Tokenizer
{
    private readonly PreTokenizer pre;
    private readonly PairMerger merger;
    private readonly int[] byteIds;
    private readonly TextTable ids;
    private readonly SpaceSeams? seams;
    private readonly bool composes;
    private readonly WordCache cache = new();

    public BytePairTokenizer(ModelFile file, string? preName = null)
        : this(file, Vocabulary.Read(file), preName ?? PreName(file))
    {
    }

    private BytePairTokenizer(ModelFile file, Vocabulary vocabulary, string preName)
        : this(file, vocabulary, preName, FindPre(file, preName))
    {
    }

    private BytePairTokenizer(ModelFile file, Vocabulary vocabulary, string preName, PreTokenizer pre)
        : base(file, vocabulary, $"gpt2 / {preName}", pre.AddBos, addEos: false, pre.Characters ? SpaceMark.Decode : ByteAlphabet.Decode, alwaysBos: pre.WholeBreaks)
    {
        this.pre = pre;
        ids = vocabulary.Ids;
        byteIds = pre.Characters ? SpaceMark.FindBytes(ids) : FindBytes(vocabulary);
        merger = new PairMerger(ReadMerges(file, ids));
        if (pre.Characters) seams = new SpaceSeams(vocabulary.Texts);
        composes = file.Metadata.Contains(NormalizerKey) && file.Metadata.GetString(NormalizerKey) == "NFC";
    }

    /// <summary>The normalization that a folder's tokenizer.json names; a GGUF of llama.cpp has none.</summary>
    public const string NormalizerKey = "tokenizer.ggml.normalizer";

    private protected override void EncodeText(ReadOnlySpan<char> text, bool atStart, List<int> to)
    {
        if (composes && Normalization.MayChange(text, NormalForm.C)) text = Normalization.Normalize(text, NormalForm.C);
        if (pre.Characters)
        {
            EncodeCharacters(text, to);
            return;
        }
        foreach (var (start, length) in pre.Split(text))
        {
            var word = text.Slice(start, length);
            if (cache.TryAppend(word, to)) continue;
            var from = to.Count;
            EncodeWord(word, to);
            cache.Put(word, CollectionsMarshal.AsSpan(to)[from..]);
        }
    }

    // Without the key llama.cpp takes its own "default" cascade, for files older than the key.
    private static string PreName(ModelFile file) =>
        file.Metadata.Contains("tokenizer.ggml.pre") ? file.Metadata.GetString("tokenizer.ggml.pre") : "default";

    private static PreTokenizer FindPre(ModelFile file, string name) => PreTokenizer.Find(name)
        ?? throw new ModelFileException("pre-tokenizer not supported yet:", file.Path, "tokenizer.ggml.pre", null, $"one of {PreTokenizer.Names}", name,
            "Another way of cutting words would give this model other tokens than it was trained on, so there is no fallback; --pre NAME takes one that you know to be the same.");

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

    private void EncodeWord(ReadOnlySpan<char> word, List<int> to)
    {
        byte[]? rented = null;
        var room = Encoding.UTF8.GetMaxByteCount(word.Length);
        var utf8 = room <= 512 ? stackalloc byte[512] : rented = ArrayPool<byte>.Shared.Rent(room);
        utf8 = utf8[..Encoding.UTF8.GetBytes(word, utf8)]; // lone surrogates become U+FFFD here
        if (!pre.WholeWords || !TryWholeWord(utf8, to))
        {
            int[]? more = null;
            var parts = utf8.Length <= 128 ? stackalloc int[128] : more = ArrayPool<int>.Shared.Rent(utf8.Length);
            for (var i = 0; i < utf8.Length; i++) parts[i] = byteIds[utf8[i]];
            foreach (var id in parts[..merger.Merge(parts[..utf8.Length])])
            {
                // A byte that the vocabulary lacks (-1) merges with nothing and is left out, as llama.cpp and tokenizers do.
                if (id >= 0) to.Add(id);
            }
            if (more is not null) ArrayPool<int>.Shared.Return(more);
        }
        if (rented is not null) ArrayPool<byte>.Shared.Return(rented);
    }

    private bool TryWholeWord(ReadOnlySpan<byte> utf8, List<int> to)
    {
        if (utf8.Length > 256) return false;
        Span<char> key = stackalloc char[256];
        for (var i = 0; i < utf8.Length; i++) key[i] = ByteAlphabet.CharOf(utf8[i]);
        var id = ids.Find(key[..utf8.Length]);
        if (id < 0) return false;
        to.Add(id);
        return true;
    }

    private void EncodeCharacters(ReadOnlySpan<char> text, List<int> to)
    {
        var marked = SpaceMark.Mark(text, prefix: false);
        foreach (var (start, length) in pre.Split(marked))
        {
            var line = marked.AsSpan(start, length);
            if (pre.WholeBreaks && line[0] == '\n' && ids.Find(line) is >= 0 and var whole)
            {
                to.Add(whole);
                continue;
            }
            for (var at = 0; at < line.Length;)
            {
                var end = seams!.End(line, at);
                var word = line[at..end];
                at = end;
                if (cache.TryAppend(word, to)) continue;
                var from = to.Count;
                EncodeCharacterWord(word, to);
                cache.Put(word, CollectionsMarshal.AsSpan(to)[from..]);
            }
        }
    }

    private void EncodeCharacterWord(ReadOnlySpan<char> word, List<int> to)
    {
        var parts = word.Length <= 128 ? stackalloc int[128] : new int[word.Length];
        var count = 0;
        for (var at = 0; at < word.Length; count++)
        {
            var length = SpaceMark.CharacterLength(word, at);
            var id = ids.Find(word.Slice(at, length));
            parts[count] = id >= 0 ? id : ~at; // merges with nothing, and says which character it is
            at += length;
        }
        foreach (var part in parts[..merger.Merge(parts[..count])])
        {
            if (part >= 0) to.Add(part);
            else SpaceMark.AppendBytes(word.Slice(~part, SpaceMark.CharacterLength(word, ~part)), byteIds, unknown: -1, to);
        }
    }
}
