using System.Runtime.InteropServices;
using WarpDecode.Formats;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>SentencePiece's Unigram ("t5" in GGUF): see <see cref="UnigramModel"/>.</summary>
internal sealed class UnigramTokenizer : Tokenizer
{
    private readonly UnigramModel model;
    private readonly SentencePieceNormalizer normalizer;
    private readonly SpaceSeams seams;
    private readonly bool prefix;
    private readonly WordCache cache = new();

    public UnigramTokenizer(ModelFile file)
        : this(file, Vocabulary.Read(file, new Vocabulary.Defaults(null, 1, 2)), Vocabulary.Flag(file, "add_space_prefix", false))
    {
    }

    private UnigramTokenizer(ModelFile file, Vocabulary vocabulary, bool prefix)
        : base(file, vocabulary, "t5 (SentencePiece Unigram)", addBos: false, addEos: true, SpaceMark.Decode, dropsFirstSpace: prefix)
    {
        this.prefix = prefix;
        normalizer = SentencePieceNormalizer.Of(file);
        seams = new SpaceSeams(vocabulary.Texts);
        var types = vocabulary.Types;
        var scores = Array.ConvertAll(Vocabulary.ReadScores(file, vocabulary.Count), s => (double)s);
        for (var id = 0; id < vocabulary.Count; id++)
        {
            if (types[id] == TokenType.UserDefined) scores[id] = 0; // wins over what has a probability
        }
        var bytes = SpaceMark.FindBytes(vocabulary.Ids);
        var spelled = bytes.All(id => id >= 0 && types[id] == TokenType.Byte);
        model = new UnigramModel(vocabulary.Texts, scores, id => types[id] is TokenType.Normal or TokenType.UserDefined or TokenType.Unused,
            id => types[id] == TokenType.Normal, vocabulary.Unknown ?? -1, spelled ? bytes : null);
    }

    private protected override void EncodeText(ReadOnlySpan<char> text, bool atStart, List<int> to)
    {
        var marked = normalizer.Normalize(text, prefix);
        for (var at = 0; at < marked.Length;)
        {
            var end = seams.End(marked, at);
            var word = marked.AsSpan(at, end - at);
            at = end;
            if (cache.TryAppend(word, to)) continue;
            var from = to.Count;
            model.Encode(word, fuseUnknown: true, to);
            cache.Put(word, CollectionsMarshal.AsSpan(to)[from..]);
        }
    }
}
