using System.Runtime.InteropServices;

namespace WarpDecode.Runtime.Grammars;

/// <summary>Makes the automaton of a grammar's rules: states and edges, then what can be said of them, then without those that lead nowhere.</summary>
internal sealed class AutomatonBuilder
{
    // A repeated part that can be empty is not counted but written out, up to so many states.
    private const int MostWritten = 1 << 14;

    private readonly RuleSet rules;
    private readonly HashSet<RepeatNode> written;
    private readonly List<string> owners = []; // the rule that each state is of
    private readonly List<(int From, (byte Low, byte High, int To) Edge)> bytes = [];
    private readonly List<(int From, int Edge)> free = [];
    private readonly List<(int From, (int Reference, int To) Edge)> tokens = [];
    private readonly List<(int From, CallSite Edge)> calls = [];
    private readonly Dictionary<CallSite, RepeatNode> loops = new(ReferenceEqualityComparer.Instance);
    private readonly List<int> ends = [];
    private readonly int[] starts;
    private string owner = "";

    private AutomatonBuilder(RuleSet rules, HashSet<RepeatNode> written)
    {
        (this.rules, this.written) = (rules, written);
        starts = new int[rules.Bodies.Count];
    }

    /// <summary>The automaton of the rules.</summary>
    /// <exception cref="GrammarException">A rule begins with itself, no text has an end, or it is all too large.</exception>
    public static Automaton Build(RuleSet rules)
    {
        Inliner.Apply(rules);
        var written = new HashSet<RepeatNode>(ReferenceEqualityComparer.Instance);
        while (true)
        {
            var builder = new AutomatonBuilder(rules, written);
            builder.AddRules();
            var graph = new PartGraph(builder.owners, builder.ends, builder.bytes, builder.free, builder.tokens, builder.calls);
            var empty = builder.loops.Where(l => graph.CanBeEmpty(l.Key.Target)).Select(l => l.Value).ToList();
            if (empty.Count == 0) return builder.Finish(graph);
            foreach (var loop in empty) written.Add(loop);
        }
    }

    private void AddRules()
    {
        var endOf = new int[starts.Length];
        for (var rule = 0; rule < starts.Length; rule++)
        {
            owner = rules.Names[rule];
            (starts[rule], endOf[rule]) = (NewState(), NewState());
            ends.Add(endOf[rule]);
        }
        for (var rule = 0; rule < starts.Length; rule++)
        {
            owner = rules.Names[rule];
            if (rules.Bodies[rule].Depth > GrammarLimits.Depth) GrammarLimits.ThrowTooLarge($"the rule '{owner}' is nested too deep");
            Add(rules.Bodies[rule], starts[rule], endOf[rule]);
        }
    }

    private int NewState()
    {
        if (owners.Count == GrammarLimits.States) GrammarLimits.ThrowTooLarge($"it takes more than {GrammarLimits.States} states");
        owners.Add(owner);
        return owners.Count - 1;
    }

    private void Add(Node node, int from, int to)
    {
        switch (node)
        {
            case CharNode chars:
                AddChars(chars.Set, from, to);
                break;
            case LiteralNode literal:
                AddBytes(literal.Bytes, literal.Bytes, from, to);
                break;
            case SequenceNode { Parts: [] }:
                free.Add((from, to));
                break;
            case SequenceNode sequence:
                for (var i = 0; i < sequence.Parts.Length; i++)
                {
                    var next = i == sequence.Parts.Length - 1 ? to : NewState();
                    Add(sequence.Parts[i], from, next);
                    from = next;
                }
                break;
            case ChoiceNode choice:
                foreach (var option in choice.Options)
                {
                    // Of its own, so that what loops in one option does not lead into another.
                    var begin = NewState();
                    free.Add((from, begin));
                    Add(option, begin, to);
                }
                break;
            case RepeatNode repeat:
                AddRepeat(repeat, from, to);
                break;
            case RuleNode rule:
                calls.Add((from, new CallSite(starts[rule.Rule], to, 0, 0, false)));
                break;
            case TokenNode token:
                tokens.Add((from, (token.Reference, to)));
                break;
        }
    }

    private void AddChars(CodePoints set, int from, int to)
    {
        // Sequences with the same last bytes share them.
        var shared = new Dictionary<(int Low, int High, int To), int>();
        Utf8Ranges.Split(set, (low, high) =>
        {
            var next = to;
            for (var i = low.Length - 1; i > 0; i--)
            {
                var key = (low.Span[i], high.Span[i], next);
                if (!shared.TryGetValue(key, out var state))
                {
                    shared.Add(key, state = NewState());
                    bytes.Add((state, (low.Span[i], high.Span[i], next)));
                }
                next = state;
            }
            bytes.Add((from, (low.Span[0], high.Span[0], next)));
        });
    }

    private void AddBytes(ReadOnlySpan<byte> low, ReadOnlySpan<byte> high, int from, int to)
    {
        if (low.IsEmpty) free.Add((from, to));
        for (var i = 0; i < low.Length; i++)
        {
            var next = i == low.Length - 1 ? to : NewState();
            bytes.Add((from, (low[i], high[i], next)));
            from = next;
        }
    }

    private void AddRepeat(RepeatNode repeat, int from, int to)
    {
        if (repeat.IsLoop)
        {
            var (begin, end) = (NewState(), NewState());
            free.Add((from, begin));
            Add(repeat.Body, begin, end);
            free.Add((end, begin));
            free.Add((end, to));
            if (repeat.Min == 0) free.Add((from, to));
        }
        else if (repeat.IsCounted && !written.Contains(repeat))
        {
            if (repeat.Min == 0) free.Add((from, to));
            var (begin, end) = (NewState(), NewState());
            ends.Add(end);
            Add(repeat.Body, begin, end);
            var site = new CallSite(begin, to, repeat.Max ?? int.MaxValue, Math.Max(1, repeat.Min), false);
            loops.Add(site, repeat);
            calls.Add((from, site));
        }
        else
        {
            Write(repeat, from, to);
        }
    }

    private void Write(RepeatNode repeat, int from, int to)
    {
        var copies = repeat.Max ?? repeat.Min;
        if ((long)copies * repeat.Body.Size > MostWritten)
        {
            throw new GrammarException($"the rule '{owner}' repeats up to {copies} times what can be empty",
                "Write the repeated part so that it takes at least one character.");
        }
        for (var i = 0; i < copies; i++)
        {
            if (i >= repeat.Min) free.Add((from, to));
            var next = NewState();
            Add(i == copies - 1 && repeat.Max is null ? Node.Repeat(repeat.Body, 1, null) : repeat.Body, from, next);
            from = next;
        }
        free.Add((from, to));
    }

    private Automaton Finish(PartGraph graph)
    {
        graph.CheckLeftRecursion();
        if (!graph.CanEnd(starts[0]))
            throw new GrammarException("no text fits the grammar: it has no end, or asks for what cannot be", "Give every rule that refers to itself an alternative that does not.");
        bytes.RemoveAll(e => !graph.CanEnd(e.Edge.To));
        free.RemoveAll(e => !graph.CanEnd(e.Edge));
        tokens.RemoveAll(e => !graph.CanEnd(e.Edge.To));
        calls.RemoveAll(e => !graph.CanEnd(e.Edge.Target) || !graph.CanEnd(e.Edge.Return));
        var count = owners.Count;
        var isFinal = new bool[count];
        foreach (var end in ends) isFinal[end] = true;
        var isLast = LastStates(isFinal);
        foreach (ref var call in CollectionsMarshal.AsSpan(calls))
            if (!call.Edge.IsLoop && isLast[call.Edge.Return]) call.Edge = call.Edge with { IsTail = true };

        var (classOf, representatives) = ByteClasses();
        return new Automaton
        {
            Start = starts[0],
            IsFinal = isFinal,
            Bytes = new EdgeTable<(byte, byte, int)>(count, bytes),
            Free = new EdgeTable<int>(count, free),
            Calls = new EdgeTable<CallSite>(count, calls),
            Tokens = new EdgeTable<(int, int)>(count, tokens),
            TokenReferences = rules.Tokens,
            ClassOf = classOf,
            Representatives = representatives,
        };
    }

    /// <summary>The states from which a part can only end: found from the ends backwards, a state when all of its edges are known to.</summary>
    private bool[] LastStates(bool[] isFinal)
    {
        var open = new int[owners.Count]; // edges that are not known to lead to such a state
        var into = new EdgeTable<int>(owners.Count, [.. free.Select(e => (e.Edge, e.From))]);
        foreach (var (from, _) in free) open[from]++;
        foreach (var (from, _) in bytes) open[from]++;
        foreach (var (from, _) in tokens) open[from]++;
        foreach (var (from, _) in calls) open[from]++;
        var isLast = new bool[owners.Count];
        var found = new Stack<int>();
        for (var s = 0; s < isLast.Length; s++)
        {
            if (open[s] == 0 && isFinal[s]) found.Push(s);
        }
        while (found.TryPop(out var state))
        {
            isLast[state] = true;
            foreach (var before in into[state])
            {
                if (--open[before] == 0) found.Push(before);
            }
        }
        return isLast;
    }

    private (byte[] ClassOf, byte[] Representatives) ByteClasses()
    {
        // Two bytes are of one class where no edge begins or ends between them.
        Span<bool> begins = stackalloc bool[257];
        foreach (var (_, edge) in bytes) begins[edge.Low] = begins[edge.High + 1] = true;
        var classOf = new byte[256];
        var representatives = new List<byte> { 0 };
        for (var b = 1; b < 256; b++)
        {
            if (begins[b]) representatives.Add((byte)b);
            classOf[b] = (byte)(representatives.Count - 1);
        }
        return (classOf, [.. representatives]);
    }
}
