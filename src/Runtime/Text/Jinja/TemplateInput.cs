using System.Text.Json;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Messages and tools as templates get them: dictionaries in the form that Hugging Face has for them. What is not set is left out.</summary>
internal static class TemplateInput
{
    public static PyDict Of(ChatMessage message, Budget budget)
    {
        var dict = new PyDict().With("role", Input(message.Role), budget).With("content", Input(message.Content), budget);
        if (message.Reasoning is { } reasoning) dict.With("reasoning_content", Input(reasoning), budget);
        if (message.ToolCalls.Count > 0) dict.With("tool_calls", new PyList([.. message.ToolCalls.Select(c => (object?)Of(c, budget))]), budget);
        if (message.ToolCallId is { } id) dict.With("tool_call_id", Input(id), budget);
        if (message.Name is { } name) dict.With("name", Input(name), budget);
        return dict;
    }

    public static PyDict Of(ToolDefinition tool, Budget budget)
    {
        var function = new PyDict().With("name", Input(tool.Name), budget);
        if (tool.Description is { } description) function.With("description", Input(description), budget);
        function.With("parameters", Parsed(tool.Parameters ?? """{"type": "object", "properties": {}}""", budget), budget);
        return new PyDict().With("type", Str.Of("function"), budget).With("function", function, budget);
    }

    private static PyDict Of(ToolCall call, Budget budget)
    {
        var function = new PyDict().With("name", Input(call.Name), budget).With("arguments", Parsed(call.Arguments, budget), budget);
        var dict = new PyDict();
        if (call.Id.Length > 0) dict.With("id", Input(call.Id), budget);
        return dict.With("type", Str.Of("function"), budget).With("function", function, budget);
    }

    private static Str Input(string text) => text.Length == 0 ? Str.Empty : new Str(text, trusted: false);

    // What should be JSON as what it says; a model may also have written what is none, which stays a text.
    private static object? Parsed(string text, Budget budget)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return Json.Read(document.RootElement, budget);
        }
        catch (JsonException)
        {
            return Input(text);
        }
        catch (InvalidOperationException)
        {
            return Input(text); // half a surrogate pair
        }
    }
}
