namespace WarpDecode.Runtime.Evaluation;

/// <summary>How many of some items are right.</summary>
/// <param name="Right">Right ones.</param>
/// <param name="Total">All of them, at least one.</param>
public sealed record EvalCount(int Right, int Total)
{
    /// <summary>Right ones of all, 0 to 1.</summary>
    public double Share => (double)Right / Total;

    /// <summary>95 % interval of the share (Wilson).</summary>
    public Interval Interval => Interval.Wilson(Right, Total);
}

/// <summary>What the items of one category came to; null what none of them is measured by.</summary>
/// <param name="Category">Name; null for items without one.</param>
/// <param name="Acc">Multiple choices whose right choice has the highest log-likelihood.</param>
/// <param name="AccNorm">Multiple choices whose right choice has the highest log-likelihood per UTF-8 byte of the choice.</param>
/// <param name="ExactMatch">Generations that are a right answer or match the pattern.</param>
public sealed record EvalRow(string? Category, EvalCount? Acc, EvalCount? AccNorm, EvalCount? ExactMatch);

/// <summary>The scores of a task.</summary>
/// <param name="Categories">By name.</param>
/// <param name="Overall">All items together, each weighing the same.</param>
public sealed record EvalReport(IReadOnlyList<EvalRow> Categories, EvalRow Overall)
{
    internal static EvalReport Of(IReadOnlyList<(TaskItem Item, Verdict Verdict)> all) => new(
        [.. all.GroupBy(one => one.Item.Category, StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal).Select(group => Row(group.Key, [.. group]))],
        Row(null, all));

    private static EvalRow Row(string? category, IReadOnlyList<(TaskItem Item, Verdict Verdict)> some)
    {
        var choices = some.Where(one => one.Item.Choices is not null).ToList();
        var answers = some.Where(one => one.Item.Choices is null).ToList();
        return new EvalRow(
            category,
            choices.Count == 0 ? null : new EvalCount(choices.Count(one => one.Verdict.Right), choices.Count),
            choices.Count == 0 ? null : new EvalCount(choices.Count(one => one.Verdict.RightByLength), choices.Count),
            answers.Count == 0 ? null : new EvalCount(answers.Count(one => one.Verdict.Right), answers.Count));
    }
}
