namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>How a statement ended.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}

/// <summary>A statement of a template.</summary>
internal abstract class Statement
{
    public abstract Flow Execute(Renderer r);
}

/// <summary>Statements one after another.</summary>
internal sealed class Block(Statement[] statements) : Statement
{
    public override Flow Execute(Renderer r)
    {
        r.Budget.Step();
        foreach (var statement in statements)
        {
            if (statement.Execute(r) is var flow && flow != Flow.Next) return flow;
        }
        return Flow.Next;
    }
}

internal sealed class Data(string text) : Statement
{
    public override Flow Execute(Renderer r)
    {
        r.Out.Append(text);
        return Flow.Next;
    }
}

internal sealed class Print(Expression value) : Statement
{
    public override Flow Execute(Renderer r)
    {
        var shown = value.Evaluate(r);
        r.At = value.At;
        r.Out.Append(Repr.Show(shown, r.Budget));
        return Flow.Next;
    }
}

internal sealed class If((Expression Test, Block Body)[] branches, Block? otherwise) : Statement
{
    public override Flow Execute(Renderer r)
    {
        foreach (var (test, body) in branches)
        {
            if (Py.Truth(test.Evaluate(r))) return body.Execute(r);
        }
        return otherwise?.Execute(r) ?? Flow.Next;
    }
}

internal sealed class Jump(Flow flow) : Statement
{
    public override Flow Execute(Renderer r) => flow;
}

internal sealed class Set(int at, Target target, Expression value) : Statement
{
    public override Flow Execute(Renderer r)
    {
        r.Budget.Step();
        var result = value.Evaluate(r);
        r.At = at;
        target.Assign(r, r.Scope, result);
        return Flow.Next;
    }
}

internal sealed class SetBlock(int at, Target target, FilterCall? filter, Block body) : Statement
{
    public override Flow Execute(Renderer r)
    {
        var text = r.Capture(body, new Scope(r.Scope), out var flow);
        if (flow != Flow.Next) return flow; // out of a loop around: what was written is lost
        var value = filter is null ? text : filter.EvaluateOn(r, text);
        r.At = at;
        target.Assign(r, r.Scope, value);
        return Flow.Next;
    }
}

internal sealed class FilterBlock(FilterCall filter, Block body) : Statement
{
    public override Flow Execute(Renderer r)
    {
        var text = r.Capture(body, new Scope(r.Scope), out var flow);
        if (flow != Flow.Next) return flow; // out of a loop around: what was written is lost
        r.Out.Append(Repr.Show(filter.EvaluateOn(r, text), r.Budget));
        return Flow.Next;
    }
}

/// <summary>A body with variables of its own.</summary>
internal sealed class With((Target Target, Expression Value)[] variables, Block body) : Statement
{
    public override Flow Execute(Renderer r)
    {
        var outer = r.Scope;
        var scope = new Scope(outer);
        foreach (var (target, value) in variables) target.Assign(r, scope, value.Evaluate(r));
        r.Scope = scope;
        var flow = body.Execute(r);
        r.Scope = outer;
        return flow;
    }
}

/// <summary>A named block, which nothing can replace here: it sees the template's variables, and those of loops only if it is scoped.</summary>
internal sealed class NamedBlock(bool scoped, Block body) : Statement
{
    public override Flow Execute(Renderer r)
    {
        var outer = r.Scope;
        r.Scope = new Scope(scoped ? outer : r.Root);
        body.Execute(r);
        r.Scope = outer;
        return Flow.Next;
    }
}

internal sealed class DefineMacro(MacroDefinition definition) : Statement
{
    public override Flow Execute(Renderer r)
    {
        r.Scope.Set(definition.Name!, new Macro(definition, r.Scope));
        return Flow.Next;
    }
}

internal sealed class CallBlock(Call call, MacroDefinition body) : Statement
{
    public override Flow Execute(Renderer r)
    {
        var result = call.Evaluate(r, new Macro(body, r.Scope));
        r.At = call.At;
        r.Out.Append(Repr.Show(result, r.Budget));
        return Flow.Next;
    }
}

/// <summary>A statement that needs other templates: there are none.</summary>
internal sealed class NoLoader(int at) : Statement
{
    public override Flow Execute(Renderer r)
    {
        r.At = at;
        throw RenderError.OfType("no loader for this environment specified");
    }
}

/// <summary>What is assigned to.</summary>
internal abstract class Target
{
    public abstract void Assign(Renderer r, Scope scope, object? value);
}

internal sealed class NameTarget(string name) : Target
{
    public override void Assign(Renderer r, Scope scope, object? value) => scope.Set(name, value);
}

/// <summary>A field of a namespace.</summary>
internal sealed class FieldTarget(string owner, string field) : Target
{
    public override void Assign(Renderer r, Scope scope, object? value)
    {
        if (!r.Scope.TryGet(owner, out var found)) throw Undefined.Variable(owner).Error(r.Budget);
        if (found is not Namespace ns) throw new RenderError("TemplateRuntimeError", "cannot assign attribute on non-namespace object");
        ns.Fields.Set(Str.Of(field), value, r.Budget);
    }
}

internal sealed class TupleTarget(Target[] targets) : Target
{
    public override void Assign(Renderer r, Scope scope, object? value)
    {
        if (Py.TryIterate(value) is not { } items) throw RenderError.OfType($"cannot unpack non-iterable {Py.TypeName(value)} object");
        var at = 0;
        foreach (var item in items)
        {
            r.Budget.Step();
            if (at == targets.Length) RenderError.Value($"too many values to unpack (expected {targets.Length})");
            targets[at++].Assign(r, scope, item);
        }
        if (at < targets.Length) RenderError.Value($"not enough values to unpack (expected {targets.Length}, got {at})");
    }
}
