namespace WarpDecode.Runtime.Evaluation;

/// <summary>One window of a text: its tokens are computed from an empty session, and its last positions are scored.</summary>
/// <param name="Start">The text's token that the window begins with.</param>
/// <param name="Length">Tokens of the window. The last is only predicted, so one less is computed.</param>
/// <param name="First">First position in the window that is scored; each one up to Length - 2 predicts the token after it.</param>
internal readonly record struct Window(int Start, int Length, int First)
{
    /// <summary>Tokens that are computed.</summary>
    public int Computed => Length - 1;

    /// <summary>Tokens that are predicted.</summary>
    public int Scored => Length - 1 - First;
}

/// <summary>
/// How a text of tokens is cut into windows. Without a stride, as llama.cpp does it: windows of the context's length side by
/// side, a rest at the end left out, in each the second half scored. With a stride: windows that begin a stride after each
/// other, in each those tokens scored that no earlier window has, so that every token but the text's first is scored once,
/// with at least context - stride tokens before it as soon as there are so many.
/// </summary>
internal sealed class WindowPlan
{
    private readonly int end; // tokens of the text

    public WindowPlan(int tokens, int context, int? stride, int? mostWindows = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(context, PerplexityOptions.LeastContext);
        if (stride is { } step)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(step, nameof(stride));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(step, context, nameof(stride));
        }
        if (mostWindows is { } most) ArgumentOutOfRangeException.ThrowIfNegativeOrZero(most, nameof(mostWindows));
        (Context, Stride, end) = (context, stride, tokens);
        var windows = stride switch
        {
            null => tokens / context,
            _ when tokens < 2 => 0,
            _ when tokens <= context => 1,
            { } s => 1 + (int)(((long)tokens - context + s - 1) / s),
        };
        Count = Math.Min(windows, mostWindows ?? windows);
        if (Count == 0) return;
        var last = this[Count - 1];
        Tokens = last.Start + last.Length;
        Computed = ((long)(Count - 1) * (context - 1)) + last.Computed;
        Scored = stride is null ? (long)Count * last.Scored : Tokens - 1;
    }

    /// <summary>Most tokens of a window.</summary>
    public int Context { get; }

    /// <summary>Tokens from the beginning of a window to that of the next; null for llama.cpp's windows.</summary>
    public int? Stride { get; }

    /// <summary>Number of windows.</summary>
    public int Count { get; }

    /// <summary>Tokens of the text that the windows reach.</summary>
    public int Tokens { get; }

    /// <summary>Tokens computed in all windows.</summary>
    public long Computed { get; }

    /// <summary>Tokens predicted in all windows.</summary>
    public long Scored { get; }

    /// <summary>Window <paramref name="index"/>, from 0.</summary>
    public Window this[int index]
    {
        get
        {
            if (Stride is not { } step) return new Window(index * Context, Context, Context / 2);
            var start = index * step;
            var length = Math.Min(Context, end - start);
            // The first token that the window before did not reach is predicted by the position before it.
            return new Window(start, length, index == 0 ? 0 : Context - step - 1);
        }
    }
}
