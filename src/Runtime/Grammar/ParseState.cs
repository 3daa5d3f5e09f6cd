namespace WarpDecode.Runtime.Grammars;

/// <summary>
/// What to do when a part ends: a stack of the calls that it stands in. Two of equal content are one object, so they are compared by reference.
/// </summary>
/// <param name="id">A number of its own, for an order.</param>
/// <param name="site">The call; null at the bottom.</param>
/// <param name="most">Of a repetition, how many more times may be gone through, the present one included.</param>
/// <param name="least">And how many must, 1 or less where it may end after the present one.</param>
/// <param name="below">The rest of the stack.</param>
internal sealed class StackFrame(long id, CallSite? site, int most, int least, StackFrame? below)
{
    public long Id => id;

    public CallSite? Site => site;

    public int Most => most;

    public int Least => least;

    public StackFrame? Below => below;
}

/// <summary>One way in which the text so far may have been read: a state, and what follows its part.</summary>
internal readonly record struct ParseThread(int State, StackFrame Stack);

/// <summary>Where a text stands: all the ways in which it may have been read. Two of equal content are one object.</summary>
/// <param name="threads">The threads that can take a byte or a token, in order.</param>
/// <param name="isComplete">Whether the text can end here.</param>
/// <param name="leaves">Whether the part that the parsing began in can end here, of a stack whose bottom is not known.</param>
/// <param name="classes">Classes of bytes.</param>
internal sealed class ParseState(ParseThread[] threads, bool isComplete, bool leaves, int classes)
{
    public ParseThread[] Threads { get; } = threads;

    public bool IsComplete => isComplete;

    public bool Leaves => leaves;

    /// <summary>Whether nothing can follow, nor end here.</summary>
    public bool IsDead => Threads.Length == 0 && !isComplete && !leaves;

    /// <summary>Where each class of bytes leads, as far as known.</summary>
    public ParseState?[] Next { get; } = new ParseState?[classes];

    /// <summary>Where tokens lead that the grammar names, as far as known.</summary>
    public Dictionary<int, ParseState>? NextByToken { get; set; }

    /// <summary>Which tokens may come next, if known.</summary>
    public ulong[]? Mask { get; set; }

    /// <summary>Of a state whose stack's bottom is not known: which tokens may come next within the part, if known.</summary>
    public PartMask? Part { get; set; }
}

/// <summary>Compares parse states by content.</summary>
internal sealed class ParseStateComparer : IEqualityComparer<ParseState>
{
    public bool Equals(ParseState? x, ParseState? y)
    {
        if (ReferenceEquals(x, y)) return true;
        if (x is null || y is null || x.IsComplete != y.IsComplete || x.Leaves != y.Leaves || x.Threads.Length != y.Threads.Length) return false;
        for (var i = 0; i < x.Threads.Length; i++)
        {
            if (x.Threads[i].State != y.Threads[i].State || !ReferenceEquals(x.Threads[i].Stack, y.Threads[i].Stack)) return false;
        }
        return true;
    }

    public int GetHashCode(ParseState state)
    {
        var hash = new HashCode();
        hash.Add(state.IsComplete);
        hash.Add(state.Leaves);
        foreach (var (at, stack) in state.Threads)
        {
            hash.Add(at);
            hash.Add(stack.Id);
        }
        return hash.ToHashCode();
    }
}
