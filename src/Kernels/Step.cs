namespace WarpDecode.Kernels;

/// <summary>
/// What one step computes: up to <see cref="Capacity"/> tokens, each at a position of one of several sequences. A prefill step is
/// many tokens of one sequence, a decode step one token of each, a step in pieces some tokens of each. Filled anew for each step,
/// without allocation.
/// </summary>
internal sealed class Step
{
    public Step(int capacity, int sequences, int pagesPerSequence)
    {
        Capacity = capacity;
        PagesPerSequence = pagesPerSequence;
        Tokens = new int[capacity];
        Positions = new int[capacity];
        Sequences = new int[capacity];
        LogitRows = new int[capacity];
        PageTables = new int[sequences * pagesPerSequence];
    }

    /// <summary>Most tokens in a step.</summary>
    public int Capacity { get; }

    /// <summary>Tokens of this step, T.</summary>
    public int Count { get; private set; }

    /// <summary>Token ids [T].</summary>
    public int[] Tokens { get; }

    /// <summary>Position of each token in its sequence [T].</summary>
    public int[] Positions { get; }

    /// <summary>Row of <see cref="PageTables"/> of each token [T].</summary>
    public int[] Sequences { get; }

    /// <summary>Cache pages of each sequence in order of position [sequences, PagesPerSequence].</summary>
    public int[] PageTables { get; }

    public int PagesPerSequence { get; }

    /// <summary>Which tokens of the step want logits, in order.</summary>
    public int[] LogitRows { get; }

    /// <summary>How many of <see cref="LogitRows"/> count.</summary>
    public int LogitCount { get; private set; }

    /// <summary>Sequences with a row in <see cref="PageTables"/>.</summary>
    public int SequenceCount { get; private set; }

    /// <summary>
    /// Whether the step is some tokens of each of several sequences. A backend computes all such steps by the same kernels, even one
    /// that happens to have one sequence, or one token of each: then a token's bits do not depend on how sequences were put together.
    /// </summary>
    public bool InPieces { get; set; }

    /// <summary>Whether the step is one token of each sequence.</summary>
    public bool IsDecode => !InPieces && SequenceCount == Count;

    public void Clear()
    {
        Count = LogitCount = SequenceCount = 0;
        InPieces = false;
    }

    /// <summary>Adds a sequence; its tokens are added next.</summary>
    public void AddSequence(ReadOnlySpan<int> pages)
    {
        pages.CopyTo(PageTables.AsSpan(SequenceCount * PagesPerSequence, PagesPerSequence));
        SequenceCount++;
    }

    /// <summary>Adds a token of the sequence added last.</summary>
    public void AddToken(int token, int position)
    {
        Tokens[Count] = token;
        Positions[Count] = position;
        Sequences[Count] = SequenceCount - 1;
        Count++;
    }

    /// <summary>Chooses the tokens that the next <see cref="IBackend.Head"/> computes logits for.</summary>
    public void SelectLogits(ReadOnlySpan<int> rows)
    {
        rows.CopyTo(LogitRows);
        LogitCount = rows.Length;
    }
}
