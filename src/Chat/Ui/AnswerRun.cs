using System.Diagnostics;
using System.IO.Pipelines;
using System.Text;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat.Ui;

/// <summary>How far an answer is, for whoever looks from another thread.</summary>
internal sealed class AnswerProgress : IProgress<PromptProgress>
{
    private long first;
    private int promptTokens;
    private Session? session;

    /// <summary>When it was asked for.</summary>
    public long Start { get; } = Stopwatch.GetTimestamp();

    /// <summary>Tokens of the prompt that are read, while it is long.</summary>
    public PromptProgress? Prompt { get; private set; }

    /// <summary>Time to the first text; null before.</summary>
    public TimeSpan? FirstAfter => Volatile.Read(ref first) is > 0 and var at ? Stopwatch.GetElapsedTime(Start, at) : null;

    /// <summary>Tokens of the context in use.</summary>
    public int Used => Volatile.Read(ref session)?.Length ?? 0;

    /// <summary>Tokens a second since the first.</summary>
    public double Rate => Volatile.Read(ref first) is > 0 and var at && Stopwatch.GetElapsedTime(at).TotalSeconds is > 0.05 and var seconds
        ? Math.Max(0, Used - promptTokens) / seconds
        : 0;

    /// <summary>A prompt is given to a session.</summary>
    public void Begin(Session with, int tokens)
    {
        promptTokens = tokens;
        Prompt = null;
        Volatile.Write(ref session, with);
    }

    /// <summary>Text came.</summary>
    public void Text()
    {
        Prompt = null;
        if (Volatile.Read(ref first) == 0) Volatile.Write(ref first, Stopwatch.GetTimestamp());
    }

    public void Report(PromptProgress value) => Prompt = value.Done < value.Total ? value : null;
}

/// <summary>An answer that is over.</summary>
/// <param name="Message">What was said.</param>
/// <param name="Result">What it took, all its parts together.</param>
internal sealed record AnswerOutcome(ChatMessage Message, GenerationResult Result);

/// <summary>Brings an answer from the engine to an entry of the transcript, and keeps all of it.</summary>
/// <param name="model">The model.</param>
/// <param name="prompt">What is answered.</param>
/// <param name="entry">Where it is shown.</param>
/// <param name="progress">Is told how far it is.</param>
internal sealed class AnswerRun(LoadedModel model, PromptFit prompt, TranscriptEntry entry, AnswerProgress progress)
{
    private readonly AnswerReader reader = model.Style.Reader(model.Engine.Tokenizer, prompt.Tokens, prompt.Calls);
    private readonly List<AnswerEvent> events = [];
    private readonly List<ToolCall> calls = [];
    private readonly StringBuilder content = new();
    private readonly StringBuilder thought = new();
    private readonly StringBuilder written = new();

    /// <summary>Answers.</summary>
    /// <param name="session">The session; another may take its place.</param>
    /// <param name="options">How.</param>
    /// <param name="makeRoom">Called while it goes on, so that there is room in the cache.</param>
    /// <param name="shift">Makes a shorter prompt, with what was written behind it, when the context is full; null ends the answer there.</param>
    /// <param name="cancellation">Ends the answer; what was said until then is its result.</param>
    public async Task<AnswerOutcome> RunAsync(Session session, GenerationOptions options, Action makeRoom, Func<string, int[]?> shift, CancellationToken cancellation)
    {
        var (tokens, all) = (prompt.Tokens, (GenerationResult?)null);
        while (true)
        {
            progress.Begin(session, tokens.Length);
            var asked = model.Style.Apply(options, model.Engine.Tokenizer) with
            {
                PromptProgress = progress,
                MaxTokens = options.MaxTokens - (all?.Tokens ?? 0),
            };
            await using (var answer = Generation.Start(session, model.Engine.Tokenizer, tokens, asked, cancellation))
            {
                await CopyAsync(answer.Output, makeRoom);
                var result = await answer.Completion;
                all = all is null
                    ? result
                    : all with { Finish = result.Finish, Tokens = all.Tokens + result.Tokens, DecodeTime = all.DecodeTime + result.DecodeTime };
            }
            if (all.Finish != FinishReason.ContextFull || all.Tokens >= (options.MaxTokens ?? int.MaxValue) || shift(written.ToString()) is not { } shorter) break;
            tokens = shorter;
        }
        reader.Finish(events);
        Show();
        var message = new ChatMessage("assistant", content.ToString()) { Reasoning = thought.Length > 0 ? thought.ToString() : null, ToolCalls = [.. calls] };
        return new AnswerOutcome(message, all);
    }

    private async Task CopyAsync(PipeReader pipe, Action makeRoom)
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
                progress.Text();
            }
            Show();
            pipe.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted) break;
            makeRoom();
        }
        await pipe.CompleteAsync().ConfigureAwait(false);
    }

    private void Show()
    {
        foreach (var piece in events)
        {
            if (piece.Kind == AnswerKind.Reasoning)
            {
                thought.Append(piece.Text);
                entry.AppendReasoning(piece.Text);
            }
            else if (piece.Call is { } call)
            {
                calls.Add(call);
                entry.AddToolCall(AnswerPrinter.Line(call).TrimEnd('\n'));
            }
            else
            {
                content.Append(piece.Text);
                entry.Append(piece.Text);
            }
        }
        events.Clear();
    }
}
