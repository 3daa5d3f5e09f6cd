using System.Text;
using System.Text.RegularExpressions;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>Whether an item's result is right.</summary>
/// <param name="Right">By plain log-likelihood, or as an answer.</param>
/// <param name="RightByLength">By log-likelihood per byte; false for generations.</param>
internal readonly record struct Verdict(bool Right, bool RightByLength);

/// <summary>What a model made of one item, before it is judged.</summary>
/// <param name="Index">Place of the item in its task, from 0.</param>
/// <param name="Scores">Log-likelihood of each choice; null for a generation.</param>
/// <param name="Output">The generated text as it came; null for a multiple choice.</param>
/// <param name="Tokens">Tokens generated.</param>
/// <param name="Finish">Why the generation ended.</param>
internal sealed record ItemResult(int Index, double[]? Scores, string? Output = null, int Tokens = 0, FinishReason Finish = FinishReason.EndOfTurn)
{
    /// <summary>Judges; the task file is named if its pattern cannot be matched in a reasonable time.</summary>
    public Verdict Judge(EvalTask task, bool ignoreCase)
    {
        var item = task.Items[Index];
        if (Scores is not null)
        {
            var perByte = Scores.Select((score, i) => score / Math.Max(1, Encoding.UTF8.GetByteCount(item.Choices![i]))).ToArray();
            return new Verdict(Best(Scores) == item.RightChoice, Best(perByte) == item.RightChoice);
        }
        var said = Output!.Trim();
        if (item.Pattern is null)
        {
            var comparison = ignoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
            return new Verdict(item.Answers.Any(answer => string.Equals(answer.Trim(), said, comparison)), RightByLength: false);
        }
        try
        {
            return new Verdict(TaskItem.Compile(item.Pattern, ignoreCase).IsMatch(said), RightByLength: false);
        }
        catch (RegexMatchTimeoutException e)
        {
            throw new EvalFileException(
                "the pattern does not come to an end:", task.Path, item.Line, "regex", $"a match or none within {TaskReader.PatternTime.TotalSeconds} s",
                $"none yet on an answer of {said.Length} characters", "Write it without nested repetitions such as (a+)+; the items done so far are kept.", e);
        }
    }

    // Of equal ones the first, as argmax has it.
    private static int Best(double[] values)
    {
        var best = 0;
        for (var i = 1; i < values.Length; i++)
        {
            if (values[i] > values[best]) best = i;
        }
        return best;
    }
}
