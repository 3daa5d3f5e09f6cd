namespace WarpDecode.Runtime.Text;

/// <summary>A chat template that cannot be read, or that failed while it was rendered.</summary>
public sealed class TemplateException : Exception
{
    /// <summary>A failure at a place of a template.</summary>
    /// <param name="kind">What Python calls it: <c>TemplateSyntaxError</c>, <c>UndefinedError</c>, <c>SecurityError</c>, <c>TypeError</c>…; <c>raise_exception</c> for what a template itself says.</param>
    /// <param name="reason">What happened, in the words that Jinja has for it.</param>
    /// <param name="template">Where the template is from.</param>
    /// <param name="line">Line of the template, from 1.</param>
    /// <param name="column">Column, from 1.</param>
    /// <param name="inner">What caused it.</param>
    internal TemplateException(string kind, string reason, string template, int line, int column, Exception? inner = null)
        : base($"{reason} ({template}, line {line}, column {column})", inner) =>
        (Kind, Reason, Template, Line, Column) = (kind, reason, template, line, column);

    /// <summary>What Python calls the failure; <c>raise_exception</c> for what a template itself says, <c>LimitError</c> for a limit of this runtime.</summary>
    public string Kind { get; }

    /// <summary>What happened, without the place.</summary>
    public string Reason { get; }

    /// <summary>Where the template is from.</summary>
    public string Template { get; }

    /// <summary>Line of the template, from 1.</summary>
    public int Line { get; }

    /// <summary>Column in the line, from 1.</summary>
    public int Column { get; }
}
