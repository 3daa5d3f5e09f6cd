using System.Numerics;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Methods of values; those of strings are in <see cref="StringMethods"/>.</summary>
internal static class Methods
{
    public static bool Has(object value, string name) => value switch
    {
        Str => StringMethods.Has(name),
        PyList => name is "index" or "count" or "copy",
        PyTuple or PyRange => name is "index" or "count",
        PyDict => name is "get" or "items" or "keys" or "values" or "copy",
        double => name is "is_integer",
        long or bool or BigInteger => name is "bit_length" or "bit_count",
        Cycler => name is "next" or "reset",
        _ => false,
    };

    public static object? Call(Renderer r, object self, string name, Arguments arguments)
    {
        switch (self)
        {
            case Str text: return StringMethods.Call(r, text, name, arguments);
            case PyDict dict: return OfDict(r, dict, name, arguments);
            case PyList or PyTuple or PyRange: return OfList(r, self, name, arguments);
            case LoopState loop: return name == "cycle" ? loop.Cycle(arguments) : Py.Bool(loop.Changed(arguments, r.Budget));
            case Cycler cycler: return OfCycler(cycler, name, arguments);
            case double number:
                arguments.Bind("float." + name, 0);
                return Py.Bool(Math.Floor(number) == number && !double.IsInfinity(number));
            default:
                arguments.Bind("int." + name, 0);
                var magnitude = BigInteger.Abs(Numbers.Big(self));
                return name == "bit_length" ? magnitude.GetBitLength() : magnitude.ToByteArray().Sum(b => (long)BitOperations.PopCount(b));
        }
    }

    private static object? OfDict(Renderer r, PyDict dict, string name, Arguments arguments)
    {
        switch (name)
        {
            case "get":
                Count(arguments, "get", 1, 2);
                return dict.TryGet(arguments.Positional[0], r.Budget, out var value) ? value : arguments.Positional.Length > 1 ? arguments.Positional[1] : null;
            case "copy":
                Count(arguments, "dict.copy", 0, 0);
                var copy = new PyDict();
                foreach (var (key, item) in dict.Entries) copy.Set(key, item, r.Budget);
                return copy;
            default:
                Count(arguments, $"dict.{name}", 0, 0);
                return new DictView(dict, "dict_" + name);
        }
    }

    private static object? OfList(Renderer r, object self, string name, Arguments arguments)
    {
        var type = Py.TypeName(self);
        if (name == "copy")
        {
            Count(arguments, "list.copy", 0, 0);
            return self;
        }
        Count(arguments, name == "count" ? $"{type}.count" : "index", 1, name == "index" ? 3 : 1);
        var (at, found) = (0, 0);
        var length = Py.LengthOf(self);
        var from = arguments.Positional.Length > 1 ? Clamp(Py.Index(arguments.Positional[1], r.Budget)) : 0;
        var to = arguments.Positional.Length > 2 ? Clamp(Py.Index(arguments.Positional[2], r.Budget)) : length;
        foreach (var item in Py.Iterate(self))
        {
            r.Budget.Step();
            if (at >= from && at < to && Py.AreEqual(item, arguments.Positional[0], r.Budget))
            {
                if (name == "index") return (long)at;
                found++;
            }
            at++;
        }
        if (name == "count") return (long)found;
        throw new RenderError("ValueError", self is PyList or PyRange ? $"{Repr.Of(arguments.Positional[0], r.Budget).Value} is not in {type}" : "tuple.index(x): x not in tuple");

        long Clamp(long i) => Math.Clamp(i < 0 ? i + length : i, 0, length);
    }

    private static object? OfCycler(Cycler cycler, string name, Arguments arguments)
    {
        arguments.Bind("Cycler." + name, 0);
        if (name == "reset")
        {
            cycler.At = 0;
            return null;
        }
        var item = cycler.Items[cycler.At];
        cycler.At = (cycler.At + 1) % cycler.Items.Length;
        return item;
    }

    /// <summary>Checks the number of arguments of a method that takes them by place alone.</summary>
    public static void Count(Arguments arguments, string name, int least, int most)
    {
        if (arguments.Named.Length > 0) RenderError.Type($"{name}() takes no keyword arguments");
        var count = arguments.Positional.Length;
        if (count >= least && count <= most) return;
        if (most == 0) RenderError.Type($"{name}() takes no arguments ({count} given)");
        if (least == most) RenderError.Type($"{name}() takes exactly {(least == 1 ? "one argument" : $"{least} arguments")} ({count} given)");
        var (bound, limit) = count < least ? ("at least", least) : ("at most", most);
        RenderError.Type($"{name} expected {bound} {limit} argument{(limit == 1 ? "" : "s")}, got {count}");
    }
}
