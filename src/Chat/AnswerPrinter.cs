using System.IO.Pipelines;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat;

/// <summary>Shows an answer as it comes: content, calls as a line of JSON each, and reasoning where it is wanted. Keeps all of it.</summary>
internal sealed class AnswerPrinter : IAnswerSink
{
    private static readonly JsonWriterOptions OneLine = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly AnswerIntake intake;
    private readonly AnswerWriter output;
    private readonly ReasoningWriter? reasoning;

    /// <param name="reader">Takes the answer apart.</param>
    /// <param name="output">Where content and calls go.</param>
    /// <param name="reasoning">Where reasoning goes, or null to leave it out.</param>
    public AnswerPrinter(AnswerReader reader, AnswerWriter output, ReasoningWriter? reasoning)
    {
        intake = new AnswerIntake(reader, this);
        (this.output, this.reasoning) = (output, reasoning);
    }

    /// <summary>The answer as a message of the conversation.</summary>
    public ChatMessage Message => intake.Message;

    /// <summary>Shows all that a pipe of UTF-8 brings.</summary>
    public async Task CopyAsync(PipeReader pipe)
    {
        await intake.CopyAsync(pipe);
        intake.Finish();
        reasoning?.End();
    }

    void IAnswerSink.Reasoning(string text) => reasoning?.Write(text);

    void IAnswerSink.Content(string text)
    {
        reasoning?.End();
        output.Write(text);
    }

    void IAnswerSink.Call(ToolCall call)
    {
        reasoning?.End();
        output.BreakLine();
        output.Write(Line(call));
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
