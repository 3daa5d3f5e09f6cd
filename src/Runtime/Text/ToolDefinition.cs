using System.Text.Json;

namespace WarpDecode.Runtime.Text;

/// <summary>A tool that a model may call.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Description">What it does, for the model; null to leave that out.</param>
/// <param name="Parameters">JSON schema of its arguments, as text; null where it takes none.</param>
public sealed record ToolDefinition(string Name, string? Description, string? Parameters)
{
    /// <summary>Reads tools as OpenAI's interface has them: an array of <c>{"type": "function", "function": {"name", "description", "parameters"}}</c>, or of the inner objects.</summary>
    /// <exception cref="FormatException">It is something else; the message says what and where.</exception>
    public static IReadOnlyList<ToolDefinition> Parse(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Array) throw new FormatException($"an array of tools is expected, found {root.ValueKind}");
            return [.. root.EnumerateArray().Select(One)];
        }
        catch (JsonException e)
        {
            throw new FormatException($"no JSON: {e.Message}", e);
        }
    }

    private static ToolDefinition One(JsonElement tool, int index)
    {
        if (tool.ValueKind == JsonValueKind.Object && tool.TryGetProperty("function", out var inner)) tool = inner;
        if (tool.ValueKind != JsonValueKind.Object || !tool.TryGetProperty("name", out var name) || name.ValueKind != JsonValueKind.String)
            throw new FormatException($"tool {index + 1}: an object with a name is expected");
        string? description = null;
        if (tool.TryGetProperty("description", out var text) && text.ValueKind != JsonValueKind.Null)
            description = text.ValueKind == JsonValueKind.String ? text.GetString() : throw new FormatException($"tool {index + 1}: its description is no text");
        string? parameters = null;
        if (tool.TryGetProperty("parameters", out var schema) && schema.ValueKind != JsonValueKind.Null)
            parameters = schema.ValueKind == JsonValueKind.Object ? schema.GetRawText() : throw new FormatException($"tool {index + 1}: its parameters are no JSON schema");
        return new ToolDefinition(name.GetString()!, description, parameters);
    }
}
