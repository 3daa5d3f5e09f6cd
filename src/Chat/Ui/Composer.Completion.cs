using Terminal.Gui.Drivers;
using Terminal.Gui.Input;

namespace WarpDecode.Chat.Ui;

/// <content>The list of candidates and what it puts into the text.</content>
internal sealed partial class Composer
{
    private bool InList(Key key)
    {
        switch (key.KeyCode)
        {
            case KeyCode.Esc:
                completion.Close();
                Refit();
                return true;
            case KeyCode.Tab when completion.Candidates.Count > 1 && completion.Selected >= 0:
            case KeyCode.CursorDown:
                completion.Move(1);
                break;
            case KeyCode.Tab | KeyCode.ShiftMask:
            case KeyCode.CursorUp:
                completion.Move(-1);
                break;
            case KeyCode.Enter when completion.Chosen is { } chosen:
                Accept(chosen);
                return true;
            default:
                return false;
        }
        SetNeedsDraw();
        return true;
    }

    private void Complete()
    {
        completion.Show(Candidates());
        switch (completion.Candidates)
        {
            case []:
                break;
            case [var one]:
                Accept(one);
                return;
            case [var first, ..]:
                var common = completion.Common();
                var typed = text.Plain(0, text.Cursor)[first.Start..];
                if (common.Length > typed.Length)
                {
                    var candidates = completion.Candidates;
                    text.Replace(PlaceOf(first.Start), text.Cursor, common);
                    completion.Show(candidates);
                }
                else
                {
                    completion.Move(1);
                }
                break;
        }
        Refit();
    }

    private void Accept(Completion chosen)
    {
        text.Replace(PlaceOf(chosen.Start), text.Cursor, chosen.Text);
        Changed();
        completion.Show(chosen.Continues ? Candidates() : []);
        accepted = text.Version;
        Refit();
    }

    private IReadOnlyList<Completion> Candidates() => text.Plain(0, text.Cursor) is var before && before.StartsWith('/') ? commands.Complete(before) : [];

    // Candidates count characters, the text cells.
    private int PlaceOf(int start)
    {
        var (place, at) = (0, 0);
        while (place < text.Cells.Count && at < start) at += text.Cells[place++].Text.Length;
        return place;
    }
}
