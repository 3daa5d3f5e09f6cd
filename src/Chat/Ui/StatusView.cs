using Terminal.Gui.ViewBase;
using WarpDecode.Chat.Ui.Markdown;
using WarpDecode.Chat.Ui.Text;

namespace WarpDecode.Chat.Ui;

/// <summary>The status line, and a rule above the input when it has two rows.</summary>
internal sealed class StatusView : View
{
    private static readonly TimeSpan FlashTime = TimeSpan.FromSeconds(4);
    private readonly RowPainter row = new();
    private readonly Theme theme;
    private readonly TimeProvider time;
    private IReadOnlyList<StatusSegment> segments = [];
    private ChatStatus? status;
    private string flash = "";
    private long flashed;

    /// <param name="theme">How it looks.</param>
    /// <param name="time">The clock.</param>
    public StatusView(Theme theme, TimeProvider time)
    {
        (this.theme, this.time) = (theme, time);
        CanFocus = false;
        Width = Dim.Fill();
        Height = 1;
        SetScheme(theme.Scheme);
    }

    /// <summary>Shows what goes on.</summary>
    public void Show(ChatStatus now)
    {
        if (flash.Length > 0 && time.GetElapsedTime(flashed) > FlashTime) EndFlash();
        if (now == status) return;
        status = now;
        Remake();
    }

    /// <summary>Shows a text in the place of what goes on, for some seconds.</summary>
    public void Flash(string text)
    {
        (flash, flashed) = (SafeText.CleanLine(text), time.GetTimestamp());
        SetNeedsDraw();
    }

    /// <summary>Shows again what goes on.</summary>
    public void EndFlash()
    {
        if (flash.Length == 0) return;
        flash = "";
        SetNeedsDraw();
    }

    /// <inheritdoc/>
    protected override void OnViewportChanged(DrawEventArgs e)
    {
        base.OnViewportChanged(e);
        Remake();
    }

    /// <inheritdoc/>
    protected override bool OnClearingViewport() => true; // the row is drawn to its end

    /// <inheritdoc/>
    protected override bool OnDrawingContent(DrawContext? context)
    {
        row.Begin(this, 0, Viewport.Width);
        row.Add(" ", theme[Ink.None], 1, null);
        if (flash.Length > 0)
        {
            var shown = Graphemes.Cut(flash, Math.Max(0, Viewport.Width - 2));
            row.Add(shown, theme[Ink.Notice], Graphemes.Columns(shown), null);
        }
        else
        {
            for (var i = 0; i < segments.Count; i++)
            {
                if (i > 0) row.Add("  ", theme[Ink.None], 2, null);
                row.Add(segments[i].Text, theme[segments[i].Ink], Graphemes.Columns(segments[i].Text), null);
            }
        }
        row.Fill(theme[Ink.None]);
        row.Draw();
        context?.AddDrawnRectangle(ViewportToScreen(new System.Drawing.Rectangle(0, 0, Viewport.Width, 1)));
        return true;
    }

    private void Remake()
    {
        if (status is null || Viewport.Width == 0) return;
        var made = StatusSegments.Of(status, Viewport.Width - 2);
        if (made.SequenceEqual(segments)) return;
        segments = made;
        SetNeedsDraw();
    }
}
