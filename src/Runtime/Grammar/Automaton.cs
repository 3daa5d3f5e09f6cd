namespace WarpDecode.Runtime.Grammars;

/// <summary>
/// A place that goes into a part and comes back: a rule, or a counted repetition, whose part is gone through so many times.
/// </summary>
/// <param name="Target">State that the part begins with.</param>
/// <param name="Return">State after it.</param>
/// <param name="Most">Of a repetition, how often at most; <see cref="int.MaxValue"/> without an end; 0 for a rule.</param>
/// <param name="Least">Of a repetition, how often at least, 1 or more.</param>
/// <param name="IsTail">Whether nothing follows in the part that it stands in, so that nothing need be remembered for the way back.</param>
internal sealed record CallSite(int Target, int Return, int Most, int Least, bool IsTail)
{
    public bool IsLoop => Most > 0;
}

/// <summary>
/// A grammar as a pushdown automaton over bytes: states with edges that take a byte, a whole token, or nothing, and calls of parts. Every state
/// can reach the end of its part, and no part calls itself before it takes a byte.
/// </summary>
internal sealed class Automaton
{
    public required int Start { get; init; }

    /// <summary>Whether a state ends its part.</summary>
    public required bool[] IsFinal { get; init; }

    /// <summary>The edges of each state that take a byte.</summary>
    public required EdgeTable<(byte Low, byte High, int To)> Bytes { get; init; }

    /// <summary>The states that each can go to without anything.</summary>
    public required EdgeTable<int> Free { get; init; }

    /// <summary>The calls of each state.</summary>
    public required EdgeTable<CallSite> Calls { get; init; }

    /// <summary>The edges of each state that take a whole token, by its number in <see cref="TokenReferences"/>.</summary>
    public required EdgeTable<(int Reference, int To)> Tokens { get; init; }

    /// <summary>The tokens that the grammar names.</summary>
    public required IReadOnlyList<TokenReference> TokenReferences { get; init; }

    /// <summary>Class of each byte: those of one class are never told apart.</summary>
    public required byte[] ClassOf { get; init; }

    /// <summary>One byte of each class.</summary>
    public required byte[] Representatives { get; init; }
}

/// <summary>Edges in order of the state that they leave.</summary>
internal sealed class EdgeTable<T>
{
    private readonly int[] starts;
    private readonly T[] edges;

    public EdgeTable(int states, List<(int From, T Edge)> all)
    {
        starts = new int[states + 1];
        foreach (var (from, _) in all) starts[from + 1]++;
        for (var i = 0; i < states; i++) starts[i + 1] += starts[i];
        edges = new T[all.Count];
        var next = starts.AsSpan(0, states).ToArray();
        foreach (var (from, edge) in all) edges[next[from]++] = edge;
    }

    public ReadOnlySpan<T> this[int state] => edges.AsSpan(starts[state]..starts[state + 1]);
}
