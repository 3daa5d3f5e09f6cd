using System.Diagnostics;
using Microsoft.Extensions.AI;

namespace WarpDecode.Runtime;

/// <summary>
/// Trace and metrics of one request. Where nobody listens, what <see cref="StartChat"/> gives does nothing and is not even new. To be called: Start…, then
/// <see cref="SessionTaken"/> once the request has a session, then <see cref="Finish(GenerationResult, string, string)"/> or <see cref="Fail"/>, and Dispose. One that is
/// disposed without either, because its reader went away, counts with what is known.
/// </summary>
/// <remarks>
/// The span is of kind internal, as the conventions have it for models in the same process. Microsoft.Extensions.AI's <c>UseOpenTelemetry()</c> makes spans and
/// <c>gen_ai.client.*</c> metrics of the same names under a source of its own, around this: its span, of kind client, is then the parent of ours. An application that subscribes to
/// both sources sees each request in both, told apart by source; <c>gen_ai.server.*</c> (time to the first token, time per token) is here only.
/// </remarks>
internal sealed class RequestTelemetry : IDisposable
{
    private static readonly RequestTelemetry Off = new(null, "", "", 0);

    private readonly Activity? activity;
    private readonly string operation;
    private readonly string model;
    private readonly long started;
    private long taken;
    private bool ended;

    private RequestTelemetry(Activity? activity, string operation, string model, long started) =>
        (this.activity, this.operation, this.model, this.started) = (activity, operation, model, started);

    /// <summary>Begins a chat request.</summary>
    /// <param name="model">Id of the model.</param>
    /// <param name="options">What the request asks for.</param>
    /// <param name="streaming">Whether the answer is read while it is made.</param>
    public static RequestTelemetry StartChat(string model, ChatOptions? options, bool streaming = false)
    {
        if (!RuntimeTelemetry.IsOn) return Off;
        var request = Start("chat", model);
        if (request.activity is not { IsAllDataRequested: true } activity) return request;
        // SetTag leaves out what is null.
        if (streaming) activity.SetTag("gen_ai.request.stream", true);
        activity.SetTag("gen_ai.output.type", options?.ResponseFormat switch { ChatResponseFormatJson => "json", ChatResponseFormatText => "text", _ => null });
        if (options is null) return request;
        activity.SetTag("gen_ai.conversation.id", options.ConversationId)
            .SetTag("gen_ai.request.temperature", Exact(options.Temperature))
            .SetTag("gen_ai.request.top_p", Exact(options.TopP))
            .SetTag("gen_ai.request.top_k", (double?)options.TopK)
            .SetTag("gen_ai.request.max_tokens", options.MaxOutputTokens)
            .SetTag("gen_ai.request.seed", options.Seed)
            .SetTag("gen_ai.request.frequency_penalty", Exact(options.FrequencyPenalty))
            .SetTag("gen_ai.request.presence_penalty", Exact(options.PresencePenalty));
        if (options.StopSequences is { Count: > 0 } stop) activity.SetTag("gen_ai.request.stop_sequences", stop.ToArray());
        return request;
    }

    /// <summary>Begins a request for embeddings.</summary>
    /// <param name="model">Id of the model.</param>
    /// <param name="dimensions">Dimensions of the embeddings.</param>
    public static RequestTelemetry StartEmbeddings(string model, int dimensions)
    {
        if (!RuntimeTelemetry.IsOn) return Off;
        var request = Start("embeddings", model);
        request.activity?.SetTag("gen_ai.embeddings.dimension.count", dimensions);
        return request;
    }

    /// <summary>The request has waited for a session until now.</summary>
    public void SessionTaken()
    {
        if (this != Off) taken = Stopwatch.GetTimestamp();
    }

    /// <summary>The answer is there.</summary>
    /// <param name="result">What it took.</param>
    /// <param name="finishReason">Why it ended, as <see cref="ChatFinishReason"/> names it.</param>
    /// <param name="responseId">Id of the response, if it has one.</param>
    public void Finish(GenerationResult result, string finishReason, string? responseId = null)
    {
        if (ended || this == Off) return;
        var queued = taken == 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(started, taken);
        var tags = Tags();
        if (result.Tokens > 0) RuntimeTelemetry.TimeToFirstToken.Record((queued + result.PromptTime).TotalSeconds, tags);
        if (result.Tokens > 1) RuntimeTelemetry.TimePerOutputToken.Record(result.DecodeTime.TotalSeconds / (result.Tokens - 1), tags);
        Use(result.PromptTokens, "input");
        Use(result.Tokens, "output");
        activity?.SetTag("gen_ai.response.id", responseId)
            .SetTag("gen_ai.response.finish_reasons", new[] { finishReason })
            .SetTag("gen_ai.usage.input_tokens", result.PromptTokens)
            .SetTag("gen_ai.usage.cache_read.input_tokens", result.CachedTokens)
            .SetTag("gen_ai.usage.output_tokens", result.Tokens);
        End(queued + result.PromptTime + result.DecodeTime, null);
    }

    /// <summary>The embeddings are there.</summary>
    /// <param name="inputTokens">Tokens of all texts.</param>
    public void Finish(int inputTokens)
    {
        if (ended || this == Off) return;
        Use(inputTokens, "input");
        activity?.SetTag("gen_ai.usage.input_tokens", inputTokens);
        End(null, null);
    }

    /// <summary>The request failed, or was cancelled. Only the kind of the exception is kept: its message may quote what was said.</summary>
    public void Fail(Exception exception)
    {
        if (ended || this == Off) return;
        End(null, exception is OperationCanceledException ? typeof(OperationCanceledException).FullName : exception.GetType().FullName);
    }

    /// <summary>Ends the span.</summary>
    public void Dispose()
    {
        if (!ended && this != Off) End(null, null);
    }

    private static RequestTelemetry Start(string operation, string model)
    {
        var activity = RuntimeTelemetry.Source.HasListeners() ? RuntimeTelemetry.Source.StartActivity($"{operation} {model}", ActivityKind.Internal, default(ActivityContext),
            [new("gen_ai.operation.name", operation), new("gen_ai.provider.name", RuntimeTelemetry.Provider), new("gen_ai.request.model", model)]) : null;
        return new RequestTelemetry(activity, operation, model, Stopwatch.GetTimestamp());
    }

    private static double? Exact(float? value) => value is { } number ? RequestOptions.Exact(number) : null;

    private TagList Tags() => new()
    {
        { "gen_ai.operation.name", operation },
        { "gen_ai.provider.name", RuntimeTelemetry.Provider },
        { "gen_ai.request.model", model },
        { "gen_ai.response.model", model },
    };

    private void Use(int tokens, string type)
    {
        var tags = Tags();
        tags.Add("gen_ai.token.type", type);
        RuntimeTelemetry.TokenUsage.Record(tokens, tags);
    }

    // What the model took of it, where that is known; else it is as long as the operation.
    private void End(TimeSpan? served, string? error)
    {
        ended = true;
        var elapsed = Stopwatch.GetElapsedTime(started);
        var tags = Tags();
        if (error is null) activity?.SetTag("gen_ai.response.model", model);
        else
        {
            tags.Add("error.type", error);
            activity?.SetTag("error.type", error).SetStatus(ActivityStatusCode.Error);
        }
        RuntimeTelemetry.OperationDuration.Record(elapsed.TotalSeconds, tags);
        RuntimeTelemetry.RequestDuration.Record((served ?? elapsed).TotalSeconds, tags);
        activity?.Dispose();
    }
}
