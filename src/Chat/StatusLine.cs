using System.Diagnostics;

namespace WarpDecode.Chat;

/// <summary>
/// A line on stderr that says how far long work is: each text takes the place of the one before, and the last goes when all is done.
/// Where stderr is no terminal nothing is written.
/// </summary>
internal sealed class StatusLine
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(0.1);
    private readonly TimeSpan patience;
    private long start;
    private TimeSpan next;
    private bool shown;

    /// <param name="patience">How long the work goes on before anything is said.</param>
    public StatusLine(TimeSpan patience)
    {
        this.patience = patience;
        Begin();
    }

    /// <summary>Whether anybody would see it.</summary>
    public static bool IsVisible => !Console.IsErrorRedirected;

    /// <summary>Whether it is time for another text.</summary>
    public bool IsDue => IsVisible && Elapsed >= next;

    /// <summary>Time since the work began.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(start);

    /// <summary>Shows a text, whether it is due or not.</summary>
    public void Show(string text)
    {
        if (!IsVisible) return;
        next = Elapsed + Pause;
        Console.Error.Write($"\r{text} \u001b[K");
        shown = true;
    }

    /// <summary>Takes the text away, if there is one.</summary>
    public void Clear()
    {
        if (shown) Console.Error.Write("\r\u001b[K"); // back to the beginning of the line, and clear it
        shown = false;
    }

    /// <summary>The work begins now: what was before does not count.</summary>
    public void Begin()
    {
        Clear();
        start = Stopwatch.GetTimestamp();
        next = patience;
    }

    /// <summary>The time left if the rest goes as fast as what is done, as the end of a text: <c>, about 5 s left</c>; nothing while nothing is done.</summary>
    public string Left(double done, double total) => done > 0 ? $", about {InWords(Elapsed * ((total - done) / done))} left" : "";

    private static string InWords(TimeSpan time) => time < TimeSpan.FromMinutes(2)
        ? $"{Math.Ceiling(time.TotalSeconds):F0} s"
        : time < TimeSpan.FromHours(2) ? $"{Math.Ceiling(time.TotalMinutes):F0} min" : $"{time.TotalHours:F1} h";
}
