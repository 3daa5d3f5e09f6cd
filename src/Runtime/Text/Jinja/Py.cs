using System.Numerics;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>What Python's values do: their kinds, truth, elements, order.</summary>
internal static class Py
{
    private static readonly object True = true;
    private static readonly object False = false;

    public static object Bool(bool value) => value ? True : False;

    /// <summary>The name of a value's type.</summary>
    public static string TypeName(object? value) => value switch
    {
        null => "NoneType",
        bool => "bool",
        long or BigInteger => "int",
        double => "float",
        Str { Markup: true } => "Markup",
        Str => "str",
        PyList => "list",
        PyTuple { IsGroup: true } => "_GroupTuple",
        PyTuple => "tuple",
        PyDict => "dict",
        DictView view => view.Kind,
        PyRange => "range",
        Generator generator => generator.Kind,
        Function => "function",
        BoundMethod { Self: Macro or LoopState or Cycler } => "method",
        BoundMethod => "builtin_function_or_method",
        LoopState => "LoopContext",
        _ => value.GetType().Name,
    };

    /// <summary>How a value is called where it lacks an attribute.</summary>
    public static string Describe(object? value) => value switch
    {
        null => "None",
        Undefined or Macro or LoopState => $"jinja2.runtime.{TypeName(value)} object",
        Namespace or Cycler or Joiner => $"jinja2.utils.{TypeName(value)} object",
        Str { Markup: true } => "markupsafe.Markup object",
        PyTuple { IsGroup: true } => "jinja2.filters._GroupTuple object",
        _ => $"{TypeName(value)} object",
    };

    public static bool IsInteger(object? value) => value is bool or long or BigInteger;

    public static bool IsNumber(object? value) => IsInteger(value) || value is double;

    /// <summary>Whether a value counts as true.</summary>
    public static bool Truth(object? value) => value switch
    {
        null or Undefined => false,
        bool flag => flag,
        long number => number != 0,
        BigInteger number => !number.IsZero,
        double number => number != 0,
        Str text => text.Value.Length > 0,
        PyList list => list.Items.Count > 0,
        PyTuple tuple => tuple.Items.Length > 0,
        PyDict dict => dict.Count > 0,
        DictView view => view.Dict.Count > 0,
        PyRange range => range.Count > 0,
        _ => true,
    };

    /// <summary>How many elements a value has, or -1 if it has no length.</summary>
    public static int LengthOf(object? value) => value switch
    {
        Undefined => 0,
        Str text => text.Length,
        PyList list => list.Items.Count,
        PyTuple tuple => tuple.Items.Length,
        PyDict dict => dict.Count,
        DictView view => view.Dict.Count,
        PyRange range => range.Count,
        LoopState loop => loop.Length,
        _ => -1,
    };

    /// <summary>Elements in order, or null if the value has none to go through.</summary>
    public static IEnumerable<object?>? TryIterate(object? value) => value switch
    {
        Undefined => [],
        PyList list => list.Items,
        PyTuple tuple => tuple.Items,
        Str text => text.Characters(),
        PyDict dict => dict.Entries.Select(e => e.Key),
        DictView view => view.Items(),
        PyRange range => Enumerable.Range(0, range.Count).Select(range.At),
        Generator generator => generator.Rest(),
        _ => null,
    };

    /// <exception cref="RenderError">The value has no elements.</exception>
    public static IEnumerable<object?> Iterate(object? value) => TryIterate(value) ?? throw RenderError.OfType($"'{TypeName(value)}' object is not iterable");

    /// <summary>The elements as a list of its own.</summary>
    public static List<object?> ToList(object? value, Budget budget)
    {
        var known = LengthOf(value);
        if (known >= 0)
        {
            budget.TakeElements(known);
            return [.. Iterate(value)];
        }
        var list = new List<object?>();
        budget.TakeElements(0);
        foreach (var item in Iterate(value))
        {
            budget.Take(Budget.ElementUnits);
            budget.Step();
            if (list.Count >= Budget.MaxLength) RenderError.Limit("the template makes a list that is too long");
            list.Add(item);
        }
        return list;
    }

    /// <summary>Whether two values are equal; values of unlike kinds are not.</summary>
    public static bool AreEqual(object? a, object? b, Budget budget)
    {
        if (a is Str s && b is Str t)
        {
            budget.Scan(s.Value.Length);
            return s.Value == t.Value;
        }
        if (ReferenceEquals(a, b)) return a is not double number || !double.IsNaN(number);
        if (a is null || b is null) return false;
        if (IsNumber(a) && IsNumber(b)) return Numbers.Compare(a, b) == 0;
        switch (a, b)
        {
            case (PyList x, PyList y):
                return x.Items.Count == y.Items.Count && EqualAll(x.Items, y.Items, budget);
            case (PyTuple x, PyTuple y):
                return x.Items.Length == y.Items.Length && EqualAll(x.Items, y.Items, budget);
            case (PyDict x, PyDict y):
                if (x.Count != y.Count) return false;
                foreach (var (key, value) in x.Entries)
                {
                    budget.Step();
                    if (!y.TryGet(key, budget, out var other) || !AreEqual(value, other, budget)) return false;
                }
                return true;
            case (PyRange x, PyRange y):
                return x.Count == y.Count && (x.Count == 0 || (x.Start == y.Start && (x.Count == 1 || x.Step == y.Step)));
            case (Undefined, Undefined):
                return true;
            case (BoundMethod x, BoundMethod y):
                return ReferenceEquals(x.Self, y.Self) && x.Name == y.Name;
            case (DictView x, DictView y) when x.Kind == y.Kind && x.Kind != "dict_values":
                return x.Dict.Count == y.Dict.Count && x.Items().All(item => Contains(y, item, budget));
            default:
                return false;
        }
    }

    /// <summary>Order of two values: negative, zero or positive.</summary>
    /// <exception cref="RenderError">They have no order.</exception>
    public static int Order(object? a, object? b, string sign, Budget budget)
    {
        if (a is Undefined u) throw u.Error(budget);
        if (b is Undefined v) throw v.Error(budget);
        if (IsNumber(a) && IsNumber(b)) return Numbers.Compare(a!, b!);
        switch (a, b)
        {
            case (Str x, Str y):
                budget.Scan(Math.Min(x.Value.Length, y.Value.Length));
                return ComparePoints(x.Value, y.Value);
            case (PyList x, PyList y): return OrderAll(x.Items, y.Items, sign, budget);
            case (PyTuple x, PyTuple y): return OrderAll(x.Items, y.Items, sign, budget);
            default: throw RenderError.OfType($"'{sign}' not supported between instances of '{TypeName(a)}' and '{TypeName(b)}'");
        }
    }

    /// <summary>Python's <c>item in container</c>.</summary>
    public static bool Contains(object? container, object? item, Budget budget)
    {
        switch (container)
        {
            case Str text:
                if (item is not Str part) throw RenderError.OfType($"'in <string>' requires string as left operand, not {TypeName(item)}");
                budget.Scan(text.Value.Length);
                return text.Value.Contains(part.Value, StringComparison.Ordinal);
            case PyDict dict:
                return dict.TryGet(item, budget, out _);
            case DictView { Kind: "dict_keys" } keys:
                return keys.Dict.TryGet(item, budget, out _);
            case PyRange range when item is long number:
                return range.Count > 0 && (number - range.Start) % range.Step == 0 && (number - range.Start) / range.Step is >= 0 and var at && at < range.Count;
            case Namespace or Macro or Function or BoundMethod or Cycler or Joiner or null:
                break;
            default:
                if (TryIterate(container) is not { } items) break;
                foreach (var each in items)
                {
                    budget.Step();
                    if (AreEqual(each, item, budget)) return true;
                }
                return false;
        }
        throw RenderError.OfType($"argument of type '{TypeName(container)}' is not iterable");
    }

    /// <summary>An index of Python: a whole number.</summary>
    public static bool TryIndex(object? value, out long index)
    {
        switch (value)
        {
            case long number:
                index = number;
                return true;
            case bool flag:
                index = flag ? 1 : 0;
                return true;
            case BigInteger big:
                index = big.Sign < 0 ? long.MinValue : long.MaxValue;
                return true;
            default:
                index = 0;
                return false;
        }
    }

    /// <summary>A whole number that a function takes.</summary>
    public static long Index(object? value, Budget budget) => TryIndex(value, out var index) ? index
        : value is Undefined undefined ? throw undefined.Error(budget)
        : throw RenderError.OfType($"'{TypeName(value)}' object cannot be interpreted as an integer");

    /// <summary>A sort that keeps the order of equals.</summary>
    public static List<T> Sort<T>(List<T> items, Func<T, object?> key, bool reverse, Budget budget)
    {
        budget.Step(items.Count * (long)(1 + BitOperations.Log2((uint)items.Count + 1)));
        var keyed = items.ConvertAll(item => (Key: key(item), Item: item)).ToArray();
        if (reverse) Array.Reverse(keyed); // equals keep their order when the sorted list is turned round
        MergeSort(keyed, new (object? Key, T Item)[keyed.Length], 0, keyed.Length, budget);
        if (reverse) Array.Reverse(keyed);
        return [.. keyed.Select(k => k.Item)];
    }

    // Our own, for those of the library wrap what a comparison throws.
    private static void MergeSort<T>((object? Key, T Item)[] items, (object? Key, T Item)[] spare, int from, int to, Budget budget)
    {
        if (to - from < 2) return;
        var middle = from + ((to - from) / 2);
        MergeSort(items, spare, from, middle, budget);
        MergeSort(items, spare, middle, to, budget);
        Array.Copy(items, from, spare, from, to - from);
        var (left, right) = (from, middle);
        for (var at = from; at < to; at++)
        {
            // The right one goes first only if it is less, so equals keep their order.
            var takeRight = left == middle || (right < to && Order(spare[right].Key, spare[left].Key, "<", budget) < 0);
            items[at] = takeRight ? spare[right++] : spare[left++];
        }
    }

    /// <summary>Order of code points, which is not that of UTF-16 above the surrogates.</summary>
    public static int ComparePoints(string a, string b)
    {
        var at = a.AsSpan().CommonPrefixLength(b);
        if (at == a.Length || at == b.Length) return a.Length.CompareTo(b.Length);
        var (x, y) = (a[at], b[at]);
        return char.IsSurrogate(x) == char.IsSurrogate(y) ? x.CompareTo(y) : char.IsSurrogate(x) ? 1 : -1;
    }

    private static bool EqualAll(IReadOnlyList<object?> a, IReadOnlyList<object?> b, Budget budget)
    {
        for (var i = 0; i < a.Count; i++)
        {
            budget.Step();
            if (!AreEqual(a[i], b[i], budget)) return false;
        }
        return true;
    }

    private static int OrderAll(IReadOnlyList<object?> a, IReadOnlyList<object?> b, string sign, Budget budget)
    {
        for (var i = 0; i < Math.Min(a.Count, b.Count); i++)
        {
            budget.Step();
            if (!AreEqual(a[i], b[i], budget)) return Order(a[i], b[i], sign, budget);
        }
        return a.Count.CompareTo(b.Count);
    }
}
