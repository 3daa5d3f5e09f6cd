using System.Text;

namespace WarpDecode.Chat.Ui.Markdown;

/// <summary>What a leaf of the document is.</summary>
internal enum LeafKind { Paragraph, Heading, Code, Table, Rule, Verbatim }

/// <summary>A block quote or a list item, as one of those around a leaf. Never changed once made.</summary>
/// <param name="Indent">Columns that a line must be indented by to be in the item.</param>
/// <param name="Marker">What stands before the item's first line; null is a quote.</param>
/// <param name="Kind">The character that tells one list from another: - + * . or ).</param>
/// <param name="Number">The item's number.</param>
internal sealed record Container(int Indent, string? Marker, char Kind, int Number)
{
    /// <summary>Whether it is a quote.</summary>
    public bool IsQuote => Marker is null;
}

/// <summary>A line of the source.</summary>
/// <param name="Text">What it says.</param>
/// <param name="Joins">It goes on where the line before was cut for its length.</param>
internal readonly record struct SourceLine(string Text, bool Joins);

/// <summary>How a column of a table is set.</summary>
internal enum Alignment { Left, Center, Right }

/// <summary>
/// A block without blocks in it: the unit that is parsed and laid out. What is around it (quotes, list items) is part of it, so that the end of a
/// long list is a small thing.
/// </summary>
internal sealed class Leaf(LeafKind kind, Container[] around, int newFrom)
{
    /// <summary>What it is; a paragraph can become a heading or a table by its second line.</summary>
    public LeafKind Kind { get; set; } = kind;

    /// <summary>Quotes and items around it, outermost first.</summary>
    public Container[] Around { get; } = around;

    /// <summary>The first of those that begin with this leaf, so that their markers stand before its first line.</summary>
    public int NewFrom { get; } = newFrom;

    /// <summary>Its lines. A table's first is its head; the delimiter row is in <see cref="Columns"/>.</summary>
    public List<SourceLine> Lines { get; } = [];

    /// <summary>Characters in its lines.</summary>
    public int Length { get; set; }

    /// <summary>A heading's level.</summary>
    public int Level { get; set; }

    /// <summary>A code block's language.</summary>
    public string Language { get; set; } = "";

    /// <summary>A code block's fence; 0 is indented code.</summary>
    public char Fence { get; set; }

    /// <summary>Length of the fence, and how far it is indented.</summary>
    public (int Length, int Indent) FenceSize { get; set; }

    /// <summary>A table's columns.</summary>
    public Alignment[] Columns { get; set; } = [];

    /// <summary>Whether an empty line is before it.</summary>
    public bool Gap { get; set; }

    /// <summary>The widths of a table's columns, for the view's width that they were made for.</summary>
    internal (int For, int[]? Widths) Widths { get; set; }

    /// <summary>Adds a line.</summary>
    public void Add(string text, bool joins = false)
    {
        Lines.Add(new(text, joins));
        Length += text.Length + 1;
    }

    /// <summary>Takes the last lines away.</summary>
    public void Truncate(int count)
    {
        if (count >= Lines.Count) return;
        for (var i = count; i < Lines.Count; i++) Length -= Lines[i].Text.Length + 1;
        Lines.RemoveRange(count, Lines.Count - count);
    }

    /// <summary>Its text, as the author wrote it but for what is around it.</summary>
    public string Text
    {
        get
        {
            var text = new StringBuilder(Length);
            for (var i = 0; i < Lines.Count; i++)
            {
                if (i > 0 && !Lines[i].Joins) text.Append('\n');
                text.Append(Lines[i].Text);
            }
            return text.ToString();
        }
    }
}
