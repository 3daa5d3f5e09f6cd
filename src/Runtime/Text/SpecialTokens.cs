using System.Buffers;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// Finds tokens that are split off the text before anything else: user-defined ones everywhere, control tokens where the text is
/// trusted. Leftmost first, and of those that begin at one place the longest.
/// </summary>
internal sealed class SpecialTokens
{
    private readonly TextTable table;
    private readonly List<int> ids = [];           // by place in the table
    private readonly List<bool> isControl = [];
    private readonly Dictionary<char, List<int>> lengthsByFirst = []; // longest first
    private readonly SearchValues<char> firsts;

    public SpecialTokens(Vocabulary vocabulary)
    {
        var texts = new List<string>();
        for (var id = 0; id < vocabulary.Count; id++)
        {
            var type = vocabulary.Types[id];
            var text = vocabulary.Texts[id];
            if (type is not (TokenType.Control or TokenType.Unknown or TokenType.UserDefined) || text.Length == 0) continue;
            texts.Add(text);
            ids.Add(id);
            isControl.Add(type != TokenType.UserDefined);
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

    /// <summary>The next token at or after <paramref name="from"/>, or length 0 at the end of the text.</summary>
    public (int At, int Length, int Id) Find(string text, int from, TextPart.Run[] runs)
    {
        var run = 0;
        for (var at = from; at < text.Length; at++)
        {
            var step = text.AsSpan(at).IndexOfAny(firsts);
            if (step < 0) break;
            at += step;
            while (runs[run].End <= at) run++;
            foreach (var length in lengthsByFirst[text[at]])
            {
                if (length > text.Length - at) continue;
                var found = table.Find(text.AsSpan(at, length));
                // A control token that begins or ends in untrusted text is an attempt, not a token.
                if (found >= 0 && (!isControl[found] || (runs[run].Trusted && at + length <= runs[run].End))) return (at, length, ids[found]);
            }
        }
        return (text.Length, 0, -1);
    }
}
