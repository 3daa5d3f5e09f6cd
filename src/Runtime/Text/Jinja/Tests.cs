namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>A test: the first argument is what is tested.</summary>
internal delegate bool Test(Renderer r, Arguments arguments);

/// <summary>The tests by name.</summary>
internal static class Tests
{
    /// <summary>A test, or null if there is none of that name.</summary>
    public static Test? Find(string name) => name switch
    {
        "defined" => (_, a) => One(a, name) is not Undefined,
        "undefined" => (_, a) => One(a, name) is Undefined,
        "none" => (_, a) => One(a, name) is null,
        "string" => (_, a) => One(a, name) is Str,
        "mapping" => (_, a) => One(a, name) is PyDict,
        "iterable" => (_, a) => Py.TryIterate(One(a, name)) is not null || a.Positional[0] is LoopState,
        "sequence" => (_, a) => One(a, name) is Str or PyList or PyTuple or PyDict or PyRange or Undefined,
        "number" => (_, a) => Py.IsNumber(One(a, name)),
        "integer" => (_, a) => One(a, name) is not bool && Py.IsInteger(a.Positional[0]),
        "float" => (_, a) => One(a, name) is double,
        "boolean" => (_, a) => One(a, name) is bool,
        "true" => (_, a) => One(a, name) is true,
        "false" => (_, a) => One(a, name) is false,
        "callable" => (_, a) => One(a, name) is Function or BoundMethod or Macro or Joiner or LoopState or Undefined,
        "escaped" => (_, a) => One(a, name) is Str { Markup: true },
        "odd" or "even" => (r, a) => Operators.Compare("==", Operators.Apply("%", One(a, name), 2L, r), name == "odd" ? 1L : 0L, r.Budget),
        "divisibleby" => (r, a) => a.Bind("test_divisibleby", 2, "value", "num") is var v && Operators.Compare("==", Operators.Apply("%", v[0], v[1], r), 0L, r.Budget),
        "lower" or "upper" => (r, a) => Casing.Is("is" + name, Filters.Text(r, One(a, name)).Value),
        "sameas" => (r, a) => a.Bind("test_sameas", 2, "value", "other") is var v && IsSame(v[0], v[1], r),
        "in" => (r, a) => a.Bind("test_in", 2, "value", "seq") is var v && Py.Contains(v[1], v[0], r.Budget),
        "filter" => (r, a) => One(a, name) is Str known && Filters.Find(known.Value) is not null,
        "test" => (r, a) => One(a, name) is Str known && Find(known.Value) is not null,
        "eq" or "equalto" or "==" => (r, a) => Compare("==", r, a),
        "ne" or "!=" => (r, a) => Compare("!=", r, a),
        "lt" or "lessthan" or "<" => (r, a) => Compare("<", r, a),
        "le" or "<=" => (r, a) => Compare("<=", r, a),
        "gt" or "greaterthan" or ">" => (r, a) => Compare(">", r, a),
        "ge" or ">=" => (r, a) => Compare(">=", r, a),
        _ => null,
    };

    private static object? One(Arguments arguments, string name) => arguments.Bind("test_" + name, 1, "value")[0];

    private static bool Compare(string sign, Renderer r, Arguments arguments)
    {
        var name = sign switch { "==" => "eq", "!=" => "ne", "<" => "lt", "<=" => "le", ">" => "gt", _ => "ge" };
        if (arguments.Named.Length > 0) RenderError.Type($"{name}() takes no keyword arguments");
        if (arguments.Positional.Length != 2) RenderError.Type($"{name} expected 2 arguments, got {arguments.Positional.Length}");
        return Operators.Compare(sign, arguments.Positional[0], arguments.Positional[1], r.Budget);
    }

    // Python's "is": small numbers and short constants are one object each there.
    private static bool IsSame(object? a, object? b, Renderer r) => ReferenceEquals(a, b)
        || (a is bool x && b is bool y && x == y) || (a is long or double && b is not null && a.GetType() == b.GetType() && a.Equals(b)) || (a is Str && b is Str && Py.AreEqual(a, b, r.Budget));
}
