using System.Diagnostics;
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
internal sealed class AnswerRun : IAnswerSink
{
    private readonly LoadedModel model;
    private readonly PromptFit prompt;
    private readonly TranscriptEntry entry;
    private readonly AnswerProgress progress;
    private readonly AnswerIntake intake;

    /// <param name="model">The model.</param>
    /// <param name="prompt">What is answered.</param>
    /// <param name="entry">Where it is shown.</param>
    /// <param name="progress">Is told how far it is.</param>
    public AnswerRun(LoadedModel model, PromptFit prompt, TranscriptEntry entry, AnswerProgress progress)
    {
        (this.model, this.prompt, this.entry, this.progress) = (model, prompt, entry, progress);
        intake = new AnswerIntake(model.Style.Reader(model.Engine.Tokenizer, prompt.Tokens, prompt.Calls), this);
    }

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
                await intake.CopyAsync(answer.Output, progress.Text, makeRoom);
                var result = await answer.Completion;
                all = all is null
                    ? result
                    : all with { Finish = result.Finish, Tokens = all.Tokens + result.Tokens, DecodeTime = all.DecodeTime + result.DecodeTime };
            }
            if (all.Finish != FinishReason.ContextFull || all.Tokens >= (options.MaxTokens ?? int.MaxValue) || shift(intake.Written) is not { } shorter) break;
            tokens = shorter;
        }
        intake.Finish();
        return new AnswerOutcome(intake.Message, all);
    }

    void IAnswerSink.Reasoning(string text) => entry.AppendReasoning(text);

    void IAnswerSink.Content(string text) => entry.Append(text);

    void IAnswerSink.Call(ToolCall call) => entry.AddToolCall(AnswerPrinter.Line(call).TrimEnd('\n'));
}
