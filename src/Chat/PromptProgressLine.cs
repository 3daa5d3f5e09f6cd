using WarpDecode.Runtime;

namespace WarpDecode.Chat;

/// <summary>Says how far a long prompt is read; short prompts see nothing of it.</summary>
internal sealed class PromptProgressLine : IProgress<PromptProgress>
{
    private readonly StatusLine line = new(TimeSpan.FromSeconds(1));

    /// <summary>A line for one answer, or null where nobody would see it.</summary>
    public static PromptProgressLine? ForTerminal() => StatusLine.IsVisible ? new PromptProgressLine() : null;

    public void Report(PromptProgress value)
    {
        if (value.Done == value.Total) line.Clear();
        else if (line.IsDue) line.Show($"reading the prompt: {value.Done} of {value.Total} tokens{line.Left(value.Done, value.Total)}");
    }

    /// <summary>Takes the line away, if there is one.</summary>
    public void Clear() => line.Clear();
}
