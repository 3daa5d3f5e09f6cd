namespace WarpDecode.Runtime.Grammars;

/// <summary>How much a grammar may ask for. A grammar is hostile until it is compiled.</summary>
internal static class GrammarLimits
{
    /// <summary>Characters of a grammar or a schema.</summary>
    public const int Text = 4 << 20;

    /// <summary>Groups or schemas within one another.</summary>
    public const int Nesting = 200;

    /// <summary>Depth of the tree of one rule's symbols.</summary>
    public const int Depth = 1200;

    /// <summary>Rules of a grammar.</summary>
    public const int Rules = 50_000;

    /// <summary>States of the automaton that a grammar compiles to.</summary>
    public const int States = 1_000_000;

    /// <summary>Largest number of a repetition.</summary>
    public const int Repeat = 1_000_000;

    /// <summary>Threads of parsing that are alive at one place of a text.</summary>
    public const int Threads = 20_000;

    /// <summary>Threads that computing one mask may go through: seconds, and many times what an unambiguous grammar takes.</summary>
    public const long Work = 20_000_000;

    /// <summary>Parse states that are kept; beyond them all are forgotten and found anew.</summary>
    public const int KeptStates = 1 << 16;

    /// <summary>Bytes of masks that are kept for one grammar and vocabulary.</summary>
    public const long KeptMasks = 64L << 20;

    /// <summary>Says that a grammar is larger than is allowed.</summary>
    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    public static void ThrowTooLarge(string what) =>
        throw new GrammarException($"the grammar is too large: {what}", "Make it simpler, or give smaller numbers of repetitions.");
}
