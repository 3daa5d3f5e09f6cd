namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Attributes and elements of values, as Jinja's sandbox gives them. Nothing of the host can be reached: attributes are those listed here.</summary>
internal static class Attributes
{
    /// <summary><c>value.name</c>: an attribute, else an element of that name, else something undefined.</summary>
    public static object? Get(object? value, Str name, Renderer r)
    {
        if (value is Undefined undefined && !IsSpecial(name.Value)) throw undefined.Error(r.Budget);
        if (TryAttribute(value, name.Value, out var found)) return found;
        return value is PyDict dict && dict.TryGet(name.Value, out found) ? found : new Undefined(value, hasOwner: true, name);
    }

    /// <summary><c>value[key]</c>: an element, else an attribute of that name, else something undefined.</summary>
    public static object? Item(object? value, object? key, Renderer r)
    {
        if (value is Undefined undefined) throw undefined.Error(r.Budget);
        if (TryItem(value, key, r, out var found)) return found;
        if (key is Str name && TryAttribute(value, name.Value, out found)) return found;
        return new Undefined(value, hasOwner: true, key);
    }

    /// <summary>An attribute alone, without a look at the elements.</summary>
    public static bool TryAttribute(object? value, string name, out object? found)
    {
        found = null;
        switch (value)
        {
            case LoopState loop when loop.TryGet(name, out found): return true;
            case Macro macro when macro.TryGet(name, out found): return true;
            case Namespace ns when ns.Fields.TryGet(name, out found): return true;
            case Cycler cycler when name == "current":
                found = cycler.Items[cycler.At];
                return true;
            case Cycler cycler when name == "items":
                found = new PyTuple(cycler.Items);
                return true;
            case Cycler cycler when name == "pos":
                found = (long)cycler.At;
                return true;
            case PyTuple { IsGroup: true } group when name is "grouper" or "list":
                found = group.Items[name == "list" ? 1 : 0];
                return true;
            case PyRange range when name is "start" or "stop" or "step":
                found = name == "start" ? range.Start : name == "stop" ? range.Stop : range.Step;
                return true;
            case bool or long or System.Numerics.BigInteger when name is "real" or "numerator" or "imag" or "denominator":
                found = name is "imag" ? 0L : name is "denominator" ? 1L : Numbers.Whole(Numbers.Big(value));
                return true;
        }
        if (value is double number && name is "real" or "imag")
        {
            found = name == "real" ? number : 0.0;
            return true;
        }
        if (IsForbidden(value, name) || IsSpecial(name))
        {
            found = Undefined.Unsafe(value, name);
            return true;
        }
        if (value is null || !Methods.Has(value, name)) return false;
        found = new BoundMethod(value, name);
        return true;
    }

    // What every object of Python has: there, but not for templates.
    private static bool IsSpecial(string name) => name.StartsWith("__", StringComparison.Ordinal)
        && name is "__class__" or "__doc__" or "__init__" or "__new__" or "__repr__" or "__str__" or "__hash__" or "__eq__" or "__ne__" or "__lt__" or "__le__" or "__gt__" or "__ge__"
            or "__dir__" or "__reduce__" or "__reduce_ex__" or "__getattribute__" or "__setattr__" or "__delattr__" or "__format__" or "__sizeof__" or "__subclasshook__" or "__init_subclass__";

    // What would change a list or a dictionary.
    private static bool IsForbidden(object? value, string name) => value switch
    {
        PyList => name is "append" or "clear" or "pop" or "reverse" or "insert" or "sort" or "extend" or "remove",
        PyDict => name is "clear" or "pop" or "popitem" or "setdefault" or "update",
        _ => false,
    };

    private static bool TryItem(object? value, object? key, Renderer r, out object? found)
    {
        found = null;
        switch (value)
        {
            case PyDict dict:
                return key is not (PyList or PyDict) && dict.TryGet(key, r.Budget, out found);
            case Str or PyList or PyTuple or PyRange when Py.TryIndex(key, out var index):
                var length = Py.LengthOf(value);
                if (index < 0) index += length;
                if (index < 0 || index >= length) return false;
                var at = (int)index;
                if (value is Str scanned) r.Budget.Scan(scanned.Value.Length);
                found = value switch
                {
                    PyList list => list.Items[at],
                    PyTuple tuple => tuple.Items[at],
                    PyRange range => range.At(at),
                    _ => ((Str)value).Slice(at, at + 1),
                };
                return true;
            default:
                return false;
        }
    }
}
