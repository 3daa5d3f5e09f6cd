using System.Collections.Concurrent;
using Terminal.Gui.Drawing;
using Terminal.Gui.Drivers;
using Terminal.Gui.Input;
using Terminal.Gui.ViewBase;
using Terminal.Gui.Views;
using WarpDecode.Chat.Conversations;
using WarpDecode.Runtime;

namespace WarpDecode.Chat.Ui;

/// <summary>
/// The window of a chat: the transcript, the input below it, the status line at the bottom. What other threads have to say comes through a queue that
/// a timer empties.
/// </summary>
internal sealed class ChatWindow : Window, IChatDisplay
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(33);
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(2);
    private readonly ConcurrentQueue<Action> posted = new();
    private readonly TimeProvider time;
    private readonly TranscriptView transcript = new() { Width = Dim.Fill() };
    private readonly LoadScreen load;
    private readonly RuleView rule;
    private readonly StatusView status;
    private readonly Composer composer;
    private object? timer;
    private long? interrupted; // when Ctrl-C was pressed last
    private int composerRows = 1;
    private bool isLeaving;
    private ExpertsView? experts;
    private ExpertsSource? watched;

    /// <param name="setup">What is asked for.</param>
    /// <param name="store">The conversations.</param>
    /// <param name="conversation">The one to go on with.</param>
    /// <param name="history">What was typed before.</param>
    /// <param name="theme">How it looks.</param>
    /// <param name="time">The clock.</param>
    public ChatWindow(ChatSetup setup, ConversationStore store, ConversationFile conversation, InputHistory history, Theme theme, TimeProvider time)
    {
        this.time = time;
        BorderStyle = LineStyle.None; // borders triple what drawing costs
        KeyBindings.Clear();
        SetScheme(theme.Scheme);
        Controller = new ChatController(setup, store, conversation, this, time);
        var commands = new SlashCommands
        {
            Branches = () => Controller.Conversation.Tree.Branches().Select(b => b.Name),
            Conversations = beginning => store.Completions(beginning, 50),
            Value = setting => setting.Format(Controller.Options),
        };
        composer = new Composer(history, commands)
        {
            Placeholder = "Type a message; / for commands, /help for help",
            Submitted = text =>
            {
                transcript.End();
                Controller.Submit(text);
                Update();
            },
            Failed = (what, toDo) => Flash($"{what}. {toDo}"),
            RowsChanged = rows =>
            {
                composerRows = rows;
                Arrange();
            },
        };
        composer.SetScheme(theme.Scheme);
        (load, rule, status) = (new LoadScreen(theme, time), new RuleView(theme), new StatusView(theme, time));
        transcript.Theme = theme;
        transcript.Notified = Flash;
        Add(transcript, load, rule, composer, status);
        Arrange();
        Initialized += (_, _) =>
        {
            composer.SetFocus();
            Controller.Begin();
            Update();
            timer ??= App?.AddTimeout(Tick, () =>
            {
                Update();
                if (isLeaving) Leave();
                return true;
            });
        };
    }

    /// <summary>The chat. Whoever made the window disposes it, once the terminal is as before: it may have to wait for the engine.</summary>
    public ChatController Controller { get; }

    /// <summary>The transcript.</summary>
    public TranscriptView Transcript => transcript;

    /// <summary>The input.</summary>
    public Composer Composer => composer;

    /// <summary>Takes over what other threads brought. The window calls it itself once it is on the screen.</summary>
    public void Update()
    {
        for (var i = posted.Count; i > 0 && posted.TryDequeue(out var action); i--) action();
        if (Controller.Loading is { } loading) load.Show(Controller.LoadingName, loading);
        if (load.Visible != Controller.Loading is not null)
        {
            load.Visible = Controller.Loading is not null;
            Arrange();
        }
        status.Show(Controller.Status);
    }

    void IChatDisplay.Add(TranscriptEntry entry) => transcript.Add(entry);

    void IChatDisplay.Truncate(int count) => transcript.Truncate(count);

    void IChatDisplay.Write(string text) => composer.Text = text;

    void IChatDisplay.Restore(string text)
    {
        if (composer.IsEmpty) composer.Text = text;
    }

    /// <inheritdoc/>
    public void Flash(string text) => status.Flash(text);

    /// <inheritdoc/>
    public void ShowExperts(Engine engine)
    {
        if (experts is not null)
        {
            HideExperts();
            return;
        }
        watched = new ExpertsSource(engine);
        experts = new ExpertsView(watched) { Theme = transcript.Theme, Width = Dim.Fill(), Height = Dim.Fill(composerRows + 2) };
        experts.Closed += (_, _) => HideExperts();
        Add(experts);
        SetNeedsDraw();
    }

    /// <inheritdoc/>
    public void HideExperts()
    {
        if (experts is null) return;
        Remove(experts);
        experts.Dispose();
        watched?.Dispose();
        (experts, watched) = (null, null);
        composer.SetFocus();
        SetNeedsDraw();
    }

    /// <inheritdoc/>
    public void Leave()
    {
        isLeaving = true; // asked for before the loop begins it is forgotten: the timer asks again
        App?.RequestStop(this);
    }

    /// <inheritdoc/>
    public void Post(Action action) => posted.Enqueue(action);

    /// <summary>Does what keys do whatever has the focus. Before anything else gets them.</summary>
    /// <returns>Whether the key was one of them.</returns>
    public bool HandleFirst(Key key)
    {
        switch (key.KeyCode)
        {
            case KeyCode.C | KeyCode.CtrlMask:
                Interrupt();
                return true;
            case KeyCode.Esc when experts is not null:
                HideExperts();
                return true;
            // While the experts are shown one can write all the same: their keys are those that the empty input does not need.
            case KeyCode.CursorUp or KeyCode.CursorDown or KeyCode.PageUp or KeyCode.PageDown or KeyCode.Home or KeyCode.End when experts is not null && composer.IsEmpty:
                return experts.Handle(key);
            case KeyCode.Tab when experts is not null && composer.IsEmpty:
                return experts.Handle(Key.T);
            case KeyCode.R | KeyCode.CtrlMask when experts is not null:
                return experts.Handle(Key.R);
            case KeyCode.Esc when composer.IsCompleting:
                return false;
            case KeyCode.Esc:
                status.EndFlash();
                if (!Controller.Stop() && !Controller.StopEditing()) transcript.Deselect();
                return true;
            case KeyCode.D | KeyCode.CtrlMask when composer.IsEmpty:
                Leave();
                return true;
            case KeyCode.L | KeyCode.CtrlMask:
                App!.ClearScreenNextIteration = true;
                SetNeedsDraw();
                return true;
            case KeyCode.PageUp or KeyCode.PageDown or KeyCode.CursorUp | KeyCode.CtrlMask or KeyCode.CursorDown | KeyCode.CtrlMask:
                return transcript.Handle(key);
            // The input has these too, for texts and pieces that there are not while it is empty.
            case KeyCode.Home or KeyCode.End or KeyCode.O | KeyCode.CtrlMask or KeyCode.Y | KeyCode.CtrlMask or KeyCode.CursorUp | KeyCode.AltMask or KeyCode.CursorDown | KeyCode.AltMask
                when composer.IsEmpty:
                return transcript.Handle(key);
            default:
                return false;
        }
    }

    /// <inheritdoc/>
    protected override bool OnKeyDown(Key key)
    {
        if (transcript.Handle(key)) return true;
        if (composer.HasFocus) return base.OnKeyDown(key);
        composer.SetFocus(); // a click took it away
        return composer.NewKeyDownEvent(key);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (timer is not null) App?.RemoveTimeout(timer);
        timer = null;
        watched?.Dispose();
        base.Dispose(disposing);
    }

    private void Interrupt()
    {
        var isAgain = interrupted is { } before && time.GetElapsedTime(before) < Again;
        interrupted = time.GetTimestamp();
        if (isAgain) Leave();
        else if (Controller.Stop()) Flash("stopped; Ctrl-C again leaves");
        else Flash("Ctrl-C again leaves");
    }

    private void Arrange()
    {
        var below = composerRows + 2;
        if (experts is not null) experts.Height = Dim.Fill(below);
        transcript.Height = Dim.Fill(below + (load.Visible ? LoadScreen.Rows : 0));
        load.Y = Pos.AnchorEnd(below + LoadScreen.Rows);
        rule.Y = Pos.AnchorEnd(below);
        composer.Y = Pos.AnchorEnd(composerRows + 1);
        status.Y = Pos.AnchorEnd(1);
        if (experts is not null) experts.Height = Dim.Fill(below);
    }
}
