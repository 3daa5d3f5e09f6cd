using System.Globalization;
using System.Text;
using CsCheck;
using Terminal.Gui.Text;
using WarpDecode.Chat.Ui.Text;
using Xunit;

namespace WarpDecode.Chat.Tests.Ui;

public class SafeTextTests
{
    [Theory]
    [InlineData("plain text", "plain text")]
    [InlineData("a\r\nb\nc", "a\nb\nc")]
    [InlineData("a\rb\r", "a␍b␍")]
    [InlineData("tab\tstays", "tab\tstays")]
    [InlineData("\u001b[31mred\u001b[0m", "␛[31mred␛[0m")]
    [InlineData("\u001b]52;c;aGk=\a", "␛]52;c;aGk=␇")]
    [InlineData("\u009b31m \u0090 \u0085", "␛[31m ␛P ␛E")]
    [InlineData("\0\b\u007f", "␀␈␡")]
    [InlineData("\u202eevil\u202c \u2066x\u2069 \u200e\u200f\u061c.", "evil x .")]
    [InlineData("zero\u200bwidth\ufeff\u2060\u00ad", "zerowidth")]
    [InlineData("👩‍👩‍👧", "👩‍👩‍👧")]
    [InlineData("❤\ufe0f", "❤")]
    [InlineData("👋🏽", "👋🏽")]
    [InlineData("می\u200cخواهم", "می\u200cخواهم")]
    [InlineData("line\u2028and\u2029paragraph", "line\nand\nparagraph")]
    public void TextIsMadeHarmless(string text, string expected) => Assert.Equal(expected, SafeText.Clean(text));

    [Fact]
    public void HalvesOfPairsBecomeReplacements()
    {
        Assert.Equal("a\ufffdb", SafeText.Clean("a\ud83db"));
        Assert.Equal("a\ufffdb", SafeText.Clean("a\ude00b"));
        Assert.Equal("a\ufffd", SafeText.Clean("a\ud83d"));
        Assert.Equal("\ufffd😀", SafeText.Clean("\ud83d😀"));
        Assert.Equal("\ufffd", SafeText.Clean("\uffff"));
    }

    [Fact]
    public void MarksAndJoinersHaveLimits()
    {
        Assert.Equal("e" + new string('\u0301', SafeText.MaxMarks) + "x", SafeText.Clean("e" + new string('\u0301', 1000) + "x"));
        var joined = SafeText.Clean(string.Concat(Enumerable.Repeat("👩\u200d", 1000)));
        for (var i = 0; i < joined.Length; i += Graphemes.Next(joined.AsSpan(i)))
            Assert.True(StringInfo.GetNextTextElement(joined, i).Count(c => c == '\u200d') < SafeText.MaxJoined, "the joiners must end");
        Assert.Equal(1000, joined.Count(char.IsHighSurrogate));
        Assert.Equal("a", SafeText.Clean("a\U000E0041\U000E0042")); // text smuggled in as tags
        Assert.Equal("🏴\U000E0067\U000E0062\U000E007F", SafeText.Clean("🏴\U000E0067\U000E0062\U000E007F"));
    }

    /// <summary>Characters of all kinds that matter, halves of pairs among them.</summary>
    internal static readonly Gen<string> AnyText = Gen.OneOf(
        Gen.Char.Select(c => c.ToString()),
        Gen.OneOf("\u001b[0m", "\r", "\n", "\r\n", "\t", "\u0301", "\u200d", "😀", "👩", "\ud83d", "\ude00", "漢", "한", "ᄀ", "🇩", "🇪", "👋🏽", "\u202e",
            "שלום", "अनुच्छेद", "\u009b", "\ufe0f", "\U000E0041", "\u25cc", "a", "bc ", "ﷺ")).List[0, 60].Select(string.Concat);

    [Fact]
    public void PiecesMakeNoDifference() => Gen.Select(AnyText, Gen.Int[1, 5]).Sample((text, size) =>
    {
        var filter = new SafeText();
        var output = new StringBuilder();
        for (var i = 0; i < text.Length; i += size) filter.Append(text.AsSpan(i, Math.Min(size, text.Length - i)), output);
        filter.Complete(output);
        Assert.Equal(SafeText.Clean(text), output.ToString());
    }, iter: 800);

    [Fact]
    public void NoControlSurvivesAndCleanTextStays() => AnyText.Sample(text =>
    {
        var clean = SafeText.Clean(text);
        foreach (var rune in clean.EnumerateRunes())
        {
            Assert.False(Rune.IsControl(rune) && rune.Value is not ('\n' or '\t'), $"U+{rune.Value:X4} is a control character");
            Assert.False(rune.Value is >= 0x202A and <= 0x202E or >= 0x2066 and <= 0x2069 or 0x200E or 0x200F or 0x061C);
        }
        Assert.Equal(clean, SafeText.Clean(clean));
    }, iter: 800);

    [Fact]
    public void WidthsAreThoseOfTheScreen() => AnyText.Sample(text =>
    {
        var clean = SafeText.Clean(text).Replace("\n", "", StringComparison.Ordinal).Replace("\t", "", StringComparison.Ordinal);
        for (var i = 0; i < clean.Length;)
        {
            var length = Graphemes.Next(clean.AsSpan(i));
            Assert.InRange(length, 1, Graphemes.MaxLength);
            var cluster = clean.Substring(i, length);
            Assert.Equal(cluster.GetColumns(), Graphemes.Width(cluster));
            i += length;
        }
        if (clean.Length <= Graphemes.MaxLength) Assert.Equal(clean.GetColumns(), Graphemes.Columns(clean));
    }, iter: 800);

    [Theory]
    [InlineData("abc", 3)]
    [InlineData("漢字", 4)]
    [InlineData("한국", 4)]
    [InlineData("e\u0301", 1)]
    [InlineData("😀", 2)]
    [InlineData("👩‍👩‍👧", 2)]
    [InlineData("👋🏽", 2)]
    [InlineData("🇩🇪", 2)]
    [InlineData("שלום", 4)]
    public void ColumnsOfTexts(string text, int columns)
    {
        Assert.Equal(columns, Graphemes.Columns(text));
        Assert.Equal(columns, text.GetColumns());
    }

    [Fact]
    public void ClustersWithoutEndAreCut()
    {
        var hangul = new string('\u1100', 10_000);
        Assert.Equal(Graphemes.MaxLength, Graphemes.Next(hangul));
        Assert.Equal("漢…", Graphemes.Cut("漢字漢字", 4));
        Assert.Equal("\u25cc\u0301", Graphemes.Fix("\u0301"));
        Assert.Equal(UnicodeCategory.NonSpacingMark, CharUnicodeInfo.GetUnicodeCategory('\u0301'));
    }
}
