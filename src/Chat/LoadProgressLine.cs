using WarpDecode.Runtime;

namespace WarpDecode.Chat;

/// <summary>Says how far a model is loaded, if it takes a while.</summary>
internal sealed class LoadProgressLine : IProgress<LoadProgress>
{
    private readonly StatusLine line = new(TimeSpan.FromSeconds(0.7));

    /// <summary>A line for one model, or null where nobody would see it.</summary>
    public static LoadProgressLine? ForTerminal() => StatusLine.IsVisible ? new LoadProgressLine() : null;

    public void Report(LoadProgress value)
    {
        if (!line.IsDue || (value.Bytes == 0 && value.Doing is null)) return;
        line.Show(value.Bytes == value.Total && value.Doing is not null
            ? $"loading: {value.Doing}"
            : $"loading: {100 * value.Bytes / value.Total} % of {value.Total / 1e9:F1} GB{line.Left(value.Bytes, value.Total)}{(value.Doing is null ? "" : $"; {value.Doing}")}");
    }

    /// <summary>Takes the line away, if there is one.</summary>
    public void Clear() => line.Clear();
}
