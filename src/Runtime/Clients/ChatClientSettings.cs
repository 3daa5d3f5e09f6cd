namespace WarpDecode.Runtime;

/// <summary>What a chat client does where a request says nothing.</summary>
public sealed record ChatClientSettings
{
    /// <summary>The model's name in responses, logs and telemetry; null for the file's name without its ending.</summary>
    public string? ModelId { get; init; }

    /// <summary>
    /// How answers are generated; null for what the model's file suggests (<c>general.sampling.*</c>), else the usual defaults. What a request says goes
    /// before it.
    /// </summary>
    public GenerationOptions? Generation { get; init; }

    /// <summary>
    /// How the model writes calls of tools, by a name of <see cref="Text.AnswerFormat.Names"/>; null finds it in the chat template.
    /// </summary>
    public string? AnswerFormat { get; init; }
}
