using System.Globalization;

namespace WarpDecode.Chat.Ui.Markdown;

/// <summary>
/// Matches runs of * _ and ~~ by CommonMark's rules: a list of the runs that may still open or close, and for each kind of closer a bound below
/// which no opener can be, which keeps it linear. Beside Chinese, Japanese and Korean characters punctuation does not hinder.
/// </summary>
internal sealed class Emphasis(List<InlineParser.Node> nodes)
{
    private readonly List<Delimiter> list = [];
    private int last = -1;

    private sealed class Delimiter
    {
        public int Node, Count, Whole, Previous, Next = -1;
        public char Sign;
        public bool CanOpen, CanClose;
    }

    /// <summary>The last run that is still open, -1 if there is none.</summary>
    public int Last => last;

    /// <summary>Adds a run.</summary>
    public void Add(int node, string text, int at, int length)
    {
        var before = Kind(text, at - 1);
        var after = Kind(text, at + length);
        var left = after != ' ' && (after != '.' || before is ' ' or '.' or 'c');
        var right = before != ' ' && (before != '.' || after is ' ' or '.' or 'c');
        var sign = text[at];
        var canOpen = left && (sign != '_' || !right || before == '.');
        var canClose = right && (sign != '_' || !left || after == '.');
        if (!canOpen && !canClose) return;
        list.Add(new() { Node = node, Count = length, Whole = length, Sign = sign, CanOpen = canOpen, CanClose = canClose, Previous = last });
        if (last >= 0) list[last].Next = list.Count - 1;
        last = list.Count - 1;
    }

    /// <summary>Matches all runs after one, and forgets them.</summary>
    public void Process(int bottom)
    {
        var bounds = new int[18];
        Array.Fill(bounds, bottom);
        var first = last;
        if (first <= bottom) return;
        while (list[first].Previous > bottom) first = list[first].Previous;
        for (var i = first; i >= 0;)
        {
            var closer = list[i];
            if (!closer.CanClose)
            {
                i = closer.Next;
                continue;
            }
            var kind = ((closer.Sign switch { '*' => 0, '_' => 1, _ => 2 }) * 6) + (closer.CanOpen ? 3 : 0) + (closer.Whole % 3);
            var opener = closer.Previous;
            while (opener > bounds[kind] && !Match(list[opener], closer)) opener = list[opener].Previous;
            if (opener <= bounds[kind])
            {
                bounds[kind] = closer.Previous;
                var next = closer.Next;
                if (!closer.CanOpen) Remove(i);
                i = next;
                continue;
            }
            while (closer.Previous != opener) Remove(closer.Previous); // runs between them match nothing any more
            Style(list[opener], closer);
            if (list[opener].Count == 0) Remove(opener);
            if (closer.Count > 0) continue;
            Remove(i);
            i = closer.Next;
        }
        while (last > bottom) Remove(last);
    }

    private static bool Match(Delimiter opener, Delimiter closer) =>
        opener.CanOpen && opener.Sign == closer.Sign
        && !((closer.CanOpen || opener.CanClose) && closer.Whole % 3 != 0 && (opener.Whole + closer.Whole) % 3 == 0);

    private void Style(Delimiter opener, Delimiter closer)
    {
        var use = opener.Count >= 2 && closer.Count >= 2 ? 2 : 1;
        var (from, to) = (nodes[opener.Node], nodes[closer.Node]);
        if (opener.Sign == '~') (from.Strike, to.EndStrike) = (from.Strike + 1, to.EndStrike + 1);
        else if (use == 2) (from.Bold, to.EndBold) = (from.Bold + 1, to.EndBold + 1);
        else (from.Italic, to.EndItalic) = (from.Italic + 1, to.EndItalic + 1);
        opener.Count -= use;
        closer.Count -= use;
        from.Used += use;
        to.Used += use;
    }

    private void Remove(int i)
    {
        var gone = list[i];
        if (gone.Previous >= 0) list[gone.Previous].Next = gone.Next;
        if (gone.Next >= 0) list[gone.Next].Previous = gone.Previous;
        else last = gone.Previous;
    }

    /// <summary>What a character is to a run beside it: a space (or an end), punctuation, Chinese and its like, or a letter.</summary>
    private static char Kind(string text, int at)
    {
        if (at < 0 || at >= text.Length || char.IsWhiteSpace(text[at])) return ' ';
        var c = text[at];
        if (c is (>= '\u2E80' and <= '\uA4CF') or (>= '\uAC00' and <= '\uD7AF') or (>= '\uF900' and <= '\uFAFF') or (>= '\uFE30' and <= '\uFE4F')
            or (>= '\uFF00' and <= '\uFFEF')) return 'c';
        return CharUnicodeInfo.GetUnicodeCategory(c) is >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherSymbol ? '.' : 'a';
    }
}
