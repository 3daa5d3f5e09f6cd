using Terminal.Gui.Input;
using WarpDecode.Chat.Ui.Markdown;
using WarpDecode.Chat.Ui.Text;

namespace WarpDecode.Chat.Ui;

/// <summary>Keys, mouse, selecting and copying.</summary>
internal sealed partial class TranscriptView
{
    private const int WheelLines = 3;
    private TranscriptEntry? selected;
    private Leaf? selectedBlock; // within the entry; null is all of it

    /// <summary>Takes the sequence that puts text on the clipboard. Where nobody does it is written to the terminal.</summary>
    public Action<string>? ClipboardSequence { get; set; }

    /// <summary>Is told what a person should know: what was copied, or why nothing was.</summary>
    public Action<string>? Notified { get; set; }

    /// <summary>The message that is selected, or that the selected code block is in.</summary>
    public TranscriptEntry? Selected => selected;

    /// <summary>Selects what is before the selected: messages and code blocks, from the last on.</summary>
    public void SelectPrevious() => Select(-1);

    /// <summary>Selects what is after the selected; after the last nothing.</summary>
    public void SelectNext() => Select(1);

    /// <summary>Selects nothing.</summary>
    public void Deselect()
    {
        (selected, selectedBlock) = (null, null);
        SetNeedsDraw();
    }

    /// <summary>Shows or hides the reasoning of the selected message, or else of the last that has any.</summary>
    /// <returns>Whether there was any.</returns>
    public bool ToggleReasoning() => Toggle(selected is { HasReasoning: true } ? selected : entries.FindLast(entry => entry.HasReasoning));

    /// <summary>
    /// Copies what is selected; if nothing is, the last code block of the last message of the model that has one, or else the last message of the model.
    /// </summary>
    /// <returns>What was copied; empty if nothing was.</returns>
    public string CopySelected()
    {
        var (text, what) = ToCopy();
        if (text.Length == 0)
        {
            Notified?.Invoke("There is nothing to copy yet.");
            return "";
        }
        if (Osc52.Sequence(text) is not { } sequence)
        {
            Notified?.Invoke($"The {what} is too long for the clipboard of terminals, which take {Osc52.MaxBytes / 1000} kB: not copied. /export writes it to a file.");
            return "";
        }
        if (ClipboardSequence is { } listener) listener(sequence);
        else App?.Driver?.WriteRaw(sequence);
        Notified?.Invoke($"Copied the {what}: {text.Length:N0} characters.");
        return text;
    }

    /// <summary>Does what a key asks for, if it is one of the transcript's. A window may hand over keys that its input does not need.</summary>
    /// <returns>Whether it is.</returns>
    public bool Handle(Key key)
    {
        if (key == Key.PageUp) PageUp();
        else if (key == Key.PageDown) PageDown();
        else if (key == Key.Home || key == Key.Home.WithCtrl) Home();
        else if (key == Key.End || key == Key.End.WithCtrl) End();
        else if (key == Key.CursorUp.WithCtrl) ScrollUp();
        else if (key == Key.CursorDown.WithCtrl) ScrollDown();
        else if (key == Key.CursorUp.WithAlt) SelectPrevious();
        else if (key == Key.CursorDown.WithAlt) SelectNext();
        else if (key == Key.O.WithCtrl) return ToggleReasoning();
        else if (key == Key.Enter && HasFocus) return ToggleReasoning();
        else if (key == Key.Y.WithCtrl) CopySelected();
        else if (key == Key.Esc && selected is not null) Deselect();
        else return false;
        return true;
    }

    /// <inheritdoc/>
    protected override bool OnKeyDown(Key key) => Handle(key) || base.OnKeyDown(key);

    /// <inheritdoc/>
    protected override bool OnMouseEvent(Mouse mouse)
    {
        if (mouse.Flags.HasFlag(MouseFlags.WheeledUp)) Scroll(-WheelLines);
        else if (mouse.Flags.HasFlag(MouseFlags.WheeledDown)) Scroll(WheelLines);
        else if (mouse.Flags.HasFlag(MouseFlags.LeftButtonClicked) && mouse.Position is { } at) return Click(at.Y);
        else return base.OnMouseEvent(mouse);
        return true;
    }

    private bool Click(int y)
    {
        if (top + y >= LineCount) return false;
        var (at, line) = Find(top + y);
        var entry = entries[at];
        if (line == entry.SummaryLine) return Toggle(entry);
        var block = entry.Line(line).Block is { Kind: LeafKind.Code } code && entry.CodeBlocks.Contains(code) ? code : null;
        if (entry == selected && block == selectedBlock) Deselect();
        else (selected, selectedBlock) = (entry, block);
        SetNeedsDraw();
        return true;
    }

    private bool Toggle(TranscriptEntry? entry)
    {
        if (entry is null) return false;
        entry.Toggle();
        Recount(entries.IndexOf(entry));
        Settle();
        return true;
    }

    private void Select(int step)
    {
        var targets = new List<(TranscriptEntry Entry, Leaf? Block)>();
        foreach (var entry in entries)
        {
            targets.Add((entry, null));
            targets.AddRange(entry.CodeBlocks.Select(block => (entry, (Leaf?)block)));
        }
        if (targets.Count == 0) return;
        var at = selected is null ? targets.Count : targets.IndexOf((selected, selectedBlock));
        if (selected is null && step > 0) return;
        at = Math.Max(0, at + step);
        if (at >= targets.Count)
        {
            Deselect();
            return;
        }
        (selected, selectedBlock) = targets[at];
        Show(selected, selectedBlock);
        SetNeedsDraw();
    }

    /// <summary>Scrolls as little as is needed to see the beginning of something.</summary>
    private void Show(TranscriptEntry entry, Leaf? block)
    {
        var at = entries.IndexOf(entry);
        var line = at > 0 ? ends[at - 1] : 0;
        if (block is not null)
            for (var i = 0; i < entry.LineCount; i++)
            {
                if (!ReferenceEquals(entry.Line(i).Block, block)) continue;
                line += i;
                break;
            }
        if (line < top) Scroll(line - top);
        else if (line >= top + Rows) Scroll(line - top - Rows + Math.Min(3, Rows));
    }

    private bool IsSelected(TranscriptEntry entry, StyledLine line, int number)
    {
        if (!ReferenceEquals(entry, selected)) return false;
        return selectedBlock is null ? number < entry.LineCount - 1 : ReferenceEquals(line.Block, selectedBlock);
    }

    private (string Text, string What) ToCopy()
    {
        if (selected is not null) return selectedBlock is { } block ? (block.Text, "code block") : (SafeText.Clean(selected.Text), "message");
        for (var i = entries.Count - 1; i >= 0; i--)
            if (entries[i].Kind == EntryKind.Assistant && entries[i].CodeBlocks.LastOrDefault() is { } last) return (last.Text, "last code block");
        return (SafeText.Clean(entries.FindLast(entry => entry.Kind == EntryKind.Assistant)?.Text ?? ""), "last message");
    }
}
