namespace WarpDecode.Chat.Ui.Markdown;

/// <summary>
/// Takes Markdown line by line and keeps the list of its leaves. After each line the state is final: no later line changes a leaf but the last,
/// open one, so a line that is not whole yet can be tried and taken back (<see cref="Save"/>, <see cref="Restore"/>).
/// </summary>
/// <remarks>
/// As CommonMark and GitHub's tables have it, but: line breaks are kept; an underline of a heading has three signs and one line above it; list
/// markers indented too far are list markers; link definitions and HTML are text. Bounds: <see cref="MaxDepth"/>, <see cref="MaxParagraph"/>.
/// </remarks>
/// <param name="plain">Whether nothing is Markdown: each line is shown as it is.</param>
internal sealed class BlockParser(bool plain)
{
    /// <summary>Quotes and lists within each other; deeper is text.</summary>
    public const int MaxDepth = 16;

    /// <summary>A paragraph that gets longer goes on as another.</summary>
    public const int MaxParagraph = 8192;

    private readonly List<Container> around = [];
    private readonly List<Leaf> leaves = [];
    private Leaf? open;
    private int blankLines; // in indented code: they belong to it if more code comes
    private bool sawBlank, joins;

    /// <summary>Everything so far; the last may be open.</summary>
    public IReadOnlyList<Leaf> Leaves => leaves;

    /// <summary>The leaf that the next line may change.</summary>
    public Leaf? Open => open;

    /// <summary>Where the parser was.</summary>
    internal readonly record struct State(
        Container[] Around, int Leaves, Leaf? Open, LeafKind Kind, int Level, Alignment[] Columns, bool Gap, int Lines, SourceLine Last, int BlankLines, bool SawBlank, bool Joins);

    /// <summary>Remembers the state.</summary>
    public State Save() => new(
        [.. around], leaves.Count, open, open?.Kind ?? default, open?.Level ?? 0, open?.Columns ?? [], open?.Gap ?? false, open?.Lines.Count ?? 0,
        open is { Lines.Count: > 0 } ? open.Lines[^1] : default, blankLines, sawBlank, joins);

    /// <summary>Takes back what came after <see cref="Save"/>.</summary>
    public void Restore(in State state)
    {
        around.Clear();
        around.AddRange(state.Around);
        leaves.RemoveRange(state.Leaves, leaves.Count - state.Leaves);
        open = state.Open;
        (blankLines, sawBlank, joins) = (state.BlankLines, state.SawBlank, state.Joins);
        if (open is null) return;
        open.Truncate(state.Lines);
        if (open.Lines.Count < state.Lines) open.Add(state.Last.Text, state.Last.Joins); // a table had taken the last line for its head
        (open.Kind, open.Level, open.Columns, open.Gap) = (state.Kind, state.Level, state.Columns, state.Gap);
    }

    /// <summary>Whether the beginning of a line may still close the open fence, so that it is better not shown.</summary>
    public bool MayCloseFence(string partial) =>
        open is { Kind: LeafKind.Code, Fence: not '\0' } && partial.AsSpan().Trim(' ') is { IsEmpty: false } rest
        && rest.Length < open.FenceSize.Length && rest.IndexOfAnyExcept(open.Fence) < 0;

    /// <summary>Takes a line.</summary>
    /// <param name="text">The line, without its line feed.</param>
    /// <param name="goesOn">Whether it was cut for its length: the next call has more of it.</param>
    public void Line(string text, bool goesOn)
    {
        var more = joins;
        joins = goesOn;
        if (plain)
        {
            Begin(LeafKind.Verbatim, 0).Add(text);
        }
        else if (more)
        {
            if (open is null) Begin(LeafKind.Paragraph, around.Count).Gap = false;
            AddTo(text, joinsLast: open!.Lines.Count > 0);
        }
        else
        {
            Parse(open is { Kind: LeafKind.Code, Fence: not '\0' } ? Starts.Expand(text, leadingOnly: true) : Starts.Expand(text, leadingOnly: false), text);
        }
    }

    /// <summary>The text is over.</summary>
    public void Complete() => open = null;

    private void Parse(string line, string raw)
    {
        var matched = Match(line, out var at);
        var all = matched == around.Count;
        if (open is { Kind: LeafKind.Code, Fence: not '\0' })
        {
            if (all)
            {
                InFence(at == 0 ? raw : line[at..]);
                return;
            }
            open = null; // the quote or item that it was in is over
            line = Starts.Expand(line, leadingOnly: false);
        }
        if (at + Starts.Indent(line, at) == line.Length)
        {
            Blank(matched);
            return;
        }

        var opened = Containers(line, ref at, matched, all);
        var indent = Starts.Indent(line, at);
        var rest = line[Math.Min(line.Length, at + indent)..];
        if (!opened)
        {
            if (!all && open is { Kind: LeafKind.Paragraph, Lines.Count: > 0 } && !BeginsLeaf(rest, indent))
            {
                AddTo(rest, joinsLast: false); // a paragraph goes on without the marks of what it is in
                return;
            }
            if (!all) Cut(matched);
            else if (Continues(rest, indent)) return;
        }
        var newFrom = opened ? newContainers : around.Count;
        BeginLeaf(line, at, rest, indent, newFrom);
    }

    private int newContainers;

    /// <summary>How many of the containers a line is in, and where its text within them begins.</summary>
    private int Match(string line, out int at)
    {
        at = 0;
        var matched = 0;
        foreach (var container in around)
        {
            var indent = Starts.Indent(line, at);
            var isBlank = at + indent == line.Length;
            if (container.IsQuote)
            {
                if (indent > 3 || isBlank || line[at + indent] != '>') break;
                at += indent + 1;
                if (at < line.Length && line[at] == ' ') at++;
            }
            else if (!isBlank)
            {
                if (indent < container.Indent) break;
                at += container.Indent;
            }
            matched++;
        }
        return matched;
    }

    private void InFence(string line)
    {
        var indent = Starts.Indent(line, 0);
        if (indent <= 3 && Starts.ClosesFence(line.AsSpan(indent), open!.Fence, open.FenceSize.Length)) open = null;
        else open!.Add(line[Math.Min(indent, open.FenceSize.Indent)..]);
    }

    private void Blank(int matched)
    {
        for (var i = matched; i < around.Count; i++)
        {
            if (!around[i].IsQuote) continue;
            Cut(i);
            break;
        }
        if (open is { Kind: LeafKind.Code }) blankLines++;
        else open = null;
        sawBlank = true;
    }

    /// <summary>Opens the quotes and list items that a line begins.</summary>
    private bool Containers(string line, ref int at, int matched, bool all)
    {
        var opened = false;
        var inItem = around.Take(matched).Any(container => !container.IsQuote);
        while (around.Count < MaxDepth || (!opened && matched < MaxDepth))
        {
            var indent = Starts.Indent(line, at);
            var text = line.AsSpan(at + indent);
            if (text.IsEmpty || (indent > 3 && (opened || !inItem || open is { Kind: LeafKind.Code }))) break;
            Container container;
            if (text[0] == '>' && indent <= 3)
            {
                container = new(0, null, '>', 0);
                at += indent + 1;
                if (at < line.Length && line[at] == ' ') at++;
            }
            else
            {
                if (Starts.IsRule(text)) break;
                var length = Starts.ListMarker(text, out var kind, out var number);
                if (length == 0) break;
                var spaces = Starts.Indent(line, at + indent + length);
                var isEmpty = length + spaces == text.Length;
                if (!opened && all && open is { Kind: LeafKind.Paragraph, Lines.Count: > 0 } && (isEmpty || (char.IsAsciiDigit(text[0]) && number != 1))) break;
                var before = !opened && matched < around.Count ? around[matched] : null;
                if (char.IsAsciiDigit(text[0]) && before is { IsQuote: false } && before.Kind == kind) number = before.Number + 1;
                var width = length + (isEmpty || spaces > 4 ? 1 : spaces);
                container = new(indent + width, char.IsAsciiDigit(text[0]) ? $"{number}{kind} " : "- ", kind, number);
                at = Math.Min(line.Length, at + indent + width);
            }
            if (!opened)
            {
                Cut(matched);
                newContainers = around.Count;
                opened = true;
            }
            around.Add(container);
        }
        return opened;
    }

    private static bool BeginsLeaf(string rest, int indent) =>
        indent <= 3 && (Starts.Heading(rest, out _) > 0 || Starts.Fence(rest, out _) > 0 || Starts.IsRule(rest));

    /// <summary>Whether a line belongs to the open leaf, or makes it a heading or a table.</summary>
    private bool Continues(string rest, int indent)
    {
        switch (open?.Kind)
        {
            case LeafKind.Paragraph when open.Lines.Count > 0:
                if (open.Lines.Count == 1 && indent <= 3 && Starts.Underline(rest) is > 0 and var level)
                {
                    (open.Kind, open.Level, open.Gap) = (LeafKind.Heading, level, leaves.Count > 1);
                    open = null;
                    return true;
                }
                if (indent <= 3 && !open.Lines[^1].Joins && open.Lines[^1].Text.Contains('|', StringComparison.Ordinal)
                    && Starts.Delimiters(rest) is { } columns && Starts.Cells(open.Lines[^1].Text).Count == columns.Length)
                {
                    var head = open.Lines[^1].Text;
                    if (open.Lines.Count > 1)
                    {
                        open.Truncate(open.Lines.Count - 1);
                        Begin(LeafKind.Table, around.Count).Add(head);
                    }
                    (open.Kind, open.Columns, open.Gap) = (LeafKind.Table, columns, leaves.Count > 1);
                    return true;
                }
                if (BeginsLeaf(rest, indent)) return false;
                AddTo(rest, joinsLast: false);
                return true;
            case LeafKind.Paragraph: // an item whose marker stood alone
                if (indent > 3 || BeginsLeaf(rest, indent)) return false;
                AddTo(rest, joinsLast: false);
                return true;
            case LeafKind.Table:
                if (BeginsLeaf(rest, indent)) return false;
                open.Add(rest);
                return true;
            case LeafKind.Code when indent > 3:
                for (; blankLines > 0; blankLines--) open.Add("");
                sawBlank = false;
                open.Add(new string(' ', indent - 4) + rest);
                return true;
            default:
                return false;
        }
    }

    private void BeginLeaf(string line, int at, string rest, int indent, int newFrom)
    {
        if (rest.Length == 0)
        {
            Begin(LeafKind.Paragraph, newFrom); // a marker alone
        }
        else if (indent > 3)
        {
            Begin(LeafKind.Code, newFrom).Add(line[(at + 4)..]);
        }
        else if (Starts.Fence(rest, out var language) is > 0 and var length)
        {
            var code = Begin(LeafKind.Code, newFrom);
            (code.Fence, code.FenceSize, code.Language) = (rest[0], (length, indent), language);
        }
        else if (Starts.Heading(rest, out var title) is > 0 and var level)
        {
            var heading = Begin(LeafKind.Heading, newFrom);
            heading.Level = level;
            heading.Add(title);
            if (!joins) open = null;
        }
        else if (Starts.IsRule(rest))
        {
            Begin(LeafKind.Rule, newFrom);
            open = null;
        }
        else
        {
            Begin(LeafKind.Paragraph, newFrom).Add(rest);
        }
    }

    private Leaf Begin(LeafKind kind, int newFrom)
    {
        var last = leaves.Count > 0 ? leaves[^1] : null;
        open = new(kind, [.. around], newFrom);
        open.Gap = last is not null && (sawBlank || kind is LeafKind.Heading or LeafKind.Table || last.Kind is LeafKind.Table);
        leaves.Add(open);
        (sawBlank, blankLines) = (false, 0);
        return open;
    }

    private void AddTo(string text, bool joinsLast)
    {
        if (open!.Kind is LeafKind.Paragraph or LeafKind.Heading && open.Length + text.Length > MaxParagraph && open.Lines.Count > 0)
        {
            Begin(LeafKind.Paragraph, around.Count).Gap = false;
            joinsLast = false;
        }
        open.Add(text, joinsLast);
    }

    private void Cut(int count)
    {
        around.RemoveRange(count, around.Count - count);
        open = null;
    }
}
