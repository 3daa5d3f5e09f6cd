using WarpDecode.Runtime.Evaluation;

namespace WarpDecode.Chat;

/// <summary>
/// The running values of an evaluation: on stdout a line for each window, if wanted; on stderr, if that is a terminal, a bar with
/// the time left, which goes when all is done.
/// </summary>
internal sealed class PerplexityProgressLine(bool values) : IProgress<PerplexityProgress>
{
    private const int Width = 20;
    private readonly StatusLine bar = new(TimeSpan.FromSeconds(0.1));
    private readonly List<double> running = [];

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
        if (!bar.IsDue || value.Computed == 0) return;
        var share = (double)value.Computed / value.OfComputed;
        var full = (int)(share * Width);
        bar.Show($"[{new string('=', full)}{new string(' ', Width - full)}] {100 * share:F0} %, window {Math.Min(value.Windows + 1, value.OfWindows)} of {value.OfWindows}, "
            + $"{value.Computed / bar.Elapsed.TotalSeconds:N0} tokens/s{bar.Left(value.Computed, value.OfComputed)}");
    }

    /// <summary>Takes the bar away, if there is one.</summary>
    public void Clear() => bar.Clear();
}
