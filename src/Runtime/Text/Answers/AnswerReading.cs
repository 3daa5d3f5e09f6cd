using System.Text;

namespace WarpDecode.Runtime.Text;

/// <summary>What the ways of reading an answer share: the text not yet decided, and the pieces on their way out.</summary>
/// <param name="tools">The tools that the model was told of; null if not known.</param>
/// <param name="firstCall">Number of the first call.</param>
internal abstract class AnswerReading(IReadOnlyList<ToolDefinition>? tools, int firstCall)
{
    /// <summary>Most characters that are held back for one call: as many as 1 MB of arguments.</summary>
    internal const int CallLimit = 1 << 20;

    /// <summary>Most calls of an answer; what follows is text.</summary>
    internal const int MostCalls = 1000;

    private readonly StringBuilder piece = new();
    private ICollection<AnswerEvent>? events;
    private AnswerKind pieceKind;
    private int calls;
    private bool finished;

    /// <summary>Characters held back of a call.</summary>
    public abstract int HeldBack { get; }

    /// <summary>The tools that the model was told of.</summary>
    protected IReadOnlyList<ToolDefinition>? Tools { get; } = tools;

    /// <summary>Whether calls are looked for: not where there are no tools, nor after very many.</summary>
    protected bool ReadsCalls => Tools is not { Count: 0 } && calls < MostCalls;

    /// <summary>Text that is not decided yet.</summary>
    protected TextWindow Held { get; } = new();

    /// <summary>Takes text.</summary>
    public void Write(ReadOnlySpan<char> text, ICollection<AnswerEvent> to)
    {
        if (finished) throw new InvalidOperationException("the answer is finished: a new one needs a new reader");
        Held.Append(text);
        Run(to, final: false);
    }

    /// <summary>Ends the text.</summary>
    public void Finish(ICollection<AnswerEvent> to)
    {
        if (finished) return;
        finished = true;
        Run(to, final: true);
    }

    /// <summary>Decides something; false when that needs more text, or when nothing is left of a text that ended.</summary>
    protected abstract bool Step(bool final);

    /// <summary>The end of the text was reached.</summary>
    protected virtual void End()
    {
    }

    /// <summary>The id of a call that has none.</summary>
    protected virtual string NewId(int number) => $"call_{number}";

    /// <summary>Lets text out.</summary>
    protected void Out(AnswerKind kind, ReadOnlySpan<char> text)
    {
        if (text.IsEmpty) return;
        if (kind != pieceKind) FlushPiece();
        pieceKind = kind;
        piece.Append(text);
    }

    /// <summary>Lets calls out.</summary>
    protected void Out(List<ToolCall> found)
    {
        FlushPiece();
        foreach (var call in found)
        {
            var number = firstCall + calls++;
            events!.Add(new AnswerEvent(AnswerKind.ToolCall, "", call.Id.Length > 0 ? call : call with { Id = NewId(number) }));
        }
        found.Clear();
    }

    /// <summary>The part of the held text that a call may take, and whether it cannot get longer.</summary>
    protected ReadOnlySpan<char> CallWindow(bool final, out bool whole)
    {
        var text = Held.Span;
        whole = final || text.Length >= CallLimit; // cut at the same place however the text came
        return text.Length > CallLimit ? text[..CallLimit] : text;
    }

    private void Run(ICollection<AnswerEvent> to, bool final)
    {
        events = to;
        while (Step(final))
        {
            // Each step takes text or changes the state.
        }
        if (final) End();
        FlushPiece();
        events = null;
    }

    private void FlushPiece()
    {
        if (piece.Length == 0) return;
        events!.Add(new AnswerEvent(pieceKind, piece.ToString()));
        piece.Clear();
    }
}
