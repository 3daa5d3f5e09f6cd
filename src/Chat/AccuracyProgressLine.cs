using System.Diagnostics;
using WarpDecode.Runtime.Evaluation;

namespace WarpDecode.Chat;

/// <summary>A line on stderr that says how far a measurement of accuracy is; only on a terminal, and only if it takes a while.</summary>
internal sealed class AccuracyProgressLine : IProgress<AccuracyProgress>
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private readonly long start = Stopwatch.GetTimestamp();
    private bool shown;

    /// <summary>A line for one measurement, or null where nobody would see it.</summary>
    public static AccuracyProgressLine? ForTerminal() => Console.IsErrorRedirected ? null : new AccuracyProgressLine();

    public void Report(AccuracyProgress value)
    {
        var elapsed = Stopwatch.GetElapsedTime(start);
        if (elapsed < Patience) return;
        var left = elapsed * ((double)(value.Total - value.Tokens) / value.Tokens);
        Console.Error.Write($"\rmeasuring: {value.Tokens} of {value.Total} tokens, about {Math.Ceiling(left.TotalSeconds):F0} s left \u001b[K");
        shown = true;
    }

    /// <summary>Takes the line away, if there is one.</summary>
    public void Clear()
    {
        if (shown) Console.Error.Write("\r\u001b[K");
        shown = false;
    }
}
