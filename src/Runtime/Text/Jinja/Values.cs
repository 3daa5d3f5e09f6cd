using System.Numerics;

namespace WarpDecode.Runtime.Text.Jinja;

// Values of templates are: null (None), bool, long and BigInteger (int), double (float), Str, and the classes here.

/// <summary>A list; templates cannot change one.</summary>
internal sealed class PyList(List<object?> items)
{
    public List<object?> Items { get; } = items;
}

/// <summary>A tuple; of groupby one whose elements have names too.</summary>
internal sealed class PyTuple(object?[] items, bool isGroup = false)
{
    public object?[] Items { get; } = items;

    public bool IsGroup { get; } = isGroup;
}

/// <summary>A dictionary in the order of its insertions.</summary>
internal sealed class PyDict
{
    private const int Few = 8;
    private Dictionary<object, int>? index;

    public List<KeyValuePair<object?, object?>> Entries { get; } = [];

    public int Count => Entries.Count;

    public bool TryGet(string key, out object? value)
    {
        var at = Find(key);
        value = at >= 0 ? Entries[at].Value : null;
        return at >= 0;
    }

    public bool TryGet(object? key, Budget budget, out object? value)
    {
        var at = Find(Hash.KeyOf(key, budget));
        value = at >= 0 ? Entries[at].Value : null;
        return at >= 0;
    }

    public void Set(object? key, object? value, Budget budget)
    {
        var known = Hash.KeyOf(key, budget);
        var at = Find(known);
        if (at >= 0)
        {
            Entries[at] = new(Entries[at].Key, value);
            return;
        }
        budget.TakeElements(2);
        if (index is not null) index.Add(known, Entries.Count);
        Entries.Add(new(key, value));
        if (index is not null || Entries.Count <= Few) return;
        index = [];
        for (var i = 0; i < Entries.Count; i++) index.Add(Hash.KeyOf(Entries[i].Key, budget), i);
    }

    /// <summary>Puts what is known to be new and short in number: a message's fields.</summary>
    public PyDict With(string key, object? value, Budget budget)
    {
        Set(Str.Of(key), value, budget);
        return this;
    }

    private int Find(object known)
    {
        if (index is not null) return index.TryGetValue(known, out var at) ? at : -1;
        for (var i = 0; i < Entries.Count; i++)
        {
            if (Entries[i].Key is Str text ? known is string name && name == text.Value : known is not string && known.Equals(Hash.KeyOf(Entries[i].Key, null))) return i;
        }
        return -1;
    }
}

/// <summary>Values as keys: equal ones have equal keys.</summary>
internal static class Hash
{
    private static readonly object None = new();
    private static readonly object Nothing = new();

    private readonly record struct TupleKey(string Text);

    /// <exception cref="RenderError">The value is not hashable.</exception>
    public static object KeyOf(object? value, Budget? budget)
    {
        switch (value)
        {
            case null: return None;
            case Str text: return text.Value;
            case bool flag: return flag ? 1L : 0L;
            case long: return value;
            case double number when Math.Floor(number) == number && Math.Abs(number) < 9e15: return (long)number;
            case double number when Math.Floor(number) == number && !double.IsInfinity(number): return new BigInteger(number);
            case double or BigInteger: return value;
            case Undefined: return Nothing;
            case PyTuple tuple:
                var text2 = new TextBuilder(budget ?? new Budget());
                WriteTuple(text2, tuple);
                return new TupleKey(text2.ToString());
            case PyList or PyDict:
                RenderError.Type($"unhashable type: '{Py.TypeName(value)}'");
                break;
        }
        return value;
    }

    private static void WriteTuple(TextBuilder to, PyTuple tuple)
    {
        to.Budget.Step();
        to.Append("(");
        foreach (var item in tuple.Items)
        {
            if (item is PyTuple inner) WriteTuple(to, inner);
            else if (item is Str text) to.Append($"s{text.Value.Length}:").Append(text.Value);
            else if (item is null) to.Append("n");
            else if (item is Undefined) to.Append("u");
            else to.Append(KeyOf(item, to.Budget) switch
            {
                long n => $"i{n}",
                BigInteger n => $"i{n}",
                double d => $"d{BitConverter.DoubleToInt64Bits(d)}",
                var other => $"o{System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(other)}",
            });
            to.Append(",");
        }
        to.Append(")");
    }
}

/// <summary>What keys(), values() and items() of a dictionary give.</summary>
internal sealed class DictView(PyDict dict, string kind)
{
    public PyDict Dict { get; } = dict;

    /// <summary>dict_keys, dict_values or dict_items.</summary>
    public string Kind { get; } = kind;

    public IEnumerable<object?> Items() => Kind switch
    {
        "dict_keys" => Dict.Entries.Select(e => e.Key),
        "dict_values" => Dict.Entries.Select(e => e.Value),
        _ => Dict.Entries.Select(e => (object?)new PyTuple([e.Key, e.Value])),
    };
}

/// <summary>A range of numbers.</summary>
internal sealed record PyRange(long Start, long Stop, long Step, int Count)
{
    public object? At(int i) => Start + (i * Step);
}

/// <summary>Something that gives values once, when asked.</summary>
internal sealed class Generator(IEnumerable<object?> source, string kind = "generator")
{
    private readonly IEnumerator<object?> items = source.GetEnumerator();

    public string Kind { get; } = kind;

    public IEnumerable<object?> Rest()
    {
        while (items.MoveNext()) yield return items.Current;
    }
}

/// <summary>What is not there. It prints as nothing; nearly everything else that is done with it is an error.</summary>
/// <param name="owner">What should have had it, if anything.</param>
/// <param name="hasOwner">Whether there is an owner: it may be None.</param>
/// <param name="name">Its name or key.</param>
/// <param name="hint">The whole message instead.</param>
/// <param name="kind">Python's name of the error.</param>
internal sealed class Undefined(object? owner, bool hasOwner, object? name, string? hint = null, string kind = "UndefinedError")
{
    public static Undefined Variable(string name) => new(null, hasOwner: false, Str.Of(name));

    public static Undefined Because(string hint) => new(null, hasOwner: false, null, hint);

    public static Undefined Unsafe(object? owner, string name) =>
        new(owner, hasOwner: true, Str.Of(name), $"access to attribute {Repr.Quote(name)} of {Repr.Quote(Py.TypeName(owner))} object is unsafe.", "SecurityError");

    public RenderError Error(Budget budget)
    {
        if (hint is not null) return new RenderError(kind, hint);
        var shown = Repr.Of(name, budget).Value;
        if (!hasOwner) return new RenderError(kind, $"{shown} is undefined");
        return new RenderError(kind, name is Str ? $"{Repr.Quote(Py.Describe(owner))} has no attribute {shown}" : $"{Py.Describe(owner)} has no element {shown}");
    }
}

/// <summary>What namespace() makes: the one thing that templates can change.</summary>
internal sealed class Namespace
{
    public PyDict Fields { get; } = new();
}

/// <summary>Goes round its items.</summary>
internal sealed class Cycler(object?[] items)
{
    public object?[] Items { get; } = items;

    public int At { get; set; }
}

/// <summary>Gives nothing the first time it is called, then its separator.</summary>
internal sealed class Joiner(object? separator)
{
    private bool used;

    public object? Next()
    {
        if (used) return separator;
        used = true;
        return Str.Empty;
    }
}

/// <summary>A function of ours that templates can call.</summary>
internal sealed class Function(string name, Func<Renderer, Arguments, object?> body)
{
    public string Name { get; } = name;

    public Func<Renderer, Arguments, object?> Body { get; } = body;
}

/// <summary>A method of a value.</summary>
internal sealed record BoundMethod(object Self, string Name);
