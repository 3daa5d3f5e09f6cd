using System.IO.Pipelines;
using System.Text;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat;

/// <summary>Where the parts of an answer are shown as they come.</summary>
internal interface IAnswerSink
{
    /// <summary>What the model thinks.</summary>
    void Reasoning(string text);

    /// <summary>What it says.</summary>
    void Content(string text);

    /// <summary>A tool that it calls.</summary>
    void Call(ToolCall call);
}

/// <summary>Takes an answer from the engine's pipe, or from several one after another, has it taken apart and shown, and keeps all of it.</summary>
/// <param name="reader">Takes the answer apart.</param>
/// <param name="sink">Where its parts are shown.</param>
internal sealed class AnswerIntake(AnswerReader reader, IAnswerSink sink)
{
    private readonly List<AnswerEvent> events = [];
    private readonly List<ToolCall> calls = [];
    private readonly StringBuilder content = new();
    private readonly StringBuilder thought = new();
    private readonly StringBuilder written = new();

    /// <summary>The answer as a message of the conversation.</summary>
    public ChatMessage Message => new("assistant", content.ToString())
    {
        Reasoning = thought.Length > 0 ? thought.ToString() : null,
        ToolCalls = [.. calls],
    };

    /// <summary>All that was written, markers too.</summary>
    public string Written => written.ToString();

    /// <summary>Takes all that a pipe of UTF-8 brings.</summary>
    /// <param name="pipe">The pipe.</param>
    /// <param name="came">Called when text came, before it is shown.</param>
    /// <param name="more">Called when it is shown and more may come.</param>
    public async Task CopyAsync(PipeReader pipe, Action? came = null, Action? more = null)
    {
        var decoder = Encoding.UTF8.GetDecoder();
        var characters = new char[4096];
        while (true)
        {
            var read = await pipe.ReadAsync().ConfigureAwait(false);
            foreach (var segment in read.Buffer)
            {
                for (var bytes = segment.Span; !bytes.IsEmpty;)
                {
                    decoder.Convert(bytes, characters, flush: false, out var used, out var count, out _);
                    written.Append(characters, 0, count);
                    reader.Write(characters.AsSpan(0, count), events);
                    bytes = bytes[used..];
                }
                came?.Invoke();
            }
            Show();
            pipe.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted) break;
            more?.Invoke();
        }
        await pipe.CompleteAsync().ConfigureAwait(false);
    }

    /// <summary>The answer is over: what was held back of it comes out.</summary>
    public void Finish()
    {
        reader.Finish(events);
        Show();
    }

    private void Show()
    {
        foreach (var piece in events)
        {
            if (piece.Kind == AnswerKind.Reasoning)
            {
                thought.Append(piece.Text);
                sink.Reasoning(piece.Text);
            }
            else if (piece.Call is { } call)
            {
                calls.Add(call);
                sink.Call(call);
            }
            else
            {
                content.Append(piece.Text);
                sink.Content(piece.Text);
            }
        }
        events.Clear();
    }
}
