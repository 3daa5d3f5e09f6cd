using System.Diagnostics.CodeAnalysis;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>A failure whose place is not known yet; <see cref="Template"/> makes a <see cref="TemplateException"/> of it.</summary>
/// <param name="kind">Python's name of it.</param>
/// <param name="reason">Its text.</param>
internal sealed class RenderError(string kind, string reason) : Exception(reason)
{
    public string Kind { get; } = kind;

    [DoesNotReturn]
    public static void Type(string reason) => throw new RenderError("TypeError", reason);

    [DoesNotReturn]
    public static void Value(string reason) => throw new RenderError("ValueError", reason);

    [DoesNotReturn]
    public static void Limit(string reason) => throw new RenderError("LimitError", reason);

    /// <summary>As an expression, where a value is asked for.</summary>
    public static RenderError OfType(string reason) => new("TypeError", reason);
}
