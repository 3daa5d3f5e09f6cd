using System.IO.Pipelines;
using System.Text;
using WarpDecode.Runtime.Text;
using Xunit;

namespace WarpDecode.Chat.Tests;

public class AnswerPrinterTests
{
    private const string Call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"s\": \"é\",\n \"n\": [1, 2]}}\n</tool_call>";

    [Theory]
    [InlineData(false, false, "why 🙂\n")]
    [InlineData(true, false, "Thinking…\nwhy 🙂\n\n")]
    [InlineData(true, true, "Thinking…\n\u001b[2mwhy 🙂\u001b[22m\n\n")]
    public async Task AnswersAreTakenApart(bool terminal, bool colors, string thought)
    {
        var (shown, errors, message) = await PrintAsync($"<think>\nwhy 🙂\n</think>\n\nBecause.\n{Call}", terminal, colors);
        Assert.Equal("Because.\n{\"name\":\"f\",\"arguments\":{\"s\":\"é\",\"n\":[1,2]}}\n", shown);
        Assert.Equal(thought, errors);
        Assert.Equal(("assistant", "Because.", "why 🙂"), (message.Role, message.Content, message.Reasoning));
        Assert.Equal(new ToolCall("call_0", "f", "{\"s\": \"é\",\n \"n\": [1, 2]}"), Assert.Single(message.ToolCalls));
    }

    [Fact]
    public async Task ThoughtsDoNotSteerTheTerminal()
    {
        var (_, errors, message) = await PrintAsync("<think>\u001b[2J</think>", terminal: true, colors: true);
        Assert.Equal("Thinking…\n\u001b[2m\uFFFD[2J\u001b[22m\n\n", errors);
        Assert.Equal("", message.Content);
    }

    [Fact]
    public async Task AnAnswerWithoutThoughtsSaysNothingOfThem()
    {
        var (shown, errors, message) = await PrintAsync("Hello.\n", terminal: true, colors: true);
        Assert.Equal(("Hello.\n", "", "Hello.\n"), (shown, errors, message.Content));
        Assert.Null(message.Reasoning);
        Assert.Empty(message.ToolCalls);
    }

    private static async Task<(string Shown, string Errors, ChatMessage Message)> PrintAsync(string answer, bool terminal, bool colors)
    {
        using var stdout = new MemoryStream();
        using var stderr = new MemoryStream();
        var reader = AnswerReader.Create(AnswerFormat.Detect("<tool_call> <think>", _ => false), "");
        var printer = new AnswerPrinter(reader, new AnswerWriter(stdout, terminal: false), new ReasoningWriter(stderr, terminal, colors));
        var pipe = new Pipe();
        foreach (var value in Encoding.UTF8.GetBytes(answer)) await pipe.Writer.WriteAsync(new[] { value });
        await pipe.Writer.CompleteAsync();
        await printer.CopyAsync(pipe.Reader);
        return (Encoding.UTF8.GetString(stdout.ToArray()), Encoding.UTF8.GetString(stderr.ToArray()), printer.Message);
    }
}
