using System.Buffers;
using System.Text;
using System.Text.Json;
using WarpDecode.Runtime.Text;
using Xunit;

namespace WarpDecode.Runtime.Tests.Text;

/// <summary>What was read of an answer.</summary>
internal sealed record Answer(string Reasoning, string Content, IReadOnlyList<ToolCall> Calls)
{
    /// <summary>All in one text, to compare.</summary>
    public override string ToString() =>
        $"reasoning: {Reasoning}\ncontent: {Content}\n{string.Join('\n', Calls.Select(c => $"{c.Id} {c.Name} {c.Arguments}"))}";
}

/// <summary>Reads answers in tests.</summary>
internal static class Answers
{
    /// <summary>A format by name, with the reasoning of a template.</summary>
    public static AnswerFormat Format(string name, string template = "<think></think>") => AnswerFormat.Detect(template, _ => false, name);

    /// <summary>Reads pieces of text.</summary>
    public static Answer Read(AnswerFormat format, string prompt, IEnumerable<string> pieces, IReadOnlyList<ToolDefinition>? tools = null)
    {
        var reader = AnswerReader.Create(format, prompt, tools);
        var events = new List<AnswerEvent>();
        foreach (var piece in pieces) reader.Write(piece, events);
        reader.Finish(events);
        return Join(events);
    }

    /// <summary>Reads an answer whole, in every two pieces, and byte by byte as a model's tokens may come: the same each time.</summary>
    public static Answer ReadInEverySplit(AnswerFormat format, string prompt, string text, IReadOnlyList<ToolDefinition>? tools = null)
    {
        var whole = Read(format, prompt, [text], tools);
        for (var cut = 0; cut <= text.Length; cut++)
        {
            var two = Read(format, prompt, [text[..cut], text[cut..]], tools);
            Assert.True(whole.ToString() == two.ToString(), $"cut at {cut} of {text}\n{two}\ninstead of\n{whole}");
        }
        Assert.Equal(whole.ToString(), Read(format, prompt, text.Select(c => c.ToString()), tools).ToString());
        Assert.Equal(whole.ToString(), Read(format, prompt, Bytes(text), tools).ToString());
        return whole;
    }

    /// <summary>Says what is wrong with the parts that any answer must have.</summary>
    public static void CheckCalls(Answer answer)
    {
        foreach (var call in answer.Calls)
        {
            Assert.NotEmpty(call.Id);
            Assert.NotEmpty(call.Name);
            using var arguments = JsonDocument.Parse(call.Arguments);
            Assert.Equal(JsonValueKind.Object, arguments.RootElement.ValueKind);
        }
    }

    private static Answer Join(List<AnswerEvent> events)
    {
        var (reasoning, content, calls) = (new StringBuilder(), new StringBuilder(), new List<ToolCall>());
        foreach (var piece in events)
        {
            if (piece.Call is { } call) calls.Add(call);
            else (piece.Kind == AnswerKind.Reasoning ? reasoning : content).Append(piece.Text);
        }
        return new Answer(reasoning.ToString(), content.ToString(), calls);
    }

    // One byte at a time, through the stream that makes characters of bytes.
    private static IEnumerable<string> Bytes(string text)
    {
        var characters = new Utf8Stream();
        var buffer = new ArrayBufferWriter<byte>();
        foreach (var value in Encoding.UTF8.GetBytes(text))
        {
            buffer.ResetWrittenCount();
            characters.Write([value], buffer);
            yield return Encoding.UTF8.GetString(buffer.WrittenSpan);
        }
    }
}
