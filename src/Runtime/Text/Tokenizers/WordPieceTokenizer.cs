using WarpDecode.Formats;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>
/// WordPiece ("bert" in GGUF): text is cleaned and cut at spaces and punctuation, and each word is spelled from the left in the longest
/// tokens there are; a word that cannot be is one unknown token. In GGUF a token that begins a word has ▁ before it.
/// </summary>
internal sealed class WordPieceTokenizer : Tokenizer
{
    private readonly TextTable ids;
    private readonly int unknown;
    private readonly int longest;
    private readonly bool lower;
    private readonly bool stripAccents;
    private readonly WordCache cache = new();

    public WordPieceTokenizer(ModelFile file)
        : this(file, Vocabulary.Read(file, new Vocabulary.Defaults(101, 102, 100, "seperator_token_id"))) // so spelled in GGUF
    {
    }

    private WordPieceTokenizer(ModelFile file, Vocabulary vocabulary)
        : base(file, vocabulary, "bert (WordPiece)", addBos: true, addEos: true, SpaceMark.Decode, dropsFirstSpace: true)
    {
        ids = vocabulary.Ids;
        unknown = vocabulary.Unknown ?? -1;
        foreach (var text in vocabulary.Texts) longest = Math.Max(longest, text.Length);
        lower = Vocabulary.Flag(file, "normalizer.lowercase", true);
        stripAccents = Vocabulary.Flag(file, "normalizer.strip_accents", lower);
    }

    private protected override void EncodeText(ReadOnlySpan<char> text, bool atStart, List<int> to)
    {
        var cleaned = BertText.Clean(text, clean: true, ideographs: true, stripAccents, lower);
        var words = new List<(int Start, int Length)>();
        BertText.Split(cleaned, words);
        foreach (var (start, length) in words)
        {
            var word = cleaned.AsSpan(start, length);
            if (cache.TryAppend(word, to)) continue;
            var from = to.Count;
            EncodeWord($"{SpaceMark.Mark0}{word}", to);
            cache.Put(word, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(to)[from..]);
        }
    }

    private void EncodeWord(ReadOnlySpan<char> word, List<int> to)
    {
        var from = to.Count;
        for (var at = 0; at < word.Length;)
        {
            var (length, id) = (Math.Min(longest, word.Length - at), -1);
            for (; length > 0; length--)
            {
                id = ids.Find(word.Slice(at, length));
                if (id >= 0) break;
            }
            if (id < 0)
            {
                to.RemoveRange(from, to.Count - from);
                if (unknown >= 0) to.Add(unknown);
                return;
            }
            to.Add(id);
            at += length;
        }
    }

    // As transformers cleans what WordPiece gives back.
    private protected override string CleanUp(string text) => DecodedText.CleanUp(text);
}
