using WarpDecode.Formats;

namespace WarpDecode.Runtime.Text;

/// <summary>What a token is, numbered as GGUF's <c>tokenizer.ggml.token_type</c> numbers it.</summary>
internal enum TokenType : byte
{
    /// <summary>Ordinary text.</summary>
    Normal = 1,

    /// <summary>Stands for what the vocabulary cannot spell.</summary>
    Unknown = 2,

    /// <summary>Marks structure (turns, ends), never text of a user.</summary>
    Control = 3,

    /// <summary>Text that is always one token, wherever it occurs.</summary>
    UserDefined = 4,

    /// <summary>Fills the vocabulary up to a round size.</summary>
    Unused = 5,

    /// <summary>One byte.</summary>
    Byte = 6,
}

/// <summary>What a special token takes along of the text beside it.</summary>
[Flags]
internal enum TokenStrip : byte
{
    None = 0,

    /// <summary>White space before it.</summary>
    Left = 1,

    /// <summary>White space after it.</summary>
    Right = 2,

    /// <summary>Nothing, but no letter, digit or underscore may touch it.</summary>
    SingleWord = 4,
}

/// <summary>The part of <c>tokenizer.ggml.*</c> that every kind of tokenizer shares: texts, types and the named tokens.</summary>
internal sealed class Vocabulary
{
    /// <summary>The named tokens that a kind of tokenizer has where its file names none.</summary>
    internal readonly record struct Defaults(int? Bos = null, int? Eos = null, int? Unknown = null, string? EosKey = null);

    private const string Prefix = "tokenizer.ggml.";

    // What llama.cpp takes for the end of a turn by its text (llama-vocab.cpp), whichever the metadata name.
    private static readonly string[] EndTexts =
    [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>", "<|end_of_turn|>",
        "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>",
        "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>",
        // The tokens that end a file or a gap when code is filled in: nothing of the answer follows them.
        "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<reponame>", "<|file_sep|>",
    ];

    private static readonly string[] EndKeys =
        ["eos_token_id", "eot_token_id", "eom_token_id", "fim_pad_token_id", "fim_rep_token_id", "fim_sep_token_id"];

    private Vocabulary(ModelFile file, Defaults defaults)
    {
        File = file.Path;
        var metadata = file.Metadata;
        Texts = metadata.GetStrings(Prefix + "tokens");
        if (Texts.Length == 0) ModelFileException.Throw("metadata", File, Prefix + "tokens", null, "at least one token", "an empty array");
        Types = ReadTypes(metadata);

        Ids = new TextTable(Texts);

        Bos = OptionalId(metadata, "bos_token_id") ?? Known(defaults.Bos);
        Eos = OptionalId(metadata, defaults.EosKey ?? "eos_token_id") ?? Known(defaults.Eos);
        Unknown = OptionalId(metadata, "unknown_token_id") ?? Known(defaults.Unknown);
        Strips = FindStrips(metadata);
        EndOfTurn = FindEnds(metadata);
    }

    /// <summary>Path of the model file, for messages.</summary>
    public string File { get; }

    /// <summary>Texts as the file stores them, by id.</summary>
    public string[] Texts { get; }

    /// <summary>What each token is, by id.</summary>
    public TokenType[] Types { get; }

    /// <summary>Ids by stored text; of equal texts the first.</summary>
    public TextTable Ids { get; }

    public int Count => Texts.Length;

    public int? Bos { get; }

    public int? Eos { get; }

    /// <summary>Token that stands for what the vocabulary cannot spell.</summary>
    public int? Unknown { get; }

    public HashSet<int> EndOfTurn { get; }

    /// <summary>Special tokens that take white space beside them along, and how.</summary>
    public IReadOnlyDictionary<int, TokenStrip> Strips { get; }

    public static Vocabulary Read(ModelFile file, Defaults defaults = default) => new(file, defaults);

    /// <summary>A score for each token.</summary>
    public static float[] ReadScores(ModelFile file, int count)
    {
        const string key = Prefix + "scores";
        var scores = file.Metadata.GetSingles(key);
        if (scores.Length < count) ModelFileException.Throw("metadata", file.Path, key, null, $"a score for each of {count} tokens", $"{scores.Length} scores");
        if (scores.AsSpan().ContainsAny(float.NaN, float.PositiveInfinity)) ModelFileException.Throw("metadata", file.Path, key, null, "finite numbers", "others");
        return scores;
    }

    /// <summary>A flag such as <c>add_bos_token</c>, or what the tokenizer's kind implies where the file is silent.</summary>
    public static bool Flag(ModelFile file, string name, bool otherwise) =>
        file.Metadata.Contains(Prefix + name) ? file.Metadata.GetBool(Prefix + name) : otherwise;

    private int? OptionalId(Metadata metadata, string name) =>
        metadata.Contains(Prefix + name) ? metadata.GetInt32(Prefix + name, 0, Texts.Length - 1) : null;

    private int? Known(int? id) => id < Texts.Length ? id : null;

    // A GGUF has no place for these; llama.cpp knows them by the names of models, and so must who agrees with it.
    private Dictionary<int, TokenStrip> FindStrips(Metadata metadata)
    {
        var strips = new Dictionary<int, TokenStrip>();
        var pre = Text("tokenizer.ggml.pre");
        var name = Text("general.name").ToLowerInvariant();
        var architecture = Text("general.architecture");
        if (ContainsAny(pre, "jina-v2-de", "jina-v2-es", "jina-v2-code") || ContainsAny(architecture, "nomic-bert-moe", "jina-bert-v3"))
        {
            Set("<mask>", TokenStrip.Left);
        }
        else if (ContainsAny(name, "phi-3", "phi3"))
        {
            for (var id = 0; id < Texts.Length; id++)
            {
                if (Types[id] is TokenType.Control or TokenType.UserDefined or TokenType.Unknown && Texts[id] is not ("<unk>" or "<s>" or "<|endoftext|>")) strips[id] = TokenStrip.Right;
            }
            Set("</s>", TokenStrip.Right);
        }
        else if (ContainsAny(name, "modern-bert"))
        {
            Set("[MASK]", TokenStrip.Left);
        }
        return strips;

        string Text(string key) => metadata.Contains(key) ? metadata.GetString(key) : "";

        static bool ContainsAny(string text, params ReadOnlySpan<string> parts)
        {
            foreach (var part in parts)
            {
                if (text.Contains(part, StringComparison.Ordinal)) return true;
            }
            return false;
        }

        void Set(string text, TokenStrip strip)
        {
            if (Ids.Find(text) is >= 0 and var id) strips[id] = strip;
        }
    }

    private TokenType[] ReadTypes(Metadata metadata)
    {
        const string key = Prefix + "token_type";
        var result = new TokenType[Texts.Length];
        if (!metadata.Contains(key))
        {
            Array.Fill(result, TokenType.Normal);
            return result;
        }
        var numbers = metadata.GetIntegers(key);
        if (numbers.Length != Texts.Length)
            ModelFileException.Throw("metadata", File, key, null, $"one type for each of {Texts.Length} tokens", $"{numbers.Length} types");
        // Types that no one has defined (0, or above 6) are tokens that no text becomes and that show nothing.
        for (var id = 0; id < numbers.Length; id++) result[id] = numbers[id] is >= 1 and <= 6 ? (TokenType)numbers[id] : TokenType.Unused;
        return result;
    }

    private HashSet<int> FindEnds(Metadata metadata)
    {
        var ends = new HashSet<int>();
        // A token that only looks like an end (a user-defined or ordinary one) is text of the model.
        foreach (var text in EndTexts)
        {
            var id = Ids.Find(text);
            if (id >= 0 && Types[id] == TokenType.Control) ends.Add(id);
        }
        // In the harmony format <|end|> closes one message of several in a turn; <|return|> and <|call|> close the turn.
        if (ends.Contains(Ids.Find("<|return|>")) && ends.Contains(Ids.Find("<|call|>"))) ends.Remove(Ids.Find("<|end|>"));
        foreach (var name in EndKeys)
        {
            if (OptionalId(metadata, name) is { } id) ends.Add(id);
        }
        return ends;
    }
}
