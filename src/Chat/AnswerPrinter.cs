using System.IO.Pipelines;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat;

/// <summary>Shows an answer as it comes: content, calls as a line of JSON each, and reasoning where it is wanted. Keeps all of it.</summary>
/// <param name="reader">Takes the answer apart.</param>
/// <param name="output">Where content and calls go.</param>
/// <param name="reasoning">Where reasoning goes, or null to leave it out.</param>
internal sealed class AnswerPrinter(AnswerReader reader, AnswerWriter output, ReasoningWriter? reasoning)
{
    private static readonly JsonWriterOptions OneLine = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly List<AnswerEvent> events = [];
    private readonly List<ToolCall> calls = [];
    private readonly StringBuilder content = new();
    private readonly StringBuilder thought = new();

    /// <summary>The answer as a message of the conversation.</summary>
    public ChatMessage Message => new("assistant", content.ToString())
    {
        Reasoning = thought.Length > 0 ? thought.ToString() : null,
        ToolCalls = [.. calls],
    };

    /// <summary>Shows all that a pipe of UTF-8 brings.</summary>
    public async Task CopyAsync(PipeReader pipe)
    {
        var decoder = Encoding.UTF8.GetDecoder();
        var characters = new char[4096];
        while (true)
        {
            var read = await pipe.ReadAsync();
            foreach (var segment in read.Buffer)
            {
                for (var bytes = segment.Span; !bytes.IsEmpty;)
                {
                    decoder.Convert(bytes, characters, flush: false, out var used, out var count, out _);
                    reader.Write(characters.AsSpan(0, count), events);
                    bytes = bytes[used..];
                }
            }
            Show();
            pipe.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted) break;
        }
        await pipe.CompleteAsync();
        reader.Finish(events);
        Show();
        reasoning?.End();
    }

    private void Show()
    {
        foreach (var piece in events)
        {
            if (piece.Kind == AnswerKind.Reasoning)
            {
                thought.Append(piece.Text);
                reasoning?.Write(piece.Text);
                continue;
            }
            reasoning?.End();
            if (piece.Call is { } call)
            {
                calls.Add(call);
                output.BreakLine();
                output.Write(Line(call));
            }
            else
            {
                content.Append(piece.Text);
                output.Write(piece.Text);
            }
        }
        events.Clear();
    }

    /// <summary>A call as a line of JSON.</summary>
    internal static string Line(ToolCall call)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, OneLine))
        {
            writer.WriteStartObject();
            writer.WriteString("name", call.Name);
            writer.WritePropertyName("arguments");
            using (var arguments = JsonDocument.Parse(call.Arguments)) arguments.RootElement.WriteTo(writer);
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(stream.ToArray()) + "\n";
    }
}
