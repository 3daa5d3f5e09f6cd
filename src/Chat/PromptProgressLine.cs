using System.Diagnostics;
using WarpDecode.Runtime;

namespace WarpDecode.Chat;

/// <summary>
/// A line on stderr that says how far a long prompt is read, and goes when it is. Short prompts, and stderr that is no
/// terminal, see nothing of it.
/// </summary>
internal sealed class PromptProgressLine : IProgress<PromptProgress>
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private readonly long start = Stopwatch.GetTimestamp();
    private bool shown;

    /// <summary>A line for one answer, or null where nobody would see it.</summary>
    public static PromptProgressLine? ForTerminal() => Console.IsErrorRedirected ? null : new PromptProgressLine();

    public void Report(PromptProgress value)
    {
        var elapsed = Stopwatch.GetElapsedTime(start);
        if (value.Done == value.Total)
        {
            Clear();
        }
        else if (elapsed > Patience)
        {
            var left = elapsed * ((double)(value.Total - value.Done) / value.Done);
            Console.Error.Write($"\rreading the prompt: {value.Done} of {value.Total} tokens, about {Math.Ceiling(left.TotalSeconds):F0} s left \u001b[K");
            shown = true;
        }
    }

    /// <summary>Takes the line away, if there is one.</summary>
    public void Clear()
    {
        if (shown) Console.Error.Write("\r\u001b[K"); // back to the beginning of the line, and clear it
        shown = false;
    }
}
