namespace WarpDecode.Runtime.Text;

/// <summary>
/// Reads answers in the harmony format of gpt-oss: a sequence of messages, each with a channel. What goes to the channel
/// <c>analysis</c> is reasoning, what goes to a recipient is a call of a tool, all else is content.
/// </summary>
internal sealed class HarmonyReading : AnswerReading
{
    private const int HeaderLimit = 1024;
    private const string Start = "<|start|>";
    private const string Channel = "<|channel|>";
    private const string Body = "<|message|>";
    private const string Recipient = "to=";

    private static readonly MarkerSet HeaderEnds = new(Body, Start, "<|end|>", "<|return|>", "<|call|>");
    private static readonly MarkerSet MessageEnds = new(Start, Channel, "<|end|>", "<|return|>", "<|call|>");
    private static readonly MarkerSet Between = new(Start, Channel, Body, "<|constrain|>", "<|end|>", "<|return|>", "<|call|>");
    private readonly bool[] any = new bool[2]; // by kind, whether there is text already
    private State state;
    private AnswerKind kind;
    private bool apart; // the next text begins a message
    private CallText? call;

    public HarmonyReading(string promptEnd, IReadOnlyList<ToolDefinition>? tools, int firstCall)
        : base(tools, firstCall)
    {
        // The prompt opens a message, at times with more of its header than the role, or all of it.
        var start = promptEnd.LastIndexOf(Start, StringComparison.Ordinal);
        var header = start < 0 ? "" : promptEnd[(start + Start.Length)..];
        var body = header.IndexOf(Body, StringComparison.Ordinal);
        if (start < 0 || header.Contains("<|end|>", StringComparison.Ordinal))
        {
            state = State.Between;
        }
        else if (body >= 0)
        {
            BeginMessage(ChannelOf(header.AsSpan(0, body)));
        }
        else
        {
            state = header.Contains(Channel, StringComparison.Ordinal) ? State.Header : State.Opening;
            if (state == State.Header) Held.Append(header);
        }
    }

    private enum State
    {
        Between,
        Opening, // of an answer: a header, or text without one
        Header,
        Message,
        Call,
    }

    public override int HeldBack => state == State.Call ? Held.Length : 0;

    protected override bool Step(bool final) => state switch
    {
        State.Between => StepBetween(final),
        State.Opening => StepOpening(final),
        State.Header => StepHeader(final),
        State.Message => StepMessage(final),
        _ => StepCall(final),
    };

    private bool StepBetween(bool final)
    {
        Held.Take(White.Count(Held.Span));
        var text = Held.Span;
        if (text.IsEmpty) return false;
        var (at, which) = Between.Find(text);
        if (at == 0)
        {
            if (which is 0 or > 3) Held.Take(Between[which].Length); // the others are part of a header
            if (which <= 3) state = State.Header;
            return true;
        }
        if (!final && Between.Undecided(text) == text.Length) return false;
        BeginMessage("");
        return true;
    }

    private bool StepOpening(bool final)
    {
        var rest = Held.Span.TrimStart(' ');
        if (rest.IsEmpty) return false;
        var (at, undecided) = (Between.Find(rest).At, Between.Undecided(rest));
        if (at == 0) state = State.Between;
        else if (rest.StartsWith(Recipient, StringComparison.Ordinal)) state = State.Header;
        else if (!final && (undecided == rest.Length || Recipient.AsSpan().StartsWith(rest, StringComparison.Ordinal))) return false;
        else BeginMessage(""); // text without a header
        return true;
    }

    private bool StepHeader(bool final)
    {
        var text = Held.Span;
        var (at, which) = HeaderEnds.Find(text.Length > HeaderLimit ? text[..HeaderLimit] : text);
        if (at < 0)
        {
            if (!final && text.Length < HeaderLimit) return false;
            if (text.Length >= HeaderLimit)
            {
                TakeAsText(HeaderLimit); // no header has such a length
                return true;
            }
            return Drop(text.Length);
        }
        if (which != 0) return Drop(at);
        var header = text[..at];
        var length = at + Body.Length;
        if (RecipientOf(header) is { } name)
        {
            if (!ReadsCalls)
            {
                TakeAsText(length);
                return true;
            }
            state = State.Call;
            call = new CallText(t => HarmonyCall.Read(t, name), length, Tools);
            return true;
        }
        var channel = ChannelOf(header);
        Held.Take(length);
        BeginMessage(channel);
        return true;
    }

    // A header without a message is structure and no text, unless it is the beginning of a call.
    private bool Drop(int length)
    {
        if (RecipientOf(Held.Span[..length]) is not null) TakeAsText(length);
        else Held.Take(length);
        state = State.Between;
        return true;
    }

    private bool StepMessage(bool final)
    {
        var text = Held.Span;
        var (at, which) = MessageEnds.Find(text);
        var length = at >= 0 ? at : text.Length - (final ? 0 : MessageEnds.Undecided(text));
        Out(text[..length]);
        Held.Take(length);
        if (at < 0) return false;
        if (which != 1) Held.Take(MessageEnds[which].Length);
        state = which <= 1 ? State.Header : State.Between;
        return true;
    }

    private bool StepCall(bool final)
    {
        switch (call!.Advance(CallWindow(final, out var whole), whole))
        {
            case CallStatus.Waiting:
                return false;
            case CallStatus.Called:
                Out(call.Calls);
                Held.Take(call.TakeRead());
                return true;
            case CallStatus.Ended:
                state = call.Choice == HarmonyCall.Ends.Length - 1 ? State.Header : State.Between;
                call = null;
                return true;
            default:
                TakeAsText(call.Read);
                call = null;
                return true;
        }
    }

    private void TakeAsText(int length)
    {
        BeginMessage("");
        Out(Held.Span[..length]);
        Held.Take(length);
    }

    private void BeginMessage(ReadOnlySpan<char> channel)
    {
        kind = channel.SequenceEqual("analysis") ? AnswerKind.Reasoning : AnswerKind.Content;
        apart = true;
        state = State.Message;
    }

    private void Out(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty) return;
        if (apart && any[(int)kind]) Out(kind, "\n\n");
        apart = false;
        any[(int)kind] = true;
        Out(kind, text);
    }

    private static ReadOnlySpan<char> ChannelOf(ReadOnlySpan<char> header)
    {
        var at = header.IndexOf(Channel, StringComparison.Ordinal);
        if (at < 0) return "";
        var rest = header[(at + Channel.Length)..].TrimStart(White.Space);
        var end = rest.IndexOfAny(" <\n\t");
        return end < 0 ? rest : rest[..end];
    }

    // The tool of a header with to=functions.NAME, on either side of the channel.
    private static string? RecipientOf(ReadOnlySpan<char> header)
    {
        const string functions = "functions.";
        var at = header.IndexOf(Recipient, StringComparison.Ordinal);
        if (at < 0) return null;
        var rest = header[(at + Recipient.Length)..];
        var end = rest.IndexOfAny(" <\n\t");
        var name = end < 0 ? rest : rest[..end];
        if (name.StartsWith(functions, StringComparison.Ordinal)) name = name[functions.Length..];
        return name.Length is > 0 and <= CallText.NameLimit ? name.ToString() : null;
    }
}
