using System.Globalization;
using System.Text;

namespace WarpDecode.Chat.Ui;

/// <summary>Something that stands in a text as one piece: a long text that was pasted, or a file.</summary>
/// <param name="Label">What is shown.</param>
/// <param name="Text">What is sent.</param>
/// <param name="IsFile">Whether it is a file.</param>
internal sealed record Chip(string Label, string Text, bool IsFile = false);

/// <summary>What the cursor steps over at once: a character as people count them (a grapheme cluster), a line's end, or a chip.</summary>
internal readonly record struct TextCell(string Text, Chip? Chip = null)
{
    public bool IsNewLine => Chip is null && Text == "\n";

    public bool IsSpace => Chip is null && char.IsWhiteSpace(Text[0]);

    public bool IsWord => Chip is null && (Rune.GetRuneAt(Text, 0) is var r && (Rune.IsLetterOrDigit(r) || r.Value == '_'));
}

/// <summary>A text that is being written: cells, a cursor between them, and the way back. It knows nothing of a screen.</summary>
internal sealed class ComposerText
{
    private const int MaxSteps = 200;
    private const int MaxStepCells = 2_000_000; // of all steps together: 32 MB
    private readonly List<TextCell> cells = [];
    private readonly LinkedList<Step> undo = [];
    private readonly Stack<Step> redo = [];
    private int undoCells;
    private Edit last;

    private enum Edit
    {
        None,
        Typing,
        Erasing,
        Other,
    }

    /// <summary>The cells.</summary>
    public IReadOnlyList<TextCell> Cells => cells;

    /// <summary>How many cells are before the cursor.</summary>
    public int Cursor { get; private set; }

    /// <summary>Changes with every change of the text.</summary>
    public int Version { get; private set; }

    public bool IsEmpty => cells.Count == 0;

    /// <summary>Whether it has chips.</summary>
    public bool HasChips => cells.Exists(c => c.Chip is not null);

    /// <summary>The text as it is sent, chips written out.</summary>
    public string Expanded
    {
        get
        {
            var text = new StringBuilder();
            foreach (var cell in cells)
            {
                if (cell.Chip is { IsFile: true } && text.Length > 0 && text[^1] != '\n') text.Append('\n');
                text.Append(cell.Chip?.Text ?? cell.Text);
            }
            return text.ToString();
        }
    }

    /// <summary>What is between two places, without what chips stand for.</summary>
    public string Plain(int from, int to)
    {
        var text = new StringBuilder();
        for (var i = from; i < to; i++) text.Append(cells[i].Chip is null ? cells[i].Text : "\uFFFC");
        return text.ToString();
    }

    /// <summary>Puts another text in place of all, the cursor at its end; the way back leads to what was.</summary>
    public void Replace(string text) => Replace(0, cells.Count, text);

    /// <summary>Puts a text in place of what is between two places, the cursor after it.</summary>
    public void Replace(int from, int to, string text)
    {
        Keep(Edit.Other);
        cells.RemoveRange(from, to - from);
        Cursor = from;
        Put(Clean(text));
    }

    /// <summary>Types a text at the cursor.</summary>
    public void Insert(string text)
    {
        text = Clean(text);
        if (text.Length == 0) return;
        Keep(text.Length > 8 ? Edit.Other : char.IsWhiteSpace(text[0]) && last == Edit.Typing && Cursor > 0 && !cells[Cursor - 1].IsSpace ? Edit.Other : Edit.Typing);
        if (last == Edit.Other && text.Length <= 8) last = Edit.Typing;
        Put(text);
    }

    /// <summary>Puts a chip in place of what is between two places, the cursor after it.</summary>
    public void InsertChip(Chip chip, int from, int to)
    {
        Keep(Edit.Other);
        cells.RemoveRange(from, to - from);
        cells.Insert(from, new TextCell("\uFFFC", chip));
        Cursor = from + 1;
        Version++;
    }

    /// <summary>Writes out the chip before the cursor, or else behind it; false if there is none.</summary>
    public bool OpenChip(int longest)
    {
        var at = Cursor > 0 && cells[Cursor - 1].Chip is not null ? Cursor - 1 : Cursor < cells.Count && cells[Cursor].Chip is not null ? Cursor : -1;
        if (at < 0 || cells[at].Chip!.Text.Length > longest) return false;
        Replace(at, at + 1, cells[at].Chip!.Text);
        return true;
    }

    /// <summary>Takes away all and the way back.</summary>
    public void Clear()
    {
        cells.Clear();
        undo.Clear();
        redo.Clear();
        undoCells = 0;
        Cursor = 0;
        last = Edit.None;
        Version++;
    }

    public bool Backspace() => Erase(Cursor - 1, Cursor, Edit.Erasing);

    public bool Delete() => Erase(Cursor, Cursor + 1, Edit.Erasing);

    /// <summary>Takes away the word before the cursor, up to the space before it.</summary>
    public bool DeleteWordBack()
    {
        var at = Cursor;
        while (at > 0 && cells[at - 1].IsSpace) at--;
        if (at > 0 && cells[at - 1].Chip is not null) at--;
        else while (at > 0 && !cells[at - 1].IsSpace && cells[at - 1].Chip is null) at--;
        return Erase(at, Cursor, Edit.Other);
    }

    /// <summary>Takes away the word behind the cursor.</summary>
    public bool DeleteWordForward() => Erase(Cursor, NextWord(), Edit.Other);

    /// <summary>Takes away the line up to the cursor; at its beginning, the line's end before it.</summary>
    public bool DeleteToLineStart() => Erase(LineStart == Cursor ? Cursor - 1 : LineStart, Cursor, Edit.Other);

    /// <summary>Takes away the line from the cursor on; at its end, that end.</summary>
    public bool DeleteToLineEnd() => Erase(Cursor, LineEnd == Cursor ? Cursor + 1 : LineEnd, Edit.Other);

    /// <summary>Moves the cursor; a place beyond the text is its end.</summary>
    public void MoveTo(int place)
    {
        Cursor = Math.Clamp(place, 0, cells.Count);
        last = Edit.None;
    }

    /// <summary>Where the line with the cursor begins.</summary>
    public int LineStart
    {
        get
        {
            var at = Cursor;
            while (at > 0 && !cells[at - 1].IsNewLine) at--;
            return at;
        }
    }

    /// <summary>Where the line with the cursor ends.</summary>
    public int LineEnd
    {
        get
        {
            var at = Cursor;
            while (at < cells.Count && !cells[at].IsNewLine) at++;
            return at;
        }
    }

    /// <summary>Where the word before the cursor begins.</summary>
    public int PreviousWord()
    {
        var at = Cursor;
        while (at > 0 && !cells[at - 1].IsWord && cells[at - 1].Chip is null) at--;
        if (at > 0 && cells[at - 1].Chip is not null) return at - 1;
        while (at > 0 && cells[at - 1].IsWord) at--;
        return at;
    }

    /// <summary>Where the word behind the cursor ends.</summary>
    public int NextWord()
    {
        var at = Cursor;
        while (at < cells.Count && !cells[at].IsWord && cells[at].Chip is null) at++;
        if (at < cells.Count && cells[at].Chip is not null) return at + 1;
        while (at < cells.Count && cells[at].IsWord) at++;
        return at;
    }

    public bool Undo()
    {
        if (undo.Last is not { } step) return false;
        redo.Push(Now());
        undo.RemoveLast();
        undoCells -= step.Value.Cells.Length;
        Restore(step.Value);
        return true;
    }

    public bool Redo()
    {
        if (!redo.TryPop(out var step)) return false;
        Remember(Now());
        Restore(step);
        return true;
    }

    /// <summary>A text with one kind of line ends, without what could drive a terminal.</summary>
    internal static string Clean(string text)
    {
        if (!text.Any(c => (char.IsControl(c) && c is not ('\n' or '\t')) || char.IsSurrogate(c))) return text;
        var clean = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c == '\r') clean.Append(i + 1 < text.Length && text[i + 1] == '\n' ? "" : "\n");
            else if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1])) clean.Append(c).Append(text[++i]);
            else if (char.IsSurrogate(c)) clean.Append('\uFFFD');
            else if (!char.IsControl(c) || c is '\n' or '\t') clean.Append(c);
        }
        return clean.ToString();
    }

    // A mark joins the character before it, and an emoji may join those on both sides.
    private void Put(string text)
    {
        Version++;
        if (text.Length == 0) return;
        var before = Cursor > 0 && cells[Cursor - 1] is { Chip: null, IsNewLine: false } b ? b.Text : "";
        var after = Cursor < cells.Count && cells[Cursor] is { Chip: null, IsNewLine: false } a ? a.Text : "";
        var from = before.Length > 0 ? Cursor - 1 : Cursor;
        cells.RemoveRange(from, (before.Length > 0 ? 1 : 0) + (after.Length > 0 ? 1 : 0));
        var (end, length) = (before.Length + text.Length, 0);
        var added = new List<TextCell>();
        var cursor = from;
        var graphemes = StringInfo.GetTextElementEnumerator(before + text + after);
        while (graphemes.MoveNext())
        {
            var g = graphemes.GetTextElement();
            added.Add(new TextCell(g));
            if (length < end) cursor = from + added.Count;
            length += g.Length;
        }
        cells.InsertRange(from, added);
        Cursor = cursor;
    }

    private bool Erase(int from, int to, Edit kind)
    {
        (from, to) = (Math.Max(from, 0), Math.Min(to, cells.Count));
        if (from >= to) return false;
        Keep(kind);
        var taken = to - from;
        cells.RemoveRange(from, taken);
        Cursor = from;
        Version++;
        // What stood apart may be one character now.
        if (from > 0 && from < cells.Count && cells[from - 1] is { Chip: null, IsNewLine: false } a && cells[from] is { Chip: null, IsNewLine: false } b
            && StringInfo.GetNextTextElementLength(a.Text + b.Text) > a.Text.Length)
        {
            cells.RemoveAt(from);
            cells[from - 1] = new TextCell(a.Text + b.Text);
        }
        return true;
    }

    // Typing a word is one step back, not one a letter.
    private void Keep(Edit kind)
    {
        if (kind == Edit.Other || kind != last)
        {
            Remember(Now());
        }
        redo.Clear();
        last = kind;
    }

    private Step Now() => new([.. cells], Cursor);

    private void Remember(Step step)
    {
        undo.AddLast(step);
        undoCells += step.Cells.Length;
        while (undo.First is { } oldest && (undo.Count > MaxSteps || undoCells > MaxStepCells))
        {
            undoCells -= oldest.Value.Cells.Length;
            undo.RemoveFirst();
        }
    }

    private void Restore(Step step)
    {
        cells.Clear();
        cells.AddRange(step.Cells);
        Cursor = step.Cursor;
        last = Edit.None;
        Version++;
    }

    private sealed record Step(TextCell[] Cells, int Cursor);
}
