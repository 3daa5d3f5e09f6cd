namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Filters that apply others, or tests, to each element.</summary>
internal static class SelectFilters
{
    public static Filter? Find(string name) => name switch
    {
        "map" => Map,
        "select" => (r, a) => Select(r, a, keep: true, byAttribute: false),
        "reject" => (r, a) => Select(r, a, keep: false, byAttribute: false),
        "selectattr" => (r, a) => Select(r, a, keep: true, byAttribute: true),
        "rejectattr" => (r, a) => Select(r, a, keep: false, byAttribute: true),
        _ => null,
    };

    private static object? Map(Renderer r, Arguments arguments)
    {
        return new Generator(Each());

        IEnumerable<object?> Each()
        {
            var value = arguments.Positional[0];
            if (!Py.Truth(value)) yield break;
            var apply = Applied();
            foreach (var item in Py.Iterate(value))
            {
                r.Budget.Step();
                yield return apply(item);
            }
        }

        Func<object?, object?> Applied()
        {
            if (arguments.Positional.Length == 1 && Named("attribute", out var attribute))
            {
                Named("default", out var otherwise);
                foreach (var (name, _) in arguments.Named)
                {
                    if (name is not ("attribute" or "default")) throw new RenderError("FilterArgumentError", $"Unexpected keyword argument {Repr.Quote(name)}");
                }
                return Filters.Getter(r, attribute, otherwise: otherwise);
            }
            if (arguments.Positional.Length == 1) throw new RenderError("FilterArgumentError", "map requires a filter argument");
            var key = Filters.Text(r, arguments.Positional[1]).Value;
            var filter = Filters.Find(key) ?? throw new RenderError("TemplateRuntimeError", $"No filter named {Repr.Quote(key)}.");
            var rest = new Arguments(arguments.Positional[2..], arguments.Named);
            return item => filter(r, rest.Behind(item));
        }

        bool Named(string name, out object? value)
        {
            foreach (var (key, given) in arguments.Named)
            {
                value = given;
                if (key == name) return true;
            }
            value = null;
            return false;
        }
    }

    private static object? Select(Renderer r, Arguments arguments, bool keep, bool byAttribute)
    {
        return new Generator(Each());

        IEnumerable<object?> Each()
        {
            var value = arguments.Positional[0];
            if (!Py.Truth(value)) yield break;
            var given = arguments.Positional[1..];
            Func<object?, object?>? get = null;
            if (byAttribute)
            {
                if (given.Length == 0) throw new RenderError("FilterArgumentError", "Missing parameter for attribute name");
                get = Filters.Getter(r, given[0]);
                given = given[1..];
            }
            Test? test = null;
            if (given.Length > 0)
            {
                var name = Filters.Text(r, given[0]).Value;
                test = Tests.Find(name) ?? throw new RenderError("TemplateRuntimeError", $"No test named {Repr.Quote(name)}.");
            }
            var rest = new Arguments(given.Length > 0 ? given[1..] : [], arguments.Named);
            foreach (var item in Py.Iterate(value))
            {
                r.Budget.Step();
                var tested = get is null ? item : get(item);
                if ((test is null ? Py.Truth(tested) : test(r, rest.Behind(tested))) == keep) yield return item;
            }
        }
    }
}
