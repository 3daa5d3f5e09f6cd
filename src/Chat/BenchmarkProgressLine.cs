using System.Diagnostics;
using WarpDecode.Runtime.Benchmarking;

namespace WarpDecode.Chat;

/// <summary>A line on stderr that says what is measured and about how long it will take, and goes in the end; only on a terminal.</summary>
internal sealed class BenchmarkProgressLine : IProgress<BenchmarkProgress>
{
    private long start;
    private bool shown;

    /// <summary>A line for one run, or null where nobody would see it.</summary>
    public static BenchmarkProgressLine? ForTerminal() => Console.IsErrorRedirected ? null : new BenchmarkProgressLine();

    public void Report(BenchmarkProgress value)
    {
        if (value.Done == 0) start = Stopwatch.GetTimestamp();
        var left = value.Done == 0 ? "" : $", about {Math.Ceiling((Stopwatch.GetElapsedTime(start) * ((double)(value.Total - value.Done) / value.Done)).TotalSeconds):F0} s left";
        Console.Error.Write($"\r{value.What} ({value.Done} of {value.Total}{left}) \u001b[K");
        shown = true;
    }

    /// <summary>Takes the line away, if there is one.</summary>
    public void Clear()
    {
        if (shown) Console.Error.Write("\r\u001b[K"); // back to the beginning of the line, and clear it
        shown = false;
    }
}
