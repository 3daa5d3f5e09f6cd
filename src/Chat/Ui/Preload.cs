namespace WarpDecode.Chat.Ui;

/// <summary>Begins to open the first model before the screen is up; whoever opens it then gets that.</summary>
internal sealed class Preload
{
    private readonly ModelOpener open;
    private readonly string path;
    private readonly Task<LoadedModel> first;
    private readonly CancellationTokenSource ending;
    private readonly Relay relay = new();
    private int isTaken;

    /// <param name="path">The model.</param>
    /// <param name="open">Opens models.</param>
    /// <param name="cancellation">Ends the program.</param>
    public Preload(string path, ModelOpener open, CancellationToken cancellation)
    {
        (this.path, this.open) = (path, open);
        ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        first = Task.Factory.StartNew(() => open(path, relay, ending.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>A <see cref="ModelOpener"/>.</summary>
    public LoadedModel Open(string model, IProgress<LoadState> progress, CancellationToken cancellation)
    {
        if (model != path || Interlocked.Exchange(ref isTaken, 1) != 0) return open(model, progress, cancellation);
        relay.To = progress;
        using var _ = cancellation.Register(ending.Cancel);
        return first.GetAwaiter().GetResult();
    }

    private sealed class Relay : IProgress<LoadState>
    {
        private LoadState? last;
        private IProgress<LoadState>? to;

        public IProgress<LoadState> To
        {
            set
            {
                to = value;
                if (last is { } state) value.Report(state);
            }
        }

        public void Report(LoadState value)
        {
            last = value;
            to?.Report(value);
        }
    }
}
