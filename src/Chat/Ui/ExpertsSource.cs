using WarpDecode.Runtime;
using WarpDecode.Runtime.Monitoring;

namespace WarpDecode.Chat.Ui;

/// <summary>What <see cref="ExpertsView"/> shows. Asked on the UI thread: no answer may wait for a step.</summary>
internal interface IExpertsSource
{
    int Layers { get; }

    int Experts { get; }

    int TopK { get; }

    /// <summary>Where the time of a step goes; null before the first.</summary>
    StepProfile? Profile { get; }

    /// <summary>Why the read bandwidth of the memory is not known; null if it is.</summary>
    string? BandwidthNote { get; }

    /// <summary>Copies the last token's routes, and those of all tokens; false if there were none yet.</summary>
    bool TryRead(RoutingSnapshot last, RoutingStatistics load);

    /// <summary>Forgets the loads and times so far.</summary>
    void Reset();
}

/// <summary>An engine, watched from when the view opens until it is disposed with it. The memory is measured meanwhile, when the engine rests.</summary>
internal sealed class ExpertsSource : IExpertsSource, IDisposable
{
    private readonly DecodeMonitor monitor;
    private readonly CancellationTokenSource closing = new();
    private readonly Task measuring;
    private volatile string? failure;

    /// <summary>Begins to watch.</summary>
    public ExpertsSource(Engine engine)
    {
        (Layers, Experts, TopK) = (engine.Layers, engine.ExpertCount, engine.ExpertsPerToken);
        monitor = engine.Watch();
        measuring = Task.Factory.StartNew(Measure, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public int Layers { get; }

    public int Experts { get; }

    public int TopK { get; }

    public StepProfile? Profile => monitor.Profile;

    public string? BandwidthNote => monitor.BandwidthNote is { } note ? failure ?? note : null;

    /// <summary>Done when the memory was measured, or will not be.</summary>
    public Task Measuring => measuring;

    public bool TryRead(RoutingSnapshot last, RoutingStatistics load) => monitor.TryRead(last, load);

    public void Reset() => monitor.Reset();

    /// <summary>Ends the watching, without waiting for a measurement: that ends soon, and by itself.</summary>
    public void Dispose()
    {
        monitor.Dispose();
        closing.Cancel();
        _ = measuring.ContinueWith(static (_, source) => ((CancellationTokenSource)source!).Dispose(), closing, TaskScheduler.Default);
    }

    private void Measure()
    {
        try
        {
            monitor.MeasureReadBandwidth(closing.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            // The view was closed, or another model was loaded.
        }
        catch (Exception e)
        {
            failure = $"not measured: {e.Message}"; // shown in the view: nobody waits for the task
        }
    }
}
