using System.Diagnostics;
using WarpDecode.Runtime;

namespace WarpDecode.Chat;

/// <summary>A line on stderr that says how far a model is loaded, and goes when it is; only on a terminal, and only if it takes a while.</summary>
internal sealed class LoadProgressLine : IProgress<LoadProgress>
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(0.7);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(0.1);
    private readonly long start = Stopwatch.GetTimestamp();
    private TimeSpan next = Patience;
    private bool shown;

    /// <summary>A line for one model, or null where nobody would see it.</summary>
    public static LoadProgressLine? ForTerminal() => Console.IsErrorRedirected ? null : new LoadProgressLine();

    public void Report(LoadProgress value)
    {
        var elapsed = Stopwatch.GetElapsedTime(start);
        if (elapsed < (value.Doing is null ? next : Patience) || value.Bytes == 0) return;
        next = elapsed + Pause;
        shown = true;
        if (value.Doing is { } doing)
        {
            Console.Error.Write($"\rloading: {doing} \u001b[K");
            return;
        }
        var left = elapsed * ((double)(value.Total - value.Bytes) / value.Bytes);
        Console.Error.Write($"\rloading: {100 * value.Bytes / value.Total} % of {value.Total / 1e9:F1} GB, about {Math.Ceiling(left.TotalSeconds):F0} s left \u001b[K");
    }

    /// <summary>Takes the line away, if there is one.</summary>
    public void Clear()
    {
        if (shown) Console.Error.Write("\r\u001b[K"); // back to the beginning of the line, and clear it
        shown = false;
    }
}
