using System.Text;

namespace WarpDecode.Runtime.Text;

/// <summary>Reads answers that are text with marked parts: reasoning between tags at the beginning, calls between markers.</summary>
internal sealed class MarkedReading : AnswerReading
{
    private readonly AnswerFormat format;
    private readonly CallSyntax? syntax;
    private readonly MarkerSet contentMarkers;
    private readonly int openers;
    private readonly bool exact; // nothing is marked: all is content
    private readonly StringBuilder space = new(); // white space before what comes next: the answer's if more of its text comes
    private MarkerSet reasoningMarkers = MarkerSet.Empty;
    private State state = State.Start;
    private State before;
    private CallText? call;
    private bool spaceIsNot; // white space that comes now belongs to a marker
    private bool anyContent;
    private bool anyReasoning;
    private bool anyCall;
    private bool afterMarker; // no text since the last call
    private bool thought; // there is text in this part of the reasoning

    public MarkedReading(AnswerFormat format, string promptEnd, IReadOnlyList<ToolDefinition>? tools, int firstCall)
        : base(tools, firstCall)
    {
        this.format = format;
        syntax = ReadsCalls ? format.Calls : null;
        string[] starts = syntax is null ? [] : [.. syntax.Openers];
        openers = starts.Length;
        contentMarkers = new MarkerSet([.. starts, .. format.Dropped]);
        exact = openers + format.Dropped.Count + format.Reasoning.Count == 0;
        if (exact) state = State.Content;
        var prompt = promptEnd.AsSpan().TrimEnd(White.Space);
        foreach (var tag in format.Reasoning)
        {
            if (prompt.EndsWith(tag.Open, StringComparison.Ordinal)) BeginReasoning(tag);
            else if (prompt.EndsWith(tag.Close, StringComparison.Ordinal)) spaceIsNot = true;
        }
    }

    private enum State
    {
        Start, // only white space so far, or since the reasoning
        Content,
        Reasoning,
        Call,
    }

    public override int HeldBack => state == State.Call ? Held.Length : 0;

    protected override bool Step(bool final) => state switch
    {
        State.Start => StepStart(final),
        State.Call => StepCall(final),
        _ => StepText(final),
    };

    protected override string NewId(int number) => format.Calls!.NewId(number);

    protected override void End()
    {
        // White space at the end of an answer stays, unless a call or the reasoning ended there.
        if (state != State.Reasoning && !spaceIsNot && !afterMarker) Out(AnswerKind.Content, space.ToString());
    }

    private bool StepStart(bool final)
    {
        var text = Held.Span;
        var spaces = White.Count(text);
        space.Append(text[..spaces]);
        Held.Take(spaces);
        text = Held.Span;
        if (text.IsEmpty) return false;
        foreach (var tag in format.Reasoning)
        {
            if (!text.StartsWith(tag.Open, StringComparison.Ordinal)) continue;
            Held.Take(tag.Open.Length);
            BeginReasoning(tag);
            return true;
        }
        if (!final)
        {
            foreach (var tag in format.Reasoning)
            {
                if (tag.Open.AsSpan().StartsWith(text, StringComparison.Ordinal)) return false;
            }
        }
        if (syntax is { IsBare: true } && text[0] == '{' && !anyCall) BeginCall(CallSyntax.Bare, 0);
        else state = State.Content;
        return true;
    }

    private bool StepText(bool final)
    {
        var text = Held.Span;
        var markers = state == State.Content ? contentMarkers : reasoningMarkers;
        var (at, which) = markers.Find(text);
        var length = at >= 0 ? at : text.Length - (final ? 0 : markers.Undecided(text));
        Write(text[..length]);
        Held.Take(length);
        if (at < 0) return false;
        if (state == State.Reasoning)
        {
            if (which == 0)
            {
                Held.Take(markers[0].Length);
                EndReasoning();
                return true;
            }
            which--; // the closing tag comes first
        }
        if (which >= openers)
        {
            Held.Take(markers[which].Length);
            afterMarker = true;
            spaceIsNot |= !anyContent;
        }
        else if (ReadsCalls)
        {
            BeginCall(which, syntax!.Openers[which].Length);
        }
        else
        {
            Write(Held.Span[..syntax!.Openers[which].Length]);
            Held.Take(syntax.Openers[which].Length);
        }
        return true;
    }

    private bool StepCall(bool final)
    {
        var window = CallWindow(final, out var whole);
        var status = call!.Advance(window, whole);
        switch (status)
        {
            case CallStatus.Waiting:
                return false;
            case CallStatus.Called:
                if (before == State.Reasoning) EndReasoning();
                state = State.Call;
                before = anyContent ? State.Content : State.Start;
                Out(call.Calls);
                anyCall = afterMarker = true;
                spaceIsNot |= !anyContent;
                Held.Take(call.TakeRead());
                return true;
            case CallStatus.Ended:
                // White space after the call is like that before it.
                state = before;
                Held.Take(call.Read - White.CountAtEnd(window[..call.Read]));
                call = null;
                return true;
            default:
                state = before == State.Start ? State.Content : before;
                Write(window[..call.Read]);
                Held.Take(call.Read);
                call = null;
                return true;
        }
    }

    private void BeginReasoning(ReasoningTag tag)
    {
        string[] starts = syntax is { EndsReasoning: true } ? [.. syntax.Openers] : [];
        reasoningMarkers = new MarkerSet([tag.Close, .. starts]);
        space.Clear();
        thought = false;
        state = State.Reasoning;
    }

    private void EndReasoning()
    {
        space.Clear();
        spaceIsNot = true;
        state = State.Start;
    }

    private void BeginCall(int opener, int length)
    {
        before = state;
        state = State.Call;
        call = new CallText(t => syntax!.Read(t, opener), length, Tools);
    }

    /// <summary>Lets text of the present state out, but for white space at its end.</summary>
    private void Write(ReadOnlySpan<char> text)
    {
        if (exact)
        {
            Out(AnswerKind.Content, text);
            return;
        }
        var body = text.TrimEnd(White.Space);
        if (!body.IsEmpty)
        {
            if (state == State.Reasoning) WriteReasoning(body);
            else WriteContent(body);
        }
        space.Append(text[body.Length..]);
    }

    private void WriteContent(ReadOnlySpan<char> body)
    {
        if (spaceIsNot) body = body.TrimStart(White.Space);
        else Out(AnswerKind.Content, space.ToString());
        space.Clear();
        spaceIsNot = afterMarker = false;
        anyContent = true;
        Out(AnswerKind.Content, body);
    }

    private void WriteReasoning(ReadOnlySpan<char> body)
    {
        if (!thought)
        {
            body = body.TrimStart(White.Space);
            if (anyReasoning) Out(AnswerKind.Reasoning, "\n\n");
        }
        else
        {
            Out(AnswerKind.Reasoning, space.ToString());
        }
        space.Clear();
        thought = anyReasoning = true;
        Out(AnswerKind.Reasoning, body);
    }
}
