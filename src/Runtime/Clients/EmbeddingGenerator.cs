using System.Diagnostics;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime;

/// <summary>
/// Embeddings of texts by a language model: the mean, over all positions of a text, of the last hidden states after the final norm, which is what Hugging Face calls
/// <c>last_hidden_state</c>, in FP32. A text is tokenized as the model asks for, with its BOS where it has one; control tokens in it are text. The vector is not normalized:
/// cosine similarity does not depend on that, and a store that compares by the dot product gets vectors of length 1 with <see cref="NormalizeProperty"/>.
/// </summary>
/// <remarks>
/// Thread-safe. A request waits for one of the engine's sessions, first come, first served, as those of a chat client do. Several texts are computed together, and a text's embedding has the same bits whatever company it had and in however many steps it was computed.
/// Models are made for generating, not for this: expect less of them in retrieval than of models that were trained for it.
/// </remarks>
public sealed partial class WarpDecodeEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    /// <summary>
    /// Key in <see cref="EmbeddingGenerationOptions.AdditionalProperties"/>: true for embeddings divided by their Euclidean length, false, the default, for the means as they are.
    /// </summary>
    public const string NormalizeProperty = "normalize";

    private readonly string modelId;
    private readonly bool ownsEngine;
    private readonly ILogger logger;
    private readonly EmbeddingGeneratorMetadata metadata;

    /// <summary>Makes embeddings with a model that is open. The engine stays the caller's.</summary>
    /// <param name="engine">The model.</param>
    /// <param name="modelId">What the model is called in responses, logs, traces and metrics; null for its own name.</param>
    /// <param name="logger">Told of requests; null for nobody.</param>
    public WarpDecodeEmbeddingGenerator(Engine engine, string? modelId = null, ILogger<WarpDecodeEmbeddingGenerator>? logger = null)
        : this(engine, modelId, logger, ownsEngine: false)
    {
    }

    private WarpDecodeEmbeddingGenerator(Engine engine, string? modelId, ILogger<WarpDecodeEmbeddingGenerator>? logger, bool ownsEngine)
    {
        ArgumentNullException.ThrowIfNull(engine);
        (Engine, this.ownsEngine) = (engine, ownsEngine);
        this.modelId = modelId ?? engine.Name;
        this.logger = logger ?? NullLogger<WarpDecodeEmbeddingGenerator>.Instance;
        metadata = new EmbeddingGeneratorMetadata(RuntimeTelemetry.Provider, defaultModelId: this.modelId, defaultModelDimensions: engine.HiddenSize);
    }

    /// <summary>The model.</summary>
    public Engine Engine { get; }

    /// <summary>Opens a model to make embeddings with; it is closed with the generator.</summary>
    /// <param name="path">What <see cref="Formats.ModelFile.Open"/> takes.</param>
    /// <param name="options">How to open it; null for the defaults, with room for 4 texts at once.</param>
    /// <inheritdoc cref="Runtime.Engine.Open(string, EngineOptions?)" path="/exception"/>
    public static WarpDecodeEmbeddingGenerator Open(string path, EngineOptions? options = null) =>
        new(Engine.Open(path, options ?? EngineOptions.ForRequests), null, null, ownsEngine: true);

    /// <summary>Makes an embedding of each text, in order.</summary>
    /// <param name="values">The texts, each of at least one token and at most as many as the context has.</param>
    /// <param name="options">
    /// <see cref="EmbeddingGenerationOptions.Dimensions"/> can only be the model's own, and its <see cref="EmbeddingGenerationOptions.ModelId"/> chooses nothing, for there is one model.
    /// </param>
    /// <param name="cancellationToken">Stops between two steps.</param>
    /// <exception cref="ArgumentException">A text is null or empty, or an option cannot be fulfilled.</exception>
    /// <exception cref="ContextFullException">A text has more tokens than the context, or sessions of the application's own hold too much of the cache.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The engine is closed.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        CheckDimensions(options);
        var normalize = IsNormalized(options);
        string[] texts = [.. values];
        using var request = RequestTelemetry.StartEmbeddings(modelId, Engine.HiddenSize);
        var start = Stopwatch.GetTimestamp();
        try
        {
            // What takes its time is arithmetic: on a thread of the pool, so that the caller's is free.
            var (means, tokens) = await Task.Run(() => ComputeAsync(texts, cancellationToken), cancellationToken).ConfigureAwait(false);
            request.Finish(tokens);
            var milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            LogGenerated(texts.Length, tokens, milliseconds);
            var created = TimeProvider.System.GetUtcNow();
            return new GeneratedEmbeddings<Embedding<float>>(means.Select(mean =>
            {
                if (normalize) Normalize(mean);
                return new Embedding<float>(mean) { ModelId = modelId, CreatedAt = created };
            }))
            {
                Usage = new UsageDetails { InputTokenCount = tokens, TotalTokenCount = tokens },
            };
        }
        catch (Exception e)
        {
            request.Fail(e);
            throw;
        }
    }

    /// <summary>The generator itself, its <see cref="EmbeddingGeneratorMetadata"/>, its <see cref="Runtime.Engine"/> or <see cref="Tokenizer"/>; null for what it does not have.</summary>
    /// <param name="serviceType">What is asked for.</param>
    /// <param name="serviceKey">Nothing has a key.</param>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null) return null;
        if (serviceType == typeof(EmbeddingGeneratorMetadata)) return metadata;
        if (serviceType == typeof(Engine)) return Engine;
        if (serviceType == typeof(Tokenizer)) return Engine.Tokenizer;
        return serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <summary>Closes the model if the generator opened it; else there is nothing to do.</summary>
    public void Dispose()
    {
        if (ownsEngine) Engine.Dispose();
    }

    private void CheckDimensions(EmbeddingGenerationOptions? options)
    {
        if (options?.Dimensions is { } asked && asked != Engine.HiddenSize)
            throw new ArgumentException($"embeddings of {asked} dimensions were asked for, but those of this model have {Engine.HiddenSize}: leave Dimensions out", nameof(options));
    }

    private static bool IsNormalized(EmbeddingGenerationOptions? options) =>
        options?.AdditionalProperties?.TryGetValue(NormalizeProperty, out var asked) is true && asked switch
        {
            bool value => value,
            null => false,
            string text when bool.TryParse(text, out var value) => value,
            System.Text.Json.JsonElement { ValueKind: System.Text.Json.JsonValueKind.True } => true,
            System.Text.Json.JsonElement { ValueKind: System.Text.Json.JsonValueKind.False } => false,
            _ => throw new ArgumentException($"{NormalizeProperty} is true or false, not '{asked}'", nameof(options)),
        };

    private static void Normalize(float[] vector)
    {
        var squares = 0.0;
        foreach (var value in vector) squares += (double)value * value;
        if (squares == 0) return; // has no direction
        var scale = 1 / Math.Sqrt(squares);
        for (var i = 0; i < vector.Length; i++) vector[i] = (float)(vector[i] * scale);
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Debug, Message = "Embeddings of {Texts} texts, {Tokens} tokens, in {Milliseconds:F0} ms")]
    private partial void LogGenerated(int texts, int tokens, double milliseconds);
}
