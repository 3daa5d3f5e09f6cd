using System.Globalization;
using System.Text.RegularExpressions;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// Cuts text into the words within which tokens may merge: a cascade of expressions, each splitting every piece that the one
/// before left; what an expression does not match stays as a piece. The expressions are those of the models' own tokenizer.json
/// files, under the names that llama.cpp gave them (llama-vocab.cpp).
/// </summary>
/// <remarks>
/// They are generated at build time: nothing to parse or compile at start, and only those of the model in hand are ever jitted.
/// None can run away on hostile text: no quantifier is nested and each is linear in the piece (a test feeds them long runs of
/// one character), so they carry no time limit.
/// </remarks>
internal sealed partial class PreTokenizer
{
    /// <summary>Names of <c>tokenizer.ggml.pre</c> that are understood, for messages.</summary>
    public const string Names = "default, gpt-2, mpt, olmo, starcoder, refact, command-r, smollm, llama-bpe, qwen2, deepseek-llm, "
        + "deepseek-coder, deepseek-v3, falcon, gpt-4o";

    private readonly Regex[] stages;

    private PreTokenizer(params Regex[] stages) => this.stages = stages;

    /// <summary>Whether a word that is a token is that token, even where merging would end elsewhere.</summary>
    public bool WholeWords { get; private init; }

    /// <summary>Whether files with this pre-tokenizer mean a BOS token when they do not say.</summary>
    public bool AddBos { get; private init; }

    /// <summary>The pre-tokenizer of that name, or null for one that is not known.</summary>
    public static PreTokenizer? Find(string name) => name switch
    {
        "default" => new(Symbols(), Gpt2(), Digits(), ThreeAsciiDigits()),
        "gpt-2" or "phi-2" or "mpt" or "olmo" => new(Gpt2()),
        "starcoder" or "refact" or "command-r" or "smollm" => new(OneDigit(), Gpt2()),
        "llama-bpe" or "llama3" or "llama-v3" => new(Llama3()) { WholeWords = true, AddBos = true },
        "qwen2" or "deepseek-r1-qwen" => new(Qwen2()),
        "deepseek-llm" => new(LineBreak(), DeepSeekLetters(), DeepSeekPunctuation(), SpaceAtEnd(), DeepSeekEastAsian(), Digits()),
        "deepseek-coder" => new(LineBreak(), DeepSeekCoderLetters(), DeepSeekCoderPunctuation(), DeepSeekEastAsian(), OneDigit()),
        "deepseek-v3" => new(ThreeDigits(), DeepSeek3EastAsian(), DeepSeek3()),
        "falcon" => new(FalconSymbols(), Gpt2(), ThreeAsciiDigits()),
        "gpt-4o" or "llama4" => new(Gpt4o()),
        _ => null,
    };

    /// <summary>Start and length of each word, in UTF-16 units; together they are the whole text.</summary>
    public List<(int Start, int Length)> Split(ReadOnlySpan<char> text)
    {
        if (!text.ContainsAnyInRange('\uD800', '\uDFFF')) return Cascade(text);

        // .NET's expressions see UTF-16 units. Each character above U+FFFF is one stand-in here, of its category and like it in
        // no range that an expression names, so that classes and counts come out as they do on code points.
        var flat = new char[text.Length];
        var origin = new int[text.Length + 1];
        var count = 0;
        for (var i = 0; i < text.Length; count++)
        {
            origin[count] = i;
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                flat[count] = StandIn(char.ConvertToUtf32(text[i], text[i + 1]));
                i += 2;
            }
            else
            {
                flat[count] = char.IsSurrogate(text[i]) ? '\uFFFD' : text[i]; // the character it will be encoded as
                i++;
            }
        }
        origin[count] = text.Length;
        var words = Cascade(flat.AsSpan(0, count));
        for (var i = 0; i < words.Count; i++)
        {
            var (start, length) = words[i];
            words[i] = (origin[start], origin[start + length] - origin[start]);
        }
        return words;
    }

    private List<(int Start, int Length)> Cascade(ReadOnlySpan<char> text)
    {
        var pieces = new List<(int Start, int Length)> { (0, text.Length) };
        foreach (var stage in stages)
        {
            var next = new List<(int Start, int Length)>(pieces.Count + (text.Length / 5));
            foreach (var (start, length) in pieces)
            {
                var end = start;
                foreach (var match in stage.EnumerateMatches(text.Slice(start, length)))
                {
                    var at = start + match.Index;
                    if (at > end) next.Add((end, at - end));
                    next.Add((at, match.Length));
                    end = at + match.Length;
                }
                if (end < start + length) next.Add((end, start + length - end));
            }
            pieces = next;
        }
        return pieces;
    }

    // deepseek-llm names ranges of cased letters above U+FFFF (Deseret, Osage, Old Hungarian, Warang Citi, Adlam): inside them the
    // stand-in is a letter its class holds, outside them one that neither it nor the East Asian class holds.
    private static char StandIn(int codePoint)
    {
        var named = codePoint is (>= 0x10400 and <= 0x1044F) or (>= 0x104B0 and <= 0x104D3) or (>= 0x104D8 and <= 0x104FB)
            or (>= 0x10C80 and <= 0x10CB2) or (>= 0x10CC0 and <= 0x10CF2) or (>= 0x118A0 and <= 0x118DF) or (>= 0x1E900 and <= 0x1E943);
        return CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
        {
            UnicodeCategory.UppercaseLetter => named ? '\u0410' : '\uA790',
            UnicodeCategory.LowercaseLetter => named ? '\u0430' : '\uA791',
            UnicodeCategory.TitlecaseLetter => '\u01C5',
            UnicodeCategory.ModifierLetter => '\u02B0',
            UnicodeCategory.OtherLetter => '\u05D0',
            UnicodeCategory.NonSpacingMark => '\u0300',
            UnicodeCategory.SpacingCombiningMark => '\uA823',
            UnicodeCategory.EnclosingMark => '\u0488',
            UnicodeCategory.DecimalDigitNumber => '\u0660',
            UnicodeCategory.LetterNumber => '\uA6E6',
            UnicodeCategory.OtherNumber => '\u00B2',
            UnicodeCategory.ConnectorPunctuation or UnicodeCategory.DashPunctuation or UnicodeCategory.OpenPunctuation
                or UnicodeCategory.ClosePunctuation or UnicodeCategory.InitialQuotePunctuation
                or UnicodeCategory.FinalQuotePunctuation or UnicodeCategory.OtherPunctuation => '\u055A',
            UnicodeCategory.MathSymbol => '\u00D7',
            UnicodeCategory.CurrencySymbol => '\u00A4',
            UnicodeCategory.ModifierSymbol => '\u02C2',
            UnicodeCategory.OtherSymbol => '\u00A6',
            UnicodeCategory.Format => '\u00AD',
            _ => '\uE000', // private use and unassigned
        };
    }

#pragma warning disable MA0009 // no time limit: see the remarks on the class

    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)", Options)]
    private static partial Regex Gpt2();

    [GeneratedRegex(Contraction + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + SymbolsAndSpace, Options)]
    private static partial Regex Llama3();

    [GeneratedRegex(Contraction + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + SymbolsAndSpace, Options)]
    private static partial Regex Qwen2();

    // The original's letter classes; llama.cpp's rewriting of them tells only ASCII letters' case apart.
    [GeneratedRegex(@"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + Contraction + "?"
        + @"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + Contraction + "?"
        + @"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+", Options)]
    private static partial Regex Gpt4o();

    [GeneratedRegex(@"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
        + @"|\s*[\r\n]+|\s+(?!\S)|\s+", Options)]
    private static partial Regex DeepSeek3();

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

    [GeneratedRegex(@"\p{N}", Options)]
    private static partial Regex OneDigit();

    [GeneratedRegex(@"\p{N}{1,3}", Options)]
    private static partial Regex ThreeDigits();

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

    private const string Contraction = "('[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";

    private const string SymbolsAndSpace = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    // Letters that have a case, as deepseek-llm's own file lists them up to U+FFFF; StandIn knows those above.
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
