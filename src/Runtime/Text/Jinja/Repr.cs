using System.Globalization;
using System.Numerics;
using System.Text;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Values as Python prints them.</summary>
internal static class Repr
{
    /// <summary>str() of a value.</summary>
    public static Str Show(object? value, Budget budget)
    {
        switch (value)
        {
            case Str text: return text;
            case null: return Str.Of("None");
            case bool flag: return Str.Of(flag ? "True" : "False");
            case long number: return Str.Of(number.ToString(CultureInfo.InvariantCulture));
            case double number: return Str.Of(Numbers.Show(number));
            case Undefined: return Str.Empty;
        }
        return Of(value, budget);
    }

    /// <summary>repr() of a value.</summary>
    public static Str Of(object? value, Budget budget)
    {
        var to = new TextBuilder(budget);
        Write(value, to);
        return to.ToStr();
    }

    /// <summary>A text in quotes, as Python chooses them.</summary>
    public static string Quote(string text)
    {
        var to = new TextBuilder(new Budget());
        WriteText(Str.Of(text), to);
        return to.ToString();
    }

    private static void Write(object? value, TextBuilder to)
    {
        to.Budget.Step();
        switch (value)
        {
            case Str text:
                if (text.Markup) to.Append("Markup(");
                WriteText(text, to);
                if (text.Markup) to.Append(")");
                break;
            case BigInteger number:
                to.Append(number.ToString(CultureInfo.InvariantCulture));
                break;
            case PyList list:
                WriteAll(list.Items, "[", "]", to);
                break;
            case PyTuple tuple:
                WriteAll(tuple.Items, "(", tuple.Items.Length == 1 ? ",)" : ")", to);
                break;
            case PyDict dict:
                WriteDict(dict, to);
                break;
            case DictView view:
                to.Append(view.Kind).Append("(");
                WriteAll(view.Items(), "[", "])", to);
                break;
            case PyRange range:
                to.Append($"range({range.Start}, {range.Stop}{(range.Step == 1 ? "" : $", {range.Step}")})");
                break;
            case Namespace ns:
                to.Append("<Namespace ");
                WriteDict(ns.Fields, to);
                to.Append(">");
                break;
            case Undefined:
                to.Append("Undefined");
                break;
            case Macro macro:
                to.Append($"<Macro {(macro.Name is null ? "anonymous" : Quote(macro.Name))}>");
                break;
            case LoopState loop:
                to.Append($"<LoopContext {loop.Index}/{loop.Length}>");
                break;
            case BoundMethod method:
                to.Append($"<built-in method {method.Name} of {Py.TypeName(method.Self)} object>");
                break;
            case Function function:
                to.Append($"<function {function.Name}>");
                break;
            case Generator generator:
                to.Append($"<{generator.Kind} object>");
                break;
            case Cycler or Joiner:
                to.Append($"<jinja2.utils.{Py.TypeName(value)} object>");
                break;
            default:
                to.Append(Show(value, to.Budget));
                break;
        }
    }

    private static void WriteAll(IEnumerable<object?> items, string open, string close, TextBuilder to)
    {
        to.Append(open);
        var any = false;
        foreach (var item in items)
        {
            if (any) to.Append(", ");
            any = true;
            Write(item, to);
        }
        to.Append(close);
    }

    private static void WriteDict(PyDict dict, TextBuilder to)
    {
        to.Append("{");
        var any = false;
        foreach (var (key, value) in dict.Entries)
        {
            if (any) to.Append(", ");
            any = true;
            Write(key, to);
            to.Append(": ");
            Write(value, to);
        }
        to.Append("}");
    }

    private static void WriteText(Str text, TextBuilder to)
    {
        var quote = text.Value.Contains('\'', StringComparison.Ordinal) && !text.Value.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        to.Append(quote, trusted: true);
        foreach (var (start, end, trusted) in text.Runs())
        {
            for (var i = start; i < end;)
            {
                Rune.DecodeFromUtf16(text.Value.AsSpan(i, end - i), out var rune, out var used);
                var shown = used == 1 && char.IsSurrogate(text.Value[i]) ? $"\\u{(int)text.Value[i]:x4}" : Escape(rune, quote);
                if (shown is null) to.Append(text.Value.AsSpan(i, used), trusted);
                else to.Append(shown, trusted);
                i += used;
            }
        }
        to.Append(quote, trusted: true);
    }

    private static string? Escape(Rune rune, char quote)
    {
        var c = rune.Value;
        if (c is >= ' ' and < 0x7f) return c == quote || c == '\\' ? "\\" + (char)c : null;
        switch (c)
        {
            case '\n': return "\\n";
            case '\r': return "\\r";
            case '\t': return "\\t";
        }
        var shown = Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
            or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);
        return shown ? null : c < 0x100 ? $"\\x{c:x2}" : c < 0x10000 ? $"\\u{c:x4}" : $"\\U{c:x8}";
    }
}
