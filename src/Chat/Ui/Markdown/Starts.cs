using System.Globalization;

namespace WarpDecode.Chat.Ui.Markdown;

/// <summary>What a line begins, by its first characters. Each looks at a line once and remembers nothing.</summary>
internal static class Starts
{
    /// <summary>More columns make no table.</summary>
    public const int MaxColumns = 64;

    /// <summary>Spaces from a place on.</summary>
    public static int Indent(string line, int at)
    {
        var i = at;
        while (i < line.Length && line[i] == ' ') i++;
        return i - at;
    }

    /// <summary>A line with its tabs as spaces, to columns that are multiples of 4: all, or those it begins with.</summary>
    public static string Expand(string line, bool leadingOnly)
    {
        if (!line.Contains('\t', StringComparison.Ordinal)) return line;
        var result = new System.Text.StringBuilder(line.Length + 16);
        for (var i = 0; i < line.Length; i++)
        {
            if (line[i] == '\t') result.Append(' ', 4 - (result.Length % 4));
            else if (leadingOnly && line[i] != ' ') return result.Append(line, i, line.Length - i).ToString();
            else result.Append(line[i]);
        }
        return result.ToString();
    }

    /// <summary>A rule: three or more of one of * - _, and spaces.</summary>
    public static bool IsRule(ReadOnlySpan<char> text)
    {
        text = text.TrimEnd(' ');
        if (text.Length < 3 || text[0] is not ('*' or '-' or '_')) return false;
        var count = text.Count(text[0]);
        return count >= 3 && count + text.Count(' ') == text.Length;
    }

    /// <summary>The level of a heading with signs before it, 0 if it is none, and its text.</summary>
    public static int Heading(ReadOnlySpan<char> text, out string title)
    {
        title = "";
        var level = 0;
        while (level < text.Length && text[level] == '#') level++;
        if (level is 0 or > 6 || (level < text.Length && text[level] != ' ')) return 0;
        var rest = text[level..].Trim(' ');
        var end = rest.TrimEnd('#'); // signs may close it
        if (end.Length == 0 || end[^1] == ' ') rest = end.TrimEnd(' ');
        title = rest.ToString();
        return level;
    }

    /// <summary>The underline of a heading: its level, or 0. Three signs at least, so that a list's first - is not taken for one.</summary>
    public static int Underline(ReadOnlySpan<char> text)
    {
        text = text.TrimEnd(' ');
        if (text.Length < 3 || text[0] is not ('=' or '-') || text.IndexOfAnyExcept(text[0]) >= 0) return 0;
        return text[0] == '=' ? 1 : 2;
    }

    /// <summary>The length of a fence that opens a code block, 0 if it is none, and the language it names.</summary>
    public static int Fence(ReadOnlySpan<char> text, out string language)
    {
        language = "";
        var length = FenceRun(text);
        if (length == 0) return 0;
        var info = text[length..].Trim(' ');
        if (text[0] == '`' && info.Contains('`')) return 0; // code within a line
        var end = info.IndexOfAny(' ', '{', ',');
        language = (end < 0 ? info : info[..end]).ToString();
        if (language.Length > 40) language = language[..40];
        return length;
    }

    /// <summary>Whether a line closes a fence.</summary>
    public static bool ClosesFence(ReadOnlySpan<char> text, char fence, int length) =>
        text.Length > 0 && text[0] == fence && FenceRun(text) is var run && run >= length && text[run..].Trim(' ').IsEmpty;

    private static int FenceRun(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || text[0] is not ('`' or '~')) return 0;
        var length = text.IndexOfAnyExcept(text[0]);
        if (length < 0) length = text.Length;
        return length >= 3 ? length : 0;
    }

    /// <summary>The marker of a list item: its length, 0 if it is none, the character that tells its list, and its number.</summary>
    public static int ListMarker(ReadOnlySpan<char> text, out char kind, out int number)
    {
        (kind, number) = ('\0', 0);
        if (text.IsEmpty) return 0;
        var length = 1;
        if (text[0] is '-' or '+' or '*')
        {
            kind = text[0];
        }
        else
        {
            var digits = text.IndexOfAnyExceptInRange('0', '9');
            if (digits is < 1 or > 9 || text[digits] is not ('.' or ')')) return 0;
            kind = text[digits];
            number = int.Parse(text[..digits], NumberStyles.None, CultureInfo.InvariantCulture);
            length = digits + 1;
        }
        return length == text.Length || text[length] == ' ' ? length : 0;
    }

    /// <summary>The columns that a table's delimiter row sets; null if the line is none.</summary>
    public static Alignment[]? Delimiters(string text)
    {
        if (text.AsSpan().IndexOfAnyExcept("|-: ") >= 0 || !text.Contains('-', StringComparison.Ordinal)) return null;
        var cells = Cells(text);
        if (cells.Count is 0 or > MaxColumns) return null;
        var columns = new Alignment[cells.Count];
        for (var i = 0; i < columns.Length; i++)
        {
            var cell = cells[i];
            var dashes = cell.AsSpan().Trim(':');
            if (dashes.IsEmpty || dashes.IndexOfAnyExcept('-') >= 0 || cell.Length - dashes.Length > 2 || cell.Contains("::", StringComparison.Ordinal)) return null;
            columns[i] = !cell.EndsWith(':') ? Alignment.Left : cell.StartsWith(':') ? Alignment.Center : Alignment.Right;
        }
        return columns;
    }

    /// <summary>The cells of a table's row: between bars that no backslash stands before.</summary>
    public static List<string> Cells(string row)
    {
        var cells = new List<string>();
        var text = row.AsSpan().Trim(' ');
        if (text.StartsWith("|")) text = text[1..];
        var (start, escaped) = (0, false);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '|' && !escaped)
            {
                if (cells.Count > MaxColumns) return cells;
                cells.Add(Cell(text[start..i]));
                start = i + 1;
            }
            escaped = text[i] == '\\' && !escaped;
        }
        if (!text[start..].Trim(' ').IsEmpty) cells.Add(Cell(text[start..]));
        return cells;

        static string Cell(ReadOnlySpan<char> cell) => cell.Trim(' ').ToString().Replace("\\|", "|", StringComparison.Ordinal);
    }
}
