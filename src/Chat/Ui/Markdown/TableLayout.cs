using WarpDecode.Chat.Ui.Text;

namespace WarpDecode.Chat.Ui.Markdown;

/// <summary>
/// Lays tables out: columns as wide as their cells if there is room, else the widest narrowed and their cells wrapped. The widths come from the
/// first rows alone (<see cref="MeasuredRows"/>), so that a long table does not move under the reader and costs no more with every row.
/// </summary>
internal static class TableLayout
{
    /// <summary>Rows that the widths of columns are made from.</summary>
    public const int MeasuredRows = 50;

    /// <summary>Characters of rows that the widths of columns are made from.</summary>
    public const int MeasuredLength = 16_384;

    private const int MinColumn = 3;
    private const int Between = 3; // " │ "

    /// <summary>Whether the columns' widths are what they will be.</summary>
    public static bool IsFixed(Leaf leaf) => leaf.Lines.Count > MeasuredRows || leaf.Length > MeasuredLength;

    /// <summary>Lays out what is new of a table: see <see cref="LeafLayout.Lay"/>.</summary>
    public static void Lay(Leaf leaf, int done, StyledSpan[] first, StyledSpan[] rest, int width, Ink ink, List<StyledLine> lines)
    {
        var room = Math.Max(Wrap.MinWidth, width - LeafLayout.Columns(first));
        var isFixed = IsFixed(leaf);
        var (madeFor, widths) = leaf.Widths;
        if (done < 0 || madeFor != width || !isFixed)
        {
            widths = Measure(leaf, room, ink);
            leaf.Widths = (width, isFixed ? widths : null);
        }
        for (var row = Math.Max(0, done); row < leaf.Lines.Count; row++)
        {
            var prefix = row == 0 ? first : rest;
            if (widths is null) AsText(leaf, row, prefix, rest, width, ink, lines);
            else Row(leaf, row, widths, prefix, rest, ink, lines);
        }
    }

    /// <summary>The columns' widths; null if there is no room for columns at all.</summary>
    private static int[]? Measure(Leaf leaf, int room, Ink ink)
    {
        var widths = new int[leaf.Columns.Length];
        Array.Fill(widths, 1);
        var length = 0;
        for (var row = 0; row < leaf.Lines.Count && row < MeasuredRows; row++)
        {
            length += leaf.Lines[row].Text.Length + 1;
            if (length > MeasuredLength) break;
            var cells = Starts.Cells(leaf.Lines[row].Text);
            for (var i = 0; i < Math.Min(cells.Count, widths.Length); i++)
                foreach (var line in InlineParser.Parse(cells[i], ink).ForScreen(1).Text.Split('\n')) widths[i] = Math.Max(widths[i], Graphemes.Columns(line));
        }
        room -= Between * (widths.Length - 1);
        if (widths.Sum(w => (long)w) <= room) return widths;
        if (widths.Sum(w => Math.Min(w, MinColumn)) > room) return null;

        // The widest are narrowed to one width, the greatest that fits.
        var (low, high) = (MinColumn, room);
        while (low < high)
        {
            var middle = (low + high + 1) / 2;
            if (widths.Sum(w => (long)Math.Min(w, middle)) <= room) low = middle;
            else high = middle - 1;
        }
        var left = room - widths.Sum(w => Math.Min(w, low));
        for (var i = 0; i < widths.Length; i++)
            if (widths[i] > low) widths[i] = low + (left-- > 0 ? 1 : 0);
        return widths;
    }

    private static void Row(Leaf leaf, int row, int[] widths, StyledSpan[] first, StyledSpan[] rest, Ink ink, List<StyledLine> lines)
    {
        var cells = Starts.Cells(leaf.Lines[row].Text);
        var wrapped = new List<StyledLine>[widths.Length];
        for (var i = 0; i < widths.Length; i++)
        {
            wrapped[i] = [];
            var cell = InlineParser.Parse(i < cells.Count ? cells[i] : "", row == 0 ? ink | Ink.Bold : ink);
            Wrap.Lines(cell, [], [], widths[i], words: true, Ink.None, null, wrapped[i]);
        }
        var height = wrapped.Max(cell => cell.Count);
        for (var y = 0; y < height; y++)
        {
            var spans = new List<StyledSpan>(y == 0 ? first : rest);
            for (var i = 0; i < widths.Length; i++)
            {
                if (i > 0) spans.Add(new(" │ ", Ink.Frame, Between));
                var line = y < wrapped[i].Count ? wrapped[i][y] : StyledLine.Empty;
                var space = Math.Max(0, widths[i] - line.Columns);
                var left = leaf.Columns[i] switch { Alignment.Right => space, Alignment.Center => space / 2, _ => 0 };
                Space(spans, left);
                spans.AddRange(line.Spans);
                if (i + 1 < widths.Length) Space(spans, space - left);
            }
            lines.Add(new([.. spans], Ink.None, leaf));
        }
        if (row == 0)
        {
            var border = string.Join("─┼─", widths.Select(w => new string('─', w)));
            lines.Add(new([.. rest, new(border, Ink.Frame, border.Length)], Ink.None, leaf));
        }
    }

    private static void AsText(Leaf leaf, int row, StyledSpan[] first, StyledSpan[] rest, int width, Ink ink, List<StyledLine> lines)
    {
        var cells = Starts.Cells(leaf.Lines[row].Text);
        Wrap.Lines(InlineParser.Parse(string.Join(" │ ", cells), ink), first, rest, width, words: true, Ink.None, leaf, lines);
    }

    private static void Space(List<StyledSpan> spans, int columns)
    {
        if (columns > 0) spans.Add(new(new string(' ', columns), Ink.None, columns));
    }
}
