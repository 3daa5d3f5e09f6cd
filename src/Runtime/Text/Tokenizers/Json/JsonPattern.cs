using System.Text;
using System.Text.RegularExpressions;

namespace WarpDecode.Runtime.Text.Tokenizers.Json;

/// <summary>A pattern of tokenizer.json: a text or an expression in Oniguruma's language, translated to .NET's.</summary>
internal sealed class JsonPattern
{
    private const string Han = @"\u2E80-\u2E99\u2E9B-\u2EF3\u2F00-\u2FD5\u3005\u3007\u3021-\u3029\u3038-\u303B\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFA6D\uFA70-\uFAD9";

    // Far above what an honest expression takes; what a file of a model asks for must end.
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(60);

    private readonly string? text;
    private readonly Regex? expression;
    private readonly bool han;
    private readonly bool flat;

    public JsonPattern(JsonPart part)
    {
        if (part.Has("String"))
        {
            text = part.Text("String");
            return;
        }
        var source = part.Text("Regex");
        Known = KnownExpressions.Find(source);
        han = source.Contains("{Han}", StringComparison.Ordinal);
        flat = !source.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF');
        try
        {
            // In Oniguruma's (Ruby's) language ^ and $ are of lines.
            expression = new Regex(Translate(source), RegexOptions.CultureInvariant | RegexOptions.Multiline, Longest);
        }
        catch (ArgumentException e)
        {
            part["Regex"].Refuse($"{source} ({e.Message})", "an expression that .NET understands too");
        }
    }

    /// <summary>What cuts by the same expression, if it is one of the usual.</summary>
    public IPieceSplitter? Known { get; }

    /// <summary>Start and end of all that matches, from the left, none over another.</summary>
    public List<(int Start, int End)> Matches(string input)
    {
        var found = new List<(int, int)>();
        if (text is not null)
        {
            for (var at = 0; text.Length > 0 && (at = input.IndexOf(text, at, StringComparison.Ordinal)) >= 0; at += text.Length) found.Add((at, at + text.Length));
            return found;
        }
        if (!flat || !input.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
        {
            foreach (var match in expression!.EnumerateMatches(input)) found.Add((match.Index, match.Index + match.Length));
            return found;
        }
        var characters = FlatText.Of(input, han, out var origin);
        foreach (var match in expression!.EnumerateMatches(characters)) found.Add((origin[match.Index], origin[match.Index + match.Length]));
        return found;
    }

    public string Replace(string input, string with)
    {
        if (text is not null) return text.Length == 0 ? input : input.Replace(text, with, StringComparison.Ordinal);
        var to = new StringBuilder(input.Length);
        var done = 0;
        foreach (var (start, end) in Matches(input))
        {
            to.Append(input, done, start - done).Append(with);
            done = end;
        }
        return to.Append(input, done, input.Length - done).ToString();
    }

    // Possessive quantifiers become atomic groups, intersections with what is not in a class subtractions, Han its ranges.
    private static string Translate(string source)
    {
        source = source.Replace("&&[^", "-[", StringComparison.Ordinal).Replace(@"\p{Script=Han}", @"\p{Han}", StringComparison.Ordinal);
        var to = new StringBuilder(source.Length + 32);
        var open = new Stack<int>();
        var (atom, depth) = (0, 0);
        for (var i = 0; i < source.Length; i++)
        {
            var c = source[i];
            if (c == '\\' && i + 1 < source.Length)
            {
                if (depth == 0) atom = to.Length;
                if (source.AsSpan(i).StartsWith(@"\p{Han}"))
                {
                    to.Append(depth == 0 ? $"[{Han}]" : Han);
                    i += 6;
                    continue;
                }
                to.Append(c).Append(source[++i]);
                if (source[i] is 'p' or 'P' && i + 1 < source.Length && source[i + 1] == '{')
                {
                    while (i + 1 < source.Length && source[i] != '}') to.Append(source[++i]);
                }
            }
            else if (c == '[')
            {
                if (depth++ == 0) atom = to.Length;
                else if (to[^1] != '-')
                {
                    to.Append('\\'); // a bracket within a class is itself
                    depth--;
                }
                to.Append(c);
            }
            else if (depth > 0)
            {
                if (c == ']') depth--;
                to.Append(c);
            }
            else if (c == '(')
            {
                open.Push(to.Length);
                to.Append(c);
            }
            else if (c == ')')
            {
                atom = open.Count > 0 ? open.Pop() : 0;
                to.Append(c);
            }
            else if (c == '?' && i > 0 && source[i - 1] == '(' && to[^1] == '(')
            {
                to.Append(c); // the beginning of a special group
            }
            else if (c is '?' or '*' or '+' or '{' && to.Length > atom)
            {
                var end = i + 1;
                while (c == '{' && end < source.Length && source[end - 1] != '}') end++;
                to.Append(source, i, end - i);
                if (end < source.Length && source[end] == '+')
                {
                    to.Insert(atom, "(?>").Append(')');
                    end++;
                }
                else if (end < source.Length && source[end] == '?')
                {
                    to.Append('?');
                    end++;
                }
                i = end - 1;
            }
            else
            {
                atom = to.Length;
                to.Append(c);
            }
        }
        return to.ToString();
    }
}
