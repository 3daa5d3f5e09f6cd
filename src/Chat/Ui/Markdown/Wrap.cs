using WarpDecode.Chat.Ui.Text;

namespace WarpDecode.Chat.Ui.Markdown;

/// <summary>Breaks styled text into lines of a width: between words and around wide characters; inside a word only where it is longer than a line.</summary>
internal static class Wrap
{
    /// <summary>Narrower is not tried, for wide characters need it: what does not fit then is cut by the screen.</summary>
    public const int MinWidth = 2;

    /// <summary>The lines of a text, each with what stands before it.</summary>
    /// <param name="styled">The text.</param>
    /// <param name="first">What the first line begins with.</param>
    /// <param name="rest">What the others begin with, as wide as the first.</param>
    /// <param name="width">Columns of a line with that.</param>
    /// <param name="words">Whether to break between words; otherwise the lines are filled.</param>
    /// <param name="fill">The style of what is right of the text.</param>
    /// <param name="block">The block that the lines are of.</param>
    /// <param name="lines">Where they go.</param>
    public static void Lines(StyledText styled, StyledSpan[] first, StyledSpan[] rest, int width, bool words, Ink fill, Leaf? block, List<StyledLine> lines)
    {
        styled = styled.ForScreen(tab: 4);
        var text = styled.Text;
        var room = Math.Max(MinWidth, width - first.Sum(span => span.Columns));
        var (start, column, mark, columnAtMark, run) = (0, 0, -1, 0, 0);
        var prefix = first;
        for (var i = 0; i < text.Length;)
        {
            if (text[i] == '\n')
            {
                Emit(start, i);
                start = ++i;
                (column, mark) = (0, -1);
                continue;
            }
            var length = Graphemes.Next(text.AsSpan(i));
            var columns = Graphemes.Width(text.AsSpan(i, length));
            if (words && text[i] == ' ')
            {
                i++; // spaces hang over the end: they are cut off there
                column++;
                (mark, columnAtMark) = (i, column);
                continue;
            }
            if (words && columns == 2 && i > start) (mark, columnAtMark) = (i, column);
            while (column + columns > room && i > start)
            {
                var end = mark > start ? mark : i;
                Emit(start, end);
                column -= end == mark ? columnAtMark : column;
                (start, mark) = (end, -1);
            }
            i += length;
            column += columns;
            if (words && columns == 2) (mark, columnAtMark) = (i, column);
        }
        if (start < text.Length || text.Length == 0 || text[^1] == '\n') Emit(start, text.Length);

        void Emit(int from, int to)
        {
            if (words)
                while (to > from && text[to - 1] == ' ') to--;
            var spans = new List<StyledSpan>(prefix.Length + 2);
            spans.AddRange(prefix);
            while (from < to)
            {
                while (run + 1 < styled.Runs.Count && styled.Runs[run + 1].Start <= from) run++;
                var until = run + 1 < styled.Runs.Count ? Math.Min(to, styled.Runs[run + 1].Start) : to;
                until = Whole(from, until, to);
                var piece = text[from..until];
                spans.Add(new(piece, styled.Runs[run].Ink, Graphemes.Columns(piece), styled.Runs[run].Url));
                from = until;
            }
            lines.Add(new([.. spans], fill, block));
            prefix = rest;
        }

        // A cluster over a change of style has the style that it begins with.
        int Whole(int from, int until, int to)
        {
            if (until >= to || (text[until] < 0x80 && text[until - 1] < 0x80)) return until;
            var at = from;
            while (at < until) at += Graphemes.Next(text.AsSpan(at));
            return Math.Min(at, to);
        }
    }
}
