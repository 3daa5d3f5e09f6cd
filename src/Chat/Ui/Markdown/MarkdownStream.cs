using System.Text;
using WarpDecode.Chat.Ui.Text;

namespace WarpDecode.Chat.Ui.Markdown;

/// <summary>
/// Markdown that arrives in pieces, as lines for a width. Whatever the pieces, the lines are the same in the end. What is before the last leaf is
/// laid out once; the last leaf, which is bounded, and the unfinished line are laid out again after each piece that is looked at.
/// </summary>
/// <param name="plain">Whether nothing is Markdown: each line is shown as it is.</param>
/// <param name="ink">The style under all of it.</param>
internal sealed class MarkdownStream(bool plain = false, Ink ink = Ink.None)
{
    /// <summary>Longer lines are cut.</summary>
    public const int MaxLine = 4096;

    private readonly SafeText filter = new();
    private readonly StringBuilder safe = new();
    private readonly StringBuilder partial = new(); // the line that has no line feed yet
    private readonly BlockParser parser = new(plain);
    private readonly List<StyledLine> lines = [];
    private int width = 80;
    private int steady; // lines that stay
    private int leaf; // the first leaf that is not all in those
    private int done = -1; // its source lines that are, -1 if not even its head
    private bool isStale, isComplete;

    /// <summary>Columns of a line. Another width lays all of it out again.</summary>
    public int Width
    {
        get => width;
        set
        {
            if (width == Math.Max(1, value)) return;
            width = Math.Max(1, value);
            lines.Clear();
            (steady, leaf, done, isStale) = (0, 0, -1, true);
        }
    }

    /// <summary>The lines so far.</summary>
    public IReadOnlyList<StyledLine> Lines
    {
        get
        {
            Refresh();
            return lines;
        }
    }

    /// <summary>Lines that no further text changes; those after it may.</summary>
    public int SteadyLines
    {
        get
        {
            Refresh();
            return steady;
        }
    }

    /// <summary>The code blocks so far, in order.</summary>
    public IEnumerable<Leaf> CodeBlocks
    {
        get
        {
            Refresh();
            return Lines.Where(line => line.Block is { Kind: LeafKind.Code }).Select(line => line.Block!).Distinct();
        }
    }

    /// <summary>Adds a piece.</summary>
    public void Append(ReadOnlySpan<char> piece)
    {
        if (isComplete) throw new InvalidOperationException("Text was added to a message that is complete.");
        safe.Clear();
        filter.Append(piece, safe);
        Take();
    }

    /// <summary>No more comes.</summary>
    public void Complete()
    {
        if (isComplete) return;
        safe.Clear();
        filter.Complete(safe);
        Take();
        if (partial.Length > 0) parser.Line(partial.ToString(), goesOn: false);
        partial.Clear();
        parser.Complete();
        (isComplete, isStale) = (true, true);
    }

    private void Take()
    {
        if (safe.Length == 0) return;
        isStale = true;
        foreach (var chunk in safe.GetChunks())
        {
            var rest = chunk.Span;
            while (rest.Length > 0)
            {
                var room = MaxLine + 1 - partial.Length;
                var end = rest.IndexOf('\n');
                var isLine = end >= 0 && end < room;
                var length = isLine ? end : Math.Min(rest.Length, room);
                partial.Append(rest[..length]);
                rest = rest[(isLine ? length + 1 : length)..];
                if (partial.Length > MaxLine) Cut();
                if (!isLine) continue;
                parser.Line(partial.ToString(), goesOn: false);
                partial.Clear();
            }
        }
    }

    /// <summary>A line that is too long goes on as another, which knows that.</summary>
    private void Cut()
    {
        var length = char.IsHighSurrogate(partial[MaxLine - 1]) ? MaxLine - 1 : MaxLine;
        parser.Line(partial.ToString(0, length), goesOn: true);
        partial.Remove(0, length);
    }

    private void Refresh()
    {
        if (!isStale) return;
        isStale = false;
        lines.RemoveRange(steady, lines.Count - steady);
        while (leaf < parser.Leaves.Count)
        {
            var next = parser.Leaves[leaf];
            var isOpen = ReferenceEquals(next, parser.Open);
            if (isOpen && !LeafLayout.IsSteady(next)) break;
            if (done < next.Lines.Count) Lay(leaf, done);
            steady = lines.Count;
            done = next.Lines.Count;
            if (isOpen) break;
            (leaf, done) = (leaf + 1, -1);
        }

        // What may change yet: the open leaf, and the line that is not whole, as if it were.
        if (partial.Length > 0)
        {
            var line = partial.ToString();
            var state = parser.Save();
            if (!parser.MayCloseFence(line)) parser.Line(line, goesOn: false);
            LayRest();
            parser.Restore(state);
        }
        else
        {
            LayRest();
        }

        void LayRest()
        {
            for (var i = leaf; i < parser.Leaves.Count; i++)
                if (i > leaf || done < parser.Leaves[i].Lines.Count) Lay(i, i == leaf ? done : -1);
        }
    }

    private void Lay(int index, int from) =>
        LeafLayout.Lay(parser.Leaves[index], index > 0 ? parser.Leaves[index - 1] : null, from, width, ink, lines);
}
