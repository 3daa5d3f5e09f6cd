using System.Text;
using CsCheck;
using Xunit;

namespace WarpDecode.Chat.Tests;

public class AnswerWriterTests
{
    [Theory]
    [InlineData("plain\ntext\twith ümläuts, 世界 🙂", "plain\ntext\twith ümläuts, 世界 🙂")]
    [InlineData("\u001b[31mred\u001b[0m", "\uFFFD[31mred\uFFFD[0m")]
    [InlineData("\u009b31m \u0080\u009f \u00a0", "\uFFFD31m \uFFFD\uFFFD \u00a0")]
    [InlineData("a\rb\bc\ad\0e\u007f", "a\uFFFDb\uFFFDc\uFFFDd\uFFFDe\uFFFD")]
    public void ATerminalIsNotSteered(string answer, string shown)
    {
        var bytes = Encoding.UTF8.GetBytes(answer);
        for (var size = 1; size <= bytes.Length; size++) Assert.Equal(shown, Encoding.UTF8.GetString(Write(bytes, size, terminal: true)));
    }

    [Fact]
    public void HoweverTheAnswerIsCutNoControlCharacterPasses() => Gen.Select(Gen.String[Gen.Char[(char)0, 'Ā'], 0, 40], Gen.Int[1, 5]).Sample((answer, size) =>
    {
        var shown = Encoding.UTF8.GetString(Write(Encoding.UTF8.GetBytes(answer), size, terminal: true));
        Assert.Equal(string.Concat(answer.Select(c => char.IsControl(c) && c is not ('\n' or '\t') ? '\uFFFD' : c)), shown);
    });

    [Fact]
    public void AFileGetsTheBytesAsTheyAre()
    {
        byte[] bytes = [.. "a\u001b[31m\u009b\r\n"u8, 0xC2, 0xFF];
        Assert.Equal(bytes, Write(bytes, 3, terminal: false));
    }

    [Theory]
    [InlineData("line", true, "line\n", "line\n")]
    [InlineData("line\n", true, "line\n", "line\n")]
    [InlineData("", true, "", "")]
    [InlineData("line", false, "line", "line\n")]
    [InlineData("line\n", false, "line\n", "line\n\n")]
    public void LinesEndWhereTheyShould(string answer, bool terminal, string alone, string amongOthers)
    {
        foreach (var (end, expected) in new (Action<AnswerWriter>, string)[] { (w => w.EndLine(), alone), (w => w.EndAnswer(), amongOthers) })
        {
            using var stream = new MemoryStream();
            var writer = new AnswerWriter(stream, terminal);
            writer.Write(Encoding.UTF8.GetBytes(answer));
            end(writer);
            Assert.Equal(expected, Encoding.UTF8.GetString(stream.ToArray()));
        }
    }

    private static byte[] Write(byte[] bytes, int size, bool terminal)
    {
        using var stream = new MemoryStream();
        var writer = new AnswerWriter(stream, terminal);
        foreach (var piece in bytes.Chunk(size)) writer.Write(piece);
        return stream.ToArray();
    }
}
