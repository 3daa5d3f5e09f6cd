using System.Buffers;
using System.Collections.Frozen;
using System.Diagnostics;
using System.IO.Pipelines;
using WarpDecode.Runtime.Sampling;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime;

/// <summary>How an answer is generated.</summary>
public sealed record GenerationOptions
{
    /// <summary>Most tokens of the answer; null until it ends by itself or the context is full.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>
    /// Strings that end the answer and are not part of it. They are looked for in its text, reasoning included, and not in the markers
    /// that <see cref="MarkerTokens"/> adds.
    /// </summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>
    /// Control tokens whose text comes out too, for an <see cref="AnswerReader"/> that reads them as markers; those of all others is left out.
    /// </summary>
    public IReadOnlySet<int> MarkerTokens { get; init; } = FrozenSet<int>.Empty;

    /// <summary>How tokens are chosen.</summary>
    public SamplerOptions Sampling { get; init; } = new();

    /// <summary>Makes what the text must be, one for each answer; null for any text.</summary>
    public Func<ITokenConstraint>? Constraint { get; init; }

    /// <summary>
    /// Keeps the log-probabilities of the tokens: 0 those of the tokens chosen, n those of the n likeliest before each choice too; null keeps none. They
    /// are the model's own, at temperature 1 and before anything is ruled out. All logits are read for them at each step.
    /// </summary>
    public int? LogProbs { get; init; }

    /// <summary>The most of the likeliest tokens that <see cref="LogProbs"/> can ask for.</summary>
    public const int MostLogProbs = 20;

    /// <summary>Told on the decoding thread how far the prompt is read, after every few hundred tokens.</summary>
    public IProgress<PromptProgress>? PromptProgress { get; init; }

    // A reader may fall so many bytes behind before decoding waits for it.
    internal int PauseBytes { get; init; } = 64 * 1024;

    /// <summary>Checks that every option is within its range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One is not; the message says what is allowed.</exception>
    /// <exception cref="ArgumentException">A stop string is empty.</exception>
    public void Validate()
    {
        if (MaxTokens is { } most) ArgumentOutOfRangeException.ThrowIfNegativeOrZero(most, nameof(MaxTokens));
        if (LogProbs is < 0 or > MostLogProbs)
            throw new ArgumentOutOfRangeException(nameof(LogProbs), LogProbs, $"log-probabilities are kept of 0 to {MostLogProbs} of the likeliest tokens");
        if (Stop.Any(string.IsNullOrEmpty)) throw new ArgumentException("a stop string must not be empty", nameof(Stop));
        Sampling.Validate();
    }
}

/// <summary>How far a prompt is read.</summary>
/// <param name="Done">Tokens computed or kept from before.</param>
/// <param name="Total">Tokens of the prompt.</param>
public readonly record struct PromptProgress(int Done, int Total);

/// <summary>Why an answer ended.</summary>
public enum FinishReason
{
    /// <summary>The model ended its turn.</summary>
    EndOfTurn,

    /// <summary>A stop string was met.</summary>
    StopString,

    /// <summary>As many tokens as asked for.</summary>
    MaxTokens,

    /// <summary>The session holds no more tokens.</summary>
    ContextFull,

    /// <summary>It was cancelled, or its reader went away.</summary>
    Cancelled,
}

/// <summary>What a finished answer took.</summary>
/// <param name="Finish">Why it ended.</param>
/// <param name="PromptTokens">Tokens of the prompt.</param>
/// <param name="CachedTokens">How many of them the session already held.</param>
/// <param name="Tokens">Tokens generated, that which ended the turn included.</param>
/// <param name="PromptTime">From the start to the first token.</param>
/// <param name="DecodeTime">From the first token to the last.</param>
/// <param name="Seed">Seed of the draws.</param>
public sealed record GenerationResult(
    FinishReason Finish, int PromptTokens, int CachedTokens, int Tokens, TimeSpan PromptTime, TimeSpan DecodeTime, ulong Seed)
{
    /// <summary>Tokens per second after the first.</summary>
    public double TokensPerSecond => Tokens > 1 && DecodeTime > TimeSpan.Zero ? (Tokens - 1) / DecodeTime.TotalSeconds : 0;
}

/// <summary>
/// An answer while it is made. A thread of its own decodes; the text comes out of <see cref="Output"/> as whole UTF-8 characters,
/// and a reader that falls behind makes the decoding wait.
/// </summary>
/// <remarks>
/// Its members may be used from any thread, <see cref="Output"/> by one reader at a time. The session is the answer's until <see cref="Completion"/>; an
/// engine that is disposed meanwhile ends it with <see cref="ObjectDisposedException"/>.
/// </remarks>
public sealed class Generation : IAsyncDisposable
{
    private readonly Session session;
    private readonly Tokenizer tokenizer;
    private readonly GenerationOptions options;
    private readonly Sampler sampler;
    private readonly StopMatcher stops;
    private readonly Utf8Stream characters = new();
    private readonly ArrayBufferWriter<byte> passed = new(64);
    private readonly Pipe pipe;
    private readonly CancellationTokenSource cancellation;
    private readonly TokenLog? log;
    private bool readerGone;
    private bool disposed;

    private Generation(Session session, Tokenizer tokenizer, int[] prompt, GenerationOptions options, TokenLog? log, CancellationToken cancel)
    {
        this.log = log;
        this.session = session;
        this.tokenizer = tokenizer;
        this.options = options;
        sampler = new Sampler(options.Sampling, session.Vocabulary, tokenizer, options.Constraint?.Invoke());
        stops = new StopMatcher(options.Stop);
        pipe = new Pipe(new PipeOptions(
            readerScheduler: new Waker(), pauseWriterThreshold: options.PauseBytes, resumeWriterThreshold: options.PauseBytes / 2,
            useSynchronizationContext: false));
        cancellation = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Completion = Task.Factory.StartNew(() => Run(prompt), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>The text, as UTF-8. Completed when the answer is; with the error, if there was one.</summary>
    public PipeReader Output => pipe.Reader;

    /// <summary>What the answer took, when it is finished. Cancelling is a result and not an exception.</summary>
    public Task<GenerationResult> Completion { get; }

    /// <summary>Begins an answer.</summary>
    /// <param name="session">The timeline. What it holds of the prompt's beginning is kept, what differs is forgotten. Not to be used until <see cref="Completion"/>.</param>
    /// <param name="tokenizer">Tokenizer of the same model.</param>
    /// <param name="prompt">All tokens of the text to continue; at least one.</param>
    /// <param name="options">How to generate.</param>
    /// <param name="cancellation">Ends the answer within one step.</param>
    /// <exception cref="ContextFullException">The prompt is longer than the context.</exception>
    public static Generation Start(
        Session session, Tokenizer tokenizer, int[] prompt, GenerationOptions options, CancellationToken cancellation = default) =>
        Start(session, tokenizer, prompt, options, log: null, cancellation);

    /// <summary>The same, with what is to be known of each token.</summary>
    internal static Generation Start(
        Session session, Tokenizer tokenizer, int[] prompt, GenerationOptions options, TokenLog? log, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (prompt.Length == 0) throw new ArgumentException("the prompt has no tokens: a model can only continue a text", nameof(prompt));
        if (prompt.Length > session.ContextLength)
            throw new ContextFullException($"the prompt has {prompt.Length} tokens, the context has {session.ContextLength}");
        return new Generation(session, tokenizer, prompt, options, log, cancellation);
    }

    /// <summary>Ends the answer, if it goes on, and waits until the session is free.</summary>
    public async ValueTask DisposeAsync()
    {
        if (disposed) return;
        disposed = true;
        await cancellation.CancelAsync().ConfigureAwait(false);
        await pipe.Reader.CompleteAsync().ConfigureAwait(false);
        await ((Task)Completion).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellation.Dispose();
    }

    private GenerationResult Run(int[] prompt)
    {
        Exception? error = null;
        try
        {
            return Generate(prompt);
        }
        catch (Exception e)
        {
            error = e;
            throw;
        }
        finally
        {
            session.LeaveDecoding();
            pipe.Writer.Complete(error);
        }
    }

    private GenerationResult Generate(int[] prompt)
    {
        var start = Stopwatch.GetTimestamp();
        var cached = KeepCommonBeginning(prompt);
        var (count, first) = (0, start);
        var finish = FinishReason.Cancelled;
        Span<int> next = stackalloc int[1];
        try
        {
            Read(prompt, cached);
            foreach (var token in prompt) sampler.AcceptPrompt(token);
            session.JoinDecoding();
            while (true)
            {
                if (options.LogProbs is { } likeliest && log is not null) log.Observe(session.Logits, likeliest);
                var token = Sample();
                sampler.Accept(token);
                if (count++ == 0) first = Stopwatch.GetTimestamp();
                log?.Add(token, Stopwatch.GetElapsedTime(start));
                if (tokenizer.EndOfTurn.Contains(token)) finish = FinishReason.EndOfTurn;
                else if (Emit(token)) finish = FinishReason.StopString;
                else if (readerGone || cancellation.IsCancellationRequested) break;
                else if (count == options.MaxTokens) finish = FinishReason.MaxTokens;
                else if (session.Length == session.ContextLength) finish = FinishReason.ContextFull;
                if (finish != FinishReason.Cancelled) break;
                next[0] = token;
                session.Append(next, cancellation.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The answer ends here; what was written stays.
        }
        catch (ContextFullException) when (count > 0)
        {
            finish = FinishReason.ContextFull; // other sessions took the last pages of the cache
        }
        Finish();
        return new GenerationResult(
            finish, prompt.Length, cached, count, Stopwatch.GetElapsedTime(start, first), Stopwatch.GetElapsedTime(first), sampler.Seed);
    }

    /// <summary>Rewinds to what the session and the prompt have in common, but for the last token, whose logits are needed.</summary>
    private int KeepCommonBeginning(int[] prompt)
    {
        var common = session.Tokens.CommonPrefixLength(prompt);
        if (common == prompt.Length) common--;
        session.Rewind(common);
        return common;
    }

    private void Read(int[] prompt, int done)
    {
        if (options.PromptProgress is not { } progress)
        {
            session.Append(prompt.AsSpan(done), cancellation.Token);
            return;
        }
        var slice = Math.Max(256, session.StepTokens); // whole prefill steps, and short enough for a line that moves
        while (done < prompt.Length)
        {
            var count = Math.Min(slice, prompt.Length - done);
            session.Append(prompt.AsSpan(done, count), cancellation.Token);
            progress.Report(new PromptProgress(done += count, prompt.Length));
        }
    }

    private int Sample()
    {
        try
        {
            return sampler.Sample(session);
        }
        catch (InvalidOperationException e) when (e is not ObjectDisposedException)
        {
            throw new ModelOutputException(e.Message, e);
        }
    }

    /// <summary>Writes a token's bytes; says whether a stop string was met.</summary>
    private bool Emit(int token)
    {
        passed.ResetWrittenCount();
        // A table padded beyond the tokenizer's tokens can give an id without text.
        var isMarker = token >= tokenizer.Count || tokenizer.IsControl(token);
        if (isMarker && !options.MarkerTokens.Contains(token))
        {
            log?.Written(fed: 0, passed: 0, characters.Held, pipe.Writer.UnflushedBytes);
            return false;
        }
        var stopped = false;
        if (isMarker)
        {
            stops.Flush(passed); // no stop string goes on beyond a marker
            passed.Write(tokenizer.Bytes(token));
        }
        else
        {
            stopped = stops.Write(tokenizer.Bytes(token), passed);
        }
        characters.Write(passed.WrittenSpan, pipe.Writer);
        log?.Written(tokenizer.Bytes(token).Length, passed.WrittenCount, characters.Held, pipe.Writer.UnflushedBytes);
        Flush();
        return stopped;
    }

    /// <summary>Writes what is held back; it reaches the reader as the pipe is completed, without waiting for it.</summary>
    private void Finish()
    {
        passed.ResetWrittenCount();
        stops.Flush(passed);
        characters.Write(passed.WrittenSpan, pipe.Writer);
        characters.Flush(pipe.Writer);
        log?.Finish();
    }

    private void Flush()
    {
        // Completes at once unless the reader is behind; then this thread has nothing better to do than to wait.
        var flush = pipe.Writer.FlushAsync(cancellation.Token);
        if (flush.IsCompletedSuccessfully)
        {
            readerGone |= flush.Result.IsCompleted;
            return;
        }
        session.LeaveDecoding(); // others need not wait for this reader
        readerGone |= flush.AsTask().GetAwaiter().GetResult().IsCompleted;
        session.JoinDecoding();
    }

    /// <summary>
    /// Wakes the reader on the thread pool as <see cref="PipeScheduler.ThreadPool"/> does, without an object for each time: a pipe
    /// has one wake-up pending at most, for the next begins with a read in the one before.
    /// </summary>
    private sealed class Waker : PipeScheduler, IThreadPoolWorkItem
    {
        private Action<object?>? action;
        private object? state;

        public override void Schedule(Action<object?> action, object? state)
        {
            (this.action, this.state) = (action, state);
            System.Threading.ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }

        public void Execute() => action!(state);
    }
}
