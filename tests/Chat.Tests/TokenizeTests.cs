using System.Text;
using System.Text.Json;
using Xunit;

namespace WarpDecode.Chat.Tests;

public sealed class TokenizeTests(ModelFiles files) : IClassFixture<ModelFiles>
{
    public static TheoryData<string> Texts =>
    [
        "Hello, world!", "  two  spaces ", "tabs\tand\nlines\r\n\n", "Grüße aus Köln, 世界 🙂👩‍👩‍👧", "<|im_start|>user\nhi<|im_end|>", "12345 67,890",
        "\0\u0001\u001b[31m", "\uFEFFmark", "--", "-5 degrees", "word",
    ];

    [Theory]
    [MemberData(nameof(Texts))]
    public void RoundTrip(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var path = files.Write($"{Guid.NewGuid():N}.txt", bytes);
        var piped = WdRun.RunWith(bytes, "tokenize", WdRun.Model).Succeeds().Text.TrimEnd('\n');
        Assert.Equal(bytes, WdRun.Run("detokenize", WdRun.Model, piped.Replace(' ', ',')).Succeeds().Bytes);
        var plain = WdRun.Run("tokenize", WdRun.Model, "-f", path, "--no-special").Succeeds().Text.TrimEnd('\n');
        if (!text.Contains("<|", StringComparison.Ordinal)) Assert.Equal(piped, plain); // this model has no BOS
        else Assert.Equal(bytes, WdRun.Run("detokenize", WdRun.Model, plain).Succeeds().Bytes);
    }

    [Fact]
    public void TextOnTheCommandLineIsTheSameText()
    {
        var ids = WdRun.RunWith("hello world", "tokenize", WdRun.Model).Succeeds().Text;
        Assert.Matches(@"\A\d+( \d+)*\n\z", ids);
        Assert.Equal(ids, WdRun.Run("tokenize", WdRun.Model, "hello world").Succeeds().Text);
        Assert.Equal(ids, WdRun.Run("tokenize", files.VocabularyOnly, "hello world").Succeeds().Text);
        Assert.NotEqual(ids, WdRun.RunWith("hello world\n", "tokenize", WdRun.Model).Succeeds().Text); // the newline counts
        Assert.Equal(WdRun.RunWith("-hello", "tokenize", WdRun.Model).Text, WdRun.Run("tokenize", WdRun.Model, "--", "-hello").Succeeds().Text);
        Assert.Equal(WdRun.RunWith("-5", "tokenize", WdRun.Model).Text, WdRun.Run("tokenize", WdRun.Model, "-5").Succeeds().Text);
        Assert.Equal(WdRun.RunWith("@x [y]", "tokenize", WdRun.Model).Text, WdRun.Run("tokenize", WdRun.Model, "@x [y]").Succeeds().Text);
    }

    [Fact]
    public void JsonHoldsTheIds()
    {
        var plain = WdRun.Run("tokenize", WdRun.Model, "hello world").Succeeds().Text.TrimEnd('\n').Split(' ').Select(int.Parse);
        using var json = JsonDocument.Parse(WdRun.Run("tokenize", WdRun.Model, "hello world", "--json").Succeeds().Bytes);
        Assert.Equal(plain, json.RootElement.GetProperty("tokens").EnumerateArray().Select(t => t.GetInt32()));
        Assert.Single(json.RootElement.EnumerateObject());
    }

    [Fact]
    public void EmptyTextHasNoIds()
    {
        Assert.Equal("\n", WdRun.Run("tokenize", WdRun.Model, "").Succeeds().Text);
        Assert.Equal("\n", WdRun.RunWith("", "tokenize", WdRun.Model).Succeeds().Text);
        using var json = JsonDocument.Parse(WdRun.Run("tokenize", WdRun.Model, "", "--json").Succeeds().Bytes);
        Assert.Equal(0, json.RootElement.GetProperty("tokens").GetArrayLength());
        Assert.Equal("", WdRun.Run("detokenize", WdRun.Model, "").Succeeds().Text);
    }

    [Fact]
    public void SpecialTokensAreReadUnlessTheyAreNotWanted()
    {
        const string text = "<|im_start|>user";
        var read = WdRun.Run("tokenize", WdRun.Model, text).Succeeds().Text.Split(' ');
        var spelled = WdRun.Run("tokenize", WdRun.Model, text, "--no-special").Succeeds().Text.Split(' ');
        Assert.True(read.Length < spelled.Length);
        Assert.Equal("<|im_start|>", WdRun.Run("detokenize", WdRun.Model, read[0]).Succeeds().Text);
        Assert.Equal(text, WdRun.Run(["detokenize", WdRun.Model, .. spelled.Select(id => id.Trim())]).Succeeds().Text);
    }

    [Fact]
    public void BytesThatAreNotUtf8BecomeTheReplacementCharacter()
    {
        var path = files.Write("latin1.txt", [0x47, 0x72, 0xFC, 0xDF, 0x65]);
        var ids = WdRun.Run("tokenize", WdRun.Model, "-f", path).Succeeds().Text;
        Assert.Equal(WdRun.RunWith("Gr\uFFFD\uFFFDe", "tokenize", WdRun.Model).Succeeds().Text, ids);
        Assert.Contains("U+FFFD", WdRun.Run("tokenize", "--help").Text, StringComparison.Ordinal);
    }

    [Fact]
    public void IdsMayBeSeparatedInAnyUsualWay()
    {
        var text = WdRun.Run("detokenize", WdRun.Model, "71,68,427,78").Succeeds().Text;
        Assert.Equal("hello", text);
        Assert.Equal(text, WdRun.Run("detokenize", WdRun.Model, "71", "68", "427", "78").Succeeds().Text);
        Assert.Equal(text, WdRun.Run("detokenize", WdRun.Model, "[71, 68, 427, 78]").Succeeds().Text);
    }
}
