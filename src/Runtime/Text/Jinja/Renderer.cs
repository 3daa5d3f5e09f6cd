namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>One rendering of a template: its variables, its output, its budget, and where it is.</summary>
internal sealed class Renderer
{
    private readonly Func<DateTimeOffset> clock;

    public Renderer(Budget budget, Scope root, Func<DateTimeOffset> clock)
    {
        (Budget, Scope, Root, this.clock) = (budget, root, root, clock);
        Out = new TextBuilder(budget);
    }

    public Budget Budget { get; }

    /// <summary>Variables of the innermost block.</summary>
    public Scope Scope { get; set; }

    /// <summary>Variables of the template.</summary>
    public Scope Root { get; }

    /// <summary>Where text goes.</summary>
    public TextBuilder Out { get; set; }

    /// <summary>Where in the template it is, for errors.</summary>
    public int At { get; set; }

    public DateTimeOffset Now => clock();

    /// <summary>What a body writes, as a text of its own, with variables of its own.</summary>
    public Str Capture(Block body, Scope scope) => Capture(body, scope, out _);

    /// <summary>The same, and how the body ended.</summary>
    public Str Capture(Block body, Scope scope, out Flow flow)
    {
        var (outer, around) = (Out, Scope);
        (Out, Scope) = (new TextBuilder(Budget), scope);
        try
        {
            flow = body.Execute(this);
            return Out.ToStr();
        }
        finally
        {
            (Out, Scope) = (outer, around);
        }
    }

    /// <summary>Calls a value.</summary>
    public object? Call(object? target, Arguments arguments)
    {
        Budget.Step();
        switch (target)
        {
            case Function function: return function.Body(this, arguments);
            case BoundMethod method: return Methods.Call(this, method.Self, method.Name, arguments);
            case Macro macro: return macro.Call(this, arguments);
            case LoopState loop: return loop.Recurse(this, arguments);
            case Joiner joiner: return joiner.Next();
            case Undefined undefined: throw undefined.Error(Budget);
            default: throw RenderError.OfType($"'{Py.TypeName(target)}' object is not callable");
        }
    }
}
