using System.Text.Json;

namespace WarpDecode.Runtime.Text;

/// <summary>Calls that are written as JSON.</summary>
internal static class CallJson
{
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 64 };

    /// <summary>Reads an object, or an array of objects, with a name and arguments.</summary>
    /// <returns>Null if one of them is no call.</returns>
    public static List<ToolCall>? Calls(string json)
    {
        using var document = Parse(json);
        if (document is null) return null;
        var calls = new List<ToolCall>();
        if (document.RootElement.ValueKind != JsonValueKind.Array) return Add(document.RootElement, calls) ? calls : null;
        foreach (var element in document.RootElement.EnumerateArray())
        {
            if (!Add(element, calls)) return null;
        }
        return calls.Count > 0 ? calls : null;
    }

    /// <summary>
    /// Reads an object that nothing marks as a call: it must have a name and arguments and nothing else, and where tools are known
    /// name one of them.
    /// </summary>
    public static ToolCall? Bare(string json, IReadOnlyList<ToolDefinition>? tools)
    {
        using var document = Parse(json);
        if (document?.RootElement is not { ValueKind: JsonValueKind.Object } root) return null;
        var arguments = false;
        foreach (var property in root.EnumerateObject())
        {
            if (property.NameEquals("parameters") || property.NameEquals("arguments")) arguments = property.Value.ValueKind is JsonValueKind.Object or JsonValueKind.String;
            else if (!property.NameEquals("name") && !property.NameEquals("type") && !property.NameEquals("id")) return null;
        }
        var calls = new List<ToolCall>();
        if (!arguments || !Add(root, calls)) return null;
        return tools is null || tools.Any(t => t.Name == calls[0].Name) ? calls[0] : null;
    }

    /// <summary>Arguments as the model wrote them: an object, or a string that holds one. Null if they are neither.</summary>
    public static string? Arguments(string json)
    {
        using var document = Parse(json);
        return document is null ? null : Arguments(document.RootElement);
    }

    /// <summary>Parses JSON; null if it is none, or holds text that is no Unicode.</summary>
    public static JsonDocument? Parse(string json)
    {
        try
        {
            return JsonDocument.Parse(json, Options);
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            return null;
        }
    }

    private static bool Add(JsonElement element, List<ToolCall> calls)
    {
        if (element.ValueKind != JsonValueKind.Object) return false;
        var id = Text(element, "id") ?? Text(element, "tool_call_id") ?? Text(element, "call_id") ?? "";
        if (element.TryGetProperty("function", out var function) && function.ValueKind == JsonValueKind.Object) element = function;
        var name = Text(element, "name") ?? Text(element, "tool_name");
        if (string.IsNullOrEmpty(name) || name.Length > CallText.NameLimit || name.Any(char.IsControl)) return false;
        var arguments = "{}"; // of a tool that takes none, models leave them out
        if ((element.TryGetProperty("arguments", out var value) || element.TryGetProperty("parameters", out value)) && value.ValueKind != JsonValueKind.Null)
        {
            if (Arguments(value) is not { } text) return false;
            arguments = text;
        }
        calls.Add(new ToolCall(id.Length <= CallText.NameLimit ? id : "", name, arguments));
        return true;
    }

    private static string? Arguments(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Object) return value.GetRawText();
        if (value.ValueKind != JsonValueKind.String || Text(value) is not { } text) return null;
        using var inner = Parse(text);
        return inner?.RootElement.ValueKind == JsonValueKind.Object ? inner.RootElement.GetRawText() : null;
    }

    private static string? Text(JsonElement element, string property) =>
        element.TryGetProperty(property, out var value) && value.ValueKind == JsonValueKind.String ? Text(value) : null;

    private static string? Text(JsonElement value)
    {
        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException)
        {
            return null; // half of a surrogate pair, written as an escape
        }
    }
}
