using Terminal.Gui.ViewBase;
using WarpDecode.Chat.Ui.Markdown;
using WarpDecode.Chat.Ui.Text;

namespace WarpDecode.Chat.Ui;

/// <summary>
/// The conversation on the screen. Only lines that can be seen are drawn, and of those only what differs from what stands there. It follows what
/// comes until somebody scrolls up, and again from the end on. Entries are added to by any thread; the view looks for news by a timer.
/// </summary>
internal sealed partial class TranscriptView : View
{
    /// <summary>Columns left of the text, for the mark of what is selected.</summary>
    public const int Gutter = 2;

    private const int Frames = 30, SlowFrames = 15;
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1.0 / Frames);
    private readonly List<TranscriptEntry> entries = [];
    private readonly List<int> ends = []; // lines up to the end of each entry
    private readonly List<TranscriptEntry> live = []; // those that may have news
    private Theme theme = Theme.Dark;
    private int top;
    private object? timer;
    private bool isOffBeat;

    /// <summary>An empty transcript.</summary>
    public TranscriptView()
    {
        CanFocus = true;
        SetScheme(theme.Scheme);
        Initialized += (_, _) => timer ??= App?.AddTimeout(Pause, () =>
        {
            if (isOffBeat = !isOffBeat && FramesPerSecond == SlowFrames) return true;
            Drain();
            return true;
        });
    }

    /// <summary>How it looks.</summary>
    public Theme Theme
    {
        get => theme;
        set
        {
            theme = value;
            SetScheme(value.Scheme);
            SetNeedsDraw();
        }
    }

    /// <summary>The entries, oldest first.</summary>
    public IReadOnlyList<TranscriptEntry> Entries => entries;

    /// <summary>Whether the end stays in sight while more comes.</summary>
    public bool FollowsTail { get; private set; } = true;

    /// <summary>How often the view looks for news. A large screen costs more to send: it is sent half as often.</summary>
    public int FramesPerSecond => Viewport.Width * Viewport.Height > 6000 ? SlowFrames : Frames;

    /// <summary>All lines there are.</summary>
    public int LineCount => ends.Count > 0 ? ends[^1] : 0;

    /// <summary>The first line on the screen.</summary>
    public int Top => top;

    private int Rows => Math.Max(1, Viewport.Height);

    private int LastTop => Math.Max(0, LineCount - Rows);

    /// <summary>Adds an entry at the end.</summary>
    public void Add(TranscriptEntry entry)
    {
        entry.Width = TextWidth;
        entry.Drain();
        entries.Add(entry);
        ends.Add(LineCount + entry.LineCount);
        if (!entry.IsSettled) live.Add(entry);
        Settle();
    }

    /// <summary>Takes the last entry away, if there is one.</summary>
    public void RemoveLast() => Truncate(Math.Max(0, entries.Count - 1));

    /// <summary>Keeps the first entries and takes the others away.</summary>
    /// <param name="count">How many are kept.</param>
    public void Truncate(int count)
    {
        if (count >= entries.Count) return;
        for (var i = count; i < entries.Count; i++) live.Remove(entries[i]);
        entries.RemoveRange(count, entries.Count - count);
        ends.RemoveRange(count, ends.Count - count);
        if (selected is not null && !entries.Contains(selected)) Deselect();
        Settle();
    }

    /// <summary>Takes all entries away.</summary>
    public void Clear()
    {
        Truncate(0);
        (FollowsTail, top) = (true, 0);
    }

    /// <summary>Takes over what was added to entries since the last time. The view calls it itself once it is on the screen.</summary>
    public void Drain()
    {
        var first = -1;
        for (var i = live.Count - 1; i >= 0; i--)
        {
            var entry = live[i];
            if (entry.Drain())
            {
                var at = entries.LastIndexOf(entry);
                first = first < 0 ? at : Math.Min(first, at);
            }
            if (entry.IsSettled) live.RemoveAt(i);
        }
        if (first < 0) return;
        Recount(first);
        Settle();
    }

    /// <summary>Scrolls by lines, up if negative.</summary>
    public void Scroll(int lines)
    {
        top = Math.Clamp(top + lines, 0, LastTop);
        FollowsTail = top == LastTop;
        SetNeedsDraw();
    }

    /// <summary>One line up.</summary>
    public void ScrollUp() => Scroll(-1);

    /// <summary>One line down.</summary>
    public void ScrollDown() => Scroll(1);

    /// <summary>A screen up, but for a line that stays.</summary>
    public void PageUp() => Scroll(-Math.Max(1, Rows - 1));

    /// <summary>A screen down, but for a line that stays.</summary>
    public void PageDown() => Scroll(Math.Max(1, Rows - 1));

    /// <summary>To the beginning.</summary>
    public void Home() => Scroll(-top);

    /// <summary>To the end, and along with it.</summary>
    public void End() => Scroll(LastTop - top);

    private int TextWidth => Viewport.Width == 0 ? 80 - Gutter : Math.Max(Wrap.MinWidth, Viewport.Width - Gutter); // before the first layout: a guess

    private void Recount(int from)
    {
        for (var i = from; i < entries.Count; i++) ends[i] = (i > 0 ? ends[i - 1] : 0) + entries[i].LineCount;
    }

    private void Settle()
    {
        top = FollowsTail ? LastTop : Math.Min(top, LastTop);
        SetNeedsDraw();
    }

    /// <summary>The entry that a line is of, and the line's number in it.</summary>
    private (int Entry, int Line) Find(int line)
    {
        var at = ends.BinarySearch(line + 1);
        if (at < 0) at = ~at;
        while (at > 0 && ends[at - 1] > line) at--; // entries without lines have the same ends
        return (at, line - (at > 0 ? ends[at - 1] : 0));
    }

    /// <inheritdoc/>
    protected override void OnViewportChanged(DrawEventArgs e)
    {
        base.OnViewportChanged(e);
        if (entries.Count > 0 && entries[0].Width == TextWidth)
        {
            Settle();
            return;
        }
        var (entry, line) = FollowsTail || entries.Count == 0 ? (0, 0) : Find(Math.Min(top, LineCount - 1));
        var before = entries.Count == 0 ? 1 : Math.Max(1, entries[entry].LineCount);
        foreach (var each in entries) each.Width = TextWidth;
        Recount(0);
        if (!FollowsTail) top = (entry > 0 ? ends[entry - 1] : 0) + (int)((long)line * entries[entry].LineCount / before); // what was on top stays about there
        Settle();
    }

    /// <inheritdoc/>
    protected override bool OnClearingViewport() => true; // each row is drawn to its end

    /// <inheritdoc/>
    protected override bool OnDrawingContent(DrawContext? context)
    {
        var width = Viewport.Width;
        var (entry, line) = Find(top);
        for (var y = 0; y < Viewport.Height; y++)
        {
            while (entry < entries.Count && line >= entries[entry].LineCount) (entry, line) = (entry + 1, 0);
            var shown = entry < entries.Count ? entries[entry].Line(line) : StyledLine.Empty;
            var isMarked = entry < entries.Count && IsSelected(entries[entry], shown, line);
            row.Begin(this, y, width);
            row.Add(isMarked ? "▌ " : "  ", isMarked ? theme.Mark : theme[Ink.None], Gutter, null);
            foreach (var span in shown.Spans) row.Add(span.Text, theme[span.Ink], span.Columns, span.Url);
            row.Fill(theme[shown.Fill]);
            if (y == Viewport.Height - 1 && !FollowsTail && top < LastTop) More(width);
            row.Draw();
            line++;
        }
        context?.AddDrawnRectangle(ViewportToScreen(new System.Drawing.Rectangle(0, 0, width, Viewport.Height)));
        return true;
    }

    private readonly RowPainter row = new();

    private void More(int width)
    {
        var text = $" ↓ {LineCount - top - Viewport.Height} more ";
        var columns = Graphemes.Columns(text);
        if (columns < width) row.Overlay(text, width - columns, theme[Ink.Notice | Ink.Bold]);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (timer is not null) App?.RemoveTimeout(timer);
        timer = null;
        base.Dispose(disposing);
    }
}
