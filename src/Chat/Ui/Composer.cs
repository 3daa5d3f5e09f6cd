using Terminal.Gui.Drivers;
using Terminal.Gui.Input;
using Terminal.Gui.ViewBase;
using WarpDecode.Chat.Conversations;

namespace WarpDecode.Chat.Ui;

/// <summary>
/// Where a message is written: several lines, with history, completion of commands and paths, long pasted texts and files as single pieces.
/// It grows with its text up to <see cref="MaxRows"/>, and by the list of candidates, then scrolls.
/// </summary>
internal sealed partial class Composer : View
{
    /// <summary>Rows of candidates that are shown at once.</summary>
    public const int MaxCandidates = 6;

    private const int MaxOpened = 64 * 1024; // characters: each is a cell of its own once a piece is opened
    private const int MaxInline = 8 * 1024; // of the history; longer ones come back as one piece
    private const int DriverPasteLimit = 1 << 20; // the terminal library cuts what is longer, and says nothing
    private readonly ComposerText text = new();
    private readonly CompletionList completion = new();
    private readonly SlashCommands commands;
    private readonly InputHistory history;
    private string searched = ""; // what was before the cursor when a search of the history began
    private bool browsing;
    private int wantedColumn = -1; // where Up and Down aim at

    /// <param name="history">The history of inputs; what is submitted is added.</param>
    /// <param name="commands">What can be completed.</param>
    public Composer(InputHistory history, SlashCommands commands)
    {
        (this.history, this.commands) = (history, commands);
        CanFocus = true;
        Width = Dim.Fill();
        Height = 1;
        // Keys that the library binds in every view, and that are ours here.
        KeyBindings.Clear();
    }

    /// <summary>A text was submitted, pieces written out. One that begins with a slash is for <see cref="SlashCommands.Parse"/>.</summary>
    public Action<string>? Submitted { get; set; }

    /// <summary>Something cannot be done: what, and what to do.</summary>
    public Action<string, string>? Failed { get; set; }

    /// <summary>The rows that the view wants have changed; <see cref="View.Height"/> is set already.</summary>
    public Action<int>? RowsChanged { get; set; }

    /// <summary>Most rows of text that are shown at once.</summary>
    public int MaxRows { get; set; } = 8;

    /// <summary>What is shown before the first row.</summary>
    public string Prompt { get; set; } = "> ";

    /// <summary>What is shown in place of an empty text.</summary>
    public string Placeholder { get; set; } = "";

    /// <summary>The text as it would be sent; setting it forgets the way back.</summary>
    public new string Text
    {
        get => Sent();
        set
        {
            text.Clear();
            if (value.Length > 0) Load(value);
            Changed();
        }
    }

    /// <summary>Whether there is nothing in it.</summary>
    public bool IsEmpty => text.IsEmpty;

    /// <summary>Whether candidates are shown: then Esc closes them and does no more.</summary>
    public bool IsCompleting => completion.IsOpen;

    /// <summary>Attaches a text file at the cursor.</summary>
    /// <exception cref="CommandException">It cannot be.</exception>
    public void Attach(string path)
    {
        text.InsertChip(Attachment.File(path), text.Cursor, text.Cursor);
        Changed();
    }

    /// <inheritdoc/>
    protected override bool OnPaste(string text)
    {
        if (text.Length >= DriverPasteLimit) Failed?.Invoke($"the pasted text was cut: a terminal hands over {DriverPasteLimit} characters at most", "Put it in a file and attach that with /file.");
        var pasted = ComposerText.Clean(text);
        if (pasted.Length == 0) return true;
        if (Attachment.IsLong(pasted)) this.text.InsertChip(Attachment.Pasted(pasted), this.text.Cursor, this.text.Cursor);
        else this.text.Insert(pasted);
        Changed();
        return true;
    }

    /// <inheritdoc/>
    protected override bool OnKeyDown(Key key)
    {
        var before = text.Version;
        var place = text.Cursor;
        var column = wantedColumn;
        wantedColumn = -1;
        if (!Do(key, column)) return false;
        if (text.Version != before && text.Version != accepted) Changed();
        else if (text.Cursor != place) Moved();
        return true;
    }

    private bool Do(Key key, int column)
    {
        if (completion.IsOpen && InList(key)) return true;
        switch (key.KeyCode)
        {
            case KeyCode.Enter when EndsWithBackslash():
                text.Backspace();
                text.Insert("\n");
                return true;
            case KeyCode.Enter:
                Submit();
                return true;
            case KeyCode.Enter | KeyCode.AltMask or KeyCode.Enter | KeyCode.ShiftMask or KeyCode.Enter | KeyCode.CtrlMask or KeyCode.J | KeyCode.CtrlMask:
                text.Insert("\n");
                return true;
            case KeyCode.Tab:
                Complete();
                return true;
            case KeyCode.Backspace or KeyCode.Backspace | KeyCode.ShiftMask or KeyCode.H | KeyCode.CtrlMask:
                return text.Backspace() || true;
            case KeyCode.Delete:
                return text.Delete() || true;
            case KeyCode.D | KeyCode.CtrlMask:
                return !text.IsEmpty && (text.Delete() || true); // on an empty text it is for leaving
            case KeyCode.W | KeyCode.CtrlMask or KeyCode.Backspace | KeyCode.AltMask or KeyCode.Backspace | KeyCode.CtrlMask:
                return text.DeleteWordBack() || true;
            case KeyCode.D | KeyCode.AltMask or KeyCode.Delete | KeyCode.CtrlMask:
                return text.DeleteWordForward() || true;
            case KeyCode.U | KeyCode.CtrlMask:
                return text.DeleteToLineStart() || true;
            case KeyCode.K | KeyCode.CtrlMask:
                return text.DeleteToLineEnd() || true;
            case KeyCode.Z | KeyCode.CtrlMask:
                return text.Undo() || true;
            case KeyCode.Y | KeyCode.CtrlMask or KeyCode.Z | KeyCode.CtrlMask | KeyCode.ShiftMask:
                return text.Redo() || true;
            case KeyCode.O | KeyCode.CtrlMask:
                if (!text.OpenChip(MaxOpened)) Failed?.Invoke("there is no piece here that can be opened", $"Put the cursor behind a [piece] of at most {MaxOpened} characters.");
                return true;
            case KeyCode.CursorLeft or KeyCode.B | KeyCode.CtrlMask:
                text.MoveTo(text.Cursor - 1);
                return true;
            case KeyCode.CursorRight or KeyCode.F | KeyCode.CtrlMask:
                text.MoveTo(text.Cursor + 1);
                return true;
            case KeyCode.CursorLeft | KeyCode.CtrlMask or KeyCode.CursorLeft | KeyCode.AltMask or KeyCode.B | KeyCode.AltMask:
                text.MoveTo(text.PreviousWord());
                return true;
            case KeyCode.CursorRight | KeyCode.CtrlMask or KeyCode.CursorRight | KeyCode.AltMask or KeyCode.F | KeyCode.AltMask:
                text.MoveTo(text.NextWord());
                return true;
            case KeyCode.Home or KeyCode.A | KeyCode.CtrlMask:
                text.MoveTo(text.LineStart);
                return true;
            case KeyCode.End or KeyCode.E | KeyCode.CtrlMask:
                text.MoveTo(text.LineEnd);
                return true;
            case KeyCode.Home | KeyCode.CtrlMask:
                text.MoveTo(0);
                return true;
            case KeyCode.End | KeyCode.CtrlMask:
                text.MoveTo(text.Cells.Count);
                return true;
            case KeyCode.CursorUp or KeyCode.P | KeyCode.CtrlMask:
                if (!MoveRow(-1, column)) Browse(back: true, "");
                return true;
            case KeyCode.CursorDown or KeyCode.N | KeyCode.CtrlMask:
                if (!MoveRow(1, column)) Browse(back: false, "");
                return true;
            case KeyCode.CursorUp | KeyCode.AltMask or KeyCode.P | KeyCode.AltMask:
                Browse(back: true, Searched());
                return true;
            case KeyCode.CursorDown | KeyCode.AltMask or KeyCode.N | KeyCode.AltMask:
                Browse(back: false, Searched());
                return true;
        }
        if (key.IsCtrl || key.IsAlt) return false;
        var typed = key.GetPrintableText();
        if (typed.Length == 0 || ComposerText.Clean(typed) is not { Length: > 0 } clean || clean is "\t" or "\n") return false;
        text.Insert(clean);
        return true;
    }

    private void Submit()
    {
        if (AttachesFile()) return;
        var sent = Sent();
        if (string.IsNullOrWhiteSpace(sent)) return;
        history.Add(sent);
        if (history.Problem is { } problem) Failed?.Invoke(problem, "It is kept for this session.");
        text.Clear();
        Changed();
        Submitted?.Invoke(sent);
    }

    // /file becomes a piece in its place; what is in the lines below stays.
    private bool AttachesFile()
    {
        var end = 0;
        while (end < text.Cells.Count && !text.Cells[end].IsNewLine && text.Cells[end].Chip is null) end++;
        var line = text.Plain(0, end);
        try
        {
            if (line.Length == 0 || line[0] != '/' || SlashCommands.Find(line[1..].Split(' ', 2)[0]) is not { Argument: ArgumentKind.File }) return false;
            var command = SlashCommands.Parse(line, out _)!;
            text.InsertChip(Attachment.File(command.Path), 0, end);
            if (text.Cells.Count == 1) text.Insert("\n");
        }
        catch (CommandException e)
        {
            Failed?.Invoke(e.Message, e.Advice);
        }
        return true;
    }

    // A piece that begins with a slash is no command.
    private string Sent() => text.Expanded is var sent && sent.StartsWith('/') && text.Cells[0].Chip is not null ? "/" + sent : sent;

    private bool EndsWithBackslash() => text.Cursor > 0 && text.Cursor == text.LineEnd && text.Cells[text.Cursor - 1] is { Chip: null, Text: "\\" };

    private void Load(string entry)
    {
        if (entry.Length <= MaxInline) text.Replace(entry);
        else text.InsertChip(Attachment.Pasted(ComposerText.Clean(entry)), 0, text.Cells.Count);
    }

    private string Searched()
    {
        if (!browsing) searched = text.HasChips ? "" : text.Plain(0, text.Cursor);
        return searched;
    }

    private void Browse(bool back, string prefix)
    {
        if (text.HasChips && !browsing) return; // pieces would not come back from the history's draft
        var current = text.Expanded;
        var entry = back ? history.Up(current, prefix) : history.Down(current, prefix);
        if (entry is null) return;
        Load(entry);
        browsing = true;
        browsedVersion = text.Version;
    }

    private bool MoveRow(int by, int column)
    {
        var layout = Layout;
        var (row, at) = layout.Find(text.Cursor);
        var to = row + by;
        if (to < 0 || to >= layout.Rows.Count) return false;
        wantedColumn = column >= 0 ? column : at;
        text.MoveTo(layout.Place(to, wantedColumn));
        return true;
    }

    private int browsedVersion = -1;
    private int accepted = -1; // the version that a chosen candidate made: its list is as it should be

    private void Changed()
    {
        if (text.Version != browsedVersion)
        {
            browsing = false;
            if (history.IsBrowsing) history.Reset();
        }
        // Commands are listed as they are typed; paths only when Tab asks, for a slow folder must not slow the typing.
        var before = text.Plain(0, Math.Min(text.Cursor, 200));
        if (before.StartsWith('/') && !before.Contains(' ', StringComparison.Ordinal) && before.Length > 0 && !browsing) completion.Show(Candidates());
        else if (completion.IsOpen && !browsing) completion.Show(Candidates());
        else completion.Close();
        Moved();
    }

    private void Moved()
    {
        Refit();
        SetNeedsDraw();
    }
}
