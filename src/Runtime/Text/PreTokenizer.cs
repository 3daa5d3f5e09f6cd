using System.Text.RegularExpressions;
using WarpDecode.Runtime.Text.Tokenizers;
using static WarpDecode.Runtime.Text.Tokenizers.NumberGroups;
using static WarpDecode.Runtime.Text.Tokenizers.WordShape;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// Cuts text into the words within which tokens may merge: a cascade of stages, each splitting every piece that the one
/// before left; what a stage does not match stays as a piece. The stages are the expressions of the models' own tokenizer.json
/// files, under the names that llama.cpp gave them (llama-vocab.cpp).
/// </summary>
/// <remarks>
/// The usual expressions are scanned by hand (<see cref="WordScanner"/>); the others are generated at build time: nothing to parse or
/// compile at start, and only those of the model in hand are ever jitted. None can run away on hostile text: no quantifier is nested and
/// each is linear in the piece (a test feeds them long runs of one character), so they carry no time limit.
/// </remarks>
internal sealed partial class PreTokenizer
{
    /// <summary>Names of <c>tokenizer.ggml.pre</c> that are understood, for messages.</summary>
    public const string Names = "default, gpt-2, phi-2, jina-es, jina-de, jina-v1-en, jina-v2-es, jina-v2-de, jina-v2-code, roberta-bpe, modern-bert, gigachat, "
        + "a.x-4.0, mellum, exaone4, mpt, olmo, jais, trillion, granite-docling, starcoder, refact, command-r, smollm, codeshell, exaone, minerva-7b, mellum2, "
        + "llama-bpe, llama3, llama-v3, falcon3, falcon-h1, pixtral, midm-2.0, lfm2, jina-v5-nano, dbrx, smaug-bpe, glm4, chatglm-bpe, minicpm5, jais-2, "
        + "qwen2, deepseek-r1-qwen, kormo, f2llmv2, stablelm2, megrez, hunyuan, solar-open, grok-2, bailingmoe, bailingmoe2, llada-moe, seed-coder, ufakzeka, "
        + "laguna, qwen35, exaone-moe, deepseek-llm, deepseek-coder, deepseek-v3, hunyuan-dense, joyai-llm, hy_v4, spark2_5, afmoe, falcon, gpt-4o, llama4, "
        + "kanana2, talkie, minimax-m2, granite-embed-multi-97m, tekken, youtu, tiny_aya, cohere2moe, kimi-k2, superbpe, poro-chat, bloom, gpt3-finnish, viking, "
        + "chameleon, gemma4, granite-embed-multi-311m, sarvam-moe";

    private readonly IPieceSplitter[] stages;

    private PreTokenizer(params IPieceSplitter[] stages) => this.stages = stages;

    /// <summary>Whether a word that is a token is that token, even where merging would end elsewhere.</summary>
    public bool WholeWords { get; private init; }

    /// <summary>Whether files with this pre-tokenizer mean a BOS token when they do not say.</summary>
    public bool AddBos { get; private init; }

    /// <summary>Whether the vocabulary is text with ▁ for spaces and bytes as &lt;0xXX&gt;, not the byte alphabet.</summary>
    public bool Characters { get; private init; }

    /// <summary>Whether words of line breaks alone that are tokens are those tokens.</summary>
    public bool WholeBreaks { get; private init; }

    private bool Han { get; init; }

    /// <summary>The pre-tokenizer of that name, or null for one that is not known.</summary>
    public static PreTokenizer? Find(string name) => name switch
    {
        "default" => new(Of(Symbols()), new WordScanner(Gpt2), Of(Digits()), Of(ThreeAsciiDigits())),
        "gpt-2" or "phi-2" or "jina-es" or "jina-de" or "jina-v1-en" or "jina-v2-es" or "jina-v2-de" or "jina-v2-code" or "roberta-bpe" or "modern-bert"
            or "gigachat" or "a.x-4.0" or "mellum" or "exaone4" or "mpt" or "olmo" or "jais" or "trillion" or "granite-docling" => new(new WordScanner(Gpt2)),
        "starcoder" or "refact" or "command-r" or "smollm" or "codeshell" or "exaone" or "minerva-7b" or "mellum2"
            => new(new NumberScanner(FromLeft, 1), new WordScanner(Gpt2)),
        "llama-bpe" or "llama3" or "llama-v3" or "falcon3" or "falcon-h1" or "pixtral" or "midm-2.0" or "lfm2" or "jina-v5-nano"
            => new(new WordScanner(Letters) { Numbers = 3 }) { WholeWords = true, AddBos = true },
        "dbrx" or "smaug-bpe" or "glm4" or "chatglm-bpe" => new(new WordScanner(Letters) { Numbers = 3 }),
        "minicpm5" => new(new NumberScanner(FromLeft), new WordScanner(Letters) { Numbers = int.MaxValue }) { WholeWords = true },
        "jais-2" => new(new WordScanner(Letters) { Numbers = 3, SpacesByPowers = true }),
        // The Ling models' own expression is Qwen 2's in other words.
        "qwen2" or "deepseek-r1-qwen" or "kormo" or "f2llmv2" or "stablelm2" or "megrez" or "hunyuan" or "solar-open" or "grok-2"
            or "bailingmoe" or "bailingmoe2" or "llada-moe" => new(new WordScanner(Letters)),
        "seed-coder" => new(new WordScanner(Letters) { BreaksAfterSymbols = 0 }),
        "ufakzeka" => new(new WordScanner(Letters) { Contractions = false }),
        "laguna" => new(Of(Lines()), new WordScanner(Letters)),
        "qwen35" => new(new WordScanner(Letters) { Marks = true }),
        "exaone-moe" => new(new WordScanner(Letters) { Phrases = true, BreaksAfterSymbols = 1, Slash = true }),
        "deepseek-llm" => new(Of(LineBreak()), Of(DeepSeekLetters()), Of(DeepSeekPunctuation()), Of(SpaceAtEnd()), Of(DeepSeekEastAsian()), Of(Digits())),
        "deepseek-coder" => new(Of(LineBreak()), Of(DeepSeekCoderLetters()), Of(DeepSeekCoderPunctuation()), Of(DeepSeekEastAsian()), new NumberScanner(FromLeft, 1)),
        "deepseek-v3" or "hunyuan-dense" or "joyai-llm" or "hy_v4" => new(new NumberScanner(FromLeft), Of(DeepSeek3EastAsian()), new WordScanner(DeepSeek3)),
        "spark2_5" => new(new NumberScanner(FromLeft), Of(DeepSeek3EastAsian()), new WordScanner(DeepSeek3) { BreaksAfterSymbols = 0, SingleBreaks = true }, new NumberScanner(FromLeft, 1)),
        "afmoe" => new(new NumberScanner(FromRight), Of(AfmoeEastAsian()), new WordScanner(DeepSeek3)),
        "falcon" => new(Of(FalconSymbols()), new WordScanner(Gpt2), Of(ThreeAsciiDigits())),
        "gpt-4o" or "llama4" or "kanana2" or "talkie" or "minimax-m2" => new(new WordScanner(Cased) { Numbers = 3, Slash = true }),
        "granite-embed-multi-97m" => new(new WordScanner(Cased) { Numbers = 3, Slash = true }) { WholeWords = true },
        "tekken" => new(new WordScanner(Cased) { Contractions = false, Slash = true }) { WholeWords = true, AddBos = true },
        "youtu" => new(Of(YoutuEastAsian()), new WordScanner(Cased) { Slash = true }) { WholeWords = true },
        "tiny_aya" or "cohere2moe" => new(new NumberScanner(FromRightOfWords), new WordScanner(Cased) { Numbers = 3, Slash = true }),
        "kimi-k2" => new(new WordScanner(Cased) { Numbers = 3, Han = true }) { Han = true },
        "superbpe" => new(new NumberScanner(FromRight)),
        "poro-chat" or "bloom" or "gpt3-finnish" => new(Of(Bloom())),
        "viking" => new(Of(Bloom()), new NumberScanner(FromLeft, 1)),
        "chameleon" => new(Of(ChameleonSentinel()), Of(ChameleonImage()), Of(ChameleonSpaces()), new NumberScanner(FromLeft, 1), Of(ChameleonPunctuation()), new WordScanner(Gpt2)) { AddBos = true },
        "gemma4" or "granite-embed-multi-311m" => new(Of(Lines())) { Characters = true, WholeBreaks = true, AddBos = true },
        "sarvam-moe" => new(Of(Lines())) { Characters = true },
        _ => null,
    };

    /// <summary>Start and length of each word, in UTF-16 units; together they are the whole text.</summary>
    public List<(int Start, int Length)> Split(ReadOnlySpan<char> text)
    {
        if (!text.ContainsAnyInRange('\uD800', '\uDFFF')) return Cascade(text);

        var flat = FlatText.Of(text, Han, out var origin);
        var words = Cascade(flat);
        for (var i = 0; i < words.Count; i++)
        {
            var (start, length) = words[i];
            words[i] = (origin[start], origin[start + length] - origin[start]);
        }
        return words;
    }

    private List<(int Start, int Length)> Cascade(ReadOnlySpan<char> text)
    {
        var pieces = new List<(int Start, int Length)>((text.Length / 4) + 1);
        if (text.IsEmpty) return pieces;
        stages[0].Split(text, 0, pieces);
        foreach (var stage in stages.AsSpan(1))
        {
            var next = new List<(int Start, int Length)>(pieces.Count + (text.Length / 5));
            foreach (var (start, length) in pieces) stage.Split(text.Slice(start, length), start, next);
            pieces = next;
        }
        return pieces;
    }

    private static RegexSplitter Of(Regex expression) => new(expression);

#pragma warning disable MA0009 // no time limit: see the remarks on the class

    [GeneratedRegex(@"[\u4E00-\u9FFF\u3400-\u4DBF\uF900-\uFAFF\u3040-\u309F\u30A0-\u30FF\uFF65-\uFF9F\u2F00-\u2FDF\u0E00-\u0E7F\u0E80-\u0EFF\u1780-\u17FF"
        + @"\u1000-\u109F\uAA60-\uAA7F\uA9E0-\uA9FF\uAC00-\uD7AF\u1100-\u11FF]+", Options)]
    private static partial Regex AfmoeEastAsian();

    [GeneratedRegex(@"[\uAC00-\uD7A3\u3131-\u318E]+|[\uFF01\u2026\u201C\u201D\u2018\u2019\u2014\uFF1A\uFF1B\uFF0C\u3001-\u303F\uFE30-\uFE4F]+|[\u3105-\u312F]+"
        + @"|[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+", Options)]
    private static partial Regex YoutuEastAsian();

    [GeneratedRegex(@" ?[^(\s|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)]+", Options)]
    private static partial Regex Bloom();

    [GeneratedRegex(@"[^\n]+|\n+", Options)]
    private static partial Regex Lines();

    [GeneratedRegex("<sentinel:[0-9]+>", Options)]
    private static partial Regex ChameleonSentinel();

    [GeneratedRegex("IMGIMG[A-I]{1,4}Z", Options)]
    private static partial Regex ChameleonImage();

    [GeneratedRegex(@"[\t\n]|    |  ", Options)]
    private static partial Regex ChameleonSpaces();

    [GeneratedRegex(@"[\p{P}!-/:-@\[-`{-~]", Options)]
    private static partial Regex ChameleonPunctuation();

    [GeneratedRegex(@"[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+", Options)]
    private static partial Regex DeepSeek3EastAsian();

    [GeneratedRegex(@"[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+", Options)]
    private static partial Regex DeepSeekEastAsian();

    [GeneratedRegex(@"\s?[" + CasedLetters + "]+", Options)]
    private static partial Regex DeepSeekLetters();

    [GeneratedRegex(@"\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+", Options)]
    private static partial Regex DeepSeekPunctuation();

    [GeneratedRegex(@"\s?\p{L}+", Options)]
    private static partial Regex DeepSeekCoderLetters();

    [GeneratedRegex(@"\s?\p{P}+", Options)]
    private static partial Regex DeepSeekCoderPunctuation();

    // Written \s+$ by its authors; looked for at the first space of a run only, or a run that ends elsewhere costs its square.
    [GeneratedRegex(@"(?<!\s)\s+\z", Options)]
    private static partial Regex SpaceAtEnd();

    [GeneratedRegex(@"[\r\n]", Options)]
    private static partial Regex LineBreak();

    [GeneratedRegex(@"\p{N}+", Options)]
    private static partial Regex Digits();

    [GeneratedRegex("[0-9][0-9][0-9]", Options)]
    private static partial Regex ThreeAsciiDigits();

    [GeneratedRegex(@"[\p{P}\$\+<=>\^~\|]+", Options)]
    private static partial Regex Symbols();

    [GeneratedRegex(@"[\p{P}\$\+<=>\^~\|`]+", Options)]
    private static partial Regex FalconSymbols();

#pragma warning restore MA0009

    private const RegexOptions Options = RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture;

    // Letters that have a case, as deepseek-llm's own file lists them up to U+FFFF; FlatText knows those above.
    private const string CasedLetters =
        @"A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF\u0370-\u0373\u0376\u0377"
        + @"\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F\u0531-\u0556"
        + @"\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15"
        + @"\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE"
        + @"\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113"
        + @"\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184"
        + @"\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E"
        + @"\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A";
}
