using WarpDecode.Runtime.Evaluation;

namespace WarpDecode.Chat;

/// <summary>Says how far an evaluation is.</summary>
internal sealed class EvalProgressLine(int total) : IProgress<EvalProgress>, IProgress<int>
{
    private readonly StatusLine line = new(TimeSpan.FromSeconds(0.1));

    /// <summary>What was reported last.</summary>
    public EvalProgress Last { get; private set; }

    public void Report(EvalProgress value)
    {
        Last = value;
        var computed = value.Done - value.Before;
        if (line.IsDue && computed > 0)
            line.Show($"{value.Done} of {value.Total} items, {100.0 * value.Right / value.Done:F1} % right{line.Left(computed, value.Total - value.Before)}");
    }

    /// <summary>Items turned into tokens, before the model is opened.</summary>
    public void Report(int value)
    {
        if (line.IsDue) line.Show($"reading the items: {value} of {total}{line.Left(value, total)}");
    }

    /// <summary>Begins to measure the time anew, for the items themselves.</summary>
    public void Begin() => line.Begin();

    /// <summary>Takes the line away, if there is one.</summary>
    public void Clear() => line.Clear();
}
