using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>A text or a conversation, and what may follow it.</summary>
/// <param name="Context">
/// What the model reads; may be empty. White space at its end belongs to the continuations. Control tokens that it spells out are read as such: text
/// that others wrote belongs into a conversation.
/// </param>
/// <param name="Continuations">Texts that may follow, scored apart from each other; each adds at least one token to the context.</param>
public sealed record ScoringItem(string Context, IReadOnlyList<string> Continuations)
{
    /// <summary>A conversation and answers that may follow it.</summary>
    /// <param name="messages">Messages in order, rendered by the model's template, with the assistant's next message opened.</param>
    /// <param name="continuations">What the assistant may answer.</param>
    public ScoringItem(IReadOnlyList<ChatMessage> messages, IReadOnlyList<string> continuations)
        : this("", continuations) => Messages = messages ?? throw new ArgumentNullException(nameof(messages));

    /// <summary>The conversation in the place of the context, if it is one.</summary>
    public IReadOnlyList<ChatMessage>? Messages { get; }
}

/// <summary>How continuations are scored.</summary>
public sealed record ScoringOptions
{
    /// <summary>
    /// Most continuations read at once, 1 or more; fewer where the engine's cache has no room for so many. Scores do not depend on it.
    /// </summary>
    public int Batch { get; init; } = 16;

    /// <summary>Told on the scoring thread how many items are done, after each.</summary>
    public IProgress<ScoringProgress>? Progress { get; init; }
}

/// <summary>How far a scoring is.</summary>
/// <param name="Done">Items whose continuations are all scored.</param>
/// <param name="Total">Items in all.</param>
public readonly record struct ScoringProgress(int Done, int Total);

/// <summary>
/// How likely a model finds texts after others: log-probabilities by the tokens, the arithmetic and the batches with which <c>wd-run eval</c> scores
/// multiple choices. Thread-safe, as the engine is.
/// </summary>
/// <remarks>
/// What all contexts begin with is read once. An engine that was opened for several <see cref="EngineOptions.Sessions"/> reads as many continuations
/// in one step; one that was opened for a single one reads them one after another, with the same scores (on a GPU, up to the rounding of FP32).
/// </remarks>
public static class Scoring
{
    /// <summary>Scores the continuations of one context.</summary>
    /// <param name="engine">The model.</param>
    /// <param name="context">What it reads; see <see cref="ScoringItem.Context"/>.</param>
    /// <param name="continuations">What may follow.</param>
    /// <param name="cancellation">Ends the work between two steps.</param>
    /// <returns>A score for each continuation, in order.</returns>
    /// <inheritdoc cref="Score(Engine, IReadOnlyList{ScoringItem}, ScoringOptions?, CancellationToken)" path="/exception"/>
    public static IReadOnlyList<ContinuationScore> Score(Engine engine, string context, IReadOnlyList<string> continuations, CancellationToken cancellation = default) =>
        Score(engine, [new ScoringItem(context, continuations)], null, cancellation)[0];

    /// <summary>Scores the answers to one conversation.</summary>
    /// <param name="engine">The model.</param>
    /// <param name="messages">The conversation.</param>
    /// <param name="continuations">What the assistant may answer.</param>
    /// <param name="cancellation">Ends the work between two steps.</param>
    /// <returns>A score for each answer, in order.</returns>
    /// <inheritdoc cref="Score(Engine, IReadOnlyList{ScoringItem}, ScoringOptions?, CancellationToken)" path="/exception"/>
    public static IReadOnlyList<ContinuationScore> Score(
        Engine engine, IReadOnlyList<ChatMessage> messages, IReadOnlyList<string> continuations, CancellationToken cancellation = default) =>
        Score(engine, [new ScoringItem(messages, continuations)], null, cancellation)[0];

    /// <summary>Scores the continuations of many contexts.</summary>
    /// <param name="engine">The model.</param>
    /// <param name="items">Contexts with their continuations.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellation">Ends the work between two steps.</param>
    /// <returns>For each item a score for each of its continuations, in order.</returns>
    /// <exception cref="ArgumentException">An item has no continuation, a continuation adds no token to its context, or a context has no token to begin with; the message says which.</exception>
    /// <exception cref="Formats.ModelFileException">The model has no tokenizer that is supported, or no template for conversations.</exception>
    /// <exception cref="TemplateException">The template refuses a conversation.</exception>
    /// <exception cref="ContextFullException">An item has more tokens than the engine's context, or other sessions hold too much of its cache.</exception>
    /// <exception cref="ModelOutputException">The model computed something that has no probabilities.</exception>
    /// <exception cref="ObjectDisposedException">The engine was disposed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IReadOnlyList<IReadOnlyList<ContinuationScore>> Score(
        Engine engine, IReadOnlyList<ScoringItem> items, ScoringOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(items);
        options ??= new ScoringOptions();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.Batch, nameof(options));
        var prompts = new Prompt[items.Count];
        for (var i = 0; i < prompts.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            prompts[i] = Encode(engine, items[i], i);
        }
        var scores = new ContinuationScore[prompts.Length][];
        if (prompts.Length == 0) return scores;
        Prompt.FindShared(prompts);
        var shared = prompts[0].Shared;
        // Conversations that nobody goes on with now give their room.
        engine.Pool.MakeRoom((Engine.PagesOf(shared) + prompts.Max(prompt => Engine.PagesOf(prompt.Least)) + 1L) * Engine.PageTokens);
        // What is shared is kept, which takes room of its own.
        if (engine.FreePages - Engine.PagesOf(shared) < prompts.Max(prompt => Engine.PagesOf(prompt.Least)) - (shared / Engine.PageTokens)) Prompt.ShareNothing(prompts);
        using var contexts = new ContextCache(engine, prompts);
        var done = 0;
        new ChoiceBatch(engine, prompts, options.Batch, contexts, engine.FreePages - Engine.PagesOf(prompts[0].Shared)).Run(
            Enumerable.Range(0, prompts.Length),
            (i, found) =>
            {
                scores[i] = found;
                options.Progress?.Report(new ScoringProgress(++done, prompts.Length));
            },
            cancellation);
        return scores;
    }

    /// <summary>Scores the continuations of one context on a thread of its own.</summary>
    /// <inheritdoc cref="Score(Engine, string, IReadOnlyList{string}, CancellationToken)"/>
    public static Task<IReadOnlyList<ContinuationScore>> ScoreAsync(
        Engine engine, string context, IReadOnlyList<string> continuations, CancellationToken cancellation = default) =>
        Background.Run(() => Score(engine, context, continuations, cancellation), cancellation);

    /// <summary>Scores the answers to one conversation on a thread of its own.</summary>
    /// <inheritdoc cref="Score(Engine, IReadOnlyList{ChatMessage}, IReadOnlyList{string}, CancellationToken)"/>
    public static Task<IReadOnlyList<ContinuationScore>> ScoreAsync(
        Engine engine, IReadOnlyList<ChatMessage> messages, IReadOnlyList<string> continuations, CancellationToken cancellation = default) =>
        Background.Run(() => Score(engine, messages, continuations, cancellation), cancellation);

    /// <summary>Scores the continuations of many contexts on a thread of its own.</summary>
    /// <inheritdoc cref="Score(Engine, IReadOnlyList{ScoringItem}, ScoringOptions?, CancellationToken)"/>
    public static Task<IReadOnlyList<IReadOnlyList<ContinuationScore>>> ScoreAsync(
        Engine engine, IReadOnlyList<ScoringItem> items, ScoringOptions? options = null, CancellationToken cancellation = default) =>
        Background.Run(() => Score(engine, items, options, cancellation), cancellation);

    private static Prompt Encode(Engine engine, ScoringItem item, int index)
    {
        ArgumentNullException.ThrowIfNull(item, nameof(item));
        ArgumentNullException.ThrowIfNull(item.Context, nameof(item));
        ArgumentNullException.ThrowIfNull(item.Continuations, nameof(item));
        if (item.Continuations.Count == 0) throw new ArgumentException($"item {index} has no continuations to score", nameof(item));
        for (var i = 0; i < item.Continuations.Count; i++)
        {
            if (item.Continuations[i] is null) throw new ArgumentException($"continuation {i} of item {index} is null", nameof(item));
        }
        var (context, choices) = item.Messages is null
            ? Continuations.Of(engine.Tokenizer, item.Context, item.Continuations)
            : Continuations.Of(engine.Tokenizer, engine.Template.RenderParts(item.Messages, new TemplateOptions { AddGenerationPrompt = true }), item.Continuations);
        if (context.Length == 0)
            throw new ArgumentException($"the context of item {index} has no token, and the model none that a text begins after: give it a text", nameof(item));
        if (Array.FindIndex(choices, tokens => tokens.Length == 0) is >= 0 and var empty)
        {
            throw new ArgumentException(
                $"continuation {empty} of item {index} adds no token to its context: move the border between the two to where a word begins", nameof(item));
        }
        var prompt = new Prompt(context, choices);
        return prompt.Least <= engine.ContextLength ? prompt : throw new ContextFullException(
            $"item {index} needs a context of {prompt.Least} tokens, the engine has {engine.ContextLength}: open the model with a longer one, or shorten the item");
    }
}
