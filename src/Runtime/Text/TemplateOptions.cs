using System.Text.Json;

namespace WarpDecode.Runtime.Text;

/// <summary>What a chat template is given beside the messages.</summary>
public sealed record TemplateOptions
{
    /// <summary>Opens the assistant's next message.</summary>
    public bool AddGenerationPrompt { get; init; }

    /// <summary>Tools that the model may call.</summary>
    public IReadOnlyList<ToolDefinition> Tools { get; init; } = [];

    /// <summary>Other variables by name, for example <c>enable_thinking</c>.</summary>
    public IReadOnlyDictionary<string, JsonElement> Variables { get; init; } = new Dictionary<string, JsonElement>(StringComparer.Ordinal);

    /// <summary>The clock of <c>strftime_now</c>, in its local time; null for the system's.</summary>
    public TimeProvider? Clock { get; init; }

    /// <summary>The text of the token that begins a text; null for the model's.</summary>
    public string? BosToken { get; init; }

    /// <summary>The text of the token that ends one; null for the model's.</summary>
    public string? EosToken { get; init; }
}
