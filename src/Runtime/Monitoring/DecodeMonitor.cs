using System.Diagnostics;
using WarpDecode.Kernels;
using WarpDecode.Runtime.Benchmarking;

namespace WarpDecode.Runtime.Monitoring;

/// <summary>
/// Watches an engine decode: which experts tokens go to, and where the time goes. It is read from any thread without waiting for a step. On a GPU the
/// routes are copied to the host for as many steps as cost a hundredth of the time at most, and the times of a step's parts are not known:
/// the step is one recorded graph.
/// </summary>
internal sealed class DecodeMonitor : IDisposable
{
    // A step counts half after about 22 others.
    private const double Keep = 1 - (1 / 32.0);

    // Of the time, reading the routes of a device takes one part in so many.
    private const int ReadingShare = 100;

    private readonly Engine engine;
    private readonly StepBytes bytes;
    private readonly TimedBackend? timed;
    private readonly BandwidthMeter meter;
    private readonly int layers, topK, experts;

    // Of the step that is computed, under the engine's lock.
    private readonly long[] partBytes = new long[TimedBackend.Parts];
    private readonly int[] distinct; // by layer
    private readonly int[] seen; // in which layer and step an expert was seen last
    private int[] ids = [];
    private float[] weights = [];
    private int stamp;
    private bool isActive, isPending;
    private long begun, nextReading;
    private int count, position;
    private long positions;

    private readonly Lock gate = new(); // of what is below; never held for long
    private readonly RoutingSnapshot last;
    private readonly RoutingStatistics load;
    private readonly int[] tokenIds;
    private readonly float[] tokenWeights;
    private readonly double[] meanTicks = new double[TimedBackend.Parts], meanBytes = new double[TimedBackend.Parts];
    private double meanSeconds, timeWeight, bytesWeight;
    private long stepsSeen;
    private int lastCount;

    internal DecodeMonitor(Engine engine, ModelConfig config, StepBytes bytes, TimedBackend? timed)
    {
        (this.engine, this.bytes, this.timed) = (engine, bytes, timed);
        (layers, topK, experts) = (config.Layers, config.TopK, config.Experts);
        (distinct, seen) = (new int[layers], new int[experts]);
        (last, load) = (new RoutingSnapshot(layers, topK), new RoutingStatistics(layers, experts));
        (tokenIds, tokenWeights) = (new int[layers * topK], new float[layers * topK]);
        meter = new BandwidthMeter(engine);
    }

    /// <summary>Whether the times of a step's parts are known on this backend.</summary>
    public bool TimesParts => timed is not null;

    /// <summary>Why the read bandwidth of the memory is not known; null if it is.</summary>
    public string? BandwidthNote => meter.Note;

    /// <summary>Where the time of a step goes; null before the first decode step.</summary>
    public StepProfile? Profile
    {
        get
        {
            lock (gate)
            {
                if (timeWeight == 0) return null;
                var parts = new PartProfile[TimedBackend.Parts];
                for (var i = 0; i < parts.Length; i++)
                {
                    parts[i] = new PartProfile(
                        (StepPart)i, timed is null ? null : meanTicks[i] / timeWeight / Stopwatch.Frequency, bytesWeight == 0 ? 0 : meanBytes[i] / bytesWeight);
                }
                return new StepProfile(stepsSeen, lastCount, meanSeconds / timeWeight, parts, engine.ReadBandwidth);
            }
        }
    }

    /// <summary>Copies what is known of routes.</summary>
    /// <param name="snapshot">The last token's.</param>
    /// <param name="statistics">Of all tokens that were seen; of the model's sizes and the default half-life.</param>
    /// <returns>False if none was seen yet: both are then as they were.</returns>
    public bool TryRead(RoutingSnapshot snapshot, RoutingStatistics statistics)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        ArgumentNullException.ThrowIfNull(statistics);
        lock (gate)
        {
            if (last.Position < 0) return false;
            snapshot.CopyFrom(last);
            statistics.CopyFrom(load);
            return true;
        }
    }

    /// <summary>Forgets the loads and times so far, but for the last token.</summary>
    public void Reset()
    {
        lock (gate)
        {
            load.Clear();
            Array.Clear(meanTicks);
            Array.Clear(meanBytes);
            (meanSeconds, timeWeight, bytesWeight, stepsSeen) = (0, 0, 0, 0);
        }
    }

    /// <summary>
    /// Measures what the memory gives that the model is read from, unless that is known: when the engine rests, and anew if it is disturbed. Takes a second or less
    /// then, and waits until then; to be called from a thread that may.
    /// </summary>
    /// <param name="cancellation">Ends the waiting.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void MeasureReadBandwidth(CancellationToken cancellation) => meter.Measure(cancellation);

    /// <summary>Ends the watching.</summary>
    public void Dispose() => engine.Unwatch(this);

    // The rest is called by the engine, under its lock.

    /// <summary>What the step's operations go to; null for the backend itself.</summary>
    internal IBackend? Operations => isActive ? timed : null;

    internal void Begin(Step step)
    {
        (isActive, isPending) = (step.IsDecode && step.LogitCount > 0, false);
        if (!isActive) return;
        timed?.Restart();
        begun = Stopwatch.GetTimestamp();
    }

    /// <summary>The step was computed, or is on its way.</summary>
    internal void Computed(Step step)
    {
        if (!isActive) return;
        (count, position, positions) = (step.Count, step.Positions[step.Count - 1], 0);
        for (var t = 0; t < count; t++) positions += step.Positions[t] + 1;
        isPending = true;
        if (timed is not null) Waited();
    }

    /// <summary>A step begins, and nobody has waited for the last.</summary>
    internal void Abandon() => isPending = false;

    /// <summary>Somebody has waited for the step's logits, so that it is done.</summary>
    internal void Waited()
    {
        if (!isPending) return;
        isPending = false;
        var now = Stopwatch.GetTimestamp();
        var seconds = Stopwatch.GetElapsedTime(begun, now).TotalSeconds;
        var hasRoutes = timed is not null || now >= nextReading;
        if (hasRoutes)
        {
            Reserve();
            engine.ReadRoutings(0, count, ids.AsSpan(0, layers * count * topK), weights.AsSpan(0, layers * count * topK));
            if (timed is null) nextReading = Stopwatch.GetTimestamp() + (ReadingShare * (Stopwatch.GetTimestamp() - now));
        }
        var knowsBytes = count == 1 || hasRoutes;
        if (knowsBytes)
        {
            CountDistinct();
            bytes.Of(count, distinct, positions, logits: true, partBytes);
        }
        lock (gate)
        {
            if (hasRoutes) AddRoutes();
            AddTimes(seconds, knowsBytes);
        }
    }

    private void Reserve()
    {
        var needed = layers * count * topK;
        if (ids.Length >= needed) return;
        (ids, weights) = (new int[needed], new float[needed]);
    }

    /// <summary>Different experts of each layer.</summary>
    private void CountDistinct()
    {
        if (count == 1)
        {
            Array.Fill(distinct, topK);
            return;
        }
        for (var layer = 0; layer < layers; layer++)
        {
            distinct[layer] = 0;
            if (++stamp == int.MaxValue)
            {
                Array.Clear(seen);
                stamp = 1;
            }
            foreach (var id in ids.AsSpan(layer * count * topK, count * topK))
            {
                if (seen[id] == stamp) continue;
                seen[id] = stamp;
                distinct[layer]++;
            }
        }
    }

    private void AddRoutes()
    {
        for (var t = 0; t < count; t++)
        {
            for (var layer = 0; layer < layers; layer++)
            {
                var from = ((layer * count) + t) * topK;
                ids.AsSpan(from, topK).CopyTo(tokenIds.AsSpan(layer * topK));
                weights.AsSpan(from, topK).CopyTo(tokenWeights.AsSpan(layer * topK));
            }
            load.Add(tokenIds);
        }
        last.Set(tokenIds, tokenWeights, position);
    }

    private void AddTimes(double seconds, bool knowsBytes)
    {
        stepsSeen++;
        lastCount = count;
        timeWeight = (timeWeight * Keep) + 1;
        meanSeconds = (meanSeconds * Keep) + seconds;
        if (timed is not null)
        {
            for (var i = 0; i < meanTicks.Length; i++) meanTicks[i] = (meanTicks[i] * Keep) + timed.Ticks[i];
        }
        if (!knowsBytes) return;
        bytesWeight = (bytesWeight * Keep) + 1;
        for (var i = 0; i < meanBytes.Length; i++) meanBytes[i] = (meanBytes[i] * Keep) + partBytes[i];
    }
}
