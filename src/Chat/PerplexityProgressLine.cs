using System.Diagnostics;
using WarpDecode.Runtime.Evaluation;

namespace WarpDecode.Chat;

/// <summary>
/// The running values of an evaluation: on stdout a line for each window, if wanted; on stderr, if that is a terminal, a bar with
/// the time left, which goes when all is done.
/// </summary>
internal sealed class PerplexityProgressLine(bool values) : IProgress<PerplexityProgress>
{
    private const int Width = 20;
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(0.1);
    private readonly bool bar = !Console.IsErrorRedirected;
    private readonly long start = Stopwatch.GetTimestamp();
    private readonly List<double> running = [];
    private TimeSpan next = Pause;
    private bool shown;

    /// <summary>The perplexity after each window.</summary>
    public IReadOnlyList<double> Running => running;

    public void Report(PerplexityProgress value)
    {
        if (value.Windows > running.Count)
        {
            running.Add(value.Perplexity.Value);
            if (values)
            {
                Clear();
                var kl = value.Divergence is { } divergence ? $"  KL = {divergence.Value:0.000e+00} ± {divergence.Error:0.0e+00}" : "";
                Console.Out.WriteLine($"[{value.Windows}/{value.OfWindows}] PPL = {value.Perplexity.Value:F4} ± {value.Perplexity.Error:F5}{kl}");
            }
        }
        var elapsed = Stopwatch.GetElapsedTime(start);
        if (!bar || elapsed < next || value.Computed == 0) return;
        next = elapsed + Pause;
        var share = (double)value.Computed / value.OfComputed;
        var left = TimeSpan.FromSeconds(Math.Ceiling(elapsed.TotalSeconds * (1 - share) / share));
        var full = (int)(share * Width);
        Console.Error.Write($"\r[{new string('=', full)}{new string(' ', Width - full)}] {100 * share:F0} %, window {Math.Min(value.Windows + 1, value.OfWindows)} of {value.OfWindows}, "
            + $"{value.Computed / elapsed.TotalSeconds:N0} tokens/s, {left:h\\:mm\\:ss} left \u001b[K");
        shown = true;
    }

    /// <summary>Takes the bar away, if there is one.</summary>
    public void Clear()
    {
        if (shown) Console.Error.Write("\r\u001b[K"); // back to the beginning of the line, and clear it
        shown = false;
    }
}
