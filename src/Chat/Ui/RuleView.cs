using Terminal.Gui.ViewBase;
using WarpDecode.Chat.Ui.Markdown;

namespace WarpDecode.Chat.Ui;

/// <summary>A line across the screen.</summary>
internal sealed class RuleView : View
{
    private readonly RowPainter row = new();
    private readonly Theme theme;

    /// <param name="theme">How it looks.</param>
    public RuleView(Theme theme)
    {
        this.theme = theme;
        CanFocus = false;
        Width = Dim.Fill();
        Height = 1;
        SetScheme(theme.Scheme);
    }

    /// <inheritdoc/>
    protected override bool OnClearingViewport() => true; // the row is drawn to its end

    /// <inheritdoc/>
    protected override bool OnDrawingContent(DrawContext? context)
    {
        row.Begin(this, 0, Viewport.Width);
        row.Add(new string('─', Viewport.Width), theme[Ink.Frame], Viewport.Width, null);
        row.Fill(theme[Ink.Frame]);
        row.Draw();
        context?.AddDrawnRectangle(ViewportToScreen(new System.Drawing.Rectangle(0, 0, Viewport.Width, 1)));
        return true;
    }
}
