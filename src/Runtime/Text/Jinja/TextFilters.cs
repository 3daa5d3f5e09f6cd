using System.Text;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Filters on texts.</summary>
internal static class TextFilters
{
    public static Filter? Find(string name) => name switch
    {
        "trim" => Trim,
        "upper" or "lower" or "capitalize" => (r, a) => Casing.Change(name, Filters.Text(r, a.Bind("do_" + name, 1, "s")[0])),
        "string" => (r, a) => Filters.Text(r, a.Bind("soft_str", 1, "s")[0]),
        "replace" => Replace,
        "title" => Title,
        "indent" => Indent,
        "center" => Center,
        "truncate" => Truncate,
        "wordcount" => WordCount,
        "format" => Format,
        "e" or "escape" => (r, a) => a.Bind("escape", 1, "s")[0] is Str { Markup: true } safe ? safe : Escape(Filters.Text(r, a.Positional[0]), r.Budget),
        "forceescape" => (r, a) => Escape(Filters.Text(r, a.Bind("do_forceescape", 1, "value")[0]), r.Budget),
        "safe" => (r, a) => Filters.Text(r, a.Bind("do_mark_safe", 1, "value")[0]).AsMarkup(markup: true),
        "urlencode" => UrlEncode,
        "xmlattr" => XmlAttributes,
        _ => null,
    };

    /// <summary>With the five signs that mean something in HTML as entities.</summary>
    public static Str Escape(Str text, Budget budget)
    {
        if (text.Value.AsSpan().IndexOfAny("&<>'\"") < 0) return text.AsMarkup(markup: true);
        var to = new TextBuilder(budget);
        foreach (var (start, end, trusted) in text.Runs())
        {
            for (var i = start; i < end; i++)
            {
                var entity = text.Value[i] switch
                {
                    '&' => "&amp;",
                    '<' => "&lt;",
                    '>' => "&gt;",
                    '\'' => "&#39;",
                    '"' => "&#34;",
                    _ => null,
                };
                if (entity is null) to.Append(text.Value[i], trusted);
                else to.Append(entity, trusted);
            }
        }
        return to.ToStr().AsMarkup(markup: true);
    }

    private static object? Trim(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_trim", 1, "value", "chars");
        return StringMethods.Strip(Filters.Text(r, a[0]), Arguments.Or(a[1], null), left: true, right: true, "strip");
    }

    private static object? Replace(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_replace", 3, "s", "old", "new", "count");
        var count = Arguments.Or(a[3], null);
        return StringMethods.Replace(Filters.Text(r, a[0]), Filters.Text(r, a[1]), Filters.Text(r, a[2]), count is null ? -1 : Py.Index(count, r.Budget), r.Budget);
    }

    private static object? Title(Renderer r, Arguments arguments)
    {
        var text = Filters.Text(r, arguments.Bind("do_title", 1, "s")[0]);
        var all = new StringBuilder(text.Value.Length);
        var from = 0;
        for (var i = 0; i <= text.Value.Length; i++)
        {
            if (i < text.Value.Length && text.Value[i] is not ('-' or '(' or '{' or '[' or '<') && !Str.IsSpace(text.Value[i])) continue;
            all.Append(Casing.Capitalize(text.Value[from..i]));
            if (i < text.Value.Length) all.Append(text.Value[i]);
            from = i + 1;
        }
        return text.Mapped(all.ToString());
    }

    private static object? Indent(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_indent", 1, "s", "width", "first", "blank");
        var (first, blank) = (Py.Truth(Arguments.Or(a[2], false)), Py.Truth(Arguments.Or(a[3], false)));
        var width = Arguments.Or(a[1], 4L);
        var indent = width is Str given ? given : StringMethods.Pad(Str.Empty, Py.Index(width, r.Budget), '<', Str.Of(" "), r.Budget);
        if (a[0] is Undefined undefined) throw undefined.Error(r.Budget);
        if (a[0] is not Str text) throw RenderError.OfType($"unsupported operand type(s) for +=: '{Py.TypeName(a[0])}' and 'str'");
        var to = new TextBuilder(r.Budget);
        if (first) to.Append(indent);
        // A newline at the end makes one more line, empty.
        var lines = StringMethods.SplitLines(new TextBuilder(r.Budget).Append(text).Append("\n").ToStr(), keepEnds: false, r.Budget).Items;
        for (var i = 0; i < lines.Count; i++)
        {
            var line = (Str)lines[i]!;
            if (i > 0) to.Append("\n");
            if (i > 0 && (blank || line.Value.Length > 0)) to.Append(indent);
            to.Append(line);
        }
        return to.ToStr();
    }

    private static object? Center(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_center", 1, "value", "width");
        return StringMethods.Pad(Filters.Text(r, a[0]), Py.Index(Arguments.Or(a[1], 80L), r.Budget), '^', Str.Of(" "), r.Budget);
    }

    private static object? Truncate(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_truncate", 1, "s", "length", "killwords", "end", "leeway");
        if (a[0] is Undefined) return Str.Empty;
        if (a[0] is not Str text) throw RenderError.OfType($"object of type '{Py.TypeName(a[0])}' has no len()");
        var (length, end, leeway) = (Py.Index(Arguments.Or(a[1], 255L), r.Budget), Filters.Text(r, Arguments.Or(a[3], Str.Of("..."))), Py.Index(Arguments.Or(a[4], null) ?? 5L, r.Budget));
        if (length < end.Length) throw new RenderError("AssertionError", $"expected length >= {end.Length}, got {length}");
        if (leeway < 0) throw new RenderError("AssertionError", $"expected leeway >= 0, got {leeway}");
        if (text.Length <= (Int128)length + leeway) return text;
        var kept = text.Slice(0, (int)(length - end.Length));
        if (!Py.Truth(Arguments.Or(a[2], false)) && kept.Value.LastIndexOf(' ') is >= 0 and var space) kept = kept.Cut(0, space);
        return new TextBuilder(r.Budget).Append(kept).Append(end).ToStr();
    }

    private static object? WordCount(Renderer r, Arguments arguments)
    {
        var (count, inside) = (0L, false);
        foreach (var rune in Filters.Text(r, arguments.Bind("do_wordcount", 1, "s")[0]).Value.EnumerateRunes())
        {
            var letter = rune.Value == '_' || Rune.IsLetter(rune) || Rune.IsNumber(rune);
            if (letter && !inside) count++;
            inside = letter;
        }
        return count;
    }

    private static object? Format(Renderer r, Arguments arguments)
    {
        var text = Filters.Text(r, arguments.Positional[0]);
        if (arguments.Named.Length == 0) return PercentFormat.Apply(text, new PyTuple(arguments.Positional[1..]), r.Budget);
        if (arguments.Positional.Length > 1) throw new RenderError("FilterArgumentError", "can't handle positional and keyword arguments at the same time");
        var values = new PyDict();
        foreach (var (name, value) in arguments.Named) values.Set(Str.Of(name), value, r.Budget);
        return PercentFormat.Apply(text, values, r.Budget);
    }

    private static object? UrlEncode(Renderer r, Arguments arguments)
    {
        var value = arguments.Bind("do_urlencode", 1, "value")[0];
        if (value is Str || Py.TryIterate(value) is null) return Quote(Filters.Text(r, value), query: false, r.Budget);
        var to = new TextBuilder(r.Budget);
        foreach (var pair in value is PyDict dict ? new DictView(dict, "dict_items").Items() : Py.Iterate(value))
        {
            var items = Py.ToList(pair, r.Budget);
            if (items.Count != 2) RenderError.Value(items.Count > 2 ? "too many values to unpack (expected 2)" : $"not enough values to unpack (expected 2, got {items.Count})");
            if (to.Length > 0) to.Append("&");
            to.Append(Quote(Filters.Text(r, items[0]), query: true, r.Budget)).Append("=").Append(Quote(Filters.Text(r, items[1]), query: true, r.Budget));
        }
        return to.ToStr();
    }

    private static Str Quote(Str text, bool query, Budget budget)
    {
        var to = new StringBuilder();
        foreach (var b in Encoding.UTF8.GetBytes(text.Value))
        {
            var c = (char)b;
            if (char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-' or '~' || (c == '/' && !query)) to.Append(c);
            else if (c == ' ' && query) to.Append('+');
            else to.Append('%').Append(b.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
        }
        budget.Take(to.Length);
        return Str.Joined(to.ToString(), text.Trusted);
    }

    private static object? XmlAttributes(Renderer r, Arguments arguments)
    {
        var a = arguments.Bind("do_xmlattr", 1, "d", "autospace");
        if (a[0] is Undefined undefined) throw undefined.Error(r.Budget);
        if (a[0] is not PyDict dict) throw new RenderError("AttributeError", $"'{Py.TypeName(a[0])}' object has no attribute 'items'");
        var to = new TextBuilder(r.Budget);
        foreach (var (key, value) in dict.Entries)
        {
            if (value is null or Undefined) continue;
            if (key is not Str name) throw RenderError.OfType($"expected string or bytes-like object, got '{Py.TypeName(key)}'");
            if (name.Value.Any(c => c is ' ' or '\t' or '\n' or '\r' or '\f' or '\v' or '/' or '>' or '=')) RenderError.Value($"Invalid character in attribute name: {Repr.Quote(name.Value)}");
            if (to.Length > 0 || Py.Truth(Arguments.Or(a[1], true))) to.Append(" ");
            to.Append(Escape(name, r.Budget)).Append("=\"").Append(value is Str { Markup: true } safe ? safe : Escape(Filters.Text(r, value), r.Budget)).Append("\"");
        }
        return to.ToStr();
    }
}
