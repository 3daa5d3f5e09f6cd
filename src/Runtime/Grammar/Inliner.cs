namespace WarpDecode.Runtime.Grammars;

/// <summary>
/// Puts small rules where they are named: what a token may be is found by part (see <see cref="TokenMasks"/>), and a part of one character
/// would leave nothing to be found.
/// </summary>
internal static class Inliner
{
    private const int Largest = 40;
    private const int Rounds = 4;

    public static void Apply(RuleSet rules)
    {
        for (var round = 0; round < Rounds; round++)
        {
            var changed = false;
            var plain = rules.Bodies.Select(b => b is { IsPlain: true, Size: <= Largest }).ToArray();
            var done = new Dictionary<Node, Node>(ReferenceEqualityComparer.Instance);
            for (var rule = 0; rule < rules.Bodies.Count; rule++)
            {
                var body = rules.Bodies[rule];
                if (body.IsPlain || body.Depth > GrammarLimits.Depth) continue;
                var put = Replace(body, rules, plain, done);
                changed |= !ReferenceEquals(put, body);
                rules.Bodies[rule] = put;
            }
            if (!changed) return;
        }
    }

    private static Node Replace(Node node, RuleSet rules, bool[] plain, Dictionary<Node, Node> done)
    {
        if (node.IsPlain) return node;
        if (done.TryGetValue(node, out var known)) return known;
        var put = node switch
        {
            RuleNode rule => plain[rule.Rule] ? rules.Bodies[rule.Rule] : node,
            SequenceNode sequence => Parts(sequence.Parts) is { } parts ? new SequenceNode(parts) : node,
            ChoiceNode choice => Parts(choice.Options) is { } options ? new ChoiceNode(options) : node,
            RepeatNode repeat => Replace(repeat.Body, rules, plain, done) is var body && ReferenceEquals(body, repeat.Body)
                ? node
                : new RepeatNode(body, repeat.Min, repeat.Max),
            _ => node,
        };
        done[node] = put;
        return put;

        Node[]? Parts(Node[] all)
        {
            var replaced = Array.ConvertAll(all, n => Replace(n, rules, plain, done));
            return replaced.AsSpan().SequenceEqual(all) ? null : replaced;
        }
    }
}
