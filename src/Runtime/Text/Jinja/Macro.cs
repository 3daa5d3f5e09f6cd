namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>A macro as it is written; of a call block without a name.</summary>
internal sealed class MacroDefinition(string? name, int at)
{
    public string? Name { get; } = name;

    public int At { get; } = at;

    public List<(string Name, Expression? Default)> Parameters { get; } = [];

    public Block Body { get; set; } = new([]);

    /// <summary>Whether the body uses the body of a call block.</summary>
    public bool TakesCaller { get; set; }

    /// <summary>Whether it uses arguments beyond its parameters.</summary>
    public bool TakesMore { get; set; }

    /// <summary>Whether it uses named arguments beyond its parameters.</summary>
    public bool TakesNamed { get; set; }
}

/// <summary>A macro with the variables around it.</summary>
internal sealed class Macro(MacroDefinition definition, Scope outside)
{
    public string? Name => definition.Name;

    /// <summary>An attribute, or false if it has none of that name.</summary>
    public bool TryGet(string name, out object? value)
    {
        value = name switch
        {
            "name" => Name is null ? null : Str.Of(Name),
            "arguments" => new PyTuple([.. definition.Parameters.Select(p => (object?)Str.Of(p.Name))]),
            "catch_kwargs" => Py.Bool(definition.TakesNamed),
            "catch_varargs" => Py.Bool(definition.TakesMore),
            "caller" => Py.Bool(definition.TakesCaller),
            _ => Arguments.Missing,
        };
        return !ReferenceEquals(value, Arguments.Missing);
    }

    /// <summary>What the macro writes for arguments.</summary>
    public Str Call(Renderer r, Arguments arguments)
    {
        var (given, parameters) = (arguments.Positional, definition.Parameters);
        var named = arguments.Named.ToList();
        var scope = new Scope(outside);
        var shown = Name is null ? "None" : Repr.Quote(Name);
        var callerFound = false;
        var values = new object?[parameters.Count];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = i < given.Length ? given[i] : Taken(named, parameters[i].Name);
            callerFound |= parameters[i].Name == "caller";
        }
        if (definition.TakesCaller && !callerFound)
        {
            var caller = Taken(named, "caller");
            scope.Set("caller", ReferenceEquals(caller, Arguments.Missing) || caller is null ? Undefined.Because("No caller defined") : caller);
        }
        if (definition.TakesNamed)
        {
            var dict = new PyDict();
            foreach (var (name, value) in named) dict.Set(Str.Of(name), value, r.Budget);
            scope.Set("kwargs", dict);
        }
        else if (named.Count > 0)
        {
            if (named.Exists(n => n.Key == "caller"))
                RenderError.Type($"macro {shown} was invoked with two values for the special caller argument. This is most likely a bug.");
            RenderError.Type($"macro {shown} takes no keyword argument {Repr.Quote(named[0].Key)}");
        }
        if (definition.TakesMore) scope.Set("varargs", new PyTuple(given.Length > values.Length ? given[values.Length..] : []));
        else if (given.Length > values.Length) RenderError.Type($"macro {shown} takes not more than {values.Length} argument(s)");

        var outer = r.Scope;
        r.Scope = scope;
        for (var i = 0; i < values.Length; i++)
        {
            var (name, fallback) = parameters[i];
            if (ReferenceEquals(values[i], Arguments.Missing)) values[i] = fallback is null ? Undefined.Because($"parameter {Repr.Quote(name)} was not provided") : fallback.Evaluate(r);
            scope.Set(name, values[i]);
        }
        r.Scope = outer;
        return r.Capture(definition.Body, scope);
    }

    private static object? Taken(List<KeyValuePair<string, object?>> named, string name)
    {
        var at = named.FindIndex(n => n.Key == name);
        if (at < 0) return Arguments.Missing;
        var value = named[at].Value;
        named.RemoveAt(at);
        return value;
    }
}
