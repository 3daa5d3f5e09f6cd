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

/// <summary>The part of <c>tokenizer.ggml.*</c> that every kind of tokenizer shares: texts, types and the named tokens.</summary>
internal sealed class Vocabulary
{
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

    private Vocabulary(ModelFile file)
    {
        File = file.Path;
        var metadata = file.Metadata;
        Texts = metadata.GetStrings(Prefix + "tokens");
        if (Texts.Length == 0) ModelFileException.Throw("metadata", File, Prefix + "tokens", null, "at least one token", "an empty array");
        Types = ReadTypes(metadata);

        Ids = new TextTable(Texts);

        Bos = OptionalId(metadata, "bos_token_id");
        Eos = OptionalId(metadata, "eos_token_id");
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

    public HashSet<int> EndOfTurn { get; }

    public static Vocabulary Read(ModelFile file) => new(file);

    /// <summary>A flag such as <c>add_bos_token</c>, or what the tokenizer's kind implies where the file is silent.</summary>
    public static bool Flag(ModelFile file, string name, bool otherwise) =>
        file.Metadata.Contains(Prefix + name) ? file.Metadata.GetBool(Prefix + name) : otherwise;

    private int? OptionalId(Metadata metadata, string name) =>
        metadata.Contains(Prefix + name) ? metadata.GetInt32(Prefix + name, 0, Texts.Length - 1) : null;

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
