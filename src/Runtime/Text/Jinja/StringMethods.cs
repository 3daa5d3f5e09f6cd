namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Methods of str. What they cut out of a text or put together keeps its trust.</summary>
internal static class StringMethods
{
    public static bool Has(string name) => name is "capitalize" or "casefold" or "center" or "count" or "encode" or "endswith" or "expandtabs" or "find" or "format" or "format_map"
        or "index" or "isalnum" or "isalpha" or "isascii" or "isdecimal" or "isdigit" or "isidentifier" or "islower" or "isnumeric" or "isprintable" or "isspace" or "istitle" or "isupper"
        or "join" or "ljust" or "lower" or "lstrip" or "partition" or "removeprefix" or "removesuffix" or "replace" or "rfind" or "rindex" or "rjust" or "rpartition" or "rsplit" or "rstrip"
        or "split" or "splitlines" or "startswith" or "strip" or "swapcase" or "title" or "upper" or "zfill";

    public static object? Call(Renderer r, Str self, string name, Arguments arguments)
    {
        var budget = r.Budget;
        budget.Scan(self.Value.Length);
        var given = arguments.Positional;
        switch (name)
        {
            case "format":
                return BraceFormat.Apply(self, arguments, r);
            case "format_map":
                return given is [PyDict map] ? BraceFormat.Apply(self, new Arguments([], [.. map.Entries.Where(e => e.Key is Str).Select(e => new KeyValuePair<string, object?>(((Str)e.Key!).Value, e.Value))]), r)
                    : throw RenderError.OfType($"format_map() takes exactly one argument ({given.Length} given)");
            case "split" or "rsplit":
                var split = arguments.Bind($"str.{name}", 0, "sep", "maxsplit");
                return Split(self, Arguments.Or(split[0], null), ReferenceEquals(split[1], Arguments.Missing) ? -1 : Py.Index(split[1], budget), name == "rsplit", budget);
            case "splitlines":
                return SplitLines(self, Py.Truth(Arguments.Or(arguments.Bind("str.splitlines", 0, "keepends")[0], false)), budget);
            case "strip" or "lstrip" or "rstrip":
                Methods.Count(arguments, name, 0, 1);
                return Strip(self, given.Length > 0 ? given[0] : null, name != "rstrip", name != "lstrip", name);
            case "startswith" or "endswith":
                Methods.Count(arguments, name, 1, 3);
                return Py.Bool(Affixed(self, given, name == "endswith", budget));
            case "find" or "rfind" or "index" or "rindex" or "count":
                Methods.Count(arguments, name, 1, 3);
                return Find(self, name, given, budget);
            case "replace":
                Methods.Count(arguments, name, 2, 3);
                return Replace(self, Text(given[0], "replace", 1), Text(given[1], "replace", 2), given.Length > 2 ? Py.Index(given[2], budget) : -1, budget);
            case "join":
                Methods.Count(arguments, "str.join", 1, 1);
                return Join(self, given[0], r);
            case "partition" or "rpartition":
                Methods.Count(arguments, $"str.{name}", 1, 1);
                return Partition(self, Text(given[0], null, 0), name == "rpartition", budget);
            case "removeprefix" or "removesuffix":
                Methods.Count(arguments, $"str.{name}", 1, 1);
                var affix = Text(given[0], name, 0).Value;
                if (name == "removeprefix") return self.Value.StartsWith(affix, StringComparison.Ordinal) ? self.Cut(affix.Length, self.Value.Length) : self;
                return affix.Length > 0 && self.Value.EndsWith(affix, StringComparison.Ordinal) ? self.Cut(0, self.Value.Length - affix.Length) : self;
            case "center" or "ljust" or "rjust":
                Methods.Count(arguments, name, 1, 2);
                var fill = given.Length > 1 ? Text(given[1], name, 2) : Str.Of(" ");
                if (fill.Length != 1) RenderError.Type("The fill character must be exactly one character long");
                return Pad(self, Py.Index(given[0], budget), name == "ljust" ? '<' : name == "rjust" ? '>' : '^', fill, budget);
            case "zfill":
                Methods.Count(arguments, "str.zfill", 1, 1);
                var signed = self.Value is ['+' or '-', ..] ? 1 : 0;
                var padded = Pad(self.Cut(signed, self.Value.Length), Py.Index(given[0], budget) - signed, '>', Str.Of("0"), budget);
                return new TextBuilder(budget).Append(self, 0, signed).Append(padded).ToStr();
            case "expandtabs":
                return ExpandTabs(self, Py.Index(Arguments.Or(arguments.Bind("str.expandtabs", 0, "tabsize")[0], 8L), budget), budget);
            case "encode":
                throw RenderError.OfType("bytes are not supported: str.encode()");
        }
        Methods.Count(arguments, $"str.{name}", 0, 0);
        return name.StartsWith("is", StringComparison.Ordinal) ? Py.Bool(Casing.Is(name, self.Value)) : Casing.Change(name, self);
    }

    /// <summary>A string argument.</summary>
    public static Str Text(object? value, string? function, int place) => value as Str ?? throw RenderError.OfType(function is null || place == 0
        ? $"{(function is null ? "must be str" : function + "() argument must be str")}, not {Py.TypeName(value)}"
        : $"{function}() argument {place} must be str, not {Py.TypeName(value)}");

    public static PyList Split(Str self, object? separator, long most, bool fromRight, Budget budget)
    {
        var pieces = new List<object?>();
        var text = self.Value;
        if (most < 0) most = long.MaxValue;
        if (separator is not null && separator is not Str) RenderError.Type($"must be str or None, not {Py.TypeName(separator)}");
        if (separator is Str { Value: "" }) RenderError.Value("empty separator");
        if (separator is Str mark) SplitAt(self, mark.Value, most, fromRight, pieces, budget);
        else SplitAtSpace(self, most, fromRight, pieces, budget);
        if (fromRight) pieces.Reverse();
        return new PyList(pieces);
    }

    private static void SplitAt(Str self, string mark, long most, bool fromRight, List<object?> pieces, Budget budget)
    {
        var (from, to) = (0, self.Value.Length);
        while (true)
        {
            budget.Step();
            budget.Take(Budget.ElementUnits);
            var rest = self.Value.AsSpan(from, to - from);
            var at = pieces.Count >= most ? -1 : fromRight ? rest.LastIndexOf(mark, StringComparison.Ordinal) : rest.IndexOf(mark, StringComparison.Ordinal);
            if (at < 0) break;
            at += from;
            pieces.Add(fromRight ? self.Cut(at + mark.Length, to) : self.Cut(from, at));
            if (fromRight) to = at;
            else from = at + mark.Length;
        }
        pieces.Add(self.Cut(from, to));
    }

    // Runs of whitespace separate, and there is no empty piece; the last piece keeps what is at its far end.
    private static void SplitAtSpace(Str self, long most, bool fromRight, List<object?> pieces, Budget budget)
    {
        var text = self.Value;
        var (from, to) = (0, text.Length);
        while (true)
        {
            budget.Step();
            budget.Take(Budget.ElementUnits);
            if (fromRight) while (to > from && Str.IsSpace(text[to - 1])) to--;
            else while (from < to && Str.IsSpace(text[from])) from++;
            if (from == to) return;
            if (pieces.Count >= most)
            {
                pieces.Add(self.Cut(from, to));
                return;
            }
            var edge = fromRight ? to : from;
            if (fromRight) while (edge > from && !Str.IsSpace(text[edge - 1])) edge--;
            else while (edge < to && !Str.IsSpace(text[edge])) edge++;
            pieces.Add(fromRight ? self.Cut(edge, to) : self.Cut(from, edge));
            if (fromRight) to = edge;
            else from = edge;
        }
    }

    public static PyList SplitLines(Str self, bool keepEnds, Budget budget)
    {
        var lines = new List<object?>();
        var text = self.Value;
        for (var from = 0; from < text.Length;)
        {
            budget.Step();
            budget.Take(Budget.ElementUnits);
            var end = from;
            while (end < text.Length && !IsLineEnd(text[end])) end++;
            var after = end == text.Length ? end : text[end] == '\r' && end + 1 < text.Length && text[end + 1] == '\n' ? end + 2 : end + 1;
            lines.Add(self.Cut(from, keepEnds ? after : end));
            from = after;
        }
        return new PyList(lines);
    }

    public static Str Strip(Str self, object? characters, bool left, bool right, string name)
    {
        if (characters is not null && characters is not Str) RenderError.Type($"{name} arg must be None or str");
        var set = (characters as Str)?.Value;
        var text = self.Value;
        var (from, to) = (0, text.Length);
        if (left) while (from < to && Goes(from)) from++;
        if (right) while (to > from && Goes(to - 1)) to--;
        return self.Cut(from, to);

        bool Goes(int i)
        {
            if (set is null) return Str.IsSpace(text[i]);
            if (!char.IsSurrogate(text[i])) return set.Contains(text[i], StringComparison.Ordinal);
            var low = char.IsLowSurrogate(text[i]) ? i - 1 : i; // both halves go or neither
            return low >= 0 && low + 1 < text.Length && set.AsSpan().IndexOf(text.AsSpan(low, 2), StringComparison.Ordinal) >= 0;
        }
    }

    public static Str Replace(Str self, Str old, Str with, long most, Budget budget)
    {
        var text = self.Value;
        if (most < 0) most = long.MaxValue;
        if (most == 0 || (old.Value.Length > 0 && !text.Contains(old.Value, StringComparison.Ordinal))) return self;
        var to = new TextBuilder(budget);
        var from = 0;
        if (old.Value.Length == 0)
        {
            // Between all characters, and at both ends.
            foreach (var character in self.Characters())
            {
                budget.Step();
                if (most-- <= 0) return to.Append(self, from, text.Length).ToStr();
                to.Append(with).Append(character);
                from += character.Value.Length;
            }
            return (most > 0 ? to.Append(with) : to).ToStr();
        }
        for (; most > 0 && text.IndexOf(old.Value, from, StringComparison.Ordinal) is >= 0 and var at; most--)
        {
            budget.Step();
            to.Append(self, from, at).Append(with);
            from = at + old.Value.Length;
        }
        return to.Append(self, from, text.Length).ToStr();
    }

    public static Str Join(Str self, object? items, Renderer r)
    {
        if (Py.TryIterate(items) is not { } all) throw RenderError.OfType("can only join an iterable");
        var to = new TextBuilder(r.Budget);
        var at = 0;
        foreach (var item in all)
        {
            r.Budget.Step();
            if (item is not Str piece) throw RenderError.OfType($"sequence item {at}: expected str instance, {Py.TypeName(item)} found");
            if (at++ > 0) to.Append(self);
            to.Append(piece);
        }
        return to.ToStr();
    }

    /// <summary>Fills a text up to a width; the odd place of centered text is as Python has it.</summary>
    public static Str Pad(Str self, long width, char align, Str fill, Budget budget)
    {
        var missing = width - self.Length;
        if (missing <= 0) return self;
        budget.Take(missing);
        var left = align == '<' ? 0 : align == '>' ? missing : (missing / 2) + (missing & width & 1);
        var to = new TextBuilder(budget);
        Fill(left);
        to.Append(self);
        Fill(missing - left);
        return to.ToStr();

        void Fill(long count)
        {
            fill.IsUniform(out var trusted);
            if (fill.Value.Length == 1) to.Append(fill.Value[0], trusted, (int)count);
            else for (var i = 0L; i < count; i++) to.Append(fill);
        }
    }

    private static bool IsLineEnd(char c) => c is '\n' or '\r' or '\v' or '\f' or '\x1c' or '\x1d' or '\x1e' or '\x85' or '\u2028' or '\u2029';

    // Start and end of a search in UTF-16, from arguments that count code points.
    private static (int From, int To) Window(Str self, object?[] given, Budget budget)
    {
        var length = self.Length;
        var from = given.Length > 1 && given[1] is not null ? Clamp(Py.Index(given[1], budget)) : 0;
        var to = given.Length > 2 && given[2] is not null ? Clamp(Py.Index(given[2], budget)) : length;
        return from > to ? (-1, -1) : (self.Place((int)from), self.Place((int)to));

        long Clamp(long i) => i < 0 ? Math.Max(0, i + length) : Math.Min(i, length + 1L);
    }

    private static bool Affixed(Str self, object?[] given, bool atEnd, Budget budget)
    {
        if (given[0] is not (Str or PyTuple))
            RenderError.Type($"{(atEnd ? "endswith" : "startswith")} first arg must be str or a tuple of str, not {Py.TypeName(given[0])}");
        var (from, to) = Window(self, given, budget);
        if (from < 0 || from > self.Value.Length) return false;
        var text = self.Value.AsSpan(from, Math.Min(to, self.Value.Length) - from);
        foreach (var affix in given[0] is PyTuple tuple ? tuple.Items : [given[0]])
        {
            if (affix is not Str part) throw RenderError.OfType($"tuple for {(atEnd ? "endswith" : "startswith")} must only contain str, not {Py.TypeName(affix)}");
            if (atEnd ? text.EndsWith(part.Value, StringComparison.Ordinal) : text.StartsWith(part.Value, StringComparison.Ordinal)) return true;
        }
        return false;
    }

    private static object Find(Str self, string name, object?[] given, Budget budget)
    {
        if (given[0] is not Str part) throw RenderError.OfType($"must be str, not {Py.TypeName(given[0])}");
        var (from, to) = Window(self, given, budget);
        if (name == "count")
        {
            if (from < 0 || from > self.Value.Length) return 0L;
            var window = self.Value.AsSpan(from, Math.Min(to, self.Value.Length) - from);
            if (part.Value.Length == 0) return self.PointAt(from + window.Length) - self.PointAt(from) + 1L;
            var count = 0L;
            for (int at; (at = window.IndexOf(part.Value, StringComparison.Ordinal)) >= 0; count++) window = window[(at + part.Value.Length)..];
            return count;
        }
        var found = -1;
        if (from >= 0 && from <= self.Value.Length)
        {
            var window = self.Value.AsSpan(from, Math.Min(to, self.Value.Length) - from);
            found = name[0] == 'r' ? window.LastIndexOf(part.Value, StringComparison.Ordinal) : window.IndexOf(part.Value, StringComparison.Ordinal);
        }
        if (found >= 0) return (long)self.PointAt(from + found);
        return name.EndsWith("index", StringComparison.Ordinal) ? throw new RenderError("ValueError", "substring not found") : -1L;
    }

    private static PyTuple Partition(Str self, Str mark, bool last, Budget budget)
    {
        if (mark.Value.Length == 0) RenderError.Value("empty separator");
        budget.TakeElements(3);
        var at = last ? self.Value.LastIndexOf(mark.Value, StringComparison.Ordinal) : self.Value.IndexOf(mark.Value, StringComparison.Ordinal);
        if (at < 0) return new PyTuple(last ? [Str.Empty, Str.Empty, self] : [self, Str.Empty, Str.Empty]);
        return new PyTuple([self.Cut(0, at), mark, self.Cut(at + mark.Value.Length, self.Value.Length)]);
    }

    private static Str ExpandTabs(Str self, long size, Budget budget)
    {
        var to = new TextBuilder(budget);
        var column = 0L;
        foreach (var character in self.Characters())
        {
            budget.Step();
            var text = character.Value;
            if (text == "\t")
            {
                var width = size > 0 ? size - (column % size) : 0;
                if (width > Budget.MaxLength) RenderError.Limit("the template makes too much text");
                to.Append(' ', character.Trusted, (int)width);
                column += width;
                continue;
            }
            to.Append(character);
            column = text is "\n" or "\r" ? 0 : column + 1;
        }
        return to.ToStr();
    }
}
