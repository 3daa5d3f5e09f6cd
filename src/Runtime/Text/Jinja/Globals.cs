namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Functions that every template has: Jinja's, and those that transformers adds.</summary>
internal static class Globals
{
    /// <summary>A function, or null if there is none of that name.</summary>
    public static Function? Find(string name) => name switch
    {
        "range" => new Function(name, Range),
        "dict" => new Function(name, (r, a) => Dict(r, a, "dict")),
        "namespace" => new Function(name, Space),
        "cycler" => new Function(name, (_, a) => a.Positional.Length > 0 ? new Cycler(a.Positional) : throw new RenderError("RuntimeError", "at least one item has to be provided")),
        "joiner" => new Function(name, (_, a) => new Joiner(Arguments.Or(a.Bind("Joiner.__init__", 0, "sep")[0], Str.Of(", ")))),
        "raise_exception" => new Function(name, (r, a) => throw new RenderError("raise_exception", Repr.Show(a.Bind(name, 1, "m")[0], r.Budget).Value)),
        "strftime_now" => new Function(name, (r, a) => Strftime.Format(r, a.Bind(name, 1, "fmt")[0])),
        "lipsum" => new Function(name, (_, _) => throw new RenderError("NotSupported", "the function 'lipsum' is not supported here")),
        _ => null,
    };

    private static object? Range(Renderer r, Arguments arguments)
    {
        if (arguments.Named.Length > 0) RenderError.Type("range() takes no keyword arguments");
        var given = arguments.Positional;
        if (given.Length == 0) RenderError.Type("range expected at least 1 argument, got 0");
        if (given.Length > 3) RenderError.Type($"range expected at most 3 arguments, got {given.Length}");
        var numbers = Array.ConvertAll(given, v => Py.Index(v, r.Budget));
        var (start, stop) = numbers.Length == 1 ? (0, numbers[0]) : (numbers[0], numbers[1]);
        var step = numbers.Length == 3 ? numbers[2] : 1;
        if (step == 0) RenderError.Value("range() arg 3 must not be zero");
        var span = step > 0 ? (Int128)stop - start : (Int128)start - stop;
        var count = span <= 0 ? 0 : ((span - 1) / Int128.Abs(step)) + 1;
        if (count > Budget.MaxRange) throw new RenderError("OverflowError", $"Range too big. The sandbox blocks ranges larger than MAX_RANGE ({Budget.MaxRange}).");
        return new PyRange(start, stop, step, (int)count);
    }

    private static PyDict Dict(Renderer r, Arguments arguments, string name)
    {
        if (arguments.Positional.Length > 1) RenderError.Type($"{name} expected at most 1 argument, got {arguments.Positional.Length}");
        var dict = new PyDict();
        r.Budget.TakeElements(0);
        switch (arguments.Positional)
        {
            case [PyDict from]:
                foreach (var (key, value) in from.Entries) dict.Set(key, value, r.Budget);
                break;
            case [var pairs]:
                var at = 0;
                foreach (var pair in Py.Iterate(pairs))
                {
                    if (Py.TryIterate(pair) is null) RenderError.Type($"cannot convert dictionary update sequence element #{at} to a sequence");
                    var items = Py.ToList(pair, r.Budget);
                    if (items.Count != 2) RenderError.Value($"dictionary update sequence element #{at} has length {items.Count}; 2 is required");
                    dict.Set(items[0], items[1], r.Budget);
                    at++;
                }
                break;
        }
        foreach (var (key, value) in arguments.Named) dict.Set(Str.Of(key), value, r.Budget);
        return dict;
    }

    private static Namespace Space(Renderer r, Arguments arguments)
    {
        var space = new Namespace();
        foreach (var (key, value) in Dict(r, arguments, "dict").Entries) space.Fields.Set(key, value, r.Budget);
        return space;
    }
}
