using System.Buffers;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using WarpDecode.Formats;
using WarpDecode.Runtime.Text.Tokenizers;
using WarpDecode.Runtime.Text.Tokenizers.Json;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// Text to token ids and back, as a model file's vocabulary defines it. Immutable and safe to use from many threads.
/// </summary>
/// <remarks>
/// A GGUF of byte-level BPE names no Unicode normalization, so none is applied (as in llama.cpp): a model trained on NFC text sees
/// decomposed input as it is. A tokenizer.json that names one gets it. UTF-16 that is not well formed is read as U+FFFD for each
/// lone surrogate.
/// </remarks>
public abstract class Tokenizer
{
    private readonly TokenType[] types;
    private readonly SpecialTokens specials;
    private readonly int[] before;   // what addSpecial puts around a text
    private readonly int[] after;
    private readonly bool dropsFirstSpace;
    private readonly byte[] bytes;   // the tokens' bytes one after another
    private readonly int[] starts;   // [Count + 1] where each begins

    private protected Tokenizer(ModelFile file, Vocabulary vocabulary, string kind, bool addBos, bool addEos, TokenBytes spell, bool dropsFirstSpace = false, bool alwaysBos = false,
        SpecialTokens? ownSpecials = null, (int[] Before, int[] After)? around = null)
    {
        types = vocabulary.Types;
        Bos = vocabulary.Bos;
        Eos = vocabulary.Eos;
        EndOfTurn = vocabulary.EndOfTurn;
        Kind = kind;
        AddBos = alwaysBos || Vocabulary.Flag(file, "add_bos_token", addBos);
        AddEos = Vocabulary.Flag(file, "add_eos_token", addEos);
        if (AddBos && Bos is null)
            ModelFileException.Throw("metadata has no key", file.Path, "tokenizer.ggml.bos_token_id", expected: "the token that add_bos_token asks for");
        if (AddEos && Eos is null)
            ModelFileException.Throw("metadata has no key", file.Path, "tokenizer.ggml.eos_token_id", expected: "the token that add_eos_token asks for");
        (before, after) = around ?? (AddBos ? [Bos!.Value] : [], AddEos ? [Eos!.Value] : []);
        specials = ownSpecials ?? new SpecialTokens(vocabulary);
        this.dropsFirstSpace = dropsFirstSpace;
        (bytes, starts) = Spell(vocabulary, spell);
    }

    /// <summary>Writes the bytes of an ordinary token's stored text and says how many; there is room for its UTF-8.</summary>
    private protected delegate int TokenBytes(string text, TokenType type, Span<byte> to);

    /// <summary>Number of tokens; ids run from 0 to one less.</summary>
    public int Count => types.Length;

    /// <summary>Token that begins a text, if the model has one.</summary>
    public int? Bos { get; }

    /// <summary>Token that ends a text, if the model has one.</summary>
    public int? Eos { get; }

    /// <summary>Whether the model expects <see cref="Bos"/> before a text.</summary>
    public bool AddBos { get; }

    /// <summary>Whether the model expects <see cref="Eos"/> after a text.</summary>
    public bool AddEos { get; }

    /// <summary>Tokens at which a turn is over and generation stops.</summary>
    public IReadOnlySet<int> EndOfTurn { get; }

    /// <summary>Model and pre-tokenizer as the file names them, for example <c>gpt2 / qwen2</c>.</summary>
    public string Kind { get; }

    /// <summary>Reads the tokenizer of a model file from its <c>tokenizer.ggml.*</c> metadata.</summary>
    /// <exception cref="ModelFileException">The metadata is incomplete, or of a kind that is not supported.</exception>
    public static Tokenizer FromMetadata(ModelFile file) => FromMetadata(file, preTokenizer: null);

    /// <summary>The same with a pre-tokenizer of one's own choice.</summary>
    /// <param name="file">The model.</param>
    /// <param name="preTokenizer">Cuts words as this one of llama.cpp's list does, whatever the file names; null for what it names.</param>
    /// <exception cref="ModelFileException">The metadata is incomplete, or of a kind that is not supported.</exception>
    public static Tokenizer FromMetadata(ModelFile file, string? preTokenizer)
    {
        ArgumentNullException.ThrowIfNull(file);
        const string key = "tokenizer.ggml.model";
        var model = file.Metadata.GetString(key);
        if (preTokenizer is not null && model != "gpt2")
        {
            throw new ModelFileException("a pre-tokenizer was asked for, but this tokenizer has none:", file.Path, key, null, "gpt2 (byte-level BPE)", model,
                "Leave the pre-tokenizer out: only byte-level BPE cuts text by one.");
        }
        Tokenizer tokenizer = model switch
        {
            "gpt2" => new BytePairTokenizer(file, preTokenizer),
            "gemma4" => new BytePairTokenizer(file, "gemma4"),
            "llama" => new SentencePieceTokenizer(file),
            "t5" => new UnigramTokenizer(file),
            "bert" => new WordPieceTokenizer(file),
            PipelineTokenizer.Model => PipelineTokenizer.Read(file),
            _ => throw new ModelFileException("tokenizer not supported yet:", file.Path, key, null,
                "gpt2 (byte-level BPE), gemma4, llama (SentencePiece BPE), t5 (Unigram) or bert (WordPiece)", model,
                "This runtime cannot read text for this model yet: use one with another tokenizer."),
        };
        file.CheckWhole();
        return tokenizer;
    }

    /// <summary>Text to ids.</summary>
    /// <returns>Token ids [tokens]; none for an empty text without special tokens.</returns>
    /// <param name="text">Any text.</param>
    /// <param name="addSpecial">Adds <see cref="Bos"/> and <see cref="Eos"/> where the model asks for them.</param>
    /// <param name="parseSpecial">
    /// Reads the texts of control tokens as these tokens. Leave it off for text that others wrote: it could speak in another's turn.
    /// </param>
    public int[] Encode(string text, bool addSpecial, bool parseSpecial)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Encode([new TextPart(text, parseSpecial)], addSpecial);
    }

    /// <summary>Ids to text; bytes that are not UTF-8 become U+FFFD.</summary>
    /// <param name="ids">Tokens.</param>
    /// <param name="special">Shows control tokens by their text; otherwise they are left out.</param>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public virtual string Decode(ReadOnlySpan<int> ids, bool special = false)
    {
        var buffer = new ArrayBufferWriter<byte>(Math.Max(16, (int)Math.Min(Array.MaxLength, ids.Length * 4L)));
        foreach (var id in ids) AppendBytes(id, buffer, special);
        var text = buffer.WrittenSpan;
        // The space that SentencePiece puts before a text is not of the text.
        if (dropsFirstSpace && text is [(byte)' ', ..]) text = text[1..];
        return CleanUp(Encoding.UTF8.GetString(text));
    }

    /// <summary>The bytes a token stands for, of a control token its text. One token may hold part of a character only.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public ReadOnlySpan<byte> Bytes(int id)
    {
        CheckId(id);
        return bytes.AsSpan(starts[id]..starts[id + 1]);
    }

    /// <summary>Appends the bytes a token adds to a text; see <see cref="Utf8Stream"/> for whole characters.</summary>
    /// <param name="id">Token.</param>
    /// <param name="to">Where the bytes go.</param>
    /// <param name="special">Appends the text of control tokens too; otherwise they add nothing.</param>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    internal void AppendBytes(int id, IBufferWriter<byte> to, bool special)
    {
        var piece = Bytes(id);
        if (special || !IsControl(id)) to.Write(piece);
    }

    /// <summary>Whether a token is structure and not text: control, unknown and unused tokens.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public bool IsControl(int id)
    {
        CheckId(id);
        return types[id] is TokenType.Control or TokenType.Unknown or TokenType.Unused;
    }

    /// <summary>
    /// Ids of the parts as one text: words and merges run over the borders of parts, while control tokens are recognised only
    /// within trusted parts.
    /// </summary>
    internal int[] Encode(ReadOnlySpan<TextPart> parts, bool addSpecial)
    {
        var text = TextPart.Join(parts, out var trust);
        var ids = new List<int>((text.Length / 3) + 8);
        if (addSpecial) ids.AddRange(before);
        var at = 0;
        while (at < text.Length)
        {
            var found = specials.Find(text, at, trust);
            if (found.TextEnd > at) EncodeText(text.AsSpan(at, found.TextEnd - at), atStart: at == 0, ids);
            if (found.Id >= 0) ids.Add(found.Id);
            at = found.Next;
        }
        if (addSpecial) ids.AddRange(after);
        return CollectionsMarshal.AsSpan(ids).ToArray();
    }

    /// <summary>Appends the ids of text without special tokens, never empty; it begins the whole, or follows such a token.</summary>
    private protected abstract void EncodeText(ReadOnlySpan<char> text, bool atStart, List<int> ids);

    /// <summary>What a kind of tokenizer does to a decoded text as a whole.</summary>
    private protected virtual string CleanUp(string text) => text;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // runs once, over the whole vocabulary
    private static (byte[] Bytes, int[] Starts) Spell(Vocabulary vocabulary, TokenBytes spell)
    {
        var texts = vocabulary.Texts;
        var room = (long)texts.Length; // a kind may put a space before each
        foreach (var text in texts) room += (long)text.Length * 3; // UTF-8 takes at most three bytes for a UTF-16 unit
        if (room > Array.MaxLength)
            ModelFileException.Throw("metadata", vocabulary.File, "tokenizer.ggml.tokens", null, "a vocabulary of less than 2 GB", $"up to {room} bytes");
        var all = new byte[room];
        var begins = new int[texts.Length + 1];
        var used = 0;
        for (var id = 0; id < texts.Length; id++)
        {
            begins[id] = used;
            var to = all.AsSpan(used);
            used += vocabulary.Types[id] is TokenType.Normal or TokenType.Byte ? spell(texts[id], vocabulary.Types[id], to) : Encoding.UTF8.GetBytes(texts[id], to);
        }
        begins[^1] = used;
        Array.Resize(ref all, used);
        return (all, begins);
    }

    private void CheckId(int id)
    {
        if ((uint)id < (uint)Count) return;
        throw new ArgumentOutOfRangeException(nameof(id), id, string.Create(CultureInfo.InvariantCulture, $"a token id of this model is 0 to {Count - 1}"));
    }
}
