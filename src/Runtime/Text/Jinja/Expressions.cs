using System.Numerics;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>An expression of a template.</summary>
/// <param name="at">Its place.</param>
internal abstract class Expression(int at)
{
    public int At { get; } = at;

    public abstract object? Evaluate(Renderer r);
}

internal sealed class Constant(int at, object? value) : Expression(at)
{
    public object? Value { get; } = value;

    public override object? Evaluate(Renderer r) => Value;
}

internal sealed class Name(int at, string id) : Expression(at)
{
    public string Id { get; } = id;

    public override object? Evaluate(Renderer r)
    {
        r.Budget.Step();
        if (r.Scope.TryGet(Id, out var value)) return value;
        return (object?)Globals.Find(Id) ?? Undefined.Variable(Id);
    }
}

internal sealed class ListLiteral(int at, Expression[] items) : Expression(at)
{
    public override object? Evaluate(Renderer r)
    {
        r.Budget.TakeElements(items.Length);
        return new PyList([.. TupleLiteral.All(r, items)]);
    }
}

internal sealed class TupleLiteral(int at, Expression[] items) : Expression(at)
{
    public Expression[] Items { get; } = items;

    public override object? Evaluate(Renderer r)
    {
        r.Budget.TakeElements(Items.Length);
        return new PyTuple(All(r, Items));
    }

    public static object?[] All(Renderer r, Expression[] items)
    {
        r.Budget.Step();
        var values = new object?[items.Length];
        for (var i = 0; i < values.Length; i++) values[i] = items[i].Evaluate(r);
        return values;
    }
}

internal sealed class DictLiteral(int at, (Expression Key, Expression Value)[] pairs) : Expression(at)
{
    public override object? Evaluate(Renderer r)
    {
        r.Budget.Step();
        r.Budget.TakeElements(0);
        var dict = new PyDict();
        foreach (var (key, value) in pairs)
        {
            var k = key.Evaluate(r);
            var v = value.Evaluate(r);
            r.At = At;
            dict.Set(k, v, r.Budget);
        }
        return dict;
    }
}

internal sealed class Binary(int at, string sign, Expression left, Expression right) : Expression(at)
{
    public override object? Evaluate(Renderer r)
    {
        r.Budget.Step();
        var a = left.Evaluate(r);
        var b = right.Evaluate(r);
        r.At = At;
        return Operators.Apply(sign, a, b, r);
    }
}

internal sealed class Concat(int at, Expression[] items) : Expression(at)
{
    public override object? Evaluate(Renderer r)
    {
        r.Budget.Step();
        var to = new TextBuilder(r.Budget);
        foreach (var item in items) to.Append(Repr.Show(item.Evaluate(r), r.Budget));
        return to.ToStr();
    }
}

internal sealed class Unary(int at, bool negative, Expression operand) : Expression(at)
{
    public override object? Evaluate(Renderer r)
    {
        r.Budget.Step();
        var value = operand.Evaluate(r);
        r.At = At;
        if (value is Undefined undefined) throw undefined.Error(r.Budget);
        if (!Py.IsNumber(value)) RenderError.Type($"bad operand type for unary {(negative ? '-' : '+')}: '{Py.TypeName(value)}'");
        return negative ? Numbers.Negate(value!) : value is bool flag ? flag ? 1L : 0L : value;
    }
}

internal sealed class Not(int at, Expression operand) : Expression(at)
{
    public override object? Evaluate(Renderer r)
    {
        r.Budget.Step();
        return Py.Bool(!Py.Truth(operand.Evaluate(r)));
    }
}

/// <summary><c>and</c> and <c>or</c>: one of the operands.</summary>
internal sealed class Logic(int at, bool isOr, Expression left, Expression right) : Expression(at)
{
    public override object? Evaluate(Renderer r)
    {
        r.Budget.Step();
        var value = left.Evaluate(r);
        return Py.Truth(value) == isOr ? value : right.Evaluate(r);
    }
}

internal sealed class Conditional(int at, int line, Expression test, Expression then, Expression? otherwise) : Expression(at)
{
    public override object? Evaluate(Renderer r)
    {
        r.Budget.Step();
        if (Py.Truth(test.Evaluate(r))) return then.Evaluate(r);
        return otherwise is null
            ? Undefined.Because($"the inline if-expression on line {line} evaluated to false and no else section was defined.")
            : otherwise.Evaluate(r);
    }
}

/// <summary>Comparisons, chained as in Python: each is with the operand before it.</summary>
internal sealed class Comparison(int at, Expression first, (string Sign, Expression Operand)[] rest) : Expression(at)
{
    public override object? Evaluate(Renderer r)
    {
        r.Budget.Step();
        var left = first.Evaluate(r);
        foreach (var (sign, operand) in rest)
        {
            var right = operand.Evaluate(r);
            r.At = At;
            if (!Operators.Compare(sign, left, right, r.Budget)) return Py.Bool(false);
            left = right;
        }
        return Py.Bool(true);
    }
}

internal sealed class Attribute(int at, Expression owner, string name) : Expression(at)
{
    private readonly Str key = Str.Of(name);

    public override object? Evaluate(Renderer r)
    {
        r.Budget.Step();
        var value = owner.Evaluate(r);
        r.At = At;
        return Attributes.Get(value, key, r);
    }
}

internal sealed class Item(int at, Expression owner, Expression key) : Expression(at)
{
    public override object? Evaluate(Renderer r)
    {
        r.Budget.Step();
        var value = owner.Evaluate(r);
        if (key is Slice slice) return slice.Of(value, r);
        var index = key.Evaluate(r);
        r.At = At;
        return Attributes.Item(value, index, r);
    }
}

/// <summary><c>start:stop:step</c> in brackets.</summary>
internal sealed class Slice(int at, Expression? start, Expression? stop, Expression? step) : Expression(at)
{
    public override object? Evaluate(Renderer r) => throw RenderError.OfType("unhashable type: 'slice'");

    public object? Of(object? value, Renderer r)
    {
        var (from, to, by) = (start?.Evaluate(r), stop?.Evaluate(r), step?.Evaluate(r));
        r.At = At;
        if (value is Undefined undefined) throw undefined.Error(r.Budget);
        var length = value is Str or PyList or PyTuple or PyRange ? Py.LengthOf(value) : -1;
        // What cannot be sliced gives something undefined, as any key that is not there.
        if (length < 0 || !IsIndex(from) || !IsIndex(to) || !IsIndex(by)) return new Undefined(value, hasOwner: true, Str.Of($"slice({Shown(from, r)}, {Shown(to, r)}, {Shown(by, r)})"));
        var stride = by is null ? 1 : Py.Index(by, r.Budget);
        if (stride == 0) RenderError.Value("slice step cannot be zero");
        var (low, high) = stride > 0 ? (0L, (long)length) : (-1L, length - 1L);
        var first = from is null ? stride > 0 ? low : high : Clamp(Py.Index(from, r.Budget));
        var last = to is null ? stride > 0 ? high : low : Clamp(Py.Index(to, r.Budget));
        var count = stride > 0 ? first < last ? ((last - first - 1) / stride) + 1 : 0 : last < first ? ((first - last - 1) / -(BigInteger)stride) + 1 : 0;
        return Taken(value!, first, stride, (int)count, r);

        long Clamp(long i)
        {
            if (i < 0) i = i < -length ? low : i + length;
            return Math.Clamp(i, low, high);
        }
    }

    private static bool IsIndex(object? value) => value is null || Py.TryIndex(value, out _);

    private static string Shown(object? value, Renderer r) => Repr.Of(value, r.Budget).Value;

    private static object? Taken(object value, long first, long stride, int count, Renderer r)
    {
        if (value is Str text)
        {
            r.Budget.Take(count);
            r.Budget.Scan(text.Value.Length);
            if (stride == 1) return text.Slice((int)first, (int)first + count);
            var points = text.Characters().ToList();
            var to = new TextBuilder(r.Budget);
            r.Budget.Step(points.Count);
            for (var i = 0; i < count; i++) to.Append(points[(int)(first + (i * stride))]);
            return to.ToStr();
        }
        r.Budget.TakeElements(count);
        if (value is PyRange range)
            return new PyRange(range.Start + (first * range.Step), range.Start + ((first + (count * stride)) * range.Step), range.Step * stride, count);
        IReadOnlyList<object?> items = value is PyList list ? list.Items : ((PyTuple)value).Items;
        var taken = new object?[count];
        for (var i = 0; i < count; i++) taken[i] = items[(int)(first + (i * stride))];
        return value is PyList ? new PyList([.. taken]) : new PyTuple(taken);
    }
}

/// <summary>Arguments as they are written: by place, by name, and unpacked from a list and a dictionary.</summary>
internal sealed class ArgumentList(Expression[] positional, (string Name, Expression Value)[] named, Expression? list, Expression? dict)
{
    public static readonly ArgumentList Empty = new([], [], null, null);

    public Arguments Evaluate(Renderer r)
    {
        if (positional.Length == 0 && named.Length == 0 && list is null && dict is null) return Arguments.None;
        var values = TupleLiteral.All(r, positional);
        var names = new KeyValuePair<string, object?>[named.Length];
        for (var i = 0; i < names.Length; i++) names[i] = new(named[i].Name, named[i].Value.Evaluate(r));
        if (list is not null) values = [.. values, .. Py.ToList(list.Evaluate(r), r.Budget)];
        if (dict is not null)
        {
            var more = dict.Evaluate(r) as PyDict ?? throw RenderError.OfType("argument after ** must be a mapping");
            names = [.. names, .. more.Entries.Select(e => new KeyValuePair<string, object?>(e.Key is Str name ? name.Value : throw RenderError.OfType("keywords must be strings"), e.Value))];
        }
        return new Arguments(values, names);
    }
}

internal sealed class Call(int at, Expression target, ArgumentList arguments) : Expression(at)
{
    public override object? Evaluate(Renderer r) => Evaluate(r, caller: null);

    /// <summary>With the body of a call block as the argument <c>caller</c>.</summary>
    public object? Evaluate(Renderer r, Macro? caller)
    {
        r.Budget.Step();
        var callee = target.Evaluate(r);
        var given = arguments.Evaluate(r);
        if (caller is not null) given = new Arguments(given.Positional, [.. given.Named, new("caller", caller)]);
        r.At = At;
        return r.Call(callee, given);
    }
}

internal sealed class FilterCall(int at, Expression? value, string name, Filter? filter, ArgumentList arguments) : Expression(at)
{
    public override object? Evaluate(Renderer r) => Apply(r, value!.Evaluate(r));

    /// <summary>With what a block wrote as the value, if the chain of filters begins without one.</summary>
    public object? EvaluateOn(Renderer r, Str text) => Apply(r, value is FilterCall inner ? inner.EvaluateOn(r, text) : value is null ? text : value.Evaluate(r));

    private object? Apply(Renderer r, object? input)
    {
        r.Budget.Step();
        if (filter is null)
        {
            r.At = At;
            throw new RenderError("TemplateRuntimeError", $"No filter named {Repr.Quote(name)} found.");
        }
        var given = arguments.Evaluate(r);
        r.At = At;
        return filter(r, given.Behind(input));
    }
}

internal sealed class TestCall(int at, Expression value, string name, Test? test, ArgumentList arguments) : Expression(at)
{
    public override object? Evaluate(Renderer r)
    {
        r.Budget.Step();
        var input = value.Evaluate(r);
        var given = arguments.Evaluate(r);
        r.At = At;
        if (test is null) throw new RenderError("TemplateRuntimeError", $"No test named {Repr.Quote(name)} found.");
        return Py.Bool(test(r, given.Behind(input)));
    }
}
