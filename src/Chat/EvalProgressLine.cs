using System.Diagnostics;
using WarpDecode.Runtime.Evaluation;

namespace WarpDecode.Chat;

/// <summary>A line on stderr that says how far an evaluation is, and goes when it is done; only on a terminal.</summary>
internal sealed class EvalProgressLine(int total) : IProgress<EvalProgress>, IProgress<int>
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(0.1);
    private readonly bool visible = !Console.IsErrorRedirected;
    private long start = Stopwatch.GetTimestamp();
    private TimeSpan next = Pause;
    private bool shown;

    /// <summary>What was reported last.</summary>
    public EvalProgress Last { get; private set; }

    public void Report(EvalProgress value)
    {
        Last = value;
        var elapsed = Stopwatch.GetElapsedTime(start);
        var computed = value.Done - value.Before;
        if (!visible || elapsed < next || computed == 0) return;
        next = elapsed + Pause;
        var left = elapsed * ((double)(value.Total - value.Done) / computed);
        Console.Error.Write($"\r{value.Done} of {value.Total} items, {100.0 * value.Right / value.Done:F1} % right, about {Words(left)} left \u001b[K");
        shown = true;
    }

    /// <summary>Items turned into tokens, before the model is opened.</summary>
    public void Report(int value)
    {
        var elapsed = Stopwatch.GetElapsedTime(start);
        if (!visible || elapsed < next) return;
        next = elapsed + Pause;
        Console.Error.Write($"\rreading the items: {value} of {total}, about {Words(elapsed * ((double)(total - value) / value))} left \u001b[K");
        shown = true;
    }

    /// <summary>Begins to measure the time anew, for the items themselves.</summary>
    public void Begin()
    {
        Clear();
        start = Stopwatch.GetTimestamp();
        next = Pause;
    }

    /// <summary>Takes the line away, if there is one.</summary>
    public void Clear()
    {
        if (shown) Console.Error.Write("\r\u001b[K"); // back to the beginning of the line, and clear it
        shown = false;
    }

    private static string Words(TimeSpan time) => time < TimeSpan.FromMinutes(2)
        ? $"{Math.Ceiling(time.TotalSeconds):F0} s"
        : time < TimeSpan.FromHours(2) ? $"{Math.Ceiling(time.TotalMinutes):F0} min" : $"{time.TotalHours:F1} h";
}
