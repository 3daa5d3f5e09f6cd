using WarpDecode.Runtime.Evaluation;

namespace WarpDecode.Chat;

/// <summary>Says how far a measurement of accuracy is, if it takes a while.</summary>
internal sealed class AccuracyProgressLine : IProgress<AccuracyProgress>
{
    private readonly StatusLine line = new(TimeSpan.FromSeconds(1));

    public void Report(AccuracyProgress value)
    {
        if (line.IsDue) line.Show($"measuring: {value.Tokens} of {value.Total} tokens{line.Left(value.Tokens, value.Total)}");
    }

    /// <summary>Takes the line away, if there is one.</summary>
    public void Clear() => line.Clear();
}
