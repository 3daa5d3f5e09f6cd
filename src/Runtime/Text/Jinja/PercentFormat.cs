using System.Globalization;
using System.Numerics;
using System.Text;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Python's <c>format % values</c>.</summary>
internal static class PercentFormat
{
    public static Str Apply(Str format, object? values, Budget budget)
    {
        var to = new TextBuilder(budget);
        var text = format.Value;
        var items = values is PyTuple tuple ? tuple.Items : [values];
        var (used, at) = (0, 0);
        while (true)
        {
            budget.Step();
            var sign = text.IndexOf('%', at);
            to.Append(format, at, sign < 0 ? text.Length : sign);
            if (sign < 0) break;
            at = sign + 1;
            object? named = null;
            var isNamed = false;
            if (Peek() == '(')
            {
                var end = Closing(text, at);
                if (end < 0) RenderError.Value("incomplete format key");
                if (values is not PyDict dict) throw RenderError.OfType("format requires a mapping");
                var key = text[(at + 1)..end];
                if (!dict.TryGet(key, out named)) throw new RenderError("KeyError", Repr.Quote(key));
                (isNamed, at) = (true, end + 1);
            }
            var spec = new FormatSpec { Precision = -1, Align = '>' };
            for (; Peek() is '-' or '+' or ' ' or '0' or '#'; at++)
            {
                if (text[at] == '-') spec.Align = '<';
                else if (text[at] == '#') spec.Alternate = true;
                else if (text[at] == '0') spec.Fill = Str.Of("0");
                else if (text[at] == '+' || spec.Sign == '\0') spec.Sign = text[at];
            }
            spec.Width = Number();
            if (spec.Width < 0) (spec.Align, spec.Width) = ('<', -spec.Width);
            if (Peek() == '.')
            {
                at++;
                spec.Precision = Math.Max(0, Number());
            }
            while (Peek() is 'h' or 'l' or 'L') at++;
            if (at >= text.Length) RenderError.Value("incomplete format");
            spec.Type = text[at++];
            if (spec.Type == '%') to.Append("%");
            else Write(spec, isNamed ? named : NextValue(), at - 1, to);
        }
        if (used < items.Length && (values is PyTuple || (used == 0 && values is not (PyDict or PyList or Undefined)))) RenderError.Type("not all arguments converted during string formatting");
        return to.ToStr();

        char Peek() => at < text.Length ? text[at] : '\0';

        object? NextValue() => used < items.Length ? items[used++] : throw RenderError.OfType("not enough arguments for format string");

        long Number()
        {
            if (Peek() == '*')
            {
                at++;
                return Py.TryIndex(NextValue(), out var given) ? given : throw RenderError.OfType("* wants int");
            }
            var number = 0L;
            for (; char.IsAsciiDigit(Peek()); at++) number = Math.Min(int.MaxValue, (number * 10) + text[at] - '0');
            return number;
        }
    }

    private static int Closing(string text, int open)
    {
        var depth = 0;
        for (var i = open; i < text.Length; i++)
        {
            if (text[i] == '(') depth++;
            else if (text[i] == ')' && --depth == 0) return i;
        }
        return -1;
    }

    private static void Write(FormatSpec spec, object? value, int at, TextBuilder to)
    {
        var align = spec.Align;
        if (spec.Fill is not null) spec.Align = align == '<' ? '<' : '='; // zeros go behind the sign
        if (align == '<') spec.Fill = null;
        switch (spec.Type)
        {
            case 's' or 'r' or 'a':
                spec.Fill = null;
                spec.Write(spec.Type == 's' ? Repr.Show(value, to.Budget) : Repr.Of(value, to.Budget), align, to);
                return;
            case 'c':
                spec.Fill = null;
                spec.Precision = -1;
                if (value is Str { Length: 1 } one) spec.Write(one, align, to);
                else if (Py.TryIndex(value, out var code) && Rune.IsValid((int)Math.Clamp(code, -1, int.MaxValue))) spec.Write(Str.Of(new Rune((int)code).ToString()), align, to);
                else throw RenderError.OfType("%c requires int or char");
                return;
            case 'd' or 'i' or 'u' or 'x' or 'X' or 'o':
                var whole = value switch
                {
                    double real when spec.Type is 'd' or 'i' or 'u' && double.IsFinite(real) => new BigInteger(Math.Truncate(real)),
                    { } number when Py.IsInteger(number) => Numbers.Big(number),
                    _ => throw RenderError.OfType($"%{spec.Type} format: {(spec.Type is 'd' or 'i' or 'u' ? "a real number" : "an integer")} is required, not {Py.TypeName(value)}"),
                };
                var (digits, prefix) = FormatSpec.InBase(whole, spec.Type);
                if (spec.Precision > digits.Length)
                {
                    to.Budget.Take(spec.Precision);
                    digits = digits.PadLeft((int)spec.Precision, '0');
                }
                spec.Write(digits, whole.Sign < 0, spec.Alternate ? prefix : "", to);
                return;
            case 'e' or 'E' or 'f' or 'F' or 'g' or 'G':
                if (value is Undefined undefined) throw undefined.Error(to.Budget);
                if (!Py.IsNumber(value)) throw RenderError.OfType($"must be real number, not {Py.TypeName(value)}");
                var real2 = Numbers.Real(value!);
                if (!double.IsFinite(real2)) spec.Fill = null;
                spec.Write(spec.Digits(real2), double.IsNegative(real2) && !double.IsNaN(real2), "", to);
                return;
            default:
                throw new RenderError("ValueError", $"unsupported format character {Repr.Quote(spec.Type.ToString())} (0x{((int)spec.Type).ToString("x", CultureInfo.InvariantCulture)}) at index {at}");
        }
    }
}
