using System.Globalization;
using Terminal.Gui.ViewBase;
using WarpDecode.Chat.Ui.Markdown;
using WarpDecode.Chat.Ui.Text;

namespace WarpDecode.Chat.Ui;

/// <summary>How far a model is loaded: a bar for each stage, and the time left.</summary>
internal sealed class LoadScreen : View
{
    /// <summary>Rows that it takes.</summary>
    public const int Rows = 5;

    private const int NameColumns = 10, DoingColumns = 24;
    private readonly RowPainter row = new();
    private readonly Theme theme;
    private readonly TimeProvider time;
    private readonly string[] lines = ["", "", "", ""];
    private LoadStage stage = (LoadStage)(-1);
    private long began;

    /// <param name="theme">How it looks.</param>
    /// <param name="time">The clock.</param>
    public LoadScreen(Theme theme, TimeProvider time)
    {
        (this.theme, this.time) = (theme, time);
        CanFocus = false;
        Width = Dim.Fill();
        Height = Rows;
        SetScheme(theme.Scheme);
    }

    /// <summary>Shows how far it is.</summary>
    /// <param name="model">Name of the model.</param>
    /// <param name="state">How far it is.</param>
    public void Show(string model, LoadState state)
    {
        if (state.Stage != stage) (stage, began) = (state.Stage, time.GetTimestamp());
        Set(0, "Loading " + SafeText.CleanLine(model));
        for (var i = LoadStage.Map; i <= LoadStage.WarmUp; i++) Set(1 + (int)i, Line(i, state));
    }

    private string Line(LoadStage of, LoadState state)
    {
        var name = (of switch { LoadStage.Map => "map", LoadStage.Weights => "weights", _ => "warm up" }).PadRight(NameColumns);
        if (of > state.Stage) return $"  {name}{StatusSegments.Bar(0, BarCells)}";
        if (of < state.Stage) return $"  {name}{StatusSegments.Bar(1, BarCells)} done";
        var share = state.Total > 0 ? (double)state.Done / state.Total : 0;
        var left = share is > 0.01 and < 1 && time.GetElapsedTime(began) is var elapsed && elapsed > TimeSpan.FromSeconds(0.5)
            ? string.Create(CultureInfo.InvariantCulture, $", about {Math.Ceiling(elapsed.TotalSeconds * (1 - share) / share):F0} s left")
            : "";
        var much = state.Total == 0 ? ""
            : state.Stage == LoadStage.Weights ? string.Create(CultureInfo.InvariantCulture, $" {share * 100:F0} % of {state.Total / 1e9:F1} GB{left}")
            : string.Create(CultureInfo.InvariantCulture, $" {state.Done} of {state.Total} tokens{left}");
        return $"  {name}{StatusSegments.Bar(share, BarCells)}{much}{(state.Doing is null ? "" : "  " + SafeText.CleanLine(state.Doing))}";
    }

    private int BarCells => Math.Clamp(Viewport.Width - NameColumns - DoingColumns - 10, 10, 40);

    private void Set(int i, string text)
    {
        if (lines[i] == text) return;
        lines[i] = text;
        SetNeedsDraw();
    }

    /// <inheritdoc/>
    protected override bool OnClearingViewport() => true; // each row is drawn to its end

    /// <inheritdoc/>
    protected override bool OnDrawingContent(DrawContext? context)
    {
        var width = Viewport.Width;
        for (var y = 0; y < Viewport.Height; y++)
        {
            row.Begin(this, y, width);
            if (y < lines.Length)
            {
                var text = Graphemes.Cut("  " + lines[y], width);
                row.Add(text, theme[y == 0 ? Ink.Heading : Ink.None], Graphemes.Columns(text), null);
            }
            row.Fill(theme[Ink.None]);
            row.Draw();
        }
        context?.AddDrawnRectangle(ViewportToScreen(new System.Drawing.Rectangle(0, 0, width, Viewport.Height)));
        return true;
    }
}
