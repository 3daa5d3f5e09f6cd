using System.Text;
using WarpDecode.Chat.Ui.Markdown;
using WarpDecode.Chat.Ui.Text;

namespace WarpDecode.Chat.Ui;

/// <summary>Whose an entry of the transcript is.</summary>
internal enum EntryKind { System, User, Assistant, Notice }

/// <summary>
/// One message of the transcript. Any thread may add to it; the view takes what was added over to the lines on its own thread (<see cref="Drain"/>),
/// which alone may ask for them.
/// </summary>
internal sealed class TranscriptEntry
{
    private readonly Lock gate = new();
    private readonly TimeProvider clock;
    private readonly StringBuilder text = new(), reasoning = new(), newText = new(), newReasoning = new();
    private readonly List<string> toolCalls = [];
    private long thoughtFrom;
    private TimeSpan? thoughtFor;
    private bool isThinking, isComplete, hasNews = true, inWord;
    private int words;

    // The view's side.
    private readonly MarkdownStream body, thoughts = new(ink: Ink.Dim);
    private readonly List<StyledLine> head = [], tail = [];
    private int width = 80;
    private bool isDrained;

    /// <param name="kind">Whose it is.</param>
    /// <param name="text">What it says so far. Entries of others than the model are complete with it.</param>
    /// <param name="clock">Measures the time of thinking.</param>
    public TranscriptEntry(EntryKind kind, string text = "", TimeProvider? clock = null)
    {
        Kind = kind;
        this.clock = clock ?? TimeProvider.System;
        body = new(plain: kind is not EntryKind.Assistant, kind == EntryKind.System ? Ink.Dim : kind == EntryKind.Notice ? Ink.Notice : Ink.None);
        if (text.Length > 0) Append(text);
        if (kind != EntryKind.Assistant) Complete();
    }

    /// <summary>Whose it is.</summary>
    public EntryKind Kind { get; }

    /// <summary>Whether nothing more comes.</summary>
    public bool IsComplete
    {
        get
        {
            lock (gate) return isComplete;
        }
    }

    /// <summary>What was said, as it came.</summary>
    public string Text
    {
        get
        {
            lock (gate) return text.ToString();
        }
    }

    /// <summary>What was thought, as it came.</summary>
    public string Reasoning
    {
        get
        {
            lock (gate) return reasoning.ToString();
        }
    }

    /// <summary>The calls of tools, one line each.</summary>
    public IReadOnlyList<string> ToolCalls
    {
        get
        {
            lock (gate) return [.. toolCalls];
        }
    }

    /// <summary>Whether the reasoning is shown.</summary>
    public bool IsOpen { get; private set; }

    /// <summary>Whether there is reasoning to show.</summary>
    public bool HasReasoning
    {
        get
        {
            lock (gate) return reasoning.Length > 0;
        }
    }

    /// <summary>Adds to what is said. The first of it ends the thinking.</summary>
    public void Append(string delta)
    {
        lock (gate)
        {
            Refuse();
            if (!string.IsNullOrWhiteSpace(delta)) EndThinking();
            text.Append(delta);
            newText.Append(delta);
            hasNews = true;
        }
    }

    /// <summary>Adds to what is thought.</summary>
    public void AppendReasoning(string delta)
    {
        lock (gate)
        {
            Refuse();
            if (delta.Length == 0) return;
            if (!isThinking && thoughtFor is null) (thoughtFrom, isThinking) = (clock.GetTimestamp(), true);
            reasoning.Append(delta);
            newReasoning.Append(delta);
            foreach (var c in delta)
            {
                if (!inWord && !char.IsWhiteSpace(c)) words++;
                inWord = !char.IsWhiteSpace(c);
            }
            hasNews = true;
        }
    }

    /// <summary>Sets the reasoning of a message that was read from a file.</summary>
    /// <param name="thought">What was thought.</param>
    /// <param name="time">How long; null if nobody knows.</param>
    public void RestoreReasoning(string thought, TimeSpan? time)
    {
        AppendReasoning(thought);
        lock (gate) (isThinking, thoughtFor) = (false, time ?? TimeSpan.MinValue);
    }

    /// <summary>Adds a line for a call of a tool.</summary>
    public void AddToolCall(string line)
    {
        lock (gate)
        {
            Refuse();
            EndThinking();
            toolCalls.Add(line);
            hasNews = true;
        }
    }

    /// <summary>Nothing more comes. Calling it again does nothing.</summary>
    public void Complete()
    {
        lock (gate)
        {
            EndThinking();
            hasNews |= !isComplete;
            isComplete = true;
        }
    }

    private void Refuse()
    {
        if (isComplete) throw new InvalidOperationException("Something was added to a message that is complete.");
    }

    private void EndThinking()
    {
        if (isThinking) thoughtFor = clock.GetElapsedTime(thoughtFrom);
        isThinking = false;
    }

    /// <summary>Takes over what was added since the last time. Of the view's thread, as is all below.</summary>
    /// <returns>Whether lines have changed.</returns>
    public bool Drain()
    {
        string said, thought;
        bool isLast;
        lock (gate)
        {
            if (!hasNews && !isThinking) return false; // the time of thinking goes on without news
            (said, thought, isLast) = (newText.ToString(), newReasoning.ToString(), isComplete);
            newText.Clear();
            newReasoning.Clear();
            hasNews = false;
        }
        body.Append(said);
        thoughts.Append(thought);
        if (isLast)
        {
            body.Complete();
            thoughts.Complete();
            isDrained = true;
        }
        MakeEnds();
        return true;
    }

    /// <summary>Whether nothing is left to be drained.</summary>
    public bool IsSettled => isDrained;

    /// <summary>Columns of its lines.</summary>
    public int Width
    {
        get => width;
        set
        {
            if (width == value) return;
            width = body.Width = thoughts.Width = value;
            MakeEnds();
        }
    }

    /// <summary>Shows or hides the reasoning.</summary>
    public void Toggle()
    {
        IsOpen = !IsOpen && HasReasoning;
        MakeEnds();
    }

    /// <summary>How many lines it has on the screen, the empty one after it among them.</summary>
    public int LineCount => head.Count + (IsOpen ? thoughts.Lines.Count + 1 : 0) + body.Lines.Count + tail.Count;

    /// <summary>One of its lines.</summary>
    public StyledLine Line(int i)
    {
        if (i < head.Count) return head[i];
        i -= head.Count;
        if (IsOpen)
        {
            if (i < thoughts.Lines.Count) return thoughts.Lines[i];
            i -= thoughts.Lines.Count;
            if (i-- == 0) return StyledLine.Empty;
        }
        if (i < body.Lines.Count) return body.Lines[i];
        return tail[i - body.Lines.Count];
    }

    /// <summary>The line that says how long was thought; -1 if nothing was.</summary>
    public int SummaryLine => HasReasoning ? 1 : -1;

    /// <summary>The code blocks of what is said.</summary>
    public IEnumerable<Leaf> CodeBlocks => body.CodeBlocks;

    private void MakeEnds()
    {
        head.Clear();
        tail.Clear();
        var (label, ink) = Kind switch
        {
            EntryKind.User => ("You", Ink.User),
            EntryKind.Assistant => ("Assistant", Ink.Assistant),
            EntryKind.System => ("System", Ink.Notice | Ink.Bold),
            _ => ("", Ink.None),
        };
        if (label.Length > 0) head.Add(LineOf(label, ink));
        lock (gate)
        {
            if (reasoning.Length > 0) head.Add(LineOf(Summary(), Ink.Dim | Ink.Italic));
            if (Kind == EntryKind.Assistant && !isComplete && text.Length == 0 && reasoning.Length == 0) tail.Add(LineOf("…", Ink.Dim));
            foreach (var call in toolCalls) tail.Add(LineOf(Graphemes.Cut("⚙ " + SafeText.CleanLine(call), width), Ink.Frame));
        }
        tail.Add(StyledLine.Empty);
    }

    private string Summary()
    {
        var fold = IsOpen ? "▾" : "▸";
        if (isThinking) return $"{fold} thinking… {clock.GetElapsedTime(thoughtFrom).TotalSeconds:F0} s, {words} words";
        return thoughtFor is { Ticks: >= 0 } time ? $"{fold} thought for {time.TotalSeconds:F1} s, {words} words" : $"{fold} thought, {words} words";
    }

    private static StyledLine LineOf(string text, Ink ink) => new([new(text, ink, Graphemes.Columns(text))]);
}
