using System.Globalization;
using System.Numerics;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Filters on values of any kind.</summary>
internal static class ValueFilters
{
    public static Filter? Find(string name) => name switch
    {
        "tojson" => ToJson,
        "default" or "d" => Default,
        "int" => Int,
        "float" => Float,
        "abs" => Abs,
        "round" => Round,
        "attr" => Attr,
        "filesizeformat" => FileSize,
        _ => null,
    };

    private static object? ToJson(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("tojson", 1, "x", "ensure_ascii", "indent", "separators", "sort_keys");
        var indent = Arguments.Or(a[2], null) switch
        {
            null => null,
            Str text => text,
            var width => StringMethods.Pad(Str.Empty, Py.Index(width, r.Budget), '<', Str.Of(" "), r.Budget),
        };
        var (items, keys) = (Str.Of(indent is null ? ", " : ","), Str.Of(": "));
        if (Arguments.Or(a[3], null) is { } separators)
        {
            var pair = Py.ToList(separators, r.Budget);
            if (pair.Count != 2) RenderError.Value(pair.Count > 2 ? "too many values to unpack (expected 2)" : $"not enough values to unpack (expected 2, got {pair.Count})");
            (items, keys) = (Filters.Text(r, pair[0]), Filters.Text(r, pair[1]));
        }
        var to = new TextBuilder(r.Budget);
        Json.Write(a[0], new Json.Style(Py.Truth(Arguments.Or(a[1], false)), indent, items, keys, Py.Truth(Arguments.Or(a[4], false))), to);
        return to.ToStr();
    }

    private static object? Default(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_default", 1, "value", "default_value", "boolean");
        return a[0] is Undefined || (Py.Truth(Arguments.Or(a[2], false)) && !Py.Truth(a[0])) ? Arguments.Or(a[1], Str.Empty) : a[0];
    }

    private static object? Int(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_int", 1, "value", "default", "base");
        var otherwise = Arguments.Or(a[1], 0L);
        switch (a[0])
        {
            case Undefined undefined: throw undefined.Error(r.Budget);
            case bool flag: return flag ? 1L : 0L;
            case long or BigInteger: return a[0];
            case double number when double.IsInfinity(number): throw new RenderError("OverflowError", "cannot convert float infinity to integer");
            case double number: return double.IsNaN(number) ? otherwise : Numbers.Whole(new BigInteger(Math.Truncate(number)));
            case Str text:
                var radix = Py.Index(Arguments.Or(a[2], 10L), r.Budget);
                if (radix is 0 or (>= 2 and <= 36) && Numbers.TryParseInt(text.Value, (int)radix, out var whole)) return Numbers.Whole(whole);
                return Numbers.TryParseFloat(text.Value, out var real) && double.IsFinite(real) ? Numbers.Whole(new BigInteger(Math.Truncate(real))) : otherwise;
            default: return otherwise;
        }
    }

    private static object? Float(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_float", 1, "value", "default");
        return a[0] switch
        {
            Undefined undefined => throw undefined.Error(r.Budget),
            Str text => Numbers.TryParseFloat(text.Value, out var real) ? real : Arguments.Or(a[1], 0.0),
            { } number when Py.IsNumber(number) => Numbers.Real(number),
            _ => Arguments.Or(a[1], 0.0),
        };
    }

    private static object? Abs(Renderer r, Arguments arguments)
    {
        Methods.Count(arguments, "abs", 1, 1);
        return arguments.Positional[0] switch
        {
            Undefined undefined => throw undefined.Error(r.Budget),
            double number => Math.Abs(number),
            { } number when Py.IsInteger(number) => Numbers.Whole(BigInteger.Abs(Numbers.Big(number))),
            var other => throw RenderError.OfType($"bad operand type for abs(): '{Py.TypeName(other)}'"),
        };
    }

    private static object? Round(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_round", 1, "value", "precision", "method");
        var method = Arguments.Or(a[2], Str.Of("common")) as Str;
        if (method?.Value is not ("common" or "ceil" or "floor")) throw new RenderError("FilterArgumentError", "method must be common, ceil or floor");
        if (a[0] is Undefined undefined) throw undefined.Error(r.Budget);
        var digits = Py.Index(Arguments.Or(a[1], 0L), r.Budget);
        if (!Py.IsNumber(a[0])) throw RenderError.OfType(method.Value == "common" ? $"type {Py.TypeName(a[0])} doesn't define __round__ method" : $"must be real number, not {Py.TypeName(a[0])}");
        if (Math.Abs(digits) > 400) RenderError.Limit("round takes at most 400 digits");
        if (method.Value != "common")
        {
            var power = Numbers.Compute("**", 10L, digits);
            var scaled = Numbers.Compute("*", a[0]!, power);
            var whole = scaled is double d ? Numbers.Whole(new BigInteger(method.Value == "ceil" ? Math.Ceiling(d) : Math.Floor(d))) : scaled;
            return Numbers.Compute("/", whole, power);
        }
        if (a[0] is double value)
        {
            if (!double.IsFinite(value) || value == 0) return value;
            if (digits >= 0) return double.Parse(Numbers.Fixed(value, (int)digits), CultureInfo.InvariantCulture);
            return (double)RoundWhole(new BigInteger(value), -(int)digits, value - Math.Truncate(value));
        }
        var number = Numbers.Big(a[0]!);
        return Numbers.Whole(digits >= 0 ? number : RoundWhole(number, -(int)digits, 0));
    }

    // To tens, hundreds and so on, ties to even; what is behind the point breaks a tie.
    private static BigInteger RoundWhole(BigInteger value, int zeros, double fraction)
    {
        var unit = BigInteger.Pow(10, zeros);
        var quotient = BigInteger.DivRem(BigInteger.Abs(value), unit, out var rest);
        var twice = (rest * 2).CompareTo(unit);
        if (twice > 0 || (twice == 0 && (fraction != 0 || !quotient.IsEven))) quotient += 1;
        return quotient * unit * (value.Sign < 0 ? -1 : 1);
    }

    private static object? Attr(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_attr", 2, "obj", "name");
        if (a[1] is not Str name) throw RenderError.OfType($"attribute name must be string, not '{Py.TypeName(a[1])}'");
        if (a[0] is Undefined undefined) throw undefined.Error(r.Budget);
        return Attributes.TryAttribute(a[0], name.Value, out var found) ? found : new Undefined(a[0], hasOwner: true, name);
    }

    private static object? FileSize(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_filesizeformat", 1, "value", "binary");
        var binary = Py.Truth(Arguments.Or(a[1], false));
        if (Float(r, new Arguments([a[0], double.NaN], [])) is not double bytes || double.IsNaN(bytes)) throw new RenderError("ValueError", $"could not convert string to float: {Repr.Of(a[0], r.Budget).Value}");
        if (bytes == 1) return Str.Of("1 Byte");
        double step = binary ? 1024 : 1000;
        if (bytes < step) return Str.Of($"{(long)bytes} Bytes");
        var unit = step * step;
        var at = 0;
        for (; at < 7 && bytes >= unit; at++) unit *= step;
        return Str.Of($"{Numbers.Fixed(step * bytes / unit, 1)} {"kMGTPEZY"[at].ToString().ToUpperInvariant().Replace("K", binary ? "K" : "k", StringComparison.Ordinal)}{(binary ? "iB" : "B")}");
    }
}
