using Microsoft.Extensions.Logging;

namespace WarpDecode.Runtime;

/// <summary>What clients tell a logger.</summary>
internal static partial class ClientLog
{
    [LoggerMessage(1, LogLevel.Debug, "{Model} answered ({Finish}): {PromptTokens} tokens of prompt, {CachedTokens} of them cached, {Tokens} generated; first after {FirstSeconds:F3} s, then {TokensPerSecond:F1} tokens/s")]
    public static partial void Answered(
        ILogger logger, string model, string finish, int promptTokens, int cachedTokens, int tokens, double firstSeconds, double tokensPerSecond);

    [LoggerMessage(2, LogLevel.Warning, "The option '{Name}' of AdditionalProperties is not known and was left out; known are {Known}")]
    public static partial void UnknownOption(ILogger logger, string name, string known);
}
