using Terminal.Gui.Input;
using Terminal.Gui.ViewBase;
using WarpDecode.Chat.Ui.Markdown;
using WarpDecode.Chat.Ui.Text;
using WarpDecode.Runtime.Monitoring;

namespace WarpDecode.Chat.Ui;

/// <summary>
/// A live picture of an engine: which experts of each layer the tokens go to, how even that is, and where the time of a step goes. It looks for news ten times
/// a second, and only while it is seen.
/// </summary>
internal sealed partial class ExpertsView : View
{
    private const int LabelColumns = 4, FactColumns = 12, LeastMap = 8, WheelLines = 3;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);
    private readonly IExpertsSource source;
    private readonly RoutingSnapshot last;
    private readonly RoutingStatistics load;
    private readonly double[] loads;
    private readonly bool[] chosen;
    private readonly RowPainter row = new();
    private Theme theme = Theme.Dark;
    private Heat heat = new(Theme.Dark);
    private bool hasRoutes;
    private StepProfile? profile;
    private string? note;
    private LoadWindow window;
    private int top;
    private object? timer;

    /// <summary>A picture of that.</summary>
    public ExpertsView(IExpertsSource source)
    {
        this.source = source;
        (last, load) = (new RoutingSnapshot(source.Layers, source.TopK), new RoutingStatistics(source.Layers, source.Experts));
        (loads, chosen) = (new double[source.Experts], new bool[source.Experts]);
        CanFocus = true;
        SetScheme(theme.Scheme);
        Initialized += (_, _) => timer ??= App?.AddTimeout(Pause, () =>
        {
            if (Visible) Refresh();
            return true;
        });
        Refresh();
    }

    /// <summary>The person is done with it.</summary>
    public event EventHandler? Closed;

    /// <summary>How it looks.</summary>
    public Theme Theme
    {
        get => theme;
        set
        {
            (theme, heat) = (value, new Heat(value));
            SetScheme(value.Scheme);
            SetNeedsDraw();
        }
    }

    /// <summary>Over which tokens the loads are taken.</summary>
    public LoadWindow Window
    {
        get => window;
        set
        {
            window = value;
            SetNeedsDraw();
        }
    }

    /// <summary>The first layer that is shown.</summary>
    public int Top => top;

    /// <summary>Layers that are shown at once.</summary>
    public int MapRows => Math.Max(1, Viewport.Height - 2 - BelowRows);

    // The whole step, its parts where there is room, and the keys.
    private int BelowRows => Viewport.Height >= 17 ? 2 + Parts : Viewport.Height >= 8 ? 2 : 0;

    private static int Parts => Enum.GetValues<StepPart>().Length;

    /// <summary>Looks for news. The view calls it itself once it is on the screen.</summary>
    public void Refresh()
    {
        var (tokens, position, steps, before) = (load.Tokens, last.Position, profile?.Steps, note);
        hasRoutes = source.TryRead(last, load);
        (profile, note) = (source.Profile, source.BandwidthNote);
        if (tokens != load.Tokens || position != last.Position || steps != profile?.Steps || before != note) SetNeedsDraw();
    }

    /// <summary>Takes a key; false if it means nothing here.</summary>
    public bool Handle(Key key)
    {
        if (key == Key.Esc || key == Key.Q) Closed?.Invoke(this, EventArgs.Empty);
        else if (key == Key.CursorUp) Scroll(-1);
        else if (key == Key.CursorDown) Scroll(1);
        else if (key == Key.PageUp) Scroll(-MapRows);
        else if (key == Key.PageDown) Scroll(MapRows);
        else if (key == Key.Home) Scroll(-source.Layers);
        else if (key == Key.End) Scroll(source.Layers);
        else if (key == Key.T) Window = window == LoadWindow.Recent ? LoadWindow.All : LoadWindow.Recent;
        else if (key == Key.R)
        {
            source.Reset();
            load.Clear();
            Refresh();
            SetNeedsDraw();
        }
        else return false;
        return true;
    }

    private void Scroll(int rows)
    {
        top = Math.Clamp(top + rows, 0, Math.Max(0, source.Layers - MapRows));
        SetNeedsDraw();
    }

    /// <inheritdoc/>
    protected override bool OnKeyDown(Key key) => Handle(key) || base.OnKeyDown(key);

    /// <inheritdoc/>
    protected override bool OnMouseEvent(Mouse mouse)
    {
        if (mouse.Flags.HasFlag(MouseFlags.WheeledUp)) Scroll(-WheelLines);
        else if (mouse.Flags.HasFlag(MouseFlags.WheeledDown)) Scroll(WheelLines);
        else return base.OnMouseEvent(mouse);
        return true;
    }

    /// <inheritdoc/>
    protected override void OnViewportChanged(DrawEventArgs e)
    {
        base.OnViewportChanged(e);
        Scroll(0);
    }

    /// <inheritdoc/>
    protected override bool OnClearingViewport() => true; // each row is drawn to its end

    /// <inheritdoc/>
    protected override bool OnDrawingContent(DrawContext? context)
    {
        var (width, height) = (Viewport.Width, Viewport.Height);
        var below = height - BelowRows;
        for (var y = 0; y < height; y++)
        {
            row.Begin(this, y, width);
            if (y == 0) DrawTitle(width);
            else if (y == 1) DrawScale(width);
            else if (y < below) DrawLayer(top + y - 2, width);
            else if (y == height - 1) Put("↑↓ layers · Tab recent or all tokens · Ctrl-R reset · Esc back", Ink.Dim, width);
            else if (y == below) DrawStep(width);
            else DrawPart(y - below - 1, width);
            row.Fill(theme[Ink.None]);
            row.Draw();
        }
        context?.AddDrawnRectangle(ViewportToScreen(new System.Drawing.Rectangle(0, 0, width, height)));
        return true;
    }

    /// <summary>Columns of the heat map, and whether entropies have room beside it.</summary>
    private (int Columns, bool HasFacts) MapColumns(int width)
    {
        var hasFacts = width >= LabelColumns + LeastMap + FactColumns;
        return (Math.Max(0, width - LabelColumns - (hasFacts ? FactColumns : 0)), hasFacts);
    }

    /// <summary>Experts a value stands for, and values an expert takes.</summary>
    private (int Each, int Repeat, int Columns) Bins(int columns)
    {
        var values = columns * heat.PerCell;
        if (values == 0) return (1, 1, 0);
        var each = (source.Experts + values - 1) / values;
        var repeat = Math.Max(1, values / source.Experts);
        var used = (((source.Experts + each - 1) / each * repeat) + heat.PerCell - 1) / heat.PerCell;
        return (each, repeat, Math.Min(used, columns));
    }

    private void DrawLayer(int layer, int width)
    {
        if (layer >= source.Layers) return;
        row.Add(Format($"{layer,3} "), theme[Ink.Dim], LabelColumns, null);
        var (columns, hasFacts) = MapColumns(width);
        var (each, repeat, used) = Bins(columns);
        load.Loads(layer, window, loads);
        Array.Clear(chosen);
        if (hasRoutes)
        {
            foreach (var expert in last.ExpertsOf(layer)) chosen[expert] = true;
        }
        for (var column = 0; column < used; column++)
        {
            var (left, isLeft) = Bin(column * heat.PerCell / repeat, each);
            var (right, isRight) = heat.PerCell == 2 ? Bin(((column * 2) + 1) / repeat, each) : (0, false);
            var (text, attribute) = heat.Cell(left, isLeft, right, isRight);
            row.Add(text, attribute, 1, null);
        }
        if (!hasFacts) return;
        if (used < columns) row.Add(new string(' ', columns - used), theme[Ink.None], columns - used, null);
        if (load.Tokens == 0) return;
        Put(Format($" {load.Entropy(layer, window),5:F2} ×{load.Imbalance(layer, window):F1}"), Ink.None, FactColumns);
    }

    /// <summary>The mean of a bin of experts, and whether the last token went to one of them.</summary>
    private (double Value, bool IsChosen) Bin(int bin, int each)
    {
        var (from, to) = (bin * each, Math.Min((bin + 1) * each, source.Experts));
        if (from >= to) return (0, false);
        var (sum, any) = (0.0, false);
        for (var expert = from; expert < to; expert++)
        {
            sum += loads[expert];
            any |= chosen[expert];
        }
        return (Heat.Value(sum / (to - from)), any);
    }

    private void Put(string text, Ink ink, int width)
    {
        var cut = Graphemes.Cut(text, width);
        row.Add(cut, theme[ink], Graphemes.Columns(cut), null);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (timer is not null) App?.RemoveTimeout(timer);
        timer = null;
        base.Dispose(disposing);
    }
}
