using System.Globalization;
using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Cpu;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Reference;
using WarpDecode.Runtime.Models;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime;

/// <summary>
/// A loaded model. Conversations are <see cref="Session"/>s of it. Thread-safe: steps of several threads are taken one after
/// another. Disposing it frees the cache and unmaps the file; its sessions are then unusable.
/// </summary>
public sealed class Engine : IDisposable
{
    private const int PageTokens = 32;

    // Most rows of logits computed at once: bounds the buffer to a few megabytes for large vocabularies.
    private const int LogitRows = 32;

    private readonly Lock steps = new();
    private readonly ModelFile file;
    private readonly IBackend backend;
    private readonly ModelConfig config;
    private readonly IModel model;
    private readonly Workspace work;
    private readonly PagePool pages;
    private readonly Step step;
    private readonly int[] rows;
    private readonly List<string> notes = [];
    private Tokenizer? tokenizer;
    private ChatTemplate? template;
    private bool disposed;

    private Engine(ModelFile file, EngineOptions options)
        : this(file, options, CreateBackend(options))
    {
    }

    // Takes over the backend, not the file.
    private Engine(ModelFile file, EngineOptions options, IBackend backend)
    {
        this.file = file;
        this.backend = backend;
        try
        {
            var architecture = Architectures.Of(file);
            config = architecture.ReadConfig(file);
            ContextLength = ChooseContext(options, out var capped);
            if (capped is not null) notes.Add(capped);
            PlanMemory(options);
            model = Bind(architecture, options.Progress);
            step = new Step(Math.Max(options.PrefillTokens, options.Sessions), options.Sessions, PagesPerSession);
            rows = new int[step.Capacity];
            work = new Workspace(backend, config, step.Capacity, Math.Min(LogitRows, step.Capacity));
            pages = new PagePool(backend, backend.AllocateKvCache(KvShape(PagesPerSession * options.Sessions)));
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

    /// <summary>What a user should know about how the model was opened, for example that the context was made smaller.</summary>
    public IReadOnlyList<string> Notes => notes;

    /// <summary>The file that the model was opened from.</summary>
    public ModelFile File => file;

    /// <summary>The model's tokenizer; read when first asked for.</summary>
    /// <exception cref="ModelFileException">The file has none, or one that is not supported.</exception>
    public Tokenizer Tokenizer => tokenizer ??= Tokenizer.FromMetadata(file);

    /// <summary>The model's chat template; read when first asked for.</summary>
    /// <exception cref="ModelFileException">The file has none, or one that cannot be rendered yet.</exception>
    public ChatTemplate Template => template ??= ChatTemplate.FromMetadata(file);

    internal int PagesPerSession => (ContextLength + PageTokens - 1) / PageTokens;

    internal int FreePages => pages.Free;

    internal ModelConfig Config => config;

    /// <summary>Opens a model: maps the file, checks it, binds its weights and sizes every buffer.</summary>
    /// <param name="path">A GGUF file.</param>
    /// <param name="options">How to open it; null for the defaults.</param>
    /// <exception cref="ModelFileException">The file cannot be used; the message says where and why.</exception>
    /// <exception cref="ArgumentException">An option that this model or machine cannot fulfil.</exception>
    public static Engine Open(string path, EngineOptions? options = null)
    {
        options ??= new EngineOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(options.Threads);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.Sessions);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.PrefillTokens);
        var opened = ModelFile.Open(path);
        try
        {
            return new Engine(opened, options);
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    /// <summary>Opens a model on a backend of the caller's making, which the engine then owns.</summary>
    internal static Engine Open(string path, EngineOptions options, IBackend backend)
    {
        var opened = ModelFile.Open(path);
        try
        {
            return new Engine(opened, options, backend);
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    /// <summary>Begins a conversation.</summary>
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
    public void Decode(ReadOnlySpan<Session> sessions, ReadOnlySpan<int> tokens)
    {
        if (sessions.Length != tokens.Length) throw new ArgumentException($"{sessions.Length} sessions, but {tokens.Length} tokens");
        lock (steps)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            if (sessions.Length > step.Capacity || sessions.Length * PagesPerSession > step.PageTables.Length)
                throw new ArgumentException($"{sessions.Length} sessions in a step: the engine was opened for {step.PageTables.Length / PagesPerSession}");
            for (var i = 0; i < sessions.Length; i++)
            {
                sessions[i].CheckAlive();
                if (sessions[..i].Contains(sessions[i])) throw new ArgumentException("the same session occurs twice in one step");
                CheckRoom(sessions[i], tokens.Slice(i, 1));
            }
            step.Clear();
            for (var i = 0; i < sessions.Length; i++)
            {
                var session = sessions[i];
                session.Reserve(pages, session.Length + 1);
                step.AddSequence(session.Pages);
                step.AddToken(tokens[i], session.Length);
                rows[i] = i;
            }
            Forward();
            for (var i = 0; i < sessions.Length; i++) sessions[i].Push(tokens.Slice(i, 1));
            var slots = (int)(work.Logits.Length / config.Vocabulary);
            for (var first = 0; first < sessions.Length; first += slots)
            {
                var count = Math.Min(slots, sessions.Length - first);
                Head(rows.AsSpan(first, count));
                for (var i = 0; i < count; i++) sessions[first + i].SetLogits(LogitsOf(i));
            }
        }
    }

    /// <summary>Frees the cache and unmaps the file.</summary>
    public void Dispose()
    {
        lock (steps)
        {
            if (disposed) return;
            disposed = true;
            backend.Dispose();
            file.Dispose();
        }
    }

    internal void Append(Session session, ReadOnlySpan<int> added, LogitsReader? reader, CancellationToken cancellation)
    {
        lock (steps)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            CheckRoom(session, added);
        }
        while (added.Length > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            // The lock is taken step by step, so that sessions of other threads get their turn during a long prompt.
            lock (steps)
            {
                ObjectDisposedException.ThrowIf(disposed, this);
                var count = Math.Min(added.Length, step.Capacity);
                Prefill(session, added[..count], last: count == added.Length, reader);
                added = added[count..];
            }
        }
    }

    internal void Truncate(Session session, int length)
    {
        lock (steps) session.Truncate(pages, length);
    }

    internal Session Fork(Session session)
    {
        lock (steps)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            var fork = new Session(this);
            fork.CopyFrom(session, pages);
            return fork;
        }
    }

    internal void Close(Session session)
    {
        lock (steps) session.Truncate(pages, 0);
    }

    private void Prefill(Session session, ReadOnlySpan<int> tokens, bool last, LogitsReader? reader)
    {
        session.Reserve(pages, session.Length + tokens.Length);
        step.Clear();
        step.AddSequence(session.Pages);
        for (var i = 0; i < tokens.Length; i++) step.AddToken(tokens[i], session.Length + i);
        Forward();
        var start = session.Length;
        session.Push(tokens);

        var slots = (int)(work.Logits.Length / config.Vocabulary);
        var first = reader is not null ? 0 : last ? tokens.Length - 1 : tokens.Length;
        while (first < tokens.Length)
        {
            var count = Math.Min(slots, tokens.Length - first);
            for (var i = 0; i < count; i++) rows[i] = first + i;
            Head(rows.AsSpan(0, count));
            for (var i = 0; i < count; i++) reader?.Invoke(start + first + i, LogitsOf(i));
            first += count;
            if (first == tokens.Length) session.SetLogits(LogitsOf(count - 1));
        }
    }

    private void Forward()
    {
        if (backend.Begin(step)) model.Forward(backend, step, work, pages.Cache);
        backend.End(step);
    }

    private void Head(ReadOnlySpan<int> selected)
    {
        step.SelectLogits(selected);
        model.Head(backend, step, work);
    }

    private ReadOnlySpan<float> LogitsOf(int row) => backend.Read(work.Logits, (long)row * config.Vocabulary, config.Vocabulary);

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

    private KvShape KvShape(int count) => new(config.Layers, count, PageTokens, config.KvHeads, config.HeadDim);

    private int ChooseContext(EngineOptions options, out string? note)
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
        var memory = backend.FreeBytes is { } free ? free - WeightBytes - WorkBytes(options) : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2;
        var affordable = memory / options.Sessions / KvShape(1).PageBytes * PageTokens;
        if (affordable >= config.ContextLength) return config.ContextLength;
        var length = (int)Math.Max(PageTokens, affordable);
        note = $"context {length} of the model's {config.ContextLength} tokens: the cache for all of them would take more than {(backend.FreeBytes is null ? "half of the memory" : "the device has left")} (ask for another length to override)";
        return length;
    }

    private long WeightBytes => file.Tensors.Sum(t => t.Bytes);

    private long WorkBytes(EngineOptions options) =>
        Workspace.Bytes(config, Math.Max(options.PrefillTokens, options.Sessions), Math.Min(LogitRows, Math.Max(options.PrefillTokens, options.Sessions)));

    /// <summary>Adds up what a device must hold before anything is allocated on it.</summary>
    /// <exception cref="GpuException">It does not fit; the message has the plan and the longest context that would.</exception>
    private void PlanMemory(EngineOptions options)
    {
        if (backend.FreeBytes is not { } free) return;
        var (weights, work) = (WeightBytes, WorkBytes(options));
        var cache = KvShape(PagesPerSession * options.Sessions).PageBytes * PagesPerSession * options.Sessions;
        var plan = string.Create(CultureInfo.InvariantCulture,
            $"weights {weights / 1e9:F2} GB + cache {cache / 1e9:F2} GB ({options.Sessions} × {ContextLength} tokens) + activations {work / 1e9:F2} GB = {(weights + cache + work) / 1e9:F2} GB of {free / 1e9:F2} GB free");
        if (weights + cache + work <= free)
        {
            notes.Add("memory: " + plan);
            return;
        }
        var longest = (free - weights - work) / options.Sessions / KvShape(1).PageBytes * PageTokens;
        throw new GpuException($"the model does not fit on {backend.Description}: {plan}",
            longest >= PageTokens ? $"Use a context of at most {longest} tokens (-c {longest})." : "Use a smaller model or weight type, or --backend cpu.");
    }

    private IModel Bind(IArchitecture architecture, IProgress<LoadProgress>? progress)
    {
        var total = WeightBytes;
        var done = 0L;
        var binder = new WeightBinder(file, backend) { Bound = view => progress?.Report(new LoadProgress(done += view.Bytes, total)) };
        var bound = architecture.Bind(config, binder);
        binder.Finish();
        return bound;
    }

    private static IBackend CreateBackend(EngineOptions options) => options.Backend switch
    {
        BackendKind.Auto or BackendKind.Cpu => new CpuBackend(options.Threads),
        BackendKind.Cuda => new CudaBackend(CudaDevice.Open()),
        BackendKind.Reference => new ReferenceBackend(),
        _ => throw new ArgumentException($"unknown backend {options.Backend}"),
    };
}
