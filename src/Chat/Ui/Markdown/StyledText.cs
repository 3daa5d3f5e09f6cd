using System.Text;
using WarpDecode.Chat.Ui.Text;

namespace WarpDecode.Chat.Ui.Markdown;

/// <summary>What a piece of text is; the theme says how that looks.</summary>
[Flags]
internal enum Ink : ushort
{
    /// <summary>Plain text.</summary>
    None = 0,
    /// <summary>Strong emphasis.</summary>
    Bold = 1,
    /// <summary>Emphasis.</summary>
    Italic = 2,
    /// <summary>Struck out.</summary>
    Strike = 4,
    /// <summary>Code within a line.</summary>
    Code = 8,
    /// <summary>A link's text or an address.</summary>
    Link = 16,
    /// <summary>Said in a low voice: addresses, reasoning.</summary>
    Dim = 32,
    /// <summary>A heading.</summary>
    Heading = 64,
    /// <summary>A heading of the first level, beside <see cref="Heading"/>.</summary>
    Title = 128,
    /// <summary>A line of a code block.</summary>
    CodeBlock = 256,
    /// <summary>What we add: bars, bullets, borders, the language of a code block.</summary>
    Frame = 512,
    /// <summary>Who speaks: a person.</summary>
    User = 1024,
    /// <summary>Who speaks: the model.</summary>
    Assistant = 2048,
    /// <summary>A notice, or an instruction.</summary>
    Notice = 4096,
}

/// <summary>A piece of a line in one style.</summary>
/// <param name="Text">Safe text without tabs and line feeds; no cluster reaches over its ends.</param>
/// <param name="Ink">What it is.</param>
/// <param name="Columns">Its width on the screen.</param>
/// <param name="Url">Where it leads to, if anywhere.</param>
internal readonly record struct StyledSpan(string Text, Ink Ink, int Columns, string? Url = null);

/// <summary>A line as it is drawn.</summary>
/// <param name="Spans">Its pieces from left to right.</param>
/// <param name="Fill">The style of the rest of the line.</param>
/// <param name="Block">The block that it is of.</param>
internal sealed record StyledLine(StyledSpan[] Spans, Ink Fill = Ink.None, Leaf? Block = null)
{
    /// <summary>An empty line.</summary>
    public static StyledLine Empty { get; } = new([]);

    /// <summary>Its width on the screen.</summary>
    public int Columns => Spans.Sum(span => span.Columns);

    /// <summary>Its text alone.</summary>
    public override string ToString() => string.Concat(Spans.Select(span => span.Text));
}

/// <summary>Text with styles before it is broken into lines. A line feed in it is one.</summary>
internal sealed class StyledText
{
    private readonly StringBuilder text = new();
    private readonly List<Run> runs = [];
    private string? whole;

    /// <summary>From where on a style goes.</summary>
    internal readonly record struct Run(int Start, Ink Ink, string? Url);

    /// <summary>Where styles begin, in order, the first at 0 unless there is no text.</summary>
    public IReadOnlyList<Run> Runs => runs;

    /// <summary>The text without its styles.</summary>
    public string Text => whole ??= text.ToString();

    /// <summary>Adds text in a style.</summary>
    public void Add(ReadOnlySpan<char> more, Ink ink, string? url = null)
    {
        if (more.IsEmpty) return;
        if (runs.Count == 0 || runs[^1].Ink != ink || runs[^1].Url != url) runs.Add(new(text.Length, ink, url));
        text.Append(more);
        whole = null;
    }

    /// <summary>Text in one style.</summary>
    public static StyledText Of(string text, Ink ink)
    {
        var styled = new StyledText();
        styled.Add(text, ink);
        return styled;
    }

    /// <summary>The same without clusters that have no width, and with spaces for tabs: each cluster is then what the screen takes it for.</summary>
    public StyledText ForScreen(int tab)
    {
        var source = Text;
        if (source.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0) return this;
        var result = new StyledText();
        var (run, column, changed) = (0, 0, false);
        for (var i = 0; i < source.Length;)
        {
            while (run + 1 < runs.Count && runs[run + 1].Start <= i) run++;
            var (_, ink, url) = runs[run];
            var length = Graphemes.Next(source.AsSpan(i));
            var cluster = source.AsSpan(i, length);
            i += length;
            if (cluster[0] == '\n')
            {
                result.Add(cluster, ink, url);
                column = 0;
                continue;
            }
            var width = Graphemes.Width(cluster);
            if (cluster[0] == '\t')
            {
                width = tab - (column % tab);
                result.Add("        ".AsSpan(0, width), ink, url);
                changed = true;
            }
            else if (width == 0)
            {
                var shown = Graphemes.Fix(cluster);
                result.Add(shown, ink, url);
                width = Graphemes.Columns(shown);
                changed = true;
            }
            else
            {
                result.Add(cluster, ink, url);
            }
            column += width;
        }
        return changed ? result : this;
    }
}
