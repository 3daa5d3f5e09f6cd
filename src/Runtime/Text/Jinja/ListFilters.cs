namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Filters on lists and dictionaries.</summary>
internal static class ListFilters
{
    public static Filter? Find(string name) => name switch
    {
        "length" or "count" => Length,
        "join" => Join,
        "list" => (r, a) => new PyList(Py.ToList(a.Bind("do_list", 1, "value")[0], r.Budget)),
        "first" => First,
        "last" => Last,
        "items" => Items,
        "dictsort" => DictSort,
        "sort" => Sort,
        "unique" => Unique,
        "reverse" => Reverse,
        "min" or "max" => (r, a) => Extreme(r, a, largest: name == "max"),
        "sum" => Sum,
        "batch" => Batch,
        "slice" => Slices,
        "groupby" => GroupBy,
        _ => null,
    };

    private static object? Length(Renderer r, Arguments arguments)
    {
        Methods.Count(arguments, "len", 1, 1);
        var length = Py.LengthOf(arguments.Positional[0]);
        return length >= 0 ? (long)length : throw RenderError.OfType($"object of type '{Py.TypeName(arguments.Positional[0])}' has no len()");
    }

    private static object? Join(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_join", 1, "value", "d", "attribute");
        var mark = Filters.Text(r, Arguments.Or(a[1], Str.Empty));
        var get = Arguments.Or(a[2], null) is { } attribute ? Filters.Getter(r, attribute) : null;
        var to = new TextBuilder(r.Budget);
        var any = false;
        foreach (var item in Py.Iterate(a[0]))
        {
            r.Budget.Step();
            if (any) to.Append(mark);
            any = true;
            to.Append(Filters.Text(r, get is null ? item : get(item)));
        }
        return to.ToStr();
    }

    private static object? First(Renderer r, Arguments arguments)
    {
        foreach (var item in Py.Iterate(arguments.Bind("do_first", 1, "seq")[0])) return item;
        return Undefined.Because("No first item, sequence was empty.");
    }

    private static object? Last(Renderer r, Arguments arguments)
    {
        var items = Reversed(arguments.Bind("do_last", 1, "seq")[0], r) ?? throw RenderError.OfType($"'{Py.TypeName(arguments.Positional[0])}' object is not reversible");
        return items.Count > 0 ? items[0] : Undefined.Because("No last item, sequence was empty.");
    }

    // Elements from the last to the first, or null if there is no last one to begin with.
    private static List<object?>? Reversed(object? value, Renderer r)
    {
        if (value is Undefined undefined) throw undefined.Error(r.Budget);
        if (value is Generator || Py.TryIterate(value) is null) return null;
        var items = Py.ToList(value, r.Budget);
        items.Reverse();
        return items;
    }

    private static object? Items(Renderer r, Arguments arguments)
    {
        return arguments.Bind("do_items", 1, "value")[0] switch
        {
            Undefined => new Generator([]),
            PyDict dict => new Generator(new DictView(dict, "dict_items").Items()),
            // An error only when somebody asks for the first one.
            _ => new Generator(Fail()),
        };

        static IEnumerable<object?> Fail()
        {
            RenderError.Type("Can only get item pairs from a mapping.");
            yield break;
        }
    }

    private static object? DictSort(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_dictsort", 1, "value", "case_sensitive", "by", "reverse");
        var by = Arguments.Or(a[2], Str.Of("key"));
        if (by is not Str { Value: "key" or "value" } side) throw new RenderError("FilterArgumentError", "You can only sort by either \"key\" or \"value\"");
        if (a[0] is Undefined undefined) throw undefined.Error(r.Budget);
        if (a[0] is not PyDict dict) throw new RenderError("AttributeError", $"'{Py.TypeName(a[0])}' object has no attribute 'items'");
        var lower = !Py.Truth(Arguments.Or(a[1], false));
        r.Budget.TakeElements(3L * dict.Count);
        return new PyList([.. Py.Sort(dict.Entries, Key, Py.Truth(Arguments.Or(a[3], false)), r.Budget).Select(e => (object?)new PyTuple([e.Key, e.Value]))]);

        object? Key(KeyValuePair<object?, object?> entry)
        {
            var value = side.Value == "key" ? entry.Key : entry.Value;
            return lower && value is Str text ? Casing.Change("lower", text) : value;
        }
    }

    private static object? Sort(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_sort", 1, "value", "reverse", "case_sensitive", "attribute");
        var lower = !Py.Truth(Arguments.Or(a[2], false));
        var attribute = Arguments.Or(a[3], null);
        // Several attributes, one after another, with commas.
        var getters = (attribute is Str path ? path.Value.Split(',').Select(p => (object?)Str.Of(p)) : [attribute]).Select(p => Filters.Getter(r, p, lower)).ToList();
        var items = Py.ToList(a[0], r.Budget);
        return new PyList(Py.Sort(items, item => getters.Count == 1 ? getters[0](item) : new PyList(getters.ConvertAll(g => g(item))), Py.Truth(Arguments.Or(a[1], false)), r.Budget));
    }

    private static object? Unique(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_unique", 1, "value", "case_sensitive", "attribute");
        var get = Filters.Getter(r, Arguments.Or(a[2], null), !Py.Truth(Arguments.Or(a[1], false)));
        return new Generator(Distinct());

        IEnumerable<object?> Distinct()
        {
            var seen = new HashSet<object>();
            foreach (var item in Py.Iterate(a[0]))
            {
                r.Budget.Step();
                r.Budget.Take(Budget.ElementUnits);
                if (seen.Add(Hash.KeyOf(get(item), r.Budget))) yield return item;
            }
        }
    }

    private static object? Reverse(Renderer r, Arguments arguments)
    {
        var value = arguments.Bind("do_reverse", 1, "value")[0];
        if (value is Str text)
        {
            var to = new TextBuilder(r.Budget);
            r.Budget.Step(text.Value.Length);
            foreach (var character in text.Characters().Reverse()) to.Append(character);
            return to.ToStr();
        }
        if (Reversed(value, r) is { } items) return new Generator(items, value is PyDict ? "dict_reversekeyiterator" : value is PyList ? "list_reverseiterator" : "reversed");
        if (Py.TryIterate(value) is null) throw new RenderError("FilterArgumentError", "argument must be iterable");
        var all = Py.ToList(value, r.Budget);
        all.Reverse();
        return new PyList(all);
    }

    private static object? Extreme(Renderer r, Arguments arguments, bool largest)
    {
        var a = arguments.Bind(largest ? "do_max" : "do_min", 1, "value", "case_sensitive", "attribute");
        var get = Filters.Getter(r, Arguments.Or(a[2], null), !Py.Truth(Arguments.Or(a[1], false)));
        var any = false;
        object? best = null, bestKey = null;
        foreach (var item in Py.Iterate(a[0]))
        {
            var key = get(item);
            if (!any || Operators.Compare(largest ? ">" : "<", key, bestKey, r.Budget)) (best, bestKey) = (item, key);
            any = true;
        }
        return any ? best : Undefined.Because("No aggregated item, sequence was empty.");
    }

    private static object? Sum(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_sum", 1, "iterable", "attribute", "start");
        var sum = Arguments.Or(a[2], 0L);
        if (sum is Str) RenderError.Type("sum() can't sum strings [use ''.join(seq) instead]");
        var get = Arguments.Or(a[1], null) is { } attribute ? Filters.Getter(r, attribute) : null;
        foreach (var item in Py.Iterate(a[0]))
        {
            r.Budget.Step();
            sum = Operators.Apply("+", sum, get is null ? item : get(item), r);
        }
        return sum;
    }

    private static object? Batch(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_batch", 2, "value", "linecount", "fill_with");
        return new Generator(Rows());

        IEnumerable<object?> Rows()
        {
            var fill = Arguments.Or(a[2], null);
            var row = new List<object?>();
            r.Budget.TakeElements(0);
            foreach (var item in Py.Iterate(a[0]))
            {
                r.Budget.Step();
                r.Budget.Take(Budget.ElementUnits);
                if (Py.TryIndex(a[1], out var size) && row.Count == size)
                {
                    yield return new PyList(row);
                    row = [];
                    r.Budget.TakeElements(0);
                }
                row.Add(item);
            }
            if (row.Count == 0) yield break;
            if (fill is not null && Py.Index(a[1], r.Budget) is var wanted && row.Count < wanted)
            {
                r.Budget.TakeElements(wanted - row.Count);
                while (row.Count < wanted) row.Add(fill);
            }
            yield return new PyList(row);
        }
    }

    private static object? Slices(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_slice", 2, "value", "slices", "fill_with");
        return new Generator(Parts());

        IEnumerable<object?> Parts()
        {
            var items = Py.ToList(a[0], r.Budget);
            var (count, fill) = (Py.Index(a[1], r.Budget), Arguments.Or(a[2], null));
            if (count == 0) throw new RenderError("ZeroDivisionError", "integer division or modulo by zero");
            var (size, extra) = ((int)(items.Count / count), items.Count % count);
            var at = 0;
            for (var i = 0L; i < count; i++)
            {
                var length = size + (i < extra ? 1 : 0);
                r.Budget.TakeElements(length + 1);
                var part = items.GetRange(at, length);
                at += length;
                if (fill is not null && i >= extra) part.Add(fill);
                yield return new PyList(part);
            }
        }
    }

    private static object? GroupBy(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_groupby", 2, "value", "attribute", "default", "case_sensitive");
        var otherwise = Arguments.Or(a[2], null);
        var lower = !Py.Truth(Arguments.Or(a[3], false));
        var (key, shown) = (Filters.Getter(r, a[1], lower, otherwise), Filters.Getter(r, a[1], lower: false, otherwise));
        var groups = new List<object?>();
        List<object?>? group = null;
        object? last = null;
        foreach (var item in Py.Sort(Py.ToList(a[0], r.Budget), key, reverse: false, r.Budget))
        {
            var current = key(item);
            r.Budget.Take(Budget.ElementUnits);
            if (group is null || !Py.AreEqual(current, last, r.Budget))
            {
                r.Budget.TakeElements(4);
                group = [];
                groups.Add(new PyTuple([shown(item), new PyList(group)], isGroup: true));
            }
            group.Add(item);
            last = current;
        }
        return new PyList(groups);
    }
}
