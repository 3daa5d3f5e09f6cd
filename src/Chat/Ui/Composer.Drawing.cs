using System.Drawing;
using Terminal.Gui.Drawing;
using Terminal.Gui.Drivers;
using Terminal.Gui.Text;
using Terminal.Gui.ViewBase;

namespace WarpDecode.Chat.Ui;

/// <content>How it looks.</content>
internal sealed partial class Composer
{
    private ComposerLayout? layout;
    private (int Version, int Width) laidOut;
    private int firstRow;

    private new ComposerLayout Layout
    {
        get
        {
            var now = (text.Version, TextWidth);
            if (layout is null || laidOut != now) (layout, laidOut) = (new ComposerLayout(text.Cells, TextWidth), now);
            return layout;
        }
    }

    private int PromptWidth => Prompt.GetColumns();

    private int TextWidth => Math.Max(2, Viewport.Width - PromptWidth);

    private int CandidateRows => completion.IsOpen ? Math.Min(MaxCandidates, completion.Candidates.Count) : 0;

    /// <inheritdoc/>
    protected override void OnViewportChanged(DrawEventArgs e)
    {
        base.OnViewportChanged(e);
        PlaceCursor(); // the height for a new width is set when it is drawn: set in the midst of a layout it would be undone at its end
    }

    /// <inheritdoc/>
    protected override void OnHasFocusChanged(bool newHasFocus, View? previousFocusedView, View? focusedView)
    {
        base.OnHasFocusChanged(newHasFocus, previousFocusedView, focusedView);
        PlaceCursor();
    }

    /// <inheritdoc/>
    protected override bool OnDrawingContent(DrawContext? context)
    {
        if (WantedRows != wantedRows) Refit(); // another width: the next pass has the height for it
        Scroll();
        var rows = Viewport.Height;
        var listed = Math.Min(CandidateRows, Math.Max(0, rows - 1));
        DrawCandidates(listed);
        var lines = Layout;
        for (var y = listed; y < rows; y++)
        {
            var row = firstRow + y - listed;
            Move(0, y);
            SetAttributeForRole(VisualRole.HotNormal);
            AddStr(row == 0 ? Prompt : new string(' ', PromptWidth));
            SetAttributeForRole(VisualRole.Normal);
            var column = 0;
            if (row < lines.Rows.Count)
            {
                for (var i = lines.Rows[row].Start; i < lines.Rows[row].End; i++) column += DrawCell(text.Cells[i], column);
            }
            if (text.IsEmpty && row == 0 && Placeholder.Length > 0)
            {
                SetAttributeForRole(VisualRole.Disabled);
                var shown = Cut(Placeholder, TextWidth);
                AddStr(shown);
                column += shown.GetColumns();
                SetAttributeForRole(VisualRole.Normal);
            }
            if (column < TextWidth) AddStr(new string(' ', TextWidth - column));
        }
        PlaceCursor();
        return true;
    }

    private int DrawCell(TextCell cell, int column)
    {
        var drawn = ComposerLayout.Drawn(cell);
        if (cell.Chip is not null)
        {
            drawn = Cut(drawn, TextWidth - column);
            SetAttributeForRole(VisualRole.Highlight);
        }
        AddStr(drawn);
        if (cell.Chip is not null) SetAttributeForRole(VisualRole.Normal);
        return Math.Max(1, drawn.GetColumns());
    }

    private void DrawCandidates(int rows)
    {
        var (first, count) = completion.Window(rows);
        var width = Viewport.Width;
        var names = completion.Candidates.Skip(first).Take(count).Select(c => ComposerText.Clean(c.Shown).GetColumns()).DefaultIfEmpty().Max();
        names = Math.Min(names, Math.Max(10, width / 2));
        for (var y = 0; y < count; y++)
        {
            var c = completion.Candidates[first + y];
            var chosen = first + y == completion.Selected;
            Move(0, y);
            SetAttributeForRole(chosen ? VisualRole.Focus : VisualRole.Normal);
            var name = Cut(Shown(c.Shown), names);
            AddStr("  " + name + new string(' ', Math.Max(0, names - name.GetColumns()) + 2));
            if (!chosen) SetAttributeForRole(VisualRole.Disabled);
            var rest = width - names - 4;
            var help = Cut(Shown(c.Help), Math.Max(0, rest));
            AddStr(help + new string(' ', Math.Max(0, rest - help.GetColumns())));
        }
        SetAttributeForRole(VisualRole.Normal);
    }

    private static string Shown(string text) => Conversations.ConversationTree.OneLine(text, 200);

    // As many characters as fit.
    private static string Cut(string text, int columns)
    {
        if (text.GetColumns() <= columns) return text;
        var (cut, used) = (0, 0);
        foreach (var g in GraphemeHelper.GetGraphemes(text))
        {
            if (used + Math.Max(1, g.GetColumns()) > columns) break;
            used += Math.Max(1, g.GetColumns());
            cut += g.Length;
        }
        return text[..cut];
    }

    // Which rows of the text are seen: that with the cursor always is, and none is left empty.
    private void Scroll()
    {
        var visible = Math.Max(1, Viewport.Height - CandidateRows);
        var (row, _) = Layout.Find(text.Cursor);
        firstRow = Math.Clamp(firstRow, Math.Max(0, row - visible + 1), row);
        firstRow = Math.Min(firstRow, Math.Max(0, Layout.Rows.Count - visible));
    }

    // The rows that it wants.
    private void Refit()
    {
        var wanted = WantedRows;
        if (wanted != wantedRows)
        {
            wantedRows = wanted;
            Height = wanted;
            RowsChanged?.Invoke(wanted);
        }
        PlaceCursor();
        SetNeedsDraw();
    }

    private int WantedRows => Math.Clamp(Layout.Rows.Count, 1, MaxRows) + CandidateRows;

    private int wantedRows = 1;

    private void PlaceCursor()
    {
        if (!HasFocus)
        {
            Cursor = new Cursor { Position = null };
            return;
        }
        Scroll();
        var (row, column) = Layout.Find(text.Cursor);
        var y = row - firstRow + Math.Min(CandidateRows, Math.Max(0, Viewport.Height - 1));
        var at = new Point(Math.Min(PromptWidth + column, Math.Max(0, Viewport.Width - 1)), y);
        Cursor = y < 0 || y >= Viewport.Height ? new Cursor { Position = null } : new Cursor { Position = ViewportToScreen(at), Style = CursorStyle.SteadyBar };
    }
}
