using System.Diagnostics;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>How a text is evaluated.</summary>
public sealed record PerplexityOptions
{
    /// <summary>Fewest tokens of a window: with fewer, its second half may predict nothing.</summary>
    public const int LeastContext = 4;

    /// <summary>Tokens of a window, <see cref="LeastContext"/> or more.</summary>
    public int Context { get; init; } = 512;

    /// <summary>
    /// Tokens from one window to the next, fewer than <see cref="Context"/>: every token but the first of the text is scored
    /// once, with at least context - stride tokens before it as soon as there are so many. Null for llama.cpp's method: windows
    /// side by side, of each the second half scored, a rest of the text left out.
    /// </summary>
    public int? Stride { get; init; }

    /// <summary>Most windows; null for all.</summary>
    public int? MostWindows { get; init; }

    /// <summary>Threads that turn logits into probabilities; 0 for one a core.</summary>
    public int Threads { get; init; }

    /// <summary>Writes the logits of all scored positions to a <see cref="BaseFile"/>.</summary>
    public string? SaveTo { get; init; }

    /// <summary>Compares the run with that of a file, whose windows it must have; fewer of them will do.</summary>
    public BaseFile? Base { get; init; }

    /// <summary>Told after some positions of each window how far the run is.</summary>
    public IProgress<PerplexityProgress>? Progress { get; init; }
}

/// <summary>How far an evaluation is.</summary>
/// <param name="Windows">Windows that are done.</param>
/// <param name="OfWindows">Windows in all.</param>
/// <param name="Computed">Tokens that are computed.</param>
/// <param name="OfComputed">Tokens to compute in all.</param>
/// <param name="Perplexity">Perplexity of the tokens scored so far.</param>
/// <param name="Divergence">Mean divergence from the base so far, if there is one.</param>
public readonly record struct PerplexityProgress(
    int Windows, int OfWindows, long Computed, long OfComputed, Estimate Perplexity, Estimate? Divergence);

/// <summary>What an evaluation found.</summary>
public sealed record PerplexityResult
{
    /// <summary>Windows.</summary>
    public required int Windows { get; init; }

    /// <summary>Tokens that were predicted.</summary>
    public required long Scored { get; init; }

    /// <summary>Tokens that were computed.</summary>
    public required long Computed { get; init; }

    /// <summary>Time that all windows took.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Mean negative log probability of a token, in nats.</summary>
    public required Estimate Nll { get; init; }

    /// <summary>e to the power of <see cref="Nll"/>.</summary>
    public Estimate Perplexity => Nll.Exp();

    /// <summary>How far the run is from the base, if there is one.</summary>
    public required Divergence? Divergence { get; init; }

    /// <summary>Tokens computed a second.</summary>
    public double TokensPerSecond => Computed / Elapsed.TotalSeconds;
}

/// <summary>
/// How well a model predicts a text. By default exactly as llama.cpp's perplexity tool does it: the text is cut into windows of
/// one length, each computed from an empty session; where the model begins texts with a BOS, that takes the place of the window's
/// first token; the mean is taken over the second half of each window. Thread-safe, as the engine is.
/// </summary>
public static class Perplexity
{
    /// <summary>
    /// The tokens of a text: as one piece, no text read as a control token, BOS before it where the model asks for one. No EOS
    /// is added, for the text need not end where the file does.
    /// </summary>
    public static int[] Tokenize(Tokenizer tokenizer, string text)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        var ids = tokenizer.Encode(text, addSpecial: false, parseSpecial: false);
        return BeginsWith(tokenizer) is { } bos ? [bos, .. ids] : ids;
    }

    /// <summary>Evaluates a text.</summary>
    /// <param name="engine">The model, opened for at least as many tokens as a window has.</param>
    /// <param name="tokens">The text, from <see cref="Tokenize"/> or a <see cref="BaseFile"/>.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellation">Ends the run between steps.</param>
    /// <exception cref="EvaluationException">The text is too short, or the base does not fit the text, the windows or the model.</exception>
    /// <exception cref="ModelOutputException">The model computed logits that are not finite.</exception>
    /// <exception cref="IOException">A file of logits cannot be read or written.</exception>
    public static PerplexityResult Run(Engine engine, ReadOnlyMemory<int> tokens, PerplexityOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(engine);
        options ??= new PerplexityOptions();
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Context, engine.ContextLength, nameof(options));
        var plan = Plan(tokens.Span, options);
        return new PerplexityRun(engine, tokens, plan, options, cancellation).Result();
    }

    /// <summary>Evaluates a text on a thread of its own.</summary>
    /// <inheritdoc cref="Run"/>
    public static Task<PerplexityResult> RunAsync(Engine engine, ReadOnlyMemory<int> tokens, PerplexityOptions? options = null, CancellationToken cancellation = default) =>
        Background.Run(() => Run(engine, tokens, options, cancellation), cancellation);

    /// <summary>The token that takes the place of a window's first one, if the model asks for one.</summary>
    internal static int? BeginsWith(Tokenizer tokenizer) => tokenizer.AddBos ? tokenizer.Bos : null;

    private static WindowPlan Plan(ReadOnlySpan<int> tokens, PerplexityOptions options)
    {
        var plan = new WindowPlan(tokens.Length, options.Context, options.Stride, options.MostWindows);
        if (options.Base is { } basis)
        {
            if (basis.Context != options.Context || basis.Stride != options.Stride)
                throw new EvaluationException($"{basis.Path} has {Words(basis.Context, basis.Stride)}, not {Words(options.Context, options.Stride)}", "Leave the options of the windows away: the file knows them.");
            basis.CheckText(tokens);
            if (plan.Scored > basis.Plan.Scored)
                throw new EvaluationException($"{basis.Path} has {basis.Plan.Count} windows, not {plan.Count}", "Evaluate no more windows than the file has.");
        }
        // As llama.cpp has it, two windows at least; a base says itself how many it has.
        else if (options.Stride is null ? tokens.Length < 2L * options.Context : plan.Count == 0)
        {
            throw new EvaluationException(
                $"the text has {tokens.Length} tokens: {(options.Stride is null ? $"two windows of {options.Context} need {2L * options.Context}" : "two are needed to predict one")}",
                "Give a longer text, or shorter windows (-c), or evaluate all of it with --stride.");
        }
        return plan;
    }

    private static string Words(int context, int? stride) => $"windows of {context} tokens {(stride is { } step ? $"at a stride of {step}" : "side by side")}";
}

/// <summary>One evaluation on its way.</summary>
internal sealed class PerplexityRun
{
    private readonly Engine engine;
    private readonly ReadOnlyMemory<int> tokens;
    private readonly WindowPlan plan;
    private readonly PerplexityOptions options;
    private readonly CancellationToken cancellation;
    private readonly PositionBatch batch;
    private readonly DivergenceStatistics? divergence;
    private readonly LogitsReader reader;
    private readonly int? bos;
    private BaseFileWriter? writer;
    private Moments nll;
    private Window window;
    private int done;          // windows
    private long doneComputed; // tokens of these

    public PerplexityRun(Engine engine, ReadOnlyMemory<int> tokens, WindowPlan plan, PerplexityOptions options, CancellationToken cancellation)
    {
        (this.engine, this.tokens, this.plan, this.options, this.cancellation) = (engine, tokens, plan, options, cancellation);
        bos = Perplexity.BeginsWith(engine.Tokenizer);
        options.Base?.CheckModel(engine);
        batch = new PositionBatch(engine.Vocabulary, options.Base is not null, options.Threads);
        divergence = options.Base is null ? null : new DivergenceStatistics(plan.Scored);
        reader = Read;
    }

    public PerplexityResult Result()
    {
        writer = options.SaveTo is { } path ? new BaseFileWriter(path, engine, plan, tokens.Span, bos, cancellation) : null;
        try
        {
            var start = Stopwatch.GetTimestamp();
            using var session = engine.CreateSession();
            var ids = new int[plan.Context];
            for (; done < plan.Count; done++)
            {
                window = plan[done];
                tokens.Span.Slice(window.Start, window.Computed).CopyTo(ids);
                if (bos is { } first) ids[0] = first;
                session.Rewind(0);
                session.Append(ids.AsSpan(0, window.First), cancellation); // no logits: nobody looks at them
                session.Append(ids.AsSpan(window.First, window.Scored), reader, cancellation);
                doneComputed += window.Computed;
            }
            var elapsed = Stopwatch.GetElapsedTime(start);
            writer?.Complete();
            return new PerplexityResult
            {
                Windows = plan.Count,
                Scored = plan.Scored,
                Computed = plan.Computed,
                Elapsed = elapsed,
                Nll = nll.Mean,
                Divergence = divergence?.Result(),
            };
        }
        finally
        {
            writer?.Dispose();
        }
    }

    private void Read(int position, ReadOnlySpan<float> logits)
    {
        batch.Add(logits, tokens.Span[window.Start + position + 1]);
        var last = position == window.Computed - 1;
        if (batch.Count < batch.Capacity && !last) return;

        cancellation.ThrowIfCancellationRequested();
        writer?.Write(batch.Logits);
        options.Base?.ReadLogits(nll.Count, batch.Basis);
        foreach (ref readonly var score in batch.Score())
        {
            if (double.IsNaN(score.LogP))
                throw new ModelOutputException($"the logits of window {done + 1} hold a value that is not a finite number");
            if (double.IsNaN(score.BaseLogP))
                throw new EvaluationException($"{options.Base!.Path} is damaged: the logits of window {done + 1} hold a value that is not a finite number", "Write it again with --save-logits.");
            nll.Add(-score.LogP);
            divergence?.Add(score);
        }
        Report(last ? done + 1 : done, doneComputed + position + 1);
    }

    private void Report(int windows, long computed) =>
        options.Progress?.Report(new PerplexityProgress(windows, plan.Count, computed, plan.Computed, nll.Mean.Exp(), divergence?.Mean));
}
