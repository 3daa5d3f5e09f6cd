using System.Runtime.ExceptionServices;
using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Cpu;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Reference;
using WarpDecode.Runtime.Benchmarking;
using WarpDecode.Runtime.Models;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime;

/// <summary>
/// A loaded model. Conversations are <see cref="Session"/>s of it.
/// </summary>
/// <remarks>
/// Thread-safe: any member may be called from any thread at any time, <see cref="Dispose"/> too; steps of several threads are taken one after
/// another, in the order of asking. Disposing waits for the step that is computed, and frees the cache, the device's memory and the file's map before it
/// returns; what others then ask of the engine or its sessions throws <see cref="ObjectDisposedException"/>. Only <see cref="File"/> and its tensors
/// are not for use while the engine may be disposed.
/// </remarks>
public sealed partial class Engine : IDisposable, IAsyncDisposable
{
    internal const int PageTokens = 32;

    // Most rows of logits computed at once: bounds the buffer to a few megabytes for large vocabularies.
    internal const int LogitRows = 32;

    private readonly Turns turns = new(); // of steps; taken before the lock
    private readonly Lock steps = new();
    private readonly Lock reading = new(); // of the file by other than steps; may be taken under steps
    private readonly DecodeQueue queue;
    private readonly SessionPool pool;
    private readonly Session[] together;
    private readonly int[] togetherTokens;
    private readonly ModelFile file;
    private readonly IBackend backend;
    private readonly ModelConfig config;
    private readonly IModel model;
    private readonly Workspace work;
    private readonly WeightType kvType;
    private readonly PagePool pages;
    private readonly Step step;
    private readonly int[] rows;
    private readonly Session?[] waiting;
    private readonly TopLogit[] top;
    private readonly List<string> notes = [];
    private int waitingCount;
    private int topCount;
    private readonly string? preTokenizer;
    private Tokenizer? tokenizer;
    private ChatTemplate? template;
    private readonly bool readsFile; // steps read weights from the map
    private bool borrowed; // the file is the caller's
    private volatile bool disposed;
    private bool freed;

    // Takes over the backend, not the file.
    private Engine(ModelFile file, EngineOptions options, IArchitecture architecture, ModelConfig config, IBackend backend, Placement placement)
    {
        this.file = file;
        this.backend = backend;
        this.config = config;
        try
        {
            kvType = ChooseKvType(options);
            template = GivenTemplate = options.Template?.For(file);
            Moe = options.Moe;
            preTokenizer = options.PreTokenizer;
            var plan = backend.FreeBytes is { } free ? new MemoryPlan(file, config, backend, options, free) : null;
            readsFile = plan is null || !placement.IsWhole;
            ContextLength = ChooseContext(options, plan, placement, out var capped);
            if (capped is not null) notes.Add(capped);
            DeviceBytes = plan?.Bytes(placement, ContextLength);
            if (plan is not null) notes.Add($"memory: {plan.Check(placement, ContextLength)}");
            if (!placement.IsWhole) notes.Add($"{placement}");
            if (PackedBytes(view => plan is null || !placement.OnDevice(view)) is > 0 and var packed) notes.Add(PlanPacked(packed));
            model = Bind(architecture, options);
            step = new Step(MostTokens(options), options.Sessions, PagesPerSession);
            (queue, together, togetherTokens) = (new DecodeQueue(DecodeTogether, options.Sessions, options.Patience), new Session[options.Sessions], new int[options.Sessions]);
            rows = new int[step.Capacity];
            work = new Workspace(backend, config, step.Capacity, Math.Min(LogitRows, step.Capacity));
            pool = new SessionPool(this, options.Sessions);
            waiting = new Session?[Math.Min(LogitRows, step.Capacity)];
            top = new TopLogit[waiting.Length * backend.MostTop(config.Vocabulary)];
            pages = new PagePool(backend, backend.AllocateKvCache(KvShape(PagesPerSession * options.Sessions)));
            file.CheckWhole(); // what was copied from it is what it held
            backend.TuneExperts([.. model.Experts], config.TopK, work.H, work.Mid, work.X, Measuring, options.Cancellation);

            void Measuring()
            {
                var total = TotalBytes;
                options.Progress?.Report(new LoadProgress(total, total, "measuring the experts' kernels"));
            }
        }
        catch
        {
            backend.Dispose();
            throw;
        }
    }

    /// <summary>Most tokens of one session.</summary>
    public int ContextLength { get; }

    /// <summary>Tokens that logits are given for.</summary>
    public int Vocabulary => config.Vocabulary;

    /// <summary>Where the model runs, in words.</summary>
    public string Backend => $"{backend.Name} ({backend.Description})";

    /// <summary>How many tokens of a step go alone through the experts before they share what they read, in words; null where nothing depends on that.</summary>
    internal string? Experts => backend.Experts;

    /// <summary>What a user should know about how the model was opened, for example that the context was made smaller.</summary>
    public IReadOnlyList<string> Notes => notes;

    /// <summary>The file that the model was opened from.</summary>
    public ModelFile File => file;

    /// <summary>The model's name where the application gives it none: that of its file or folder, without the ending.</summary>
    internal string Name => Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(file.Path));

    /// <summary>The model's tokenizer; read when first asked for.</summary>
    /// <exception cref="ModelFileException">The file has none, or one that is not supported.</exception>
    /// <exception cref="ObjectDisposedException">The engine was disposed before it was read.</exception>
    public Tokenizer Tokenizer => Volatile.Read(ref tokenizer) ?? ReadFile(() => tokenizer ??= Tokenizer.FromMetadata(file, preTokenizer));

    /// <summary>The model's chat template; read when first asked for.</summary>
    /// <exception cref="ModelFileException">The file has none, or one that is no template.</exception>
    /// <exception cref="ObjectDisposedException">The engine was disposed before it was read.</exception>
    public ChatTemplate Template => Volatile.Read(ref template) ?? ReadFile(() => template ??= ChatTemplate.FromMetadata(file));

    /// <summary>Tokens that the cache has room for beside what sessions hold.</summary>
    public long FreeTokens => (long)pages.Free * PageTokens;

    /// <summary>Memory of the device that weights, cache and activations take; null where the model runs on the host.</summary>
    public long? DeviceBytes { get; }

    /// <summary>The template that the model was opened with in the place of its own.</summary>
    internal ChatTemplate? GivenTemplate { get; }

    /// <summary>The sessions of requests that have none of their own.</summary>
    internal SessionPool Pool => pool;

    private long TotalBytes => file.Tensors.Sum(t => t.Bytes);

    internal int PagesPerSession => PagesOf(ContextLength);

    /// <summary>Pages of the cache that so many tokens take.</summary>
    internal static int PagesOf(int tokens) => (tokens + PageTokens - 1) / PageTokens;

    internal int FreePages => pages.Free;

    internal int StepTokens => step.Capacity;

    internal ModelConfig Config => config;

    internal string BackendName => backend.Name;

    internal WeightType KvType => kvType;

    /// <summary>The form that was asked for.</summary>
    internal MoeForm Moe { get; }

    /// <summary>Opens a model: maps the file, checks it, binds its weights and sizes every buffer.</summary>
    /// <param name="path">What <see cref="ModelFile.Open"/> takes.</param>
    /// <param name="options">How to open it; null for the defaults.</param>
    /// <exception cref="ModelFileException">The file cannot be used; the message says where and why.</exception>
    /// <exception cref="MemoryPlanException">Weights that must be put together in memory do not fit there.</exception>
    /// <exception cref="GpuException">The GPU was asked for, and there is none or the model does not fit on it; the message says which.</exception>
    /// <exception cref="ArgumentException">An option that this model or machine cannot fulfil.</exception>
    /// <exception cref="OperationCanceledException">Loading was cancelled.</exception>
    public static Engine Open(string path, EngineOptions? options = null) => Open(path, options ?? new EngineOptions(), () => CudaDevice.Open());

    /// <summary>Opens a model as <see cref="Open(string, EngineOptions?)"/> does, on a thread of its own.</summary>
    /// <param name="path">What <see cref="ModelFile.Open"/> takes.</param>
    /// <param name="options">How to open it; null for the defaults. Its <see cref="EngineOptions.Cancellation"/> ends loading too.</param>
    /// <param name="cancellation">Ends loading between two tensors; what was opened until then is freed.</param>
    /// <inheritdoc cref="Open(string, EngineOptions?)" path="/exception"/>
    public static async Task<Engine> OpenAsync(string path, EngineOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new EngineOptions();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, options.Cancellation);
        try
        {
            return await Background.Run(() => Open(path, options with { Cancellation = either.Token }), either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (cancellation.IsCancellationRequested)
        {
            throw new OperationCanceledException("loading was cancelled", e, cancellation);
        }
    }

    /// <summary>Opens a model with a device of the caller's choice in the place of the GPU.</summary>
    /// <param name="path">A GGUF file.</param>
    /// <param name="options">How to open it.</param>
    /// <param name="device">The device.</param>
    /// <param name="made">A model made in memory, in the place of the file; it stays the caller's.</param>
    /// <param name="filler">For measurements: what makes the weights on the device instead of copying them from the file.</param>
    internal static Engine Open(
        string path, EngineOptions options, Func<GpuDevice> device, ModelFile? made = null, Func<GpuDevice, WeightFiller>? filler = null) => Open(path, options, made, (file, architecture, config) =>
    {
        var split = options.GpuLayers is not null || options.CpuMoe > 0;
        if (split && options.Backend is not (BackendKind.Auto or BackendKind.Cuda))
            throw new ArgumentException("layers and experts are divided between GPU and CPU on the cuda backend only");
        var form = ExpertFormOf(options);
        if (options.MoeAlone is not null && options.Backend is not (BackendKind.Auto or BackendKind.Cuda))
            throw new ArgumentException("how many tokens go alone through the experts can be chosen on the cuda backend only");
        Engine On(IBackend backend, Placement placement) => new(file, options, architecture, config, backend, placement);
        switch (options.Backend)
        {
            case BackendKind.Cpu:
                return On(new CpuBackend(options.Threads, form), Placement.Whole(config));
            case BackendKind.Reference:
                return On(new ReferenceBackend(), Placement.Whole(config));
            case BackendKind.Auto or BackendKind.Cuda:
                try
                {
                    var placement = Placement.Of(config, options);
                    var gpu = GpuSupport.IsSupported ? device() : throw GpuSupport.Missing; // a condition that a trimmer knows
                    var cuda = new CudaBackend(
                        gpu, filler?.Invoke(gpu), records: placement.IsWhole,
                        options: new CudaOptions(ExactTiles: options.Moe != MoeForm.WarpFp32, form, options.MoeAlone));
                    return On(placement.IsWhole
                        ? cuda
                        : new SplitBackend(cuda, new CpuBackend(options.Threads, form), placement.OnDevice, placement.GpuLayers), placement);
                }
                catch (Exception e) when (options.Backend == BackendKind.Auto && e is GpuException or NotSupportedException)
                {
                    var engine = On(new CpuBackend(options.Threads, form), Placement.Whole(config));
                    engine.notes.Insert(0, $"on the cpu: {e.Message}");
                    return engine;
                }
            default:
                throw new ArgumentException($"unknown backend {options.Backend}");
        }
    });

    /// <summary>Opens a model on a backend of the caller's making, which the engine then owns.</summary>
    internal static Engine Open(string path, EngineOptions options, IBackend backend) =>
        Open(path, options, null, (file, architecture, config) => new Engine(file, options, architecture, config, backend, Placement.Whole(config)));

    private static Engine Open(string path, EngineOptions options, ModelFile? made, Func<ModelFile, IArchitecture, ModelConfig, Engine> create)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(options.Threads);
        ArgumentOutOfRangeException.ThrowIfNegative(options.CpuMoe);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.Sessions);
        if (options.PrefillTokens is { } prefill) ArgumentOutOfRangeException.ThrowIfNegativeOrZero(prefill, nameof(options.PrefillTokens));
        if (options.MoeAlone is { } alone)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(alone.GateUp, nameof(options.MoeAlone));
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(alone.Down, nameof(options.MoeAlone));
        }
        if (options.GpuLayers is { } layers) ArgumentOutOfRangeException.ThrowIfNegative(layers, nameof(options.GpuLayers));
        var opened = made ?? ModelFile.Open(path);
        try
        {
            var architecture = Architectures.Of(opened);
            var engine = create(opened, architecture, architecture.ReadConfig(opened));
            engine.borrowed = made is not null;
            return engine;
        }
        catch
        {
            if (made is null) opened.Dispose();
            throw;
        }
    }

    /// <summary>Begins a conversation. It takes room in the cache as tokens are appended to it.</summary>
    /// <exception cref="ObjectDisposedException">The engine was disposed.</exception>
    public Session CreateSession()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        return new Session(this);
    }

    /// <summary>
    /// Appends one token to each of several sessions in a single step: the weights are read once for all of them. Each session
    /// gets the same bits as if it were alone.
    /// </summary>
    /// <param name="sessions">Different sessions of this engine, at most as many as it was opened for.</param>
    /// <param name="tokens">One token for each.</param>
    /// <exception cref="ContextFullException">One does not fit; no session is changed.</exception>
    /// <exception cref="ArgumentException">The numbers of sessions and tokens differ, there are more than the engine was opened for, one is there twice, or a token is outside the vocabulary.</exception>
    /// <exception cref="ObjectDisposedException">The engine, or one of the sessions, was disposed.</exception>
    public void Decode(ReadOnlySpan<Session> sessions, ReadOnlySpan<int> tokens)
    {
        if (sessions.Length != tokens.Length) throw new ArgumentException($"{sessions.Length} sessions, but {tokens.Length} tokens");
        using var turn = turns.Take();
        lock (steps)
        {
            Prepare(sessions, tokens);
            Advance(sessions, tokens);
        }
    }

    /// <summary>Waits for the step that is computed, if there is one, frees the weights and the cache, and unmaps the file.</summary>
    /// <exception cref="InvalidOperationException">It was called by a <see cref="LogitsReader"/>, in the middle of a step.</exception>
    public void Dispose()
    {
        turns.CheckNotMine();
        disposed = true; // who waits for a turn gives up when it comes
        pool.Dispose();
        using var turn = turns.Take();
        lock (steps)
        {
            lock (reading)
            {
                if (freed) return;
                freed = true;
                backend.Dispose();
                if (!borrowed) file.Dispose();
            }
        }
    }

    /// <summary>Disposes the engine on another thread, so that the caller's does not wait for a step.</summary>
    public ValueTask DisposeAsync() => new(Task.Run(Dispose));

    /// <summary>Reads from the model's file, which is not unmapped meanwhile.</summary>
    internal T ReadFile<T>(Func<T> read)
    {
        lock (reading)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            return read();
        }
    }

    internal void Append(Session session, ReadOnlySpan<int> added, LogitsReader? reader, CancellationToken cancellation)
    {
        if (added.Length == 1 && reader is null)
        {
            cancellation.ThrowIfCancellationRequested();
            queue.Decode(session.Seat, added[0]);
            return;
        }
        lock (steps)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            CheckRoom(session, added);
        }
        while (added.Length > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            // A turn for each step: sessions of other threads get theirs during a long prompt.
            using var turn = turns.Take();
            lock (steps)
            {
                ObjectDisposedException.ThrowIf(disposed, this);
                CheckFileBefore();
                var count = Math.Min(added.Length, step.Capacity);
                Prefill(session, added[..count], last: count == added.Length, reader);
                added = added[count..];
            }
        }
    }

    /// <summary>
    /// Appends some tokens to each of several sessions, as many of them together as a step takes: for many short texts. Logits have the
    /// same bits whatever other pieces there are.
    /// </summary>
    /// <param name="pieces">Different sessions of this engine, and at least one token for each.</param>
    /// <param name="reader">Is given the logits of every position, piece by piece in order; null if each session is to have those after its last.</param>
    /// <param name="cancellation">Stops between steps; the sessions then hold what was computed until then.</param>
    /// <exception cref="ContextFullException">A piece does not fit.</exception>
    internal void Append(ReadOnlySpan<Piece> pieces, PieceReader? reader, CancellationToken cancellation)
    {
        for (var (next, done) = (0, 0); next < pieces.Length;)
        {
            cancellation.ThrowIfCancellationRequested();
            using var turn = turns.Take();
            lock (steps)
            {
                ObjectDisposedException.ThrowIf(disposed, this);
                AppendPieces(pieces, ref next, ref done, reader);
            }
        }
    }

    /// <summary>Steps in which sessions decoded, and the tokens of all of them.</summary>
    internal (long Steps, long Tokens) Decoded => queue.Count;

    /// <summary>The session decodes from now on: others that do, too, share its steps.</summary>
    internal void JoinDecoding(Session session) => queue.Join(session.Seat);

    /// <summary>Nobody waits any longer for the session's next token.</summary>
    internal void LeaveDecoding(Session session) => queue.Leave(session.Seat);

    internal void Truncate(Session session, int length)
    {
        lock (steps)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            Forget(session);
            session.Truncate(pages, length);
        }
    }

    internal Session Fork(Session session)
    {
        lock (steps)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            Fetch(session);
            var fork = new Session(this);
            fork.CopyFrom(session, pages);
            return fork;
        }
    }

    internal void Close(Session session)
    {
        lock (steps)
        {
            Forget(session);
            session.Truncate(pages, 0);
        }
    }

    /// <summary>Gives a session its logits, if they lie on the backend.</summary>
    internal void FetchLogits(Session session)
    {
        lock (steps)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            Fetch(session);
        }
    }

    /// <summary>The best tokens after a session's last, best first; false if its logits lie on the backend no more, or more are asked for than it gives.</summary>
    internal bool TryTop(Session session, Span<TopLogit> best)
    {
        lock (steps)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            var row = session.Row;
            if (row < 0 || best.Length > backend.MostTop(config.Vocabulary)) return false;
            if (best.Length > topCount)
            {
                // Of all rows at once: the next calls are for the other sessions of the step.
                topCount = best.Length;
                backend.TopLogits(work.Logits, waitingCount, config.Vocabulary, topCount, top.AsSpan(0, waitingCount * topCount));
                monitor?.Waited();
            }
            top.AsSpan(row * topCount, best.Length).CopyTo(best);
            return true;
        }
    }

    /// <summary>Checks a step that appends one token to each session, and makes room for it.</summary>
    private void Prepare(ReadOnlySpan<Session> sessions, ReadOnlySpan<int> tokens)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        CheckFileBefore();
        if (sessions.Length > step.Capacity || sessions.Length * PagesPerSession > step.PageTables.Length)
            throw new ArgumentException($"{sessions.Length} sessions in a step: the engine was opened for {step.PageTables.Length / PagesPerSession}");
        for (var i = 0; i < sessions.Length; i++)
        {
            sessions[i].CheckAlive();
            if (sessions[..i].Contains(sessions[i])) throw new ArgumentException("the same session occurs twice in one step");
            CheckRoom(sessions[i], tokens.Slice(i, 1));
        }
        foreach (var session in sessions) session.Reserve(pages, session.Length + 1);
        Fill(sessions, tokens);
    }

    private void Fill(ReadOnlySpan<Session> sessions, ReadOnlySpan<int> tokens)
    {
        step.Clear();
        for (var i = 0; i < sessions.Length; i++)
        {
            step.AddSequence(sessions[i].Pages);
            step.AddToken(tokens[i], sessions[i].Length);
            rows[i] = i;
        }
        foreach (var session in sessions) Forget(session);
    }

    /// <summary>A step of the sessions that decode at the same time; what one of them is refused is its own error.</summary>
    private void DecodeTogether(List<DecodeQueue.Seat> seats)
    {
        using var turn = turns.Take();
        lock (steps)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            CheckFileBefore();
            var count = 0;
            foreach (var seat in seats)
            {
                try
                {
                    seat.Session.CheckAlive();
                    CheckRoom(seat.Session, [seat.Token]);
                }
                catch (Exception e) when (e is ContextFullException or ArgumentException or ObjectDisposedException)
                {
                    seat.Error = ExceptionDispatchInfo.Capture(e);
                    continue;
                }
                seat.Session.Reserve(pages, seat.Session.Length + 1);
                (together[count], togetherTokens[count]) = (seat.Session, seat.Token);
                count++;
            }
            if (count > 0)
            {
                Fill(together.AsSpan(0, count), togetherTokens.AsSpan(0, count));
                Advance(together.AsSpan(0, count), togetherTokens.AsSpan(0, count));
            }
            Array.Clear(together);
        }
    }

    /// <summary>Computes the step that appends one token to each session, and appends it.</summary>
    private void Advance(ReadOnlySpan<Session> sessions, ReadOnlySpan<int> tokens)
    {
        Forward(rows.AsSpan(0, sessions.Length <= waiting.Length ? sessions.Length : 0));
        for (var i = 0; i < sessions.Length; i++)
        {
            sessions[i].Push(tokens.Slice(i, 1));
            sessions[i].SetRouted(forwards, i);
        }
        if (sessions.Length <= waiting.Length)
        {
            for (var i = 0; i < sessions.Length; i++) Await(sessions[i], i);
            return;
        }
        for (var first = 0; first < sessions.Length; first += waiting.Length)
        {
            var count = Math.Min(waiting.Length, sessions.Length - first);
            Head(rows.AsSpan(first, count));
            for (var i = 0; i < count; i++) Await(sessions[first + i], i);
        }
    }

    private void Prefill(Session session, ReadOnlySpan<int> tokens, bool last, LogitsReader? reader)
    {
        session.Reserve(pages, session.Length + tokens.Length);
        step.Clear();
        step.AddSequence(session.Pages);
        for (var i = 0; i < tokens.Length; i++) step.AddToken(tokens[i], session.Length + i);
        var start = session.Length;
        Forget(session);
        rows[0] = tokens.Length - 1;
        Forward(rows.AsSpan(0, last && reader is null ? 1 : 0));
        session.Push(tokens);
        session.SetRouted(forwards, tokens.Length - 1);
        if (last && reader is null) Await(session, 0);
        if (reader is null) return;

        for (var first = 0; first < tokens.Length; first += waiting.Length)
        {
            var count = Math.Min(waiting.Length, tokens.Length - first);
            for (var i = 0; i < count; i++) rows[i] = first + i;
            Head(rows.AsSpan(0, count));
            for (var i = 0; i < count; i++) reader(start + first + i, LogitsOf(i));
            if (first + count == tokens.Length) Await(session, count - 1);
        }
    }

    /// <summary>One step of pieces, from token <paramref name="done"/> of piece <paramref name="next"/> on; both are then where the next step begins.</summary>
    private void AppendPieces(ReadOnlySpan<Piece> pieces, ref int next, ref int done, PieceReader? reader)
    {
        var first = next;
        var selected = ForwardPieces(pieces, ref next, ref done, every: reader is not null);
        for (var from = 0; from < selected; from += waiting.Length)
        {
            var count = Math.Min(waiting.Length, selected - from);
            Head(rows.AsSpan(from, count));
            for (var i = 0; i < count; i++)
            {
                var (token, piece) = (rows[from + i], first + step.Sequences[rows[from + i]]);
                reader?.Invoke(piece, step.Positions[token], LogitsOf(i));
                if (step.Positions[token] == pieces[piece].Session.Length - 1) Await(pieces[piece].Session, i);
            }
        }
    }

    /// <summary>
    /// All layers for one step of pieces, whose tokens their sessions then hold. <see cref="rows"/> then begins with the step's tokens that are to have
    /// logits: <paramref name="every"/> one, or the last of each piece.
    /// </summary>
    /// <returns>How many these are.</returns>
    private int ForwardPieces(ReadOnlySpan<Piece> pieces, ref int next, ref int done, bool every)
    {
        step.Clear();
        step.InPieces = true;
        var (first, selected) = (next, 0);
        while (next < pieces.Length && step.Count < step.Capacity && (step.SequenceCount + 1) * PagesPerSession <= step.PageTables.Length)
        {
            var session = pieces[next].Session;
            session.CheckAlive();
            var tokens = pieces[next].Tokens.Span[done..];
            if (tokens.Length == 0) throw new ArgumentException("a piece without tokens", nameof(pieces));
            CheckRoom(session, tokens);
            var taken = Math.Min(tokens.Length, step.Capacity - step.Count);
            session.Reserve(pages, session.Length + taken);
            Forget(session);
            step.AddSequence(session.Pages);
            for (var i = 0; i < taken; i++)
            {
                if (every || i == tokens.Length - 1) rows[selected++] = step.Count;
                step.AddToken(tokens[i], session.Length + i);
            }
            if (taken < tokens.Length)
            {
                done += taken;
                break;
            }
            (next, done) = (next + 1, 0);
        }
        Forward([]);

        for (var (token, sequence) = (0, 0); sequence < step.SequenceCount; sequence++)
        {
            var start = token;
            while (token < step.Count && step.Sequences[token] == sequence) token++;
            pieces[first + sequence].Session.Push(step.Tokens.AsSpan(start, token - start));
            pieces[first + sequence].Session.SetRouted(forwards, token - 1);
        }
        return selected;
    }

    /// <summary>All layers, and the head for some of the step's tokens.</summary>
    private void Forward(ReadOnlySpan<int> selected)
    {
        monitor?.Abandon();
        if (selected.Length > 0) ClearLogits(selected.Length);
        step.SelectLogits(selected);
        var watching = BeginForward();
        if (backend.Begin(step))
        {
            var ops = watching?.Operations ?? backend;
            model.Forward(ops, step, work, pages.Cache);
            if (selected.Length > 0) model.Head(ops, step, work);
        }
        backend.End(step);
        CheckFile();
        EndForward(watching);
    }

    /// <summary>The head for tokens of the step that was computed last.</summary>
    private void Head(ReadOnlySpan<int> selected)
    {
        ClearLogits(selected.Length);
        step.SelectLogits(selected);
        model.Head(backend, step, work);
        CheckFile();
    }

    /// <summary>After a step: nothing that was computed from a file that shrank gets out.</summary>
    private void CheckFile()
    {
        if (readsFile) file.CheckWhole();
    }

    /// <summary>Before a step, where a read behind the file's end could not be survived: makes the time for one short.</summary>
    private void CheckFileBefore()
    {
        if (!MapGuard.Works) CheckFile();
    }

    // Logits stay on the backend until somebody asks for them, for a sampler mostly wants only the best few. Each session that waits for
    // some knows its row; before a head overwrites the rows, who still waits is given them.
    private void Await(Session session, int row)
    {
        waiting[row] = session;
        session.AwaitLogits(row);
    }

    private void Forget(Session session)
    {
        if (session.Row < 0) return;
        waiting[session.Row] = null;
        session.ForgetLogits();
    }

    private void Fetch(Session session)
    {
        if (session.Row < 0) return;
        waiting[session.Row] = null;
        session.SetLogits(LogitsOf(session.Row));
    }

    private void ClearLogits(int rowsToCome)
    {
        foreach (var session in waiting)
        {
            if (session is not null) Fetch(session);
        }
        (waitingCount, topCount) = (rowsToCome, 0);
    }

    private ReadOnlySpan<float> LogitsOf(int row)
    {
        var logits = backend.Read(work.Logits, (long)row * config.Vocabulary, config.Vocabulary);
        monitor?.Waited();
        return logits;
    }

    private void CheckRoom(Session session, ReadOnlySpan<int> tokens)
    {
        foreach (var token in tokens)
        {
            if ((uint)token >= (uint)config.Vocabulary)
                throw new ArgumentOutOfRangeException(nameof(tokens), $"token {token} is outside the vocabulary of {config.Vocabulary}");
        }
        if (session.Length + (long)tokens.Length > ContextLength)
        {
            throw new ContextFullException(
                $"{tokens.Length} more tokens do not fit: the session holds {session.Length} of {ContextLength}. Open the model with a longer context, or begin a new session.");
        }
        var needed = session.PagesNeeded(pages, session.Length + tokens.Length);
        if (needed > pages.Free)
            throw new ContextFullException($"{tokens.Length} more tokens need {needed} pages of the cache, {pages.Free} are free: dispose a session or open the engine for more");
    }

    /// <summary>What a backend makes of the form that was asked for.</summary>
    /// <exception cref="ArgumentException">The backend that was asked for does not have it.</exception>
    private static ExpertForm ExpertFormOf(EngineOptions options)
    {
        if (options.Moe == MoeForm.Auto) return ExpertForm.Warp;
        if (options.Backend == BackendKind.Reference) throw new ArgumentException("the reference backend computes experts in one way only");
        if (options.Moe == MoeForm.WarpFp32) return ExpertForm.Warp; // the cpu has FP32 lanes only
        return options.Moe switch
        {
            MoeForm.BF16 => ExpertForm.WarpBF16,
            MoeForm.Conventional => ExpertForm.Conventional,
            MoeForm.ConventionalMxfp8 => ExpertForm.ConventionalMxfp8,
            _ => throw new ArgumentException($"unknown form of experts {options.Moe}"),
        };
    }

    private KvShape KvShape(int count) => new(config.Layers, count, PageTokens, config.KvHeads, config.HeadDim, kvType);

    private WeightType ChooseKvType(EngineOptions options)
    {
        if (options.KvType is not { } asked) return backend.KvTypes[0];
        if (backend.KvTypes.Contains(asked)) return asked;
        throw new ArgumentException($"keys and values in {asked} were asked for, but the {backend.Name} backend keeps them in {string.Join(" or ", backend.KvTypes)}");
    }

    private int ChooseContext(EngineOptions options, MemoryPlan? plan, Placement placement, out string? note)
    {
        note = null;
        if (options.ContextLength is { } asked)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(asked, nameof(options.ContextLength));
            if (asked > config.ContextLength)
                throw new ArgumentException($"a context of {asked} tokens was asked for, but the model was trained for {config.ContextLength}");
            return asked;
        }
        // Of the host's memory, which others need too, half; of a device's all that the weights and activations leave.
        var hosted = plan is null ? config.Layers : config.Layers - placement.GpuLayers;
        var memory = hosted == 0 ? long.MaxValue
            : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2 / options.Sessions / (KvShape(1) with { Layers = hosted, Type = WeightType.F32 }).PageBytes * PageTokens;
        var left = plan?.Affordable(placement) ?? long.MaxValue;
        var longest = Math.Min(memory, left);
        if (longest >= config.ContextLength) return config.ContextLength;
        var length = (int)Math.Max(PageTokens, longest);
        note = $"context {length} of the model's {config.ContextLength} tokens: the cache for all of them would take more than {(memory < left ? "half of the memory" : "the device has left")} (ask for another length to override)";
        return length;
    }

    /// <summary>Bytes of the weights that no file holds as they are computed with: those of them that go to the host take memory of its own.</summary>
    private long PackedBytes(Predicate<TensorView> onHost) => file.Tensors.Where(t => !t.IsMapped && onHost(t)).Sum(t => t.Bytes);

    private static string PlanPacked(long bytes)
    {
        var available = HostMachine.AvailableBytes;
        var plan = $"{ByteSize.InWords(bytes)} of weights are put together in memory, because the file keeps their scales or columns apart";
        return bytes <= available ? $"memory: {plan}" : throw new MemoryPlanException($"it does not fit in memory: {plan}; {ByteSize.InWords(available)} are available");
    }

    private int MostTokens(EngineOptions options) => Math.Max(Math.Min(options.PrefillTokens ?? backend.PrefillTokens, ContextLength), options.Sessions);

    private IModel Bind(IArchitecture architecture, EngineOptions options)
    {
        var total = TotalBytes;
        var done = 0L;
        var binder = new WeightBinder(file, backend)
        {
            Binding = view =>
            {
                if (!view.IsMapped) options.Progress?.Report(new LoadProgress(done, total, $"putting {view.Name} together"));
            },
            Bound = view =>
            {
                options.Progress?.Report(new LoadProgress(done += view.Bytes, total));
                options.Cancellation.ThrowIfCancellationRequested();
            },
        };
        var bound = architecture.Bind(config, binder);
        binder.Finish();
        return bound;
    }
}
