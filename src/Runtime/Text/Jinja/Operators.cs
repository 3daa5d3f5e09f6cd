using System.Text;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Operators of Python on values.</summary>
internal static class Operators
{
    public static object? Apply(string sign, object? a, object? b, Renderer r)
    {
        if (sign == "%" && a is Str format) return PercentFormat.Apply(format, b, r.Budget);
        if (a is Undefined u) throw u.Error(r.Budget);
        if (b is Undefined v) throw v.Error(r.Budget);
        if (Py.IsNumber(a) && Py.IsNumber(b)) return Numbers.Compute(sign, a!, b!);
        switch (sign)
        {
            case "+" when a is Str x && b is Str y: return Join(x, y, r);
            case "+" when a is PyList x && b is PyList y:
                r.Budget.TakeElements((long)x.Items.Count + y.Items.Count);
                return new PyList([.. x.Items, .. y.Items]);
            case "+" when a is PyTuple x && b is PyTuple y:
                r.Budget.TakeElements((long)x.Items.Length + y.Items.Length);
                return new PyTuple([.. x.Items, .. y.Items]);
            case "+" when a is Str or PyList or PyTuple:
                throw RenderError.OfType($"can only concatenate {Py.TypeName(a)} (not \"{Py.TypeName(b)}\") to {Py.TypeName(a)}");
            case "*" when a is Str or PyList or PyTuple && Py.TryIndex(b, out var times): return Repeat(a!, times, r);
            case "*" when b is Str or PyList or PyTuple && Py.TryIndex(a, out var times): return Repeat(b!, times, r);
            case "*" when a is Str or PyList or PyTuple: throw RenderError.OfType($"can't multiply sequence by non-int of type '{Py.TypeName(b)}'");
            case "*" when b is Str or PyList or PyTuple: throw RenderError.OfType($"can't multiply sequence by non-int of type '{Py.TypeName(a)}'");
        }
        throw RenderError.OfType($"unsupported operand type(s) for {(sign == "**" ? "** or pow()" : sign)}: '{Py.TypeName(a)}' and '{Py.TypeName(b)}'");
    }

    public static bool Compare(string sign, object? a, object? b, Budget budget)
    {
        switch (sign)
        {
            case "==": return Py.AreEqual(a, b, budget);
            case "!=": return !Py.AreEqual(a, b, budget);
            case "in": return Py.Contains(b, a, budget);
            case "not in": return !Py.Contains(b, a, budget);
        }
        var order = Py.Order(a, b, sign, budget);
        if (order == 2) return false; // not a number
        return sign switch
        {
            "<" => order < 0,
            "<=" => order <= 0,
            ">" => order > 0,
            _ => order >= 0,
        };
    }

    private static Str Join(Str x, Str y, Renderer r)
    {
        var markup = x.Markup || y.Markup;
        if (markup && !x.Markup) x = TextFilters.Escape(x, r.Budget);
        if (markup && !y.Markup) y = TextFilters.Escape(y, r.Budget);
        if (y.Value.Length == 0 && x.Markup == markup) return x;
        if (x.Value.Length == 0 && y.Markup == markup) return y;
        r.Budget.Take(x.Value.Length + (long)y.Value.Length);
        if (x.IsUniform(out var trusted) && y.IsUniform(out var same) && trusted == same) return new Str(string.Concat(x.Value, y.Value), trusted) { Markup = markup };
        return new TextBuilder(r.Budget).Append(x).Append(y).ToStr().AsMarkup(markup);
    }

    private static object? Repeat(object value, long times, Renderer r)
    {
        var count = Math.Max(0, times);
        var length = value is Str s ? s.Value.Length : Py.LengthOf(value);
        if (length == 0) count = 0;
        var total = (long)Int128.Min((Int128)count * length, long.MaxValue);
        if (value is Str text)
        {
            r.Budget.Take(total);
            if (text.IsUniform(out var trusted)) return new Str(new StringBuilder().Insert(0, text.Value, (int)count).ToString(), trusted) { Markup = text.Markup };
            r.Budget.Step(count);
            var to = new TextBuilder(new Budget());
            for (var i = 0L; i < count; i++) to.Append(text);
            return to.ToStr().AsMarkup(text.Markup);
        }
        r.Budget.TakeElements(total);
        IReadOnlyList<object?> items = value is PyList list ? list.Items : ((PyTuple)value).Items;
        var all = new List<object?>((int)total);
        for (var i = 0L; i < count; i++) all.AddRange(items);
        return value is PyList ? new PyList(all) : new PyTuple([.. all]);
    }
}
