using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>JSON in, as values that came from outside, and out as Python's json.dumps writes it.</summary>
internal static class Json
{
    /// <summary>A JSON value; all of its texts are input.</summary>
    public static object? Read(JsonElement element, Budget budget)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                return new Str(element.GetString()!, trusted: false);
            case JsonValueKind.Number:
                var text = element.GetRawText();
                if (text.AsSpan().IndexOfAny('.', 'e', 'E') >= 0) return double.Parse(text, CultureInfo.InvariantCulture);
                return element.TryGetInt64(out var small) ? small
                    : text.Length < 1000 ? Numbers.Whole(BigInteger.Parse(text, CultureInfo.InvariantCulture)) : throw new RenderError("LimitError", "a number of the input is too long");
            case JsonValueKind.True or JsonValueKind.False:
                return Py.Bool(element.ValueKind == JsonValueKind.True);
            case JsonValueKind.Array:
                var items = new List<object?>(element.GetArrayLength());
                foreach (var item in element.EnumerateArray()) items.Add(Read(item, budget));
                return new PyList(items);
            case JsonValueKind.Object:
                var dict = new PyDict();
                var inside = new Budget(); // what is given is not what the template makes
                foreach (var field in element.EnumerateObject()) dict.Set(new Str(field.Name, trusted: false), Read(field.Value, budget), inside);
                return dict;
            default:
                return null;
        }
    }

    /// <summary>How JSON is written.</summary>
    /// <param name="Ascii">Writes what is not ASCII as escapes.</param>
    /// <param name="Indent">Begins a new line for each element, with this once for each level; null for one line.</param>
    /// <param name="Items">Between elements.</param>
    /// <param name="Keys">Between a key and its value.</param>
    /// <param name="Sorted">Sorts by keys.</param>
    public sealed record Style(bool Ascii, Str? Indent, Str Items, Str Keys, bool Sorted);

    /// <summary>Python's json.dumps.</summary>
    /// <exception cref="RenderError">Something has no JSON.</exception>
    public static void Write(object? value, Style style, TextBuilder to, int level = 0)
    {
        to.Budget.Step();
        switch (value)
        {
            case Str text: WriteText(text, style, to); break;
            case null: to.Append("null"); break;
            case bool flag: to.Append(flag ? "true" : "false"); break;
            case double number: to.Append(Real(number)); break;
            case long or BigInteger: to.Append(Repr.Show(value, to.Budget)); break;
            case PyList list: WriteAll(list.Items, list.Items.Count, style, to, level); break;
            case PyTuple tuple: WriteAll(tuple.Items, tuple.Items.Length, style, to, level); break;
            case PyDict dict: WriteDict(dict, style, to, level); break;
            default: throw RenderError.OfType($"Object of type {Py.TypeName(value)} is not JSON serializable");
        }
    }

    private static string Real(double number) =>
        double.IsNaN(number) ? "NaN" : double.IsInfinity(number) ? number > 0 ? "Infinity" : "-Infinity" : Numbers.Show(number);

    private static void WriteAll(IEnumerable<object?> items, int count, Style style, TextBuilder to, int level)
    {
        to.Append("[");
        var any = false;
        foreach (var item in items)
        {
            Separate(ref any, style, to, level + 1);
            Write(item, style, to, level + 1);
        }
        if (count > 0) NewLine(style, to, level);
        to.Append("]");
    }

    private static void WriteDict(PyDict dict, Style style, TextBuilder to, int level)
    {
        var entries = style.Sorted ? Py.Sort(dict.Entries, e => e.Key, reverse: false, to.Budget) : dict.Entries;
        to.Append("{");
        var any = false;
        foreach (var (key, value) in entries)
        {
            Separate(ref any, style, to, level + 1);
            var name = key switch
            {
                Str text => text,
                null => Str.Of("null"),
                bool flag => Str.Of(flag ? "true" : "false"),
                double number => Str.Of(Real(number)),
                long or BigInteger => Repr.Show(key, to.Budget),
                _ => throw RenderError.OfType($"keys must be str, int, float, bool or None, not {Py.TypeName(key)}"),
            };
            WriteText(name, style, to);
            to.Append(style.Keys);
            Write(value, style, to, level + 1);
        }
        if (entries.Count > 0) NewLine(style, to, level);
        to.Append("}");
    }

    private static void Separate(ref bool any, Style style, TextBuilder to, int level)
    {
        if (any) to.Append(style.Items);
        any = true;
        NewLine(style, to, level);
    }

    private static void NewLine(Style style, TextBuilder to, int level)
    {
        if (style.Indent is null) return;
        to.Append("\n");
        for (var i = 0; i < level; i++) to.Append(style.Indent);
    }

    private static void WriteText(Str text, Style style, TextBuilder to)
    {
        to.Append("\"");
        foreach (var (start, end, trusted) in text.Runs())
        {
            var from = start;
            for (var i = start; i < end; i++)
            {
                var c = text.Value[i];
                if (c is >= ' ' and not '"' and not '\\' && (!style.Ascii || c < 0x7f)) continue;
                to.Append(text.Value.AsSpan(from, i - from), trusted);
                to.Append(Escape(c), trusted);
                from = i + 1;
            }
            to.Append(text.Value.AsSpan(from, end - from), trusted);
        }
        to.Append("\"");
    }

    private static string Escape(char c) => c switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\b' => "\\b",
        '\f' => "\\f",
        _ => $"\\u{(int)c:x4}",
    };
}
