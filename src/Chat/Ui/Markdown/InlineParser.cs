using System.Buffers;
using System.Net;
using WarpDecode.Chat.Ui.Text;

namespace WarpDecode.Chat.Ui.Markdown;

/// <summary>
/// Emphasis, code, links and escapes within a leaf, as CommonMark has them, in time linear in the text. What is not closed is shown as it stands.
/// Line breaks stay, HTML is text but for &lt;br&gt;, links by reference are text.
/// </summary>
internal sealed class InlineParser
{
    private const int MaxAddress = 2048;
    private static readonly SearchValues<char> Special = SearchValues.Create("\\`*_~[]!<&h");
    private static readonly SearchValues<char> AddressEnd = SearchValues.Create(" \n<>[]`\"|*");
    private readonly string text;
    private readonly Ink ink;
    private readonly List<Node> nodes = [];
    private readonly List<Bracket> brackets = [];
    private readonly Emphasis emphasis;
    private Dictionary<int, List<int>>? ticks; // where runs of backticks are, by their length

    private InlineParser(string text, Ink ink)
    {
        (this.text, this.ink) = (text, ink);
        emphasis = new(nodes);
    }

    /// <summary>A piece of the text, and the styles that begin after it and end before it.</summary>
    internal sealed class Node
    {
        public string Text = "";
        public Ink Ink;
        public string? Url;
        public int Used; // signs of emphasis that have found their partners are not shown
        public int Bold, Italic, Strike; // how many begin after this
        public int EndBold, EndItalic, EndStrike; // how many end before it
        public string? OpensLink;
        public bool ClosesLink;
    }

    private readonly record struct Bracket(int Node, int Delimiter, bool IsImage, int At)
    {
        public bool IsActive { get; init; } = true;
    }

    /// <summary>Parses a leaf's text.</summary>
    /// <param name="text">Safe text.</param>
    /// <param name="ink">The style under it.</param>
    public static StyledText Parse(string text, Ink ink)
    {
        if (text.AsSpan().IndexOfAny(Special) < 0) return StyledText.Of(text, ink);
        var parser = new InlineParser(text, ink);
        parser.Scan();
        parser.emphasis.Process(-1);
        return parser.Collect();
    }

    private void Scan()
    {
        for (var i = 0; i < text.Length;)
        {
            var next = NextSpecial(i);
            if (next > i)
            {
                Say(text.AsSpan(i, next - i));
                i = next;
                continue;
            }
            i = text[i] switch
            {
                '\\' => Escape(i),
                '`' => Code(i),
                '*' or '_' or '~' => Delimiters(i),
                '[' => OpenBracket(i, 1),
                '!' when i + 1 < text.Length && text[i + 1] == '[' => OpenBracket(i, 2),
                ']' => CloseBracket(i),
                '<' => Angle(i),
                '&' => Entity(i),
                'h' when Address(i) is > 0 and var end => Autolink(i, end),
                _ => Letter(i),
            };
        }
    }

    private int NextSpecial(int i)
    {
        while (i < text.Length)
        {
            var plain = text.AsSpan(i).IndexOfAny(Special);
            if (plain < 0) return text.Length;
            i += plain;
            if (text[i] != 'h' || Address(i) > 0) return i;
            i++;
        }
        return i;
    }

    private void Say(ReadOnlySpan<char> words, Ink more = Ink.None, string? url = null) => nodes.Add(new() { Text = words.ToString(), Ink = more, Url = url });

    private int Letter(int i)
    {
        Say(text.AsSpan(i, 1));
        return i + 1;
    }

    private int Escape(int i)
    {
        if (i + 1 == text.Length || !(char.IsAscii(text[i + 1]) && (char.IsPunctuation(text[i + 1]) || char.IsSymbol(text[i + 1]))))
        {
            if (i + 1 < text.Length && text[i + 1] == '\n') return i + 1; // a line break, and those stay anyhow
            return Letter(i);
        }
        Say(text.AsSpan(i + 1, 1));
        return i + 2;
    }

    private int Code(int i)
    {
        var length = Run(i);
        ticks ??= FindTicks();
        if (ticks.TryGetValue(length, out var places))
        {
            var next = places.BinarySearch(i + length);
            if (next < 0) next = ~next;
            if (next < places.Count)
            {
                var code = text[(i + length)..places[next]].Replace('\n', ' ');
                if (code.Length > 2 && code[0] == ' ' && code[^1] == ' ' && code.AsSpan().IndexOfAnyExcept(' ') >= 0) code = code[1..^1];
                Say(code, Ink.Code);
                return places[next] + length;
            }
        }
        Say(text.AsSpan(i, length));
        return i + length;
    }

    private Dictionary<int, List<int>> FindTicks()
    {
        var found = new Dictionary<int, List<int>>();
        for (var i = text.IndexOf('`', StringComparison.Ordinal); i >= 0 && i < text.Length;)
        {
            var length = Run(i);
            if (!found.TryGetValue(length, out var places)) found[length] = places = [];
            places.Add(i);
            i += length;
            var next = text.AsSpan(i).IndexOf('`');
            i = next < 0 ? -1 : i + next;
        }
        return found;
    }

    private int Delimiters(int i)
    {
        var length = Run(i);
        Say(text.AsSpan(i, length));
        if (text[i] != '~' || length == 2) emphasis.Add(nodes.Count - 1, text, i, length);
        return i + length;
    }

    private int Run(int i)
    {
        var length = text.AsSpan(i).IndexOfAnyExcept(text[i]);
        return length < 0 ? text.Length - i : length;
    }

    private int OpenBracket(int i, int length)
    {
        Say(text.AsSpan(i, length));
        brackets.Add(new(nodes.Count - 1, emphasis.Last, length == 2, i));
        return i + length;
    }

    private int CloseBracket(int i)
    {
        if (brackets.Count == 0) return Letter(i);
        var bracket = brackets[^1];
        brackets.RemoveAt(brackets.Count - 1);
        if (!bracket.IsActive || i + 1 == text.Length || text[i + 1] != '(' || Destination(i + 2, out var url) is not (> 0 and var end)) return Letter(i);
        emphasis.Process(bracket.Delimiter);
        var opener = nodes[bracket.Node];
        opener.Text = "";
        opener.OpensLink = url;
        nodes.Add(new() { ClosesLink = true });
        var shown = text.AsSpan(bracket.At + (bracket.IsImage ? 2 : 1), i - bracket.At - (bracket.IsImage ? 2 : 1));
        if (url.Length > 0 && !shown.SequenceEqual(url)) Say(shown.IsEmpty ? url : $" ({url})", Ink.Dim, url);
        if (!bracket.IsImage)
            for (var b = brackets.Count - 1; b >= 0 && brackets[b].IsActive; b--)
                if (!brackets[b].IsImage) brackets[b] = brackets[b] with { IsActive = false }; // no links in links
        return end;
    }

    /// <summary>Where a link's address and title end, after the bracket that closes them; 0 if there are none.</summary>
    private int Destination(int i, out string url)
    {
        url = "";
        var limit = Math.Min(text.Length, i + MaxAddress);
        while (i < limit && text[i] is ' ' or '\n') i++;
        var start = i;
        if (i < limit && text[i] == '<')
        {
            var length = text.AsSpan(i + 1, limit - i - 1).IndexOfAny(">\n<");
            if (length < 0 || text[i + 1 + length] != '>') return 0;
            url = text.Substring(i + 1, length);
            i += length + 2;
        }
        else
        {
            for (var depth = 0; i < limit && text[i] is not (' ' or '\n'); i++)
            {
                if (text[i] == '\\' && i + 1 < limit) i++;
                else if (text[i] == '(' && ++depth > 32) return 0;
                else if (text[i] == ')' && --depth < 0) break;
            }
            url = text[start..Math.Min(i, limit)];
        }
        while (i < limit && text[i] is ' ' or '\n') i++;
        if (i < limit && text[i] is '"' or '\'')
        {
            var quote = text[i];
            while (++i < limit && text[i] != quote)
                if (text[i] == '\\') i++;
            i++;
            while (i < limit && text[i] is ' ' or '\n') i++;
        }
        return i < limit && text[i] == ')' ? i + 1 : 0;
    }

    private int Angle(int i)
    {
        var rest = text.AsSpan(i + 1, Math.Min(text.Length - i - 1, MaxAddress));
        var end = rest.IndexOfAny("> \n<");
        if (end <= 0 || rest[end] != '>')
        {
            if (!rest.StartsWith("br />", StringComparison.OrdinalIgnoreCase)) return Letter(i);
            Say("\n");
            return i + 6;
        }
        var inside = rest[..end];
        if (inside.Equals("br", StringComparison.OrdinalIgnoreCase) || inside.Equals("br/", StringComparison.OrdinalIgnoreCase)) Say("\n");
        else if (IsAddress(inside) || (inside.Contains('@') && !inside.ContainsAny("/\\:")) || inside.StartsWith("mailto:")) Say(inside, Ink.Link, inside.ToString());
        else return Letter(i);
        return i + end + 2;
    }

    private static bool IsAddress(ReadOnlySpan<char> text) => text.StartsWith("http://") || text.StartsWith("https://");

    /// <summary>Where an address in plain text ends, or 0 if none begins here.</summary>
    private int Address(int i)
    {
        if (i > 0 && char.IsLetterOrDigit(text[i - 1])) return 0;
        var rest = text.AsSpan(i, Math.Min(text.Length - i, MaxAddress));
        if (!IsAddress(rest)) return 0;
        var length = rest.IndexOfAny(AddressEnd);
        if (length < 0) length = rest.Length;
        rest = rest[..length];
        while (rest.Length > 0)
        {
            if (rest[^1] is '.' or ',' or ':' or ';' or '!' or '?' or '\'' or '_' or '~' or ']') rest = rest[..^1]; // of the sentence, not of the address
            else if (rest[^1] == ')' && rest.Count(')') > rest.Count('(')) rest = rest[..^1];
            else break;
        }
        if (rest.Length > 0 && char.IsHighSurrogate(rest[^1])) rest = rest[..^1];
        return rest.Length > "https://".Length ? i + rest.Length : 0;
    }

    private int Autolink(int i, int end)
    {
        Say(text.AsSpan(i, end - i), Ink.Link, text[i..end]);
        return end;
    }

    private int Entity(int i)
    {
        var rest = text.AsSpan(i, Math.Min(text.Length - i, 34));
        var end = rest.IndexOf(';');
        if (end < 2) return Letter(i);
        var source = rest[..(end + 1)].ToString();
        var decoded = WebUtility.HtmlDecode(source);
        if (decoded == source || decoded.Length == 0) return Letter(i);
        Say(SafeText.CleanLine(decoded)); // a control character by its number is one still
        return i + source.Length;
    }

    private StyledText Collect()
    {
        var styled = new StyledText();
        var (bold, italic, strike, link) = (0, 0, 0, (string?)null);
        foreach (var node in nodes)
        {
            (bold, italic, strike) = (bold - node.EndBold, italic - node.EndItalic, strike - node.EndStrike);
            if (node.ClosesLink) link = null;
            var style = ink | node.Ink;
            if (bold > 0) style |= Ink.Bold;
            if (italic > 0) style |= Ink.Italic;
            if (strike > 0) style |= Ink.Strike;
            if (link is not null) style |= Ink.Link;
            styled.Add(node.Text.AsSpan(node.Used), style, node.Url ?? (link?.Length > 0 ? link : null));
            if (node.OpensLink is not null) link = node.OpensLink;
            (bold, italic, strike) = (bold + node.Bold, italic + node.Italic, strike + node.Strike);
        }
        return styled;
    }
}
