namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>A loop over the elements of a value.</summary>
internal sealed class For(int at, Target target, Expression source, Expression? filter, bool recursive, Block body, Block? otherwise) : Statement
{
    public bool IsRecursive => recursive;

    public override Flow Execute(Renderer r)
    {
        r.Budget.Step();
        Run(r, source.Evaluate(r), depth0: 0);
        return Flow.Next;
    }

    /// <summary>The loop over a value, at a depth of its recursion.</summary>
    public void Run(Renderer r, object? value, int depth0)
    {
        r.At = at;
        var outer = r.Scope;
        // A list cannot change, so it needs no copy.
        var items = value is PyList list ? list.Items : Py.ToList(value, r.Budget);
        if (filter is not null) items = Filtered(r, items, outer);
        if (items.Count == 0)
        {
            // The other branch has variables of its own.
            r.Scope = new Scope(outer);
            otherwise?.Execute(r);
            r.Scope = outer;
            return;
        }
        var loop = new LoopState(this, items, depth0, outer);
        foreach (var item in items)
        {
            r.Budget.Step();
            var scope = new Scope(outer);
            target.Assign(r, scope, item);
            scope.Set("loop", loop);
            r.Scope = scope;
            var flow = body.Execute(r);
            r.Scope = outer;
            if (flow == Flow.Break) break;
            loop.Index0++;
        }
    }

    private List<object?> Filtered(Renderer r, List<object?> items, Scope outer)
    {
        var kept = new List<object?>();
        r.Budget.TakeElements(items.Count);
        foreach (var item in items)
        {
            r.Budget.Step();
            var scope = new Scope(outer);
            target.Assign(r, scope, item);
            r.Scope = scope;
            if (Py.Truth(filter!.Evaluate(r))) kept.Add(item);
            r.Scope = outer;
        }
        return kept;
    }
}

/// <summary>The variable <c>loop</c>.</summary>
internal sealed class LoopState(For statement, List<object?> items, int depth0, Scope outside)
{
    private object?[]? lastChanged;

    public int Index0 { get; set; }

    public int Index => Index0 + 1;

    public int Length => items.Count;

    /// <summary>An attribute, or false if it has none of that name.</summary>
    public bool TryGet(string name, out object? value)
    {
        value = name switch
        {
            "index" => (long)Index,
            "index0" => (long)Index0,
            "revindex" => (long)(items.Count - Index0),
            "revindex0" => (long)(items.Count - Index0 - 1),
            "first" => Py.Bool(Index0 == 0),
            "last" => Py.Bool(Index0 == items.Count - 1),
            "length" => (long)items.Count,
            "depth" => (long)(depth0 + 1),
            "depth0" => (long)depth0,
            "previtem" => Index0 > 0 ? items[Index0 - 1] : Undefined.Because("there is no previous item"),
            "nextitem" => Index0 + 1 < items.Count ? items[Index0 + 1] : Undefined.Because("there is no next item"),
            "cycle" or "changed" => new BoundMethod(this, name),
            _ => Arguments.Missing,
        };
        return !ReferenceEquals(value, Arguments.Missing);
    }

    public object? Cycle(Arguments arguments) => arguments.Positional.Length == 0
        ? throw RenderError.OfType("no items for cycling given") : arguments.Positional[Index0 % arguments.Positional.Length];

    /// <summary>Whether the arguments differ from those of the call before.</summary>
    public bool Changed(Arguments arguments, Budget budget)
    {
        var now = arguments.Positional;
        var same = lastChanged is not null && Py.AreEqual(new PyTuple(lastChanged), new PyTuple(now), budget);
        lastChanged = now;
        return !same;
    }

    /// <summary>What the loop writes for other elements, one level deeper.</summary>
    public Str Recurse(Renderer r, Arguments arguments)
    {
        if (!statement.IsRecursive) throw RenderError.OfType("The loop must have the 'recursive' marker to be called recursively.");
        var value = arguments.Bind("LoopContext.__call__", 1, "iterable")[0];
        var (text, scope) = (r.Out, r.Scope);
        (r.Out, r.Scope) = (new TextBuilder(r.Budget), outside);
        statement.Run(r, value, depth0 + 1);
        var written = r.Out.ToStr();
        (r.Out, r.Scope) = (text, scope);
        return written;
    }
}
