using Xunit;

namespace WarpDecode.Formats.Tests;

public class ModelFileExceptionTests
{
    // Escape sequences that recolour, move, retitle or ring; line breaks that fake lines; characters that turn or hide text.
    public static TheoryData<string> Dangerous =>
    [
        "\u001b[31mred", "\u001b]0;title\u0007", "a\rb", "a\nb", "a\tb", "a\0b", "\u007f", "\u0085", "\u009b31m", "\u2028", "\u2029",
        "\u202a", "\u202e", "\u2066", "\u2069", "\u200b", "\u200f", "\u061c", "\ufeff", "\U000E0041", "\u00ad", "\ud800",
    ];

    [Theory]
    [MemberData(nameof(Dangerous))]
    public void KeepsWhatCouldDriveATerminalOutOfTheMessage(string text)
    {
        var e = new ModelFileException("what " + text, "file " + text, "item " + text, 7, "expected " + text, "found " + text, "Advice.");
        Walk.AssertPrintable(e.Message, 500);
        Assert.DoesNotContain('\u2028', e.Message);
        Assert.DoesNotContain('\u2029', e.Message);
        Assert.DoesNotContain(e.Message, char.IsSurrogate);
        Assert.InRange(e.Message.Count(c => c == '\uFFFD'), 5, 15); // every part shows that something was there
        foreach (var part in (string[])["file ", ": what ", " 'item ", " at offset 7: expected expected ", ", found found "])
            Assert.Contains(part, e.Message, StringComparison.Ordinal);
        Assert.Equal("item " + text, e.Item); // for programs, as it is
    }

    [Theory]
    [InlineData("\u001b[2J\u001b[Hx")]
    [InlineData("\u202egnp.exe")]
    public void NamesFromAFileAreSafeInItsMessages(string name)
    {
        using var file = new TempFile(new GgufWriter("x").Add(name, 1u).Add(name, WeightType.I8, [2], s => s.Write([1, 2])));
        using (var model = ModelFile.Open(file.Path))
        {
            Walk.AssertPrintable(Assert.Throws<ModelFileException>(() => model.Metadata.GetString(name)).Message, 500);
            Walk.AssertPrintable(model.Tensors[0].ToString(), 100);
        }
        using (var stream = new FileStream(file.Path, FileMode.Open)) stream.SetLength(stream.Length - 31); // half the tensor and the padding
        var error = Assert.Throws<ModelFileException>(() => ModelFile.Open(file.Path));
        Assert.Equal(name, error.Item);
        Walk.AssertPrintable(error.Message, 500);
    }

    [Fact]
    public void CutsLongNames()
    {
        var e = new ModelFileException("what", "file", new string('x', 10_000), found: new string('y', 10_000));
        Assert.InRange(e.Message.Length, 400, 450);
        Assert.Contains('…', e.Message);
    }

    [Fact]
    public void DoesNotCutACharacterInHalf() =>
        Assert.Equal("ab…", ModelFileException.Printable("ab\U0001F600", 3));

    [Fact]
    public void KeepsOrdinaryTextOfAnyScript() =>
        Assert.Equal("Zürich 東京 \U0001F600 <｜begin▁of▁sentence｜>", ModelFileException.Printable("Zürich 東京 \U0001F600 <｜begin▁of▁sentence｜>"));

    [Theory]
    [InlineData(null, null, null, null, "f: what")]
    [InlineData("item", null, null, null, "f: what 'item'")]
    [InlineData("item", 12L, null, null, "f: what 'item' at offset 12")]
    [InlineData("item", 12L, "a", "b", "f: what 'item' at offset 12: expected a, found b")]
    [InlineData(null, null, null, "b", "f: what: found b")]
    public void ComposesWhatIsKnown(string? item, long? offset, string? expected, string? found, string message) =>
        Assert.Equal(message, new ModelFileException("what", "f", item, offset, expected, found).Message);
}
