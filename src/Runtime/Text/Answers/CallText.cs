namespace WarpDecode.Runtime.Text;

/// <summary>What a <see cref="CallSyntax"/> asks for next.</summary>
internal enum Want
{
    /// <summary>Any white space.</summary>
    Space,

    /// <summary>One of some texts; <see cref="CallText.Choice"/> says which.</summary>
    OneOf,

    /// <summary>One of some texts, or none of them.</summary>
    Maybe,

    /// <summary>As <see cref="OneOf"/>, without taking it.</summary>
    See,

    /// <summary>The next character, without taking it; <see cref="CallText.Next"/>.</summary>
    Peek,

    /// <summary>Text up to a mark, which is taken too.</summary>
    Until,

    /// <summary>Text up to one of some characters, which is not taken.</summary>
    Word,

    /// <summary>A JSON value.</summary>
    Json,

    /// <summary>Nothing: what was read is no call.</summary>
    Failure,
}

/// <summary>How far a call is read.</summary>
internal enum CallStatus
{
    /// <summary>It needs more text.</summary>
    Waiting,

    /// <summary>One or more calls are whole, and more may follow.</summary>
    Called,

    /// <summary>The markers that hold calls are closed.</summary>
    Ended,

    /// <summary>What was read since the last whole call is text.</summary>
    Failed,
}

/// <summary>
/// The text of a call while it arrives. A syntax is an iterator that asks for one thing after the other and goes on when it is
/// there; what was searched is not searched again, so that reading is linear however the text is cut.
/// </summary>
internal sealed class CallText
{
    /// <summary>Most characters of a name or an id.</summary>
    public const int NameLimit = 256;

    private readonly IEnumerator<Want> syntax;
    private bool met = true;
    private string[] texts = [];
    private int limit;
    private int at;
    private int searched; // of Until and Word: characters after at without a mark
    private JsonScanner json;
    private int called = -1;

    /// <summary>Begins to read.</summary>
    /// <param name="syntax">How the call is written.</param>
    /// <param name="opened">Length of the marker that opened it.</param>
    /// <param name="tools">The tools that there are, if they are known.</param>
    public CallText(Func<CallText, IEnumerator<Want>> syntax, int opened, IReadOnlyList<ToolDefinition>? tools)
    {
        Tools = tools;
        at = opened;
        this.syntax = syntax(this);
    }

    /// <summary>The tools that there are, if they are known.</summary>
    public IReadOnlyList<ToolDefinition>? Tools { get; }

    /// <summary>Text that was asked for.</summary>
    public string Value { get; private set; } = "";

    /// <summary>Which of the texts it was; -1 for none.</summary>
    public int Choice { get; private set; }

    /// <summary>The next character; NUL at the end.</summary>
    public char Next { get; private set; }

    /// <summary>Whether there is no next character.</summary>
    public bool AtEnd { get; private set; }

    /// <summary>Calls that are whole.</summary>
    public List<ToolCall> Calls { get; } = [];

    /// <summary>Characters read so far.</summary>
    public int Read => at;

    public Want Space() => Want.Space;

    public Want OneOf(params string[] choices) => Ask(Want.OneOf, choices);

    public Want See(params string[] choices) => Ask(Want.See, choices);

    public Want Maybe(params string[] choices) => Ask(Want.Maybe, choices);

    public Want Peek() => Want.Peek;

    public Want Until(string mark, int most = AnswerReading.CallLimit) => Ask(Want.Until, [mark], most);

    public Want Word(string marks) => Ask(Want.Word, [marks], NameLimit);

    public Want Json()
    {
        json = new JsonScanner();
        searched = 0;
        return Want.Json;
    }

    public Want Fail() => Want.Failure;

    /// <summary>A call is whole, up to what was read so far.</summary>
    public void Add(ToolCall call)
    {
        Calls.Add(call);
        called = at;
    }

    /// <summary>Goes on with the text that is there, which begins where the call began or after the last whole one.</summary>
    /// <param name="text">The text.</param>
    /// <param name="whole">No more will come.</param>
    public CallStatus Advance(ReadOnlySpan<char> text, bool whole)
    {
        while (true)
        {
            if (met)
            {
                if (!syntax.MoveNext()) return called >= 0 ? CallStatus.Called : CallStatus.Ended;
                met = false;
                if (called >= 0) return CallStatus.Called;
            }
            if (Meet(syntax.Current, text, whole) is not { } ok) return CallStatus.Waiting;
            if (!ok) return CallStatus.Failed;
            met = true;
        }
    }

    /// <summary>Forgets the text up to the last whole call; says how long it was.</summary>
    public int TakeRead()
    {
        var taken = called;
        at -= taken;
        called = -1;
        return taken;
    }

    private Want Ask(Want want, string[] asked, int most = 0)
    {
        (texts, limit, searched) = (asked, most, 0);
        return want;
    }

    // Null while it needs more text.
    private bool? Meet(Want want, ReadOnlySpan<char> text, bool whole)
    {
        var rest = text[at..];
        switch (want)
        {
            case Want.Space:
                var spaces = White.Count(rest);
                at += spaces;
                return spaces < rest.Length || whole ? true : null;
            case Want.OneOf or Want.Maybe or Want.See:
                return MeetText(rest, whole, want);
            case Want.Peek:
                if (rest.IsEmpty && !whole) return null;
                AtEnd = rest.IsEmpty;
                Next = AtEnd ? '\0' : rest[0];
                return true;
            case Want.Until:
                return MeetMark(rest, whole, texts[0].Length, isWord: false);
            case Want.Word:
                return MeetMark(rest, whole, 1, isWord: true);
            case Want.Json:
                return MeetJson(rest, whole);
            default:
                return false;
        }
    }

    private bool? MeetText(ReadOnlySpan<char> rest, bool whole, Want want)
    {
        for (Choice = 0; Choice < texts.Length; Choice++)
        {
            if (rest.StartsWith(texts[Choice], StringComparison.Ordinal))
            {
                if (want != Want.See) at += texts[Choice].Length;
                return true;
            }
            if (!whole && texts[Choice].AsSpan().StartsWith(rest, StringComparison.Ordinal)) return null;
        }
        Choice = -1;
        return want == Want.Maybe;
    }

    private bool? MeetMark(ReadOnlySpan<char> rest, bool whole, int length, bool isWord)
    {
        if (rest.Length > limit + length) rest = rest[..(limit + length)]; // a mark that comes later does not count
        var tail = rest[searched..];
        var found = isWord ? tail.IndexOfAny(texts[0]) : tail.IndexOf(texts[0], StringComparison.Ordinal);
        if (found >= 0) found += searched;
        if (found > limit || (found < 0 && rest.Length == limit + length)) return false;
        if (found >= 0)
        {
            Value = rest[..found].ToString();
            at += isWord ? found : found + length;
            return true;
        }
        if (whole)
        {
            at += rest.Length; // what was held so long is not looked through again
            return false;
        }
        searched = Math.Max(searched, rest.Length - length + 1);
        return null;
    }

    private bool? MeetJson(ReadOnlySpan<char> rest, bool whole)
    {
        var status = json.Read(rest[searched..], out var read);
        searched += read;
        if (status == JsonScan.More && !whole) return null;
        Value = status == JsonScan.Done ? rest[..searched].ToString() : "";
        at += searched;
        return status == JsonScan.Done;
    }
}
