using System.Text.Json;
using Microsoft.Extensions.AI;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime;

/// <summary>A request that was read, and its answer while it comes.</summary>
/// <param name="prompt">All tokens of the prompt.</param>
/// <param name="generation">How it is generated; with a seed.</param>
/// <param name="reader">Takes the answer apart.</param>
/// <param name="oneCall">Whether the answer is over with its first call of a tool.</param>
/// <param name="showsReasoning">Whether what the model thinks comes out.</param>
internal sealed class ChatAnswer(int[] prompt, GenerationOptions generation, AnswerReader reader, bool oneCall, bool showsReasoning)
{
    private readonly List<AnswerEvent> events = [];
    private AnswerKind kind; // of the last text
    private int tokens;
    private int reasoningTokens;
    private int calls;
    private TimeSpan first;
    private TimeSpan last;
    private GenerationResult? result;

    public string Id { get; } = $"chatcmpl-{Guid.NewGuid():N}";

    public DateTimeOffset CreatedAt { get; } = TimeProvider.System.GetUtcNow();

    public int[] Prompt => prompt;

    public GenerationOptions Generation => generation;

    /// <summary>Whether nothing more is wanted of it.</summary>
    public bool IsOver => result is not null || (oneCall && calls > 0);

    /// <summary>What it took; one that ended with its first call has not been told.</summary>
    public GenerationResult Result =>
        result ?? new GenerationResult(FinishReason.StopString, prompt.Length, CachedTokens: 0, tokens, first, last - first, generation.Sampling.Seed ?? 0);

    public ChatFinishReason Finish =>
        Result.Finish is FinishReason.MaxTokens or FinishReason.ContextFull ? ChatFinishReason.Length
        : calls > 0 ? ChatFinishReason.ToolCalls
        : ChatFinishReason.Stop;

    public UsageDetails Usage => new()
    {
        InputTokenCount = prompt.Length,
        OutputTokenCount = Result.Tokens,
        TotalTokenCount = prompt.Length + Result.Tokens,
        CachedInputTokenCount = Result.CachedTokens,
        ReasoningTokenCount = reasoningTokens,
    };

    /// <summary>Takes the next piece; null where there is nothing to tell of it.</summary>
    public IList<AIContent>? Take(GenerationUpdate update)
    {
        if (tokens == 0 && update.Tokens is [var one, ..]) first = one.Time;
        if (update.Tokens is [.., var newest]) last = newest.Time;
        tokens += update.Tokens.Count;
        reader.Write(update.Text, events);
        if (update.Result is not null)
        {
            reader.Finish(events);
            result = update.Result;
        }
        var contents = new List<AIContent>();
        foreach (var piece in events)
        {
            if (oneCall && calls > 0) break;
            kind = piece.Kind;
            if (piece.Call is { } call)
            {
                calls++;
                contents.Add(new FunctionCallContent(call.Id, call.Name, Arguments(call.Arguments)));
            }
            else if (piece.Kind == AnswerKind.Content)
            {
                contents.Add(new TextContent(piece.Text));
            }
            else if (showsReasoning)
            {
                contents.Add(new TextReasoningContent(piece.Text));
            }
        }
        events.Clear();
        if (kind == AnswerKind.Reasoning) reasoningTokens += update.Tokens.Count;
        return contents.Count > 0 || generation.LogProbs is not null ? contents : null;
    }

    private static Dictionary<string, object?> Arguments(string json)
    {
        using var document = JsonDocument.Parse(json); // the reader has checked it
        return document.RootElement.EnumerateObject().ToDictionary(p => p.Name, p => (object?)p.Value.Clone(), StringComparer.Ordinal);
    }
}
