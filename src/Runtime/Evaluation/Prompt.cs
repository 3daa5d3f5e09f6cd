namespace WarpDecode.Runtime.Evaluation;

/// <summary>An item as tokens.</summary>
/// <param name="Context">What the model reads; at least one token.</param>
/// <param name="Choices">The continuations, each of at least one token; null for a generation.</param>
internal sealed record Prompt(int[] Context, int[][]? Choices)
{
    /// <summary>Items of one category may begin alike, and follow each other mostly.</summary>
    public string? Category { get; init; }

    /// <summary>Tokens of <see cref="Context"/>, from the first on, that all items of the category begin with; fewer than it has.</summary>
    public int Shared { get; private set; }

    /// <summary>Tokens that a session must hold for the item to have a result: of a choice all but the last are read.</summary>
    public int Least => Context.Length + (Choices is null ? 0 : Choices.Max(choice => choice.Length) - 1);

    /// <summary>Finds what the items of each category have in common.</summary>
    public static void FindShared(IEnumerable<Prompt> prompts)
    {
        foreach (var group in prompts.GroupBy(prompt => prompt.Category, StringComparer.Ordinal))
        {
            var all = group.ToList();
            if (all.Count == 1) continue;
            var shared = all.Min(prompt => prompt.Context.Length) - 1;
            foreach (var prompt in all) shared = Math.Min(shared, all[0].Context.AsSpan().CommonPrefixLength(prompt.Context));
            foreach (var prompt in all) prompt.Shared = shared;
        }
    }

    /// <summary>Each context is read from its beginning.</summary>
    public static void ShareNothing(IEnumerable<Prompt> prompts)
    {
        foreach (var prompt in prompts) prompt.Shared = 0;
    }
}
