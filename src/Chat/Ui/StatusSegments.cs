using System.Globalization;
using WarpDecode.Chat.Ui.Markdown;
using WarpDecode.Chat.Ui.Text;

namespace WarpDecode.Chat.Ui;

/// <summary>A piece of the status line.</summary>
/// <param name="Text">What it says.</param>
/// <param name="Ink">How it looks.</param>
internal readonly record struct StatusSegment(string Text, Ink Ink = Ink.Dim);

/// <summary>What the status line says: as much as there is room for, the most important first.</summary>
internal static class StatusSegments
{
    /// <summary>From this share of the context on there is a warning.</summary>
    public const double Warning = 0.8;

    private const string Gap = "  ";
    private const int BarCells = 10;
    private const string Eighths = " ▏▎▍▌▋▊▉";

    /// <summary>The pieces for a width, in their order.</summary>
    public static IReadOnlyList<StatusSegment> Of(ChatStatus s, int width)
    {
        // In the order of the line; the numbers say what goes first when there is no room.
        var all = new List<(int Rank, StatusSegment Segment)>();
        if (Activity(s) is { } activity) all.Add((0, new StatusSegment(activity, Ink.Notice)));
        if (s.Context > 0)
        {
            var isWarning = s.Share >= Warning;
            var ink = isWarning ? Ink.Notice | Ink.Bold : Ink.None;
            all.Add((3, new StatusSegment(Bar(s.Share), ink)));
            all.Add((1, new StatusSegment(string.Create(CultureInfo.InvariantCulture, $"{s.Used}/{s.Context}"), ink)));
            if (isWarning) all.Add((2, new StatusSegment(s.Shifts ? "nearly full: the oldest will go" : "nearly full", ink)));
        }
        if (s.Rate > 0 || s.LastRate > 0) all.Add((2, new StatusSegment(string.Create(CultureInfo.InvariantCulture, $"{(s.Rate > 0 ? s.Rate : s.LastRate):F1} tok/s"), s.Rate > 0 ? Ink.None : Ink.Dim)));
        if (s.Rate > 0 && s.LastRate > 0) all.Add((6, new StatusSegment(string.Create(CultureInfo.InvariantCulture, $"(last {s.LastRate:F1})"))));
        if (s.FirstAfter is { } first) all.Add((5, new StatusSegment(string.Create(CultureInfo.InvariantCulture, $"first {(first.TotalSeconds < 10 ? $"{first.TotalMilliseconds:F0} ms" : $"{first.TotalSeconds:F0} s")}"))));
        if (s.DeviceBytes is { } bytes) all.Add((7, new StatusSegment(string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:F1} GB"))));
        if (s.Weights.Length > 0) all.Add((4, new StatusSegment($"{s.Weights} {s.Backend}")));
        if (s.Model.Length > 0) all.Add((8, new StatusSegment(SafeText.CleanLine(s.Model))));
        while (all.Count > 1 && Columns(all) > width)
        {
            var weakest = all.MaxBy(a => a.Rank);
            var at = all.IndexOf(weakest);
            var room = width - (Columns(all) - Graphemes.Columns(weakest.Segment.Text));
            if (weakest.Rank == 8 && room >= 8)
            {
                all[at] = (8, weakest.Segment with { Text = Graphemes.Cut(weakest.Segment.Text, room) });
                break;
            }
            all.RemoveAt(at);
        }
        return [.. all.Select(a => a.Segment)];
    }

    /// <summary>A bar for a share from 0 to 1.</summary>
    public static string Bar(double share, int cells = BarCells)
    {
        var eighths = (int)Math.Round(Math.Clamp(share, 0, 1) * cells * 8);
        var full = eighths / 8;
        var bar = new string('█', full);
        if (full < cells && eighths % 8 > 0) bar += Eighths[eighths % 8];
        return "▕" + bar.PadRight(cells) + "▏";
    }

    private static string? Activity(ChatStatus s) => s.Activity switch
    {
        ChatActivity.Loading => "loading",
        ChatActivity.NoModel => "no model",
        ChatActivity.Reading when s.PromptRead is { } read => string.Create(CultureInfo.InvariantCulture, $"reading {read * 100:F0} %"),
        ChatActivity.Reading => "reading",
        ChatActivity.Answering => "● Esc stops",
        _ => null,
    };

    private static int Columns(List<(int Rank, StatusSegment Segment)> all) => all.Sum(a => Graphemes.Columns(a.Segment.Text)) + (Gap.Length * (all.Count - 1));
}
