using System.Diagnostics;
using System.Globalization;
using CsCheck;
using WarpDecode.Runtime.Text;
using Xunit;

namespace WarpDecode.Runtime.Tests.Text;

public sealed class PreTokenizerTests
{
    public static TheoryData<string> Known => [.. PreTokenizer.Names.Split(", ")];

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
            foreach (var (before, after) in new[] { ("", ""), ("x", "1"), (" ", "!"), ("", "\n"), ("1", " x") })
                pre.Split(before + string.Concat(Enumerable.Repeat(unit, 40_000)) + after);
        }
        // 90 texts of 40,000 to 80,000 characters, about 3 s on a slow machine; one quadratic case alone takes 10⁹ steps.
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(30), $"took {clock.Elapsed.TotalSeconds.ToString(CultureInfo.InvariantCulture)} s");
    }
}
