namespace WarpDecode.Runtime.Text;

/// <summary>
/// Takes a model's answer apart while it streams: what it thought, what it says, and the tools it calls. However the text is cut
/// into pieces, the pieces that come out join to the same reasoning, content and calls. Belongs to one answer; not for several threads at once.
/// </summary>
/// <remarks>
/// Text is held back only as long as it could begin a marker, and white space as long as a marker could follow. A call comes out
/// whole, when its arguments are complete and valid. What is malformed, unfinished or beyond the limits comes out as the text that
/// it is, exactly as it was written; nothing that a model writes is an error.
/// <para>
/// Spaces and line ends around markers are the template's and not the answer's: those at either end of the reasoning, between it
/// and the content, and between content and a call that ends the answer. Others stay. In the harmony format all text is exact, and
/// messages of one kind are joined by an empty line.
/// </para>
/// <para>
/// Calls whose format has no ids are numbered: <c>call_0</c>, <c>call_1</c>, …; in Mistral's formats, which need nine letters or
/// digits, <c>call00000</c>, ….
/// </para>
/// </remarks>
public sealed class AnswerReader
{
    private readonly AnswerReading reading;

    private AnswerReader(AnswerReading reading) => this.reading = reading;

    /// <summary>Characters held back of a call that is being written; 0 outside calls.</summary>
    public int HeldBack => reading.HeldBack;

    /// <summary>A reader for one answer.</summary>
    /// <param name="format">How the model writes answers.</param>
    /// <param name="promptEnd">
    /// The end of the rendered prompt, at least its last line: where that opens the reasoning, the answer begins within it.
    /// </param>
    /// <param name="tools">
    /// The tools that the model was told of. Their schemas say what the values of formats without types are. Null if they are not
    /// known: such values are JSON where they look like it, and strings otherwise. Where there are none, nothing is a call.
    /// </param>
    /// <param name="firstCall">Number of the first call, for ids: how many calls the conversation has already.</param>
    public static AnswerReader Create(AnswerFormat format, string promptEnd, IReadOnlyList<ToolDefinition>? tools = null, int firstCall = 0)
    {
        ArgumentNullException.ThrowIfNull(format);
        ArgumentNullException.ThrowIfNull(promptEnd);
        ArgumentOutOfRangeException.ThrowIfNegative(firstCall);
        return new AnswerReader(
            format.IsHarmony ? new HarmonyReading(promptEnd, tools, firstCall) : new MarkedReading(format, promptEnd, tools, firstCall));
    }

    /// <summary>The end of a prompt as <see cref="Create"/> takes it: more than any template writes after the last message.</summary>
    internal static string EndOf(ReadOnlySpan<int> prompt, Tokenizer tokenizer)
    {
        const int tokens = 64;
        return tokenizer.Decode(prompt[Math.Max(0, prompt.Length - tokens)..], special: true);
    }

    /// <summary>Takes the next piece of the answer, and adds what is decided with it.</summary>
    public void Write(ReadOnlySpan<char> text, ICollection<AnswerEvent> to)
    {
        ArgumentNullException.ThrowIfNull(to);
        reading.Write(text, to);
    }

    /// <summary>Ends the answer, and adds what was held back. Nothing may be written afterwards.</summary>
    public void Finish(ICollection<AnswerEvent> to)
    {
        ArgumentNullException.ThrowIfNull(to);
        reading.Finish(to);
    }
}
