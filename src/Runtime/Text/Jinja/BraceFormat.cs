using System.Text;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Python's <c>str.format</c>, as the sandbox has it: attributes and items are those that templates can reach.</summary>
internal static class BraceFormat
{
    public static Str Apply(Str format, Arguments arguments, Renderer r)
    {
        var next = 0;
        return Expand(format, arguments, r, depth: 2, ref next);
    }

    // next: the number of the next {} without one; -1 once fields have numbers.
    private static Str Expand(Str format, Arguments arguments, Renderer r, int depth, ref int next)
    {
        if (depth == 0) RenderError.Value("Max string recursion exceeded");
        var text = format.Value;
        var to = new TextBuilder(r.Budget);
        for (var at = 0; at < text.Length;)
        {
            r.Budget.Step();
            var c = text[at];
            if (c is not ('{' or '}'))
            {
                var end = text.AsSpan(at).IndexOfAny('{', '}');
                end = end < 0 ? text.Length : at + end;
                to.Append(format, at, end);
                at = end;
                continue;
            }
            if (at + 1 < text.Length && text[at + 1] == c)
            {
                to.Append(format, at, at + 1);
                at += 2;
                continue;
            }
            if (c == '}') RenderError.Value("Single '}' encountered in format string");
            var close = Closing(text, at);
            if (close < 0) RenderError.Value(at + 1 == text.Length ? "Single '{' encountered in format string" : "expected '}' before end of string");
            Field(format.Cut(at + 1, close), arguments, r, depth, ref next, to);
            at = close + 1;
        }
        return to.ToStr();
    }

    private static int Closing(string text, int open)
    {
        var depth = 0;
        for (var i = open; i < text.Length; i++)
        {
            if (text[i] == '{') depth++;
            else if (text[i] == '}' && --depth == 0) return i;
        }
        return -1;
    }

    private static void Field(Str field, Arguments arguments, Renderer r, int depth, ref int next, TextBuilder to)
    {
        var text = field.Value;
        var end = 0;
        for (var brackets = 0; end < text.Length; end++)
        {
            if (text[end] == '[') brackets++;
            else if (text[end] == ']') brackets--;
            else if (brackets <= 0 && text[end] is '!' or ':') break;
        }
        var value = Find(text[..end], arguments, r, ref next);
        if (end < text.Length && text[end] == '!')
        {
            if (end + 1 >= text.Length) RenderError.Value("end of string while looking for conversion specifier");
            value = text[end + 1] switch
            {
                's' => Repr.Show(value, r.Budget),
                'r' or 'a' => Repr.Of(value, r.Budget),
                var other => throw new RenderError("ValueError", $"Unknown conversion specifier {other}"),
            };
            end += 2;
            if (end < text.Length && text[end] != ':') RenderError.Value("expected ':' after conversion specifier");
        }
        var spec = end < text.Length ? Expand(field.Cut(end + 1, text.Length), arguments, r, depth - 1, ref next) : Str.Empty;
        Write(value, spec, to);
    }

    private static object? Find(string path, Arguments arguments, Renderer r, ref int next)
    {
        var end = path.AsSpan().IndexOfAny('.', '[') is >= 0 and var found ? found : path.Length;
        var first = path[..end];
        object? value;
        if (first.Length == 0 || first.All(char.IsAsciiDigit))
        {
            if (first.Length == 0 && next < 0) RenderError.Value("cannot switch from manual field specification to automatic field numbering");
            if (first.Length > 0 && next > 0) RenderError.Value("cannot switch from manual field specification to automatic field numbering");
            var index = first.Length == 0 ? next++ : first.Length < 9 ? int.Parse(first, System.Globalization.CultureInfo.InvariantCulture) : int.MaxValue;
            if (first.Length > 0) next = -1;
            if (index >= arguments.Positional.Length) throw new RenderError("IndexError", "tuple index out of range");
            value = arguments.Positional[index];
        }
        else
        {
            var at = Array.FindIndex(arguments.Named, n => n.Key == first);
            if (at < 0) throw new RenderError("KeyError", Repr.Quote(first));
            value = arguments.Named[at].Value;
        }
        while (end < path.Length)
        {
            r.Budget.Step();
            var isItem = path[end++] == '[';
            var stop = isItem ? path.IndexOf(']', end) : path.AsSpan(end).IndexOfAny('.', '[') is >= 0 and var more ? end + more : path.Length;
            if (stop < 0) RenderError.Value("Missing ']' in format string");
            var name = path[end..stop];
            if (name.Length == 0) RenderError.Value("Empty attribute in format string");
            value = !isItem ? Attributes.Get(value, Str.Of(name), r)
                : Attributes.Item(value, name.Length < 10 && name.All(char.IsAsciiDigit) ? long.Parse(name, System.Globalization.CultureInfo.InvariantCulture) : Str.Of(name), r);
            end = isItem ? stop + 1 : stop;
            if (isItem && end < path.Length && path[end] is not ('.' or '[')) RenderError.Value("Only '.' or '[' may follow ']' in format field specifier");
        }
        return value;
    }

    private static void Write(object? value, Str spec, TextBuilder to)
    {
        if (spec.Value.Length == 0)
        {
            to.Append(Repr.Show(value, to.Budget));
            return;
        }
        if (value is not Str && !Py.IsNumber(value)) RenderError.Type($"unsupported format string passed to {Py.TypeName(value)}.__format__");
        var parsed = Parse(spec, value);
        if (value is Str text)
        {
            if (parsed.Type is not ('\0' or 's')) RenderError.Value($"Unknown format code '{parsed.Type}' for object of type 'str'");
            if (parsed.Sign != '\0') RenderError.Value("Sign not allowed in string format specifier");
            if (parsed.Align == '=') RenderError.Value("'=' alignment not allowed in string format specifier");
            parsed.Write(text, parsed.Align == '\0' ? '<' : parsed.Align, to);
            return;
        }
        if (parsed.Align == '\0') parsed.Align = '>';
        if (value is not double && parsed.Type is '\0' or 'd' or 'n' or 'x' or 'X' or 'o' or 'b' or 'c')
        {
            if (value is double) RenderError.Value($"Unknown format code '{parsed.Type}' for object of type 'float'");
            if (parsed.Precision >= 0) RenderError.Value("Precision not allowed in integer format specifier");
            var whole = Numbers.Big(value!);
            if (parsed.Type == 'c')
            {
                if (whole < 0 || whole > 0x10ffff || !Rune.IsValid((int)whole)) throw new RenderError("OverflowError", "%c arg not in range(0x110000)");
                parsed.Write(Str.Of(new Rune((int)whole).ToString()), parsed.Align, to);
                return;
            }
            var (digits, prefix) = FormatSpec.InBase(whole, parsed.Type);
            parsed.Write(parsed.Grouped(digits), whole.Sign < 0, parsed.Alternate ? prefix : "", to);
            return;
        }
        var real = Numbers.Real(value!);
        if (char.ToLowerInvariant(parsed.Type) is not ('\0' or 'e' or 'f' or 'g' or '%' or 'n')) RenderError.Value($"Unknown format code '{parsed.Type}' for object of type '{Py.TypeName(value)}'");
        if (parsed.Type == '%') real *= 100;
        var shown = parsed.Type == '\0' && parsed.Precision < 0 ? parsed.Grouped(Numbers.Show(Math.Abs(real))) : parsed.Digits(real);
        parsed.Write(shown + (parsed.Type == '%' ? "%" : ""), double.IsNegative(real) && !double.IsNaN(real), "", to);
    }

    private static FormatSpec Parse(Str text, object? value)
    {
        var spec = new FormatSpec { Precision = -1 };
        var (s, at) = (text.Value, 0);
        var fill = text.Length > 1 ? text.Slice(0, 1).Value.Length : 0;
        if (fill > 0 && fill < s.Length && s[fill] is '<' or '>' or '^' or '=')
        {
            (spec.Fill, spec.Align) = (text.Cut(0, fill), s[fill]);
            at = fill + 1;
        }
        else if (s[0] is '<' or '>' or '^' or '=')
        {
            spec.Align = s[at++];
        }
        if (Peek() is '+' or '-' or ' ') spec.Sign = s[at++] is var sign && sign == '-' ? '\0' : sign;
        if (Peek() == '#')
        {
            spec.Alternate = true;
            at++;
        }
        if (Peek() == '0')
        {
            spec.Fill ??= Str.Of("0");
            if (spec.Align == '\0') spec.Align = value is Str ? '<' : '=';
            at++;
        }
        spec.Width = Number();
        if (Peek() is ',' or '_') spec.Group = s[at++];
        if (Peek() == '.')
        {
            at++;
            if (!char.IsAsciiDigit(Peek())) RenderError.Value("Format specifier missing precision");
            spec.Precision = Number();
        }
        if (at < s.Length) spec.Type = s[at++];
        if (at < s.Length) RenderError.Value($"Invalid format specifier '{s}' for object of type '{Py.TypeName(value)}'");
        return spec;

        char Peek() => at < s.Length ? s[at] : '\0';

        long Number()
        {
            var number = 0L;
            for (; char.IsAsciiDigit(Peek()); at++) number = Math.Min(int.MaxValue, (number * 10) + s[at] - '0');
            return number;
        }
    }
}
