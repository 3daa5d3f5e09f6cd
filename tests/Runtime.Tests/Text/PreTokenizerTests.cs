using System.Diagnostics;
using System.Globalization;
using CsCheck;
using WarpDecode.Runtime.Text;
using Xunit;

namespace WarpDecode.Runtime.Tests.Text;

public sealed class PreTokenizerTests
{
    // One name of each group that is cut alike.
    public static TheoryData<string> Known =>
    [
        "default", "gpt-2", "starcoder", "llama-bpe", "minicpm5", "jais-2", "qwen2", "seed-coder", "ufakzeka", "laguna", "qwen35", "exaone-moe", "deepseek-llm", "deepseek-coder",
        "deepseek-v3", "spark2_5", "afmoe", "falcon", "gpt-4o", "tekken", "youtu", "tiny_aya", "kimi-k2", "superbpe", "bloom", "viking", "chameleon", "gemma4",
    ];

    [Theory]
    [MemberData(nameof(Known))]
    public void WordsAreTheWholeText(string name)
    {
        var pre = PreTokenizer.Find(name)!;
        TokenizerTests.AnyText.Sample(text =>
        {
            var at = 0;
            foreach (var (start, length) in pre.Split(text))
            {
                Assert.Equal(at, start);
                Assert.True(length > 0 || text.Length == 0);
                at += length;
                // No word ends between the halves of a character.
                Assert.False(at < text.Length && at > 0 && char.IsSurrogatePair(text[at - 1], text[at]));
            }
            Assert.Equal(text.Length, at);
        });
    }

    [Theory]
    [InlineData("gpt-2", "Hello  world\n\n x's 12345!!", "Hello| | world|\n\n| x|'s| 12345|!!")]
    [InlineData("starcoder", "a 123 b", "a| |1|2|3| b")]
    [InlineData("llama-bpe", "I'LL go 12345!\n\n x", "I|'LL| go| |123|45|!\n\n| x")]
    [InlineData("qwen2", "I'LL go 123!\n\n x", "I|'LL| go| |1|2|3|!\n\n| x")]
    [InlineData("deepseek-v3", "日本go 1234.5 x", "日本|go| |123|4|.|5| x")]
    [InlineData("deepseek-llm", "a中文 12!\n b  ", "a|中文| |12|!|\n| b|  ")]
    [InlineData("deepseek-coder", "a中文 12!\nb", "a|中文| |1|2|!|\n|b")]
    [InlineData("falcon", "a$b `c` 12345", "a|$|b| |`|c|`| |123|45")]
    [InlineData("default", "a$b 12345 x", "a|$|b| |123|45| x")]
    [InlineData("gpt-4o", "camelCaseÉtude 1234/\n", "camel|Case|Étude| |123|4|/\n")]
    public void CutsAsTheExpressionsSay(string name, string text, string words) =>
        Assert.Equal(words, string.Join('|', PreTokenizer.Find(name)!.Split(text).Select(w => text.Substring(w.Start, w.Length))));

    private const string Contraction = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
    private const string Breaks = @"|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";
    private const string Upper = @"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", Lower = @"\p{Ll}\p{Lm}\p{Lo}\p{M}";
    private const string DeepSeek3 = @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+";
    private const string EastAsian = @"[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+";
    private const string Han = @"\u2E80-\u2E99\u2E9B-\u2EF3\u2F00-\u2FD5\u3005\u3007\u3021-\u3029\u3038-\u303B\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFA6D\uFA70-\uFAD9";

    private static string Cased(string upper, string lower, string end, string numbers, string slash) =>
        $@"[^\r\n\p{{L}}\p{{N}}]?{upper}*{lower}+{end}|[^\r\n\p{{L}}\p{{N}}]?{upper}+{lower}*{end}|{numbers}| ?[^\s\p{{L}}\p{{N}}]+[\r\n{slash}]*" + Breaks;

    private static string Letters(string numbers) => Contraction + $@"|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{numbers}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*";

    /// <summary>The expressions of the tokenizers' own files, for the names whose words are scanned by hand.</summary>
    public static TheoryData<string, string[]> Expressions => new()
    {
        { "gpt-2", [Gpt2] },
        { "starcoder", [@"\p{N}", Gpt2] },
        { "llama-bpe", [Letters(@"\p{N}{1,3}") + Breaks] },
        { "qwen2", [Letters(@"\p{N}") + Breaks] },
        { "bailingmoe", [@"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"] },
        { "minicpm5", [@"\p{N}{1,3}", Letters(@"\p{N}+") + Breaks] },
        { "jais-2", [Letters(@"\p{N}{1,3}") + @"|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}"] },
        { "seed-coder", [Contraction + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+" + Breaks] },
        { "ufakzeka", [@"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + Breaks] },
        { "laguna", [@"[^\n]+|[\n]+", Letters(@"\p{N}") + Breaks] },
        { "qwen35", [Contraction + @"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + Breaks] },
        { "exaone-moe", [Contraction + @"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"] },
        { "deepseek-v3", [@"\p{N}{1,3}", EastAsian, DeepSeek3 + @"[\r\n]*" + Breaks] },
        { "spark2_5", [@"\p{N}{1,3}", EastAsian, DeepSeek3 + @"|[\r\n]|\s+(?!\S)|\s+", @"\p{N}"] },
        { "gpt-4o", [Cased($"[{Upper}]", $"[{Lower}]", Contraction + "?", @"\p{N}{1,3}", "/")] },
        { "tekken", [Cased($"[{Upper}]", $"[{Lower}]", "", @"\p{N}", "/")] },
        { "kimi-k2", [$"[{Han}]+|" + Cased($"[{Upper}-[{Han}]]", $"[{Lower}-[{Han}]]", Contraction + "?", @"\p{N}{1,3}", "")] },
        { "tiny_aya", [@"\d{1,3}(?=(?:\d{3})*(?![\p{L}\p{M}\p{Nd}\p{Pc}]))", Cased($"[{Upper}]", $"[{Lower}]", Contraction + "?", @"\p{N}{1,3}", "/")] },
        { "superbpe", [@"\p{N}+", @"(?=(?:\p{N}{3})+(?!\p{N}))"] },
    };

    [Theory]
    [MemberData(nameof(Expressions))]
    public void ScansAsTheExpressionsMatch(string name, string[] expressions)
    {
        var pre = PreTokenizer.Find(name)!;
        var stages = expressions.Select(e => new System.Text.RegularExpressions.Regex(e, System.Text.RegularExpressions.RegexOptions.CultureInvariant, TimeSpan.FromSeconds(20))).ToList();
        var characters = Gen.OneOf(TokenizerTests.AnyText, TokenizerModels.AnyOf("a", "B", "中", "々", "1", "²", "٣", " ", "  ", "\n", "\r\n", "\t", "'", "'s", "'LL", "!", "/", "$", "\u0301", "ा", "ǅ", "ʰ", "\u0001", "_", "123456 ", "   x")
            .Array[0, 12].Select(string.Concat));
        characters.Select(text => string.Concat(text.Where(c => !char.IsSurrogate(c)))).Sample(text =>
        {
            var pieces = new List<string> { text };
            foreach (var stage in stages)
            {
                var next = new List<string>();
                foreach (var piece in pieces)
                {
                    var end = 0;
                    foreach (System.Text.RegularExpressions.Match match in stage.Matches(piece))
                    {
                        next.Add(piece[end..match.Index]);
                        next.Add(match.Value);
                        end = match.Index + match.Length;
                    }
                    next.Add(piece[end..]);
                }
                pieces = [.. next.Where(p => p.Length > 0)];
            }
            Assert.Equal(pieces, pre.Split(text).Select(w => text.Substring(w.Start, w.Length)));
        }, iter: 1500);
    }

    [Fact]
    public void CharactersAboveTheBasicPlaneCountAsOneOfTheirCategory()
    {
        static string Words(string name, string text) =>
            string.Join('|', PreTokenizer.Find(name)!.Split(text).Select(w => text.Substring(w.Start, w.Length)));
        Assert.Equal("𝐀𝐛𠀀| 🚀🚀|𝟏𝟐", Words("gpt-2", "𝐀𝐛𠀀 🚀🚀𝟏𝟐")); // letters, symbols, digits
        Assert.Equal("𝟏𝟐𝟑|𝟒", Words("llama-bpe", "𝟏𝟐𝟑𝟒"));
        Assert.Equal("𝐛𝐛|𝐀𝐛", Words("gpt-4o", "𝐛𝐛𝐀𝐛"));
        // deepseek-llm names Deseret but not the mathematical letters, nor ideographs above the basic plane.
        Assert.Equal(" 𐐀𐐨|𝐀𝐛 𠀀", Words("deepseek-llm", " 𐐀𐐨𝐀𝐛 𠀀"));
    }

    [Fact]
    public void OnlyKnownNamesAreFound()
    {
        Assert.All(PreTokenizer.Names.Split(", "), name => Assert.NotNull(PreTokenizer.Find(name)));
        Assert.Null(PreTokenizer.Find("gpt2"));
        Assert.Null(PreTokenizer.Find(""));
    }

    [Theory]
    [MemberData(nameof(Known))]
    public void NoTextTakesMoreThanLinearTime(string name)
    {
        var pre = PreTokenizer.Find(name)!;
        var clock = Stopwatch.StartNew();
        foreach (var unit in new[] { "a", "A", "é", "中", "1", " ", "\n", "\t", ".", "$", "'", "🚀", "\u0301", " \n", "a ", "A1", "'s", " ." })
        {
            foreach (var (before, after) in new[] { ("", ""), (" ", "1") })
                pre.Split(before + string.Concat(Enumerable.Repeat(unit, 20_000)) + after);
        }
        // 36 texts of 20,000 to 40,000 characters, far below a second; one quadratic case alone takes 10⁸ steps and more, each of them dear.
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(10), $"took {clock.Elapsed.TotalSeconds.ToString(CultureInfo.InvariantCulture)} s");
    }
}
