using WarpDecode.Kernels;
using WarpDecode.Kernels.Cpu;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Runtime.Benchmarking;
using WarpDecode.Runtime.Monitoring;

namespace WarpDecode.Runtime;

/// <content>Looking at decoding while it runs.</content>
public sealed partial class Engine
{
    // An answer takes steps in quicker succession than that.
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(400);

    private DecodeMonitor? monitor;
    private long forwards; // steps begun
    private long lastForward = -(long)Rest.TotalMilliseconds; // when one ended, on Environment.TickCount64
    private double? readBandwidth;

    /// <summary>Layers of the model.</summary>
    public int Layers => config.Layers;

    /// <summary>Experts of a layer.</summary>
    public int ExpertCount => config.Experts;

    /// <summary>Experts that a token goes to in each layer.</summary>
    public int ExpertsPerToken => config.TopK;

    /// <summary>
    /// Watches decode steps from now on, of all sessions, until the monitor is disposed: routes and times. While nobody watches, decoding does nothing for it.
    /// </summary>
    /// <exception cref="InvalidOperationException">Somebody watches already.</exception>
    internal DecodeMonitor Watch()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        // A backend in host memory has computed an operation when it returns; others have only queued it.
        var made = new DecodeMonitor(this, config, new StepBytes(file, config, kvType), backend is HostBackend ? new TimedBackend(backend) : null);
        // Without the lock: it is held for as long as a step takes, and a person waits.
        if (Interlocked.CompareExchange(ref monitor, made, null) is not null) throw new InvalidOperationException("the engine is watched already: dispose the other monitor first");
        return made;
    }

    internal void Unwatch(DecodeMonitor watching) => Interlocked.CompareExchange(ref monitor, null, watching);

    /// <summary>GB/s that its memory is read with at best, once that was measured.</summary>
    internal double? ReadBandwidth
    {
        get
        {
            lock (bandwidthGate) return readBandwidth;
        }
        set
        {
            lock (bandwidthGate) readBandwidth = value;
        }
    }

    private readonly Lock bandwidthGate = new();

    /// <summary>Threads of the backend, if it computes in the host's memory and is made for speed.</summary>
    internal int? HostThreads => (backend as CpuBackend)?.Threads;

    /// <summary>Whether the backend can measure the memory that the whole model lies in.</summary>
    internal bool MeasuresBandwidth => backend is CudaBackend;

    /// <summary>Whether nobody has computed anything for a moment.</summary>
    internal bool IsResting => turns.IsFree && Environment.TickCount64 - Volatile.Read(ref lastForward) >= Rest.TotalMilliseconds;

    /// <summary>Steps begun so far.</summary>
    internal long Forwards => Volatile.Read(ref forwards);

    /// <summary>Measures the device's memory between two steps.</summary>
    internal double? MeasureBandwidth()
    {
        using var turn = turns.Take();
        lock (steps)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            return backend.MeasureReadBandwidth();
        }
    }

    internal bool TryReadRouting(Session session, RoutingSnapshot snapshot)
    {
        if ((snapshot.Layers, snapshot.TopK) != (config.Layers, config.TopK))
            throw new ArgumentException($"a snapshot of {snapshot.Layers} layers × {snapshot.TopK} experts: the model has {config.Layers} × {config.TopK}", nameof(snapshot));
        using var turn = turns.Take();
        lock (steps)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            var (routedStep, token) = session.Routed;
            if (routedStep == 0 || routedStep != forwards) return false;
            ReadRoutings(token, 1, snapshot.RawExperts, snapshot.RawWeights);
            snapshot.Position = session.Length - 1;
            return true;
        }
    }

    /// <summary>Routes of some tokens of the last step [layers, tokens, K]; under the engine's lock.</summary>
    internal void ReadRoutings(int first, int tokens, Span<int> ids, Span<float> weights) => backend.ReadRoutings(work.Routings, first, tokens, ids, weights);

    private DecodeMonitor? BeginForward()
    {
        Volatile.Write(ref forwards, forwards + 1);
        var watching = Volatile.Read(ref monitor);
        watching?.Begin(step);
        return watching;
    }

    private void EndForward(DecodeMonitor? watching)
    {
        Volatile.Write(ref lastForward, Environment.TickCount64);
        watching?.Computed(step);
    }
}
