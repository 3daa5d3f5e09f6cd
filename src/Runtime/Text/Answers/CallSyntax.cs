namespace WarpDecode.Runtime.Text;

/// <summary>How a family of models writes calls of tools.</summary>
internal abstract class CallSyntax
{
    /// <summary>The opener of a call that begins without one, at the beginning of an answer.</summary>
    public const int Bare = -1;

    /// <summary>Texts that open one or more calls; none is part of another.</summary>
    public abstract IReadOnlyList<string> Openers { get; }

    /// <summary>All texts that hold markers of the format, which vocabularies may have as control tokens.</summary>
    public abstract IReadOnlyList<string> Markers { get; }

    /// <summary>Whether an answer that begins with a brace may be a call.</summary>
    public virtual bool IsBare => false;

    /// <summary>Whether a call ends reasoning that was not closed: where the markers are tokens that no one writes by accident.</summary>
    public virtual bool EndsReasoning => false;

    /// <summary>Reads what follows an opener.</summary>
    /// <param name="text">Where it comes from.</param>
    /// <param name="opener">Which of the openers it was.</param>
    public abstract IEnumerator<Want> Read(CallText text, int opener);

    /// <summary>
    /// What stands before and after the arguments of a call where these are one JSON object; null where the format writes them in another way, so that
    /// a call cannot be held to the schema of its arguments.
    /// </summary>
    /// <param name="name">The tool.</param>
    /// <param name="number">Number of the call.</param>
    public virtual (string Before, string After)? Around(string name, int number) => null;

    /// <summary>The id of a call that has none.</summary>
    public virtual string NewId(int number) => $"call_{number}";

    /// <summary>A text as JSON.</summary>
    protected static string Quoted(string text) => $"\"{System.Text.Json.JsonEncodedText.Encode(text)}\"";

    /// <summary>Whether a text can name a tool.</summary>
    protected static bool IsName(string text) =>
        text.Length is > 0 and <= CallText.NameLimit && text.All(c => char.IsLetterOrDigit(c) || c is '_' or '-' or '.' or ':' or '/');
}
