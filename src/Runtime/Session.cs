using WarpDecode.Kernels;
using WarpDecode.Runtime.Monitoring;

namespace WarpDecode.Runtime;

/// <summary>Receives the logits of one position while tokens are appended.</summary>
/// <param name="position">Position in the session, from 0.</param>
/// <param name="logits">One value for each token of the vocabulary; valid during the call.</param>
/// <remarks>Called on the appending thread in the middle of a step, which all other sessions wait for: it may not use the engine or its sessions.</remarks>
public delegate void LogitsReader(int position, ReadOnlySpan<float> logits);

/// <summary>
/// One timeline of a model: its tokens, their keys and values, and the logits after the last.
/// </summary>
/// <remarks>
/// Sessions of one engine may be used from several threads, each session from one at a time. Disposing it gives its room in the cache back at once.
/// After the engine was disposed, every member that needs it throws <see cref="ObjectDisposedException"/>, but for <see cref="Dispose"/>.
/// </remarks>
public sealed class Session : IDisposable
{
    private readonly Engine engine;
    private readonly int[] tokens;
    private readonly int[] pages;
    private readonly float[] logits;
    private int pageCount;
    private int row = -1;
    private bool disposed;

    internal Session(Engine engine)
    {
        this.engine = engine;
        tokens = new int[engine.ContextLength];
        pages = new int[engine.PagesPerSession];
        logits = new float[engine.Vocabulary];
        Seat = new DecodeQueue.Seat(this);
    }

    /// <summary>Tokens so far.</summary>
    public ReadOnlySpan<int> Tokens => tokens.AsSpan(0, Length);

    /// <summary>Number of tokens so far.</summary>
    public int Length { get; private set; }

    /// <summary>Most tokens that the session can hold.</summary>
    public int ContextLength => tokens.Length;

    /// <summary>Tokens that <see cref="Logits"/> has values for.</summary>
    public int Vocabulary => logits.Length;

    /// <summary>Whether <see cref="Logits"/> can be read: after an append, until the next rewind.</summary>
    public bool HasLogits { get; private set; }

    /// <summary>Logits after the last token [vocabulary]; valid until the next call on the session.</summary>
    /// <exception cref="InvalidOperationException">Nothing was appended since the session began or was rewound.</exception>
    public ReadOnlySpan<float> Logits
    {
        get
        {
            if (!HasLogits) throw new InvalidOperationException("there are no logits: append at least one token first");
            if (Volatile.Read(ref row) >= 0) engine.FetchLogits(this);
            return logits;
        }
    }

    /// <summary>Appends tokens and computes them; afterwards <see cref="Logits"/> are those after the last.</summary>
    /// <param name="added">Token ids; none is allowed and changes nothing.</param>
    /// <param name="cancellation">Stops between steps; the session then holds the tokens computed until then.</param>
    /// <exception cref="ContextFullException">They do not fit; the session is unchanged.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An id outside the vocabulary; the session is unchanged.</exception>
    /// <exception cref="ObjectDisposedException">The session or its engine was disposed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Append(ReadOnlySpan<int> added, CancellationToken cancellation = default) => Append(added, null, cancellation);

    /// <summary>Appends tokens and gives the logits of each position to <paramref name="reader"/>, in order.</summary>
    /// <inheritdoc cref="Append(ReadOnlySpan{int}, CancellationToken)"/>
    public void Append(ReadOnlySpan<int> added, LogitsReader? reader, CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        engine.Append(this, added, reader, cancellation);
    }

    /// <summary>
    /// Generates the continuation of a text, as the model's tokenizer reads it with its BOS where it asks for one, and gives the pieces as they come.
    /// No chat template is applied, and texts of control tokens are read as ordinary text.
    /// </summary>
    /// <param name="prompt">The text; what the session holds of its beginning is kept, what differs is forgotten.</param>
    /// <param name="options">How to generate; null for the defaults.</param>
    /// <param name="cancellation">Ends the answer within one step.</param>
    /// <inheritdoc cref="GenerateAsync(int[], GenerationOptions?, CancellationToken)"/>
    public IAsyncEnumerable<GenerationUpdate> GenerateAsync(string prompt, GenerationOptions? options = null, CancellationToken cancellation = default) =>
        GenerateAsync(engine.Tokenizer.Encode(prompt, addSpecial: true, parseSpecial: false), options, cancellation);

    /// <summary>
    /// Generates the continuation of a prompt and gives the pieces as they come. The session is in use until the enumeration has ended; ending it
    /// early ends the answer. Each enumeration generates anew.
    /// </summary>
    /// <param name="prompt">All tokens of the text to continue, at least one; what the session holds of its beginning is kept, what differs is forgotten.</param>
    /// <param name="options">How to generate; null for the defaults.</param>
    /// <param name="cancellation">Ends the answer within one step.</param>
    /// <exception cref="ContextFullException">The prompt does not fit.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; the session holds what was computed until then.</exception>
    /// <exception cref="ModelOutputException">The model's logits cannot be sampled from.</exception>
    public IAsyncEnumerable<GenerationUpdate> GenerateAsync(int[] prompt, GenerationOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ObjectDisposedException.ThrowIf(disposed, this);
        return GenerationStream.ReadAsync(this, engine.Tokenizer, prompt, options ?? new GenerationOptions(), cancellation);
    }

    /// <summary>Forgets all tokens from position <paramref name="length"/> on; the logits go with them.</summary>
    /// <param name="length">Tokens that stay, 0 to <see cref="Length"/>.</param>
    /// <exception cref="ObjectDisposedException">The session or its engine was disposed.</exception>
    public void Rewind(int length)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        if (length == Length) return;
        engine.Truncate(this, length);
    }

    /// <summary>A second session with the same past and logits. The pages of the past are shared until one of the two writes to them.</summary>
    /// <exception cref="ObjectDisposedException">The session or its engine was disposed.</exception>
    public Session Fork()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        return engine.Fork(this);
    }

    /// <summary>
    /// Which experts the session's last token went to. Nothing is kept for this but what the last step of the engine has left: it is known from an
    /// append until the session is rewound or the engine computes a step that is not the session's.
    /// </summary>
    /// <param name="snapshot">Where it goes.</param>
    /// <returns>False if it is not known; the snapshot is then as it was.</returns>
    /// <exception cref="ArgumentException">The snapshot is of another model's sizes.</exception>
    public bool TryReadRouting(RoutingSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ObjectDisposedException.ThrowIf(disposed, this);
        return engine.TryReadRouting(this, snapshot);
    }

    /// <summary>Gives the session's pages back to the engine's cache.</summary>
    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        LeaveDecoding();
        engine.Close(this);
    }

    /// <summary>The best tokens after the last, best first, without reading the logits of all; false if these must be read.</summary>
    internal bool TryTop(Span<TopLogit> best) => HasLogits && engine.TryTop(this, best);

    /// <summary>Where it waits for the steps that it shares with other sessions.</summary>
    internal DecodeQueue.Seat Seat { get; }

    /// <summary>It appends token after token from now on, and shares steps with other sessions that do.</summary>
    internal void JoinDecoding() => engine.JoinDecoding(this);

    /// <summary>It appends no further token soon: sessions that decode at the same time do not wait for it.</summary>
    internal void LeaveDecoding() => engine.LeaveDecoding(this);

    /// <summary>Most tokens of a prompt that are computed at once.</summary>
    internal int StepTokens => engine.StepTokens;

    // The rest is called by the engine, under its lock.

    /// <summary>Where the logits lie on the backend; -1 if <see cref="logits"/> has them, or there are none.</summary>
    internal int Row => row;

    internal ReadOnlySpan<int> Pages => pages.AsSpan(0, pageCount);

    internal void CheckAlive() => ObjectDisposedException.ThrowIf(disposed, this);

    /// <summary>Pages that <see cref="Reserve"/> will take for that length: new ones, and one for a copy of a shared page.</summary>
    internal int PagesNeeded(PagePool pool, int length)
    {
        var first = Length / pool.PageTokens;
        var copy = first < pageCount && pool.IsShared(pages[first]) ? 1 : 0;
        return Math.Max(0, ((length + pool.PageTokens - 1) / pool.PageTokens) - pageCount) + copy;
    }

    internal void Reserve(PagePool pool, int length)
    {
        var first = Length / pool.PageTokens;
        if (first < pageCount) pages[first] = pool.MakeOwn(pages[first]); // the page that the next token goes to
        var needed = (length + pool.PageTokens - 1) / pool.PageTokens;
        while (pageCount < needed)
        {
            pages[pageCount] = pool.Take();
            pageCount++;
        }
    }

    /// <summary>The engine's step that computed the session's last token, and which of its tokens that was; step 0 if nobody knows.</summary>
    internal (long Step, int Token) Routed { get; private set; }

    internal void SetRouted(long step, int token) => Routed = (step, token);

    internal void Push(ReadOnlySpan<int> added)
    {
        Routed = default;
        added.CopyTo(tokens.AsSpan(Length));
        Length += added.Length;
        HasLogits = false;
    }

    internal void AwaitLogits(int at)
    {
        row = at;
        HasLogits = true;
    }

    internal void ForgetLogits()
    {
        row = -1;
        HasLogits = false;
    }

    internal void SetLogits(ReadOnlySpan<float> values)
    {
        values.CopyTo(logits);
        Volatile.Write(ref row, -1); // after them: a thread of the session's own looks without the lock
    }

    internal void Truncate(PagePool pool, int length)
    {
        var needed = (length + pool.PageTokens - 1) / pool.PageTokens;
        while (pageCount > needed) pool.Release(pages[--pageCount]);
        Routed = default;
        Length = length;
        HasLogits = false;
    }

    internal void CopyFrom(Session other, PagePool pool)
    {
        other.Tokens.CopyTo(tokens);
        other.Pages.CopyTo(pages);
        (Length, pageCount, HasLogits) = (other.Length, other.pageCount, other.HasLogits);
        other.logits.CopyTo(logits, 0);
        foreach (var page in Pages) pool.Share(page);
    }
}
