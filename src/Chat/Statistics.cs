using WarpDecode.Runtime;

namespace WarpDecode.Chat;

/// <summary>What an answer took, in one line.</summary>
internal static class Statistics
{
    public static string Line(GenerationResult r) =>
        $"[{r.PromptTokens} prompt tokens ({r.CachedTokens} kept), first token after {r.PromptTime.TotalMilliseconds:F0} ms; "
        + $"{r.Tokens} tokens, {r.TokensPerSecond:F1} tokens/s; {Words(r.Finish)}; seed {r.Seed}]";

    private static string Words(FinishReason finish) => finish switch
    {
        FinishReason.EndOfTurn => "ended by the model",
        FinishReason.StopString => "ended by a stop string",
        FinishReason.MaxTokens => "cut at the token limit",
        FinishReason.ContextFull => "cut: the context is full",
        _ => "interrupted",
    };
}
