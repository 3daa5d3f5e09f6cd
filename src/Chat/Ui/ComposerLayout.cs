using System.Globalization;
using System.Text;
using Terminal.Gui.Text;

namespace WarpDecode.Chat.Ui;

/// <summary>Cells in rows of a width: broken at line ends, and where a line is too long after its last space.</summary>
internal sealed class ComposerLayout
{
    private const int TabColumns = 4;
    private readonly List<(int Start, int End)> rows = [];
    private readonly IReadOnlyList<TextCell> cells;
    private readonly int width;

    /// <param name="cells">The cells, as they are now.</param>
    /// <param name="width">Columns of a row; the cursor needs one behind the last cell.</param>
    public ComposerLayout(IReadOnlyList<TextCell> cells, int width)
    {
        this.cells = cells;
        this.width = width = Math.Max(2, width);
        var (start, column, space) = (0, 0, -1);
        for (var i = 0; i < cells.Count; i++)
        {
            if (cells[i].IsNewLine)
            {
                rows.Add((start, i));
                (start, column, space) = (i + 1, 0, -1);
                continue;
            }
            var columns = Fitted(cells[i]);
            while (column + columns >= width && i > start)
            {
                var end = space > start && !cells[i].IsSpace ? space : i;
                rows.Add((start, end));
                (start, space) = (end, -1);
                column = 0;
                for (var k = start; k < i; k++) column += Fitted(cells[k]);
            }
            column += columns;
            if (cells[i].IsSpace) space = i + 1;
        }
        rows.Add((start, cells.Count));
    }

    /// <summary>Where each row begins and ends.</summary>
    public IReadOnlyList<(int Start, int End)> Rows => rows;

    /// <summary>The row and column of a place between cells.</summary>
    public (int Row, int Column) Find(int place)
    {
        // At a break within a line the place belongs to the row that begins there.
        var (low, high) = (0, rows.Count - 1);
        while (low < high)
        {
            var middle = (low + high + 1) / 2;
            if (rows[middle].Start <= place) low = middle;
            else high = middle - 1;
        }
        var column = 0;
        for (var i = rows[low].Start; i < place; i++) column += Fitted(cells[i]);
        return (low, column);
    }

    /// <summary>The place in a row that is nearest to a column.</summary>
    public int Place(int row, int column)
    {
        var (start, end) = rows[Math.Clamp(row, 0, rows.Count - 1)];
        // Behind the last cell of a broken row is the next row already.
        var last = row < rows.Count - 1 && end == rows[row + 1].Start && end > start ? end - 1 : end;
        var at = 0;
        for (var i = start; i < last; i++)
        {
            var columns = Fitted(cells[i]);
            if (at + ((columns + 1) / 2) > column) return i;
            at += columns;
        }
        return last;
    }

    /// <summary>What is drawn of a cell: nothing that a terminal could take for a command or that would turn the rest around.</summary>
    public static string Drawn(TextCell cell)
    {
        if (cell.Chip is { } chip) return chip.Label;
        if (cell.Text == "\t") return new string(' ', TabColumns);
        if (cell.Text.Length == 1 && cell.Text[0] is > ' ' and < '\x7F') return cell.Text;
        foreach (var rune in cell.Text.EnumerateRunes())
        {
            var category = Rune.GetUnicodeCategory(rune);
            if (category is UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
                || (category == UnicodeCategory.Format && cell.Text.Length == rune.Utf16SequenceLength)
                || rune.Value is (>= 0x202A and <= 0x202E) or (>= 0x2066 and <= 0x2069)) return "·";
        }
        return cell.Text.GetColumns() > 0 ? cell.Text : "·";
    }

    // What is wider than a row is cut when it is drawn.
    private int Fitted(TextCell cell) => Math.Min(Columns(cell), width - 1);

    /// <summary>Columns of what is drawn.</summary>
    public static int Columns(TextCell cell) => cell.Chip is null && cell.Text.Length == 1 && cell.Text[0] is >= ' ' and < '\x7F' ? 1 : Math.Max(1, Drawn(cell).GetColumns());
}
