using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using WarpDecode.Formats;

namespace WarpDecode.Runtime.Text.Tokenizers.Json;

/// <summary>
/// A tokenizer.json whose stages GGUF has no names for, computed as huggingface/tokenizers defines them: added tokens are split off, what is
/// between them is normalized, cut into words, and each word becomes tokens.
/// </summary>
internal sealed class PipelineTokenizer : Tokenizer
{
    /// <summary>What <c>tokenizer.ggml.model</c> is for them. No other program knows it.</summary>
    public const string Model = "huggingface";

    /// <summary>The text of tokenizer.json: a key that GGUF names.</summary>
    public const string JsonKey = "tokenizer.huggingface.json";

    /// <summary>Whether decoded text loses spaces before punctuation (tokenizer_config.json).</summary>
    public const string CleanUpKey = "tokenizer.huggingface.clean_up_tokenization_spaces";

    private const int Depth = 64;

    private readonly string[] texts;
    private readonly JsonNormalizer normalizer;
    private readonly JsonPreTokenizer pre;
    private readonly JsonModel model;
    private readonly JsonDecoder decoder;
    private readonly SpecialTokens? normalized; // added tokens that are looked for in normalized text
    private readonly bool cleansUp;
    private readonly WordCache cache = new();

    private PipelineTokenizer(ModelFile file, Vocabulary vocabulary, JsonPart root, JsonDecoder decoder, (List<SpecialTokens.Token> Raw, List<SpecialTokens.Token> Normalized) added)
        : base(file, vocabulary, "tokenizer.json / " + root["model"].Text("type", "BPE"), addBos: false, addEos: false, SpellingOf(decoder),
            ownSpecials: new SpecialTokens(added.Raw), around: JsonPostProcessor.Around(root, vocabulary.Count))
    {
        texts = vocabulary.Texts;
        this.decoder = decoder;
        normalizer = new JsonNormalizer(root);
        pre = new JsonPreTokenizer(root);
        model = JsonModel.Read(root);
        if (added.Normalized.Count > 0)
            normalized = new SpecialTokens(added.Normalized.Select(token => token with { Text = normalizer.Apply(token.Text) }));
        cleansUp = file.Metadata.Contains(CleanUpKey) && file.Metadata.GetBool(CleanUpKey);
    }

    public static PipelineTokenizer Read(ModelFile file)
    {
        var path = Directory.Exists(file.Path) ? Path.Combine(file.Path, "tokenizer.json") : file.Path;
        JsonElement root;
        try
        {
            using var document = JsonDocument.Parse(file.Metadata.GetString(JsonKey), new JsonDocumentOptions { MaxDepth = Depth, AllowDuplicateProperties = false });
            root = document.RootElement.Clone();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // the latter: a name with half a surrogate pair
        {
            throw new ModelFileException("content", path, JsonKey, null, "JSON", e.Message, "The file is damaged: get it again.", e);
        }
        var part = new JsonPart(root, "tokenizer", path);
        var vocabulary = Vocabulary.Read(file);
        return new PipelineTokenizer(file, vocabulary, part, new JsonDecoder(part), Added(part, vocabulary.Count));
    }

    public override string Decode(ReadOnlySpan<int> ids, bool special = false)
    {
        var tokens = new List<string>(ids.Length);
        foreach (var id in ids)
        {
            if (special || !IsControl(id)) tokens.Add(texts[id]);
        }
        var text = decoder.Decode(tokens);
        return cleansUp ? DecodedText.CleanUp(text) : text;
    }

    private protected override void EncodeText(ReadOnlySpan<char> text, bool atStart, List<int> to)
    {
        var clean = normalizer.Apply(text.ContainsAnyInRange('\uD800', '\uDFFF') ? Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text.ToString())) : text.ToString());
        if (normalized is null)
        {
            EncodeWords(clean, atStart, to);
            return;
        }
        ReadOnlySpan<TextPart.Run> all = [new TextPart.Run(clean.Length, Trusted: true)];
        for (var at = 0; at < clean.Length;)
        {
            var found = normalized.Find(clean, at, all);
            if (found.TextEnd > at) EncodeWords(clean[at..found.TextEnd], atStart && at == 0, to);
            if (found.Id >= 0) to.Add(found.Id);
            at = found.Next;
        }
    }

    private void EncodeWords(string text, bool atStart, List<int> to)
    {
        foreach (var word in pre.Split(text, atStart))
        {
            if (cache.TryAppend(word.Text, to)) continue;
            var from = to.Count;
            model.Encode(word.Text, to);
            cache.Put(word.Text, CollectionsMarshal.AsSpan(to)[from..]);
        }
    }

    // Special ones are never text of a user: they are looked for before anything else, where the text is trusted.
    private static (List<SpecialTokens.Token> Raw, List<SpecialTokens.Token> Normalized) Added(JsonPart root, int count)
    {
        var (raw, normalized) = (new List<SpecialTokens.Token>(), new List<SpecialTokens.Token>());
        if (!root.Has("added_tokens")) return (raw, normalized);
        foreach (var token in root.Items("added_tokens"))
        {
            var id = token.Integer("id");
            if (id >= count) token["id"].Wrong($"a token's number below {count}");
            var special = token.Flag("special", false);
            var strip = (token.Flag("lstrip", false) ? TokenStrip.Left : TokenStrip.None) | (token.Flag("rstrip", false) ? TokenStrip.Right : TokenStrip.None)
                | (token.Flag("single_word", false) ? TokenStrip.SingleWord : TokenStrip.None);
            (special || !token.Flag("normalized", !special) ? raw : normalized).Add(new SpecialTokens.Token(token.Text("content"), id, special, strip));
        }
        return (raw, normalized);
    }

    private static TokenBytes SpellingOf(JsonDecoder decoder)
    {
        if (decoder.ByteLevel) return ByteAlphabet.Decode;
        if (decoder.Continues is not { } prefix) return (text, _, to) => SpaceMark.Decode(text, SpaceMark.ByteOf(text) >= 0 ? TokenType.Byte : TokenType.Normal, to);
        return (text, _, to) =>
        {
            if (text.StartsWith(prefix, StringComparison.Ordinal)) return Encoding.UTF8.GetBytes(text.AsSpan(prefix.Length), to);
            to[0] = (byte)' ';
            return 1 + Encoding.UTF8.GetBytes(text, to[1..]);
        };
    }
}
