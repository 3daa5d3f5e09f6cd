using System.Text;
using WarpDecode.Runtime.Grammars;

namespace WarpDecode.Bench;

/// <summary>
/// Says whether a text is of a grammar, from the rules as they are read and by characters: of each symbol and place, all the places where it
/// may end. It shares nothing with the automaton but the parser.
/// </summary>
internal sealed class NaiveRecogniser(RuleSet rules)
{
    private readonly Dictionary<(Node, int), HashSet<int>> known = [];
    private int[] text = [];

    public bool Matches(ReadOnlySpan<byte> bytes)
    {
        known.Clear();
        string decoded;
        try
        {
            decoded = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return false;
        }
        text = [.. decoded.EnumerateRunes().Select(r => r.Value)];
        return Ends(rules.Bodies[0], 0).Contains(text.Length);
    }

    private HashSet<int> Ends(Node node, int at)
    {
        if (known.TryGetValue((node, at), out var ends)) return ends;
        ends = node switch
        {
            CharNode chars => at < text.Length && chars.Set.Ranges.Any(r => text[at] >= r.Low && text[at] <= r.High) ? [at + 1] : [],
            LiteralNode literal => Literal(literal.Bytes, at),
            SequenceNode sequence => sequence.Parts.Aggregate(new HashSet<int> { at }, (from, part) => [.. from.SelectMany(f => Ends(part, f))]),
            ChoiceNode choice => [.. choice.Options.SelectMany(o => Ends(o, at))],
            RepeatNode repeat => Repeat(repeat, at),
            RuleNode rule => Ends(rules.Bodies[rule.Rule], at),
            _ => [],
        };
        known[(node, at)] = ends;
        return ends;
    }

    private HashSet<int> Literal(byte[] bytes, int at)
    {
        foreach (var rune in Encoding.UTF8.GetString(bytes).EnumerateRunes())
        {
            if (at == text.Length || text[at] != rune.Value) return [];
            at++;
        }
        return [at];
    }

    private HashSet<int> Repeat(RepeatNode repeat, int at)
    {
        var here = new HashSet<int> { at };
        for (var i = 0; i < repeat.Min; i++) here = [.. here.SelectMany(f => Ends(repeat.Body, f))];
        var all = new HashSet<int>(here);
        for (var i = repeat.Min; (repeat.Max is null || i < repeat.Max) && here.Count > 0; i++)
        {
            here = [.. here.SelectMany(f => Ends(repeat.Body, f)).Where(e => !all.Contains(e))];
            all.UnionWith(here);
        }
        return all;
    }
}
