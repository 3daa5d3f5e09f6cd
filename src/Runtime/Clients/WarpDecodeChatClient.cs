using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using WarpDecode.Formats;
using WarpDecode.Runtime.Text;
using AIChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace WarpDecode.Runtime;

/// <summary>
/// A local model as an <see cref="IChatClient"/>. Thread-safe: requests at the same time share decode steps, as many as the engine has sessions, and
/// others wait for their turn, first come, first served; each gets the answer that it gets alone.
/// </summary>
/// <remarks>
/// <para>
/// The client keeps no conversation: a request has all of its messages. One that goes on with an earlier one reads only what is new, for the cache of
/// keys and values stays (<see cref="UsageDetails.CachedInputTokenCount"/> says how much). A request that is cancelled, or whose stream is no longer
/// read, ends within one decode step and gives its part of the cache back.
/// </para>
/// <para>
/// Of <see cref="ChatOptions"/> it takes <c>Instructions</c>, <c>Temperature</c>, <c>TopK</c>, <c>TopP</c>, <c>FrequencyPenalty</c>,
/// <c>PresencePenalty</c>, <c>Seed</c>, <c>MaxOutputTokens</c>, <c>StopSequences</c>, <c>ResponseFormat</c> (JSON, and JSON by a schema: what
/// <see cref="Grammars.Grammar.FromJsonSchema"/> supports, anything else is an error), <c>Tools</c>, <c>ToolMode</c>, <c>AllowMultipleToolCalls</c> and
/// <c>Reasoning</c>; of <see cref="ChatOptions.AdditionalProperties"/> llama.cpp's names: <c>min_p</c>, <c>typical_p</c>, <c>top_n_sigma</c>,
/// <c>xtc_probability</c>, <c>xtc_threshold</c>, <c>dynatemp_range</c>, <c>dynatemp_exponent</c>, <c>mirostat</c>, <c>mirostat_tau</c>,
/// <c>mirostat_eta</c>, <c>repeat_penalty</c>, <c>repeat_last_n</c>, <c>dry_multiplier</c>, <c>dry_base</c>, <c>dry_allowed_length</c>,
/// <c>dry_penalty_last_n</c>, <c>ignore_eos</c>, <c>logit_bias</c>, <c>banned_strings</c>, <c>samplers</c>, <c>grammar</c> (GBNF), <c>logprobs</c>
/// (how many of the likeliest tokens) and <c>chat_template_kwargs</c>. A <see cref="ChatOptions.RawRepresentationFactory"/> may give a
/// <see cref="GenerationOptions"/> to begin with. <c>ModelId</c> is not looked at: a client has one model.
/// </para>
/// <para>
/// The <c>RawRepresentation</c> of an update is its <see cref="GenerationUpdate"/>, with the ids and log-probabilities of its tokens.
/// </para>
/// </remarks>
public sealed class WarpDecodeChatClient : IChatClient, IAsyncDisposable
{
    private readonly bool ownsEngine;
    private readonly ChatRequests requests;
    private readonly ILogger logger;
    private readonly ChatClientMetadata metadata;

    /// <summary>A client of an open model, which stays the caller's.</summary>
    /// <param name="engine">The model.</param>
    /// <param name="settings">What a request does not say; null for the defaults.</param>
    /// <param name="logger">Told of each request when it ends; null for nobody.</param>
    /// <exception cref="ModelFileException">The model has no tokenizer or chat template that can be used.</exception>
    /// <exception cref="ArgumentException">The settings name an unknown answer format, or a value is out of its range.</exception>
    public WarpDecodeChatClient(Engine engine, ChatClientSettings? settings = null, ILogger<WarpDecodeChatClient>? logger = null)
        : this(engine, settings, logger, ownsEngine: false)
    {
    }

    private WarpDecodeChatClient(Engine engine, ChatClientSettings? settings, ILogger? logger, bool ownsEngine)
    {
        ArgumentNullException.ThrowIfNull(engine);
        settings ??= new ChatClientSettings();
        Engine = engine;
        this.ownsEngine = ownsEngine;
        this.logger = logger ?? NullLogger.Instance;
        ModelId = settings.ModelId ?? engine.Name;
        metadata = new ChatClientMetadata(RuntimeTelemetry.Provider, null, ModelId);
        requests = new ChatRequests(engine, settings, this.logger);
    }

    /// <summary>The model.</summary>
    public Engine Engine { get; }

    /// <summary>The model's name in responses.</summary>
    public string ModelId { get; }

    /// <summary>Opens a model for a client of its own, which closes it when it is disposed.</summary>
    /// <param name="path">A GGUF file, any shard of a split one, or a folder of Hugging Face.</param>
    /// <param name="options">How to open it; null for the defaults and four sessions, the most requests that are answered at once.</param>
    /// <inheritdoc cref="Runtime.Engine.Open(string, EngineOptions?)"/>
    public static WarpDecodeChatClient Open(string path, EngineOptions? options = null) => Owning(Engine.Open(path, options ?? EngineOptions.ForRequests));

    /// <summary>Opens a model for a client of its own, on a thread of its own.</summary>
    /// <param name="path">A GGUF file, any shard of a split one, or a folder of Hugging Face.</param>
    /// <param name="options">How to open it; null for the defaults and four sessions.</param>
    /// <param name="cancellation">Ends loading between two tensors.</param>
    /// <inheritdoc cref="Runtime.Engine.Open(string, EngineOptions?)"/>
    public static async Task<WarpDecodeChatClient> OpenAsync(string path, EngineOptions? options = null, CancellationToken cancellation = default) =>
        Owning(await Engine.OpenAsync(path, options ?? EngineOptions.ForRequests, cancellation).ConfigureAwait(false));

    /// <inheritdoc/>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ContextFullException">The conversation does not fit in the context.</exception>
    /// <exception cref="TemplateException">The model's chat template refuses the conversation.</exception>
    /// <exception cref="NotSupportedException">A kind of content, tool or option that the model or this runtime does not have.</exception>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    /// <exception cref="Grammars.GrammarException">A schema or grammar uses what is not supported.</exception>
    public Task<ChatResponse> GetResponseAsync(IEnumerable<AIChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        Stream(messages ?? throw new ArgumentNullException(nameof(messages)), options, streaming: false, cancellationToken).ToChatResponseAsync(cancellationToken);

    /// <inheritdoc/>
    /// <inheritdoc cref="GetResponseAsync"/>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<AIChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return Stream(messages, options, streaming: true, cancellationToken);
    }

    /// <summary>This client, its <see cref="ChatClientMetadata"/>, <see cref="Runtime.Engine"/> or <see cref="Tokenizer"/>.</summary>
    /// <param name="serviceType">What is asked for.</param>
    /// <param name="serviceKey">There is nothing by key: null else.</param>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null) return null;
        if (serviceType == typeof(ChatClientMetadata)) return metadata;
        if (serviceType == typeof(Engine)) return Engine;
        if (serviceType == typeof(Tokenizer)) return Engine.Tokenizer;
        return serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <summary>Closes the model, if the client opened it; requests that go on fail.</summary>
    public void Dispose()
    {
        if (ownsEngine) Engine.Dispose();
    }

    /// <summary>Closes the model, if the client opened it, without holding up the caller's thread while a step ends.</summary>
    public ValueTask DisposeAsync() => ownsEngine ? new ValueTask(Task.Run(Engine.Dispose)) : default;

    private static WarpDecodeChatClient Owning(Engine engine)
    {
        try
        {
            return new WarpDecodeChatClient(engine, settings: null, logger: null, ownsEngine: true);
        }
        catch
        {
            engine.Dispose();
            throw;
        }
    }

    private async IAsyncEnumerable<ChatResponseUpdate> Stream(
        IEnumerable<AIChatMessage> messages, ChatOptions? options, bool streaming, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var telemetry = RequestTelemetry.StartChat(ModelId, options, streaming);
        ChatAnswer answer;
        SessionPool.Rental rental;
        try
        {
            answer = requests.Read(messages, options, this);
            rental = await Engine.Pool.RentAsync(answer.Prompt, cancellation).ConfigureAwait(false);
            telemetry.SessionTaken();
        }
        catch (Exception e)
        {
            telemetry.Fail(e);
            throw;
        }
        using (rental)
        {
            var updates = GenerationStream.ReadAsync(rental.Session, Engine.Tokenizer, answer.Prompt, answer.Generation, cancellation).GetAsyncEnumerator(CancellationToken.None);
            await using (updates.ConfigureAwait(false))
            {
                while (true)
                {
                    IList<AIContent>? contents;
                    try
                    {
                        if (!await updates.MoveNextAsync().ConfigureAwait(false)) break;
                        contents = answer.Take(updates.Current);
                    }
                    catch (Exception e)
                    {
                        telemetry.Fail(e);
                        throw;
                    }
                    if (contents is not null) yield return Update(contents, updates.Current);
                    if (answer.IsOver) break;
                }
            }
            rental.Keep();
        }
        var result = answer.Result;
        var finish = answer.Finish;
        telemetry.Finish(result, finish.Value, answer.Id);
        ClientLog.Answered(logger, ModelId, finish.Value, result.PromptTokens, result.CachedTokens, result.Tokens, result.PromptTime.TotalSeconds, result.TokensPerSecond);
        var last = Update([new UsageContent(answer.Usage)], raw: result);
        last.FinishReason = finish;
        last.MessageId = null; // of the response and not of its message
        last.AdditionalProperties = new AdditionalPropertiesDictionary
        {
            ["seed"] = result.Seed,
            ["time_to_first_token"] = result.PromptTime.TotalSeconds,
            ["tokens_per_second"] = result.TokensPerSecond,
        };
        yield return last;

        ChatResponseUpdate Update(IList<AIContent> contents, object raw) => new(ChatRole.Assistant, contents)
        {
            ResponseId = answer.Id,
            MessageId = answer.Id,
            ModelId = ModelId,
            CreatedAt = answer.CreatedAt,
            RawRepresentation = raw,
        };
    }
}
