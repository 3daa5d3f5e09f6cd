using WarpDecode.Runtime.Benchmarking;

namespace WarpDecode.Runtime.Monitoring;

/// <summary>Measures an engine's memory once, while it rests: an answer that runs meanwhile would be slowed down, and would falsify the result.</summary>
internal sealed class BandwidthMeter(Engine engine)
{
    // More than caches hold; and not so much that a model's pages are pushed out of memory.
    private const long MostHostBytes = 512L << 20;
    private const int HostPasses = 5;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);
    private string note = "not measured yet";

    /// <summary>Why nothing is known; null if it is.</summary>
    public string? Note => engine.ReadBandwidth is null ? Volatile.Read(ref note) : null;

    public void Measure(CancellationToken cancellation)
    {
        if (engine.ReadBandwidth is not null) return;
        if (engine.HostThreads is null && !engine.MeasuresBandwidth)
        {
            Say(engine.BackendName == "reference" ? "the reference backend is not made for speed" : "not measured for a model divided between GPU and CPU");
            return;
        }
        while (engine.ReadBandwidth is null)
        {
            while (!engine.IsResting)
            {
                Say("measured when the answer is done");
                if (cancellation.WaitHandle.WaitOne(Pause)) cancellation.ThrowIfCancellationRequested();
            }
            cancellation.ThrowIfCancellationRequested();
            Say("measuring");
            if (engine.HostThreads is { } threads)
            {
                engine.ReadBandwidth = OfHost(threads, cancellation);
                continue;
            }
            if (engine.MeasureBandwidth() is not { } device)
            {
                Say("not known: too little of the device's memory is free to measure it");
                return;
            }
            engine.ReadBandwidth = device;
        }
    }

    /// <summary>The best of a few passes; null if a step came between.</summary>
    private double? OfHost(int threads, CancellationToken cancellation)
    {
        var before = engine.Forwards;
        using var memory = new HostBandwidth(threads, MostHostBytes);
        var best = 0.0;
        for (var i = 0; i < HostPasses; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            var rate = memory.Pass();
            if (engine.Forwards != before) return null;
            best = Math.Max(best, rate);
        }
        return best;
    }

    private void Say(string what) => Volatile.Write(ref note, what);
}
