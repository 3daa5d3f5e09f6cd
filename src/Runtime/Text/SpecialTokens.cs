using System.Buffers;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// Finds tokens that are split off the text before anything else: user-defined ones everywhere, control tokens where the text is
/// trusted. Leftmost first, and of those that begin at one place the longest.
/// </summary>
internal sealed class SpecialTokens
{
    private readonly TextTable table;
    private readonly List<Token> tokens = []; // by place in the table
    private readonly Dictionary<char, List<int>> lengthsByFirst = []; // longest first
    private readonly SearchValues<char> firsts;

    public SpecialTokens(Vocabulary vocabulary)
        : this(OfVocabulary(vocabulary))
    {
    }

    public SpecialTokens(IEnumerable<Token> specials)
    {
        var texts = new List<string>();
        foreach (var token in specials)
        {
            var text = token.Text;
            if (text.Length == 0) continue;
            texts.Add(text);
            tokens.Add(token);
            if (!lengthsByFirst.TryGetValue(text[0], out var lengths)) lengthsByFirst.Add(text[0], lengths = []);
            if (!lengths.Contains(text.Length)) lengths.Add(text.Length);
        }
        table = new TextTable([.. texts]);
        var all = new List<char>();
        foreach (var (first, lengths) in lengthsByFirst)
        {
            all.Add(first);
            lengths.Sort();
            lengths.Reverse();
        }
        firsts = SearchValues.Create([.. all]);
    }

    /// <summary>One token: its text, whether it is structure, and what it takes along.</summary>
    internal readonly record struct Token(string Text, int Id, bool IsControl, TokenStrip Strip);

    /// <summary>What was found: where the text before it ends, its id (-1 at the end of the text), and where the search goes on.</summary>
    internal readonly record struct Match(int TextEnd, int Next, int Id);

    /// <summary>The next token at or after <paramref name="from"/>, or id -1 at the end of the text.</summary>
    public Match Find(ReadOnlySpan<char> text, int from, ReadOnlySpan<TextPart.Run> runs)
    {
        var run = 0;
        for (var at = from; at < text.Length; at++)
        {
            var step = text[at..].IndexOfAny(firsts);
            if (step < 0) break;
            at += step;
            while (runs[run].End <= at) run++;
            foreach (var length in lengthsByFirst[text[at]])
            {
                if (length > text.Length - at) continue;
                var found = table.Find(text.Slice(at, length));
                if (found < 0) continue;
                var token = tokens[found];
                // A control token that begins or ends in untrusted text is an attempt, not a token.
                if (token.IsControl && (!runs[run].Trusted || at + length > runs[run].End)) continue;
                if ((token.Strip & TokenStrip.SingleWord) != TokenStrip.None && (Touches(text, at - 1) || Touches(text, at + length))) continue;
                return Strip(text, from, at, at + length, token);
            }
        }
        return new Match(text.Length, text.Length, -1);
    }

    private static Match Strip(ReadOnlySpan<char> text, int from, int start, int end, Token token)
    {
        if ((token.Strip & TokenStrip.Left) != TokenStrip.None)
        {
            while (start > from && char.IsWhiteSpace(text[start - 1])) start--;
        }
        if ((token.Strip & TokenStrip.Right) != TokenStrip.None)
        {
            while (end < text.Length && char.IsWhiteSpace(text[end])) end++;
        }
        return new Match(start, end, token.Id);
    }

    private static bool Touches(ReadOnlySpan<char> text, int at) => at >= 0 && at < text.Length && (char.IsLetterOrDigit(text[at]) || text[at] == '_');

    private static IEnumerable<Token> OfVocabulary(Vocabulary vocabulary)
    {
        for (var id = 0; id < vocabulary.Count; id++)
        {
            var type = vocabulary.Types[id];
            if (type is not (TokenType.Control or TokenType.Unknown or TokenType.UserDefined)) continue;
            yield return new Token(vocabulary.Texts[id], id, type != TokenType.UserDefined, vocabulary.Strips.GetValueOrDefault(id));
        }
    }
}
