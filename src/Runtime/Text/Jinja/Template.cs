namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>A template that was read once and can be rendered often, from several threads too.</summary>
internal sealed class Template
{
    private const int MaxLength = 1 << 21;
    private readonly Block body;
    private readonly string source;

    private Template(Block body, string source, string name) => (this.body, this.source, Name) = (body, source, name);

    /// <summary>Where it is from.</summary>
    public string Name { get; }

    /// <exception cref="TemplateException">It is not a template.</exception>
    public static Template Parse(string text, string name)
    {
        if (text.Length > MaxLength) throw new TemplateException("LimitError", $"a template has at most {MaxLength} characters, this one {text.Length}", name, 1, 1);
        var source = Lexer.Normalize(text);
        try
        {
            return new Template(new Parser(source).Run(), source, name);
        }
        catch (Parser.SyntaxError e)
        {
            throw At(e.Kind, e.Message, source, name, e.At, e);
        }
        catch (RenderError e)
        {
            throw At(e.Kind, e.Message, source, name, 0, e); // a number beyond the limit
        }
    }

    /// <summary>Renders.</summary>
    /// <param name="fill">Sets the variables.</param>
    /// <param name="clock">The time that strftime_now gives.</param>
    /// <exception cref="TemplateException">The template raised an error, or failed.</exception>
    public TextBuilder Render(Action<Scope, Budget> fill, Func<DateTimeOffset> clock)
    {
        var budget = new Budget();
        var root = new Scope(null);
        var renderer = new Renderer(budget, root, clock);
        try
        {
            fill(root, budget);
            body.Execute(renderer);
            return renderer.Out;
        }
        catch (RenderError e)
        {
            throw At(e.Kind, e.Message, source, Name, renderer.At, e);
        }
        catch (InsufficientExecutionStackException e)
        {
            throw At("LimitError", "the template or its data is nested too deeply", source, Name, renderer.At, e);
        }
    }

    private static TemplateException At(string kind, string reason, string source, string name, int at, Exception inner)
    {
        var before = source.AsSpan(0, Math.Min(at, source.Length));
        return new TemplateException(kind, reason, name, 1 + before.Count('\n'), before.Length - before.LastIndexOf('\n'), inner);
    }
}
