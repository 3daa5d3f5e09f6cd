namespace WarpDecode.Runtime.Grammars;

/// <summary>What can be said of an automaton's states by going over all edges once: which can reach their part's end, and without any byte.</summary>
internal sealed class PartGraph
{
    private readonly IReadOnlyList<string> owners;
    private readonly EdgeTable<int> free;
    private readonly EdgeTable<CallSite> calls;
    private readonly bool[] canBeEmpty;
    private readonly bool[] canEnd;

    public PartGraph(
        List<string> owners, List<int> ends, List<(int From, (byte Low, byte High, int To) Edge)> bytes, List<(int From, int Edge)> free,
        List<(int From, (int Reference, int To) Edge)> tokens, List<(int From, CallSite Edge)> calls)
    {
        this.owners = owners;
        this.free = new EdgeTable<int>(owners.Count, free);
        this.calls = new EdgeTable<CallSite>(owners.Count, calls);
        canBeEmpty = Backwards(ends, free.Select(e => (e.Edge, e.From)), calls);
        canEnd = Backwards(
            ends, [.. free.Select(e => (e.Edge, e.From)), .. bytes.Select(e => (e.Edge.To, e.From)), .. tokens.Select(e => (e.Edge.To, e.From))], calls);
    }

    /// <summary>Whether a state can reach its part's end without taking a byte.</summary>
    public bool CanBeEmpty(int state) => canBeEmpty[state];

    /// <summary>Whether a state can reach its part's end.</summary>
    public bool CanEnd(int state) => canEnd[state];

    /// <summary>Refuses a part that can call itself before it takes a byte: it would do so for ever.</summary>
    public void CheckLeftRecursion()
    {
        // Depth first over states by free edges and calls; after a part that can be empty, what follows it is at the same place. A part is
        // entered by its first state only, and states are numbered from that on: so the call that closes a circle is met while its target is
        // on the way.
        var color = new byte[owners.Count]; // 1 on the way, 2 done
        var path = new Stack<(int State, int Next)>();
        for (var first = 0; first < owners.Count; first++)
        {
            if (color[first] != 0) continue;
            path.Push((first, 0));
            color[first] = 1;
            while (path.TryPop(out var top))
            {
                var (state, next) = top;
                var to = Edge(state, next).To;
                if (to < 0)
                {
                    color[state] = 2;
                    continue;
                }
                path.Push((state, next + 1));
                if (color[to] == 1)
                {
                    // A circle of free edges within a part is a repetition; with a call in it, it is recursion.
                    var circle = Circle(path, to);
                    if (circle is not null)
                    {
                        throw new GrammarException($"left recursion: {string.Join(" → ", circle)} begins with itself before any character",
                            "Turn it round: 'a ::= b a | b', or 'a ::= b+', instead of 'a ::= a b | b'.");
                    }
                }
                if (color[to] != 0) continue;
                color[to] = 1;
                path.Push((to, 0));
            }
        }
    }

    private (int To, bool IsCall) Edge(int state, int index)
    {
        var frees = free[state];
        if (index < frees.Length) return (frees[index], false);
        index -= frees.Length;
        foreach (var call in calls[state])
        {
            if (index == 0) return (call.Target, true);
            index--;
            if (!canBeEmpty[call.Target]) continue;
            if (index == 0) return (call.Return, false);
            index--;
        }
        return (-1, false);
    }

    private List<string>? Circle(Stack<(int State, int Next)> path, int to)
    {
        var steps = new List<(int State, bool ByCall)>(); // from the top of the path down to where the circle closes
        foreach (var (state, next) in path)
        {
            steps.Add((state, Edge(state, next - 1).IsCall));
            if (state == to) break;
        }
        if (!steps.Any(s => s.ByCall)) return null;
        steps.Reverse();
        var names = new List<string>();
        foreach (var (state, call) in steps)
        {
            if (call && names.Count < 10 && (names.Count == 0 || names[^1] != owners[state])) names.Add(owners[state]);
        }
        names.Add(names[0]);
        return names;
    }

    private bool[] Backwards(List<int> ends, IEnumerable<(int To, int From)> edges, List<(int From, CallSite Edge)> calls)
    {
        var into = new EdgeTable<int>(owners.Count, [.. edges]);
        var byTarget = new EdgeTable<(int From, CallSite Site)>(owners.Count, [.. calls.Select(c => (c.Edge.Target, (c.From, c.Edge)))]);
        var byReturn = new EdgeTable<(int From, CallSite Site)>(owners.Count, [.. calls.Select(c => (c.Edge.Return, (c.From, c.Edge)))]);
        var marked = new bool[owners.Count];
        var found = new Stack<int>();
        foreach (var end in ends) Mark(end);
        while (found.TryPop(out var state))
        {
            foreach (var from in into[state]) Mark(from);
            foreach (var (from, site) in byTarget[state])
            {
                if (marked[site.Return]) Mark(from);
            }
            foreach (var (from, site) in byReturn[state])
            {
                if (marked[site.Target]) Mark(from);
            }
        }
        return marked;

        void Mark(int state)
        {
            if (marked[state]) return;
            marked[state] = true;
            found.Push(state);
        }
    }
}
