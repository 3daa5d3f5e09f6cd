using WarpDecode.Chat.Ui.Text;

namespace WarpDecode.Chat.Ui.Markdown;

/// <summary>
/// Lays leaves out for a width. A leaf is laid out in steps: its head, then its lines; code and long tables keep what they have while lines come.
/// </summary>
internal static class LeafLayout
{
    private static readonly string[] Bullets = ["• ", "◦ ", "▪ "];

    /// <summary>Whether the lines laid out so far stay as they are when more come.</summary>
    public static bool IsSteady(Leaf leaf) => leaf.Kind == LeafKind.Code || (leaf.Kind == LeafKind.Table && TableLayout.IsFixed(leaf));

    /// <summary>Lays out what is new of a leaf.</summary>
    /// <param name="leaf">The leaf.</param>
    /// <param name="previous">The one before it.</param>
    /// <param name="done">Lines of its source laid out so far; -1 is nothing at all.</param>
    /// <param name="width">Columns of the view.</param>
    /// <param name="ink">The style under all of it.</param>
    /// <param name="lines">Where the lines go.</param>
    public static void Lay(Leaf leaf, Leaf? previous, int done, int width, Ink ink, List<StyledLine> lines)
    {
        if (done < 0 && leaf.Gap && previous is not null) lines.Add(GapLine(leaf, previous));
        var first = Prefix(leaf, isFirst: true, width);
        var rest = leaf.NewFrom < leaf.Around.Length ? Prefix(leaf, isFirst: false, width) : first;
        switch (leaf.Kind)
        {
            case LeafKind.Paragraph:
                Wrap.Lines(InlineParser.Parse(WithCheckbox(leaf), ink), first, rest, width, words: true, Ink.None, leaf, lines);
                break;
            case LeafKind.Verbatim:
                Wrap.Lines(StyledText.Of(leaf.Text, ink), first, rest, width, words: true, Ink.None, leaf, lines);
                break;
            case LeafKind.Heading:
                var heading = ink | Ink.Heading | (leaf.Level == 1 ? Ink.Title : Ink.None);
                Wrap.Lines(InlineParser.Parse(leaf.Text, heading), first, rest, width, words: true, Ink.None, leaf, lines);
                break;
            case LeafKind.Rule:
                var length = Math.Max(1, Math.Min(width, 80) - Columns(first));
                lines.Add(new([.. first, new(new string('─', length), Ink.Frame, length)], Ink.None, leaf));
                break;
            case LeafKind.Code:
                Code(leaf, done, first, rest, width, ink, lines);
                break;
            default:
                TableLayout.Lay(leaf, done, first, rest, width, ink, lines);
                break;
        }
    }

    /// <summary>Columns of spans.</summary>
    public static int Columns(StyledSpan[] spans) => spans.Sum(span => span.Columns);

    private static void Code(Leaf leaf, int done, StyledSpan[] first, StyledSpan[] rest, int width, Ink ink, List<StyledLine> lines)
    {
        var hasMarker = leaf.NewFrom < leaf.Around.Length;
        if (done < 0 && (leaf.Fence != 0 || hasMarker))
        {
            var label = Graphemes.Cut(leaf.Language.Length > 0 ? leaf.Language : "code", Math.Max(4, width - Columns(first) - 2));
            lines.Add(new([.. first, new(label, ink | Ink.Frame, Graphemes.Columns(label))], Ink.None, leaf));
        }
        StyledSpan[] indented = [.. rest, new("  ", ink | Ink.CodeBlock, 2)];
        for (var i = Math.Max(0, done); i < leaf.Lines.Count; i++)
            Wrap.Lines(StyledText.Of(leaf.Lines[i].Text, ink | Ink.CodeBlock), indented, indented, width, words: false, Ink.CodeBlock, leaf, lines);
    }

    private static string WithCheckbox(Leaf leaf)
    {
        var text = leaf.Text;
        if (leaf.NewFrom == leaf.Around.Length || leaf.Around[^1].IsQuote || text.Length < 4) return text;
        if (text.StartsWith("[ ] ", StringComparison.Ordinal)) return $"☐ {text.AsSpan(4)}";
        return text.StartsWith("[x] ", StringComparison.OrdinalIgnoreCase) ? $"☑ {text.AsSpan(4)}" : text;
    }

    /// <summary>The empty line before a leaf, with the bars of the quotes that go on over it.</summary>
    private static StyledLine GapLine(Leaf leaf, Leaf previous)
    {
        var spans = new List<StyledSpan>();
        for (var i = 0; i < Math.Min(leaf.Around.Length, previous.Around.Length) && ReferenceEquals(leaf.Around[i], previous.Around[i]); i++)
            spans.Add(Piece(leaf.Around, i, isFirst: false));
        return spans.Exists(span => span.Ink != Ink.None) ? new([.. spans]) : StyledLine.Empty;
    }

    private static StyledSpan[] Prefix(Leaf leaf, bool isFirst, int width)
    {
        var spans = new List<StyledSpan>();
        var columns = 0;
        for (var i = 0; i < leaf.Around.Length; i++)
        {
            var span = Piece(leaf.Around, i, isFirst && i >= leaf.NewFrom);
            if (columns + span.Columns > width / 2) break; // deep nesting on a narrow screen: the text needs the room
            spans.Add(span);
            columns += span.Columns;
        }
        return [.. spans];
    }

    private static StyledSpan Piece(Container[] around, int i, bool isFirst)
    {
        var container = around[i];
        if (container.IsQuote) return new("│ ", Ink.Frame, 2);
        var marker = container.Marker!;
        if (marker == "- ") marker = Bullets[around.Take(i).Count(other => !other.IsQuote) % Bullets.Length];
        return isFirst ? new(marker, Ink.Frame, marker.Length) : new(new string(' ', marker.Length), Ink.None, marker.Length);
    }
}
