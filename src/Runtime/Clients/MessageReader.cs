using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;
using WarpDecode.Runtime.Text;
using AIChatMessage = Microsoft.Extensions.AI.ChatMessage;
using ChatMessage = WarpDecode.Runtime.Text.ChatMessage;

namespace WarpDecode.Runtime;

/// <summary>Reads conversations of Microsoft.Extensions.AI.</summary>
internal static class MessageReader
{
    /// <summary>The conversation as chat templates take it.</summary>
    /// <param name="messages">The messages.</param>
    /// <param name="instructions">What goes before the system message, if anything.</param>
    /// <exception cref="NotSupportedException">A message has what is no text.</exception>
    public static List<ChatMessage> Read(IEnumerable<AIChatMessage> messages, string? instructions)
    {
        var result = new List<ChatMessage>();
        var names = new Dictionary<string, string>(StringComparer.Ordinal); // of the tools called, by call
        if (!string.IsNullOrEmpty(instructions)) result.Add(new ChatMessage("system", instructions));
        foreach (var message in messages)
        {
            if (message is null) throw new ArgumentException("a message is null", nameof(messages));
            Add(message, names, result);
        }
        if (result.Count == 0) throw new ArgumentException("there is no message to answer", nameof(messages));
        // Templates know one system message.
        while (result is [{ Role: "system" } first, { Role: "system" } second, ..])
        {
            result[0] = first with { Content = $"{first.Content}\n\n{second.Content}" };
            result.RemoveAt(1);
        }
        return result;
    }

    private static void Add(AIChatMessage message, Dictionary<string, string> names, List<ChatMessage> to)
    {
        var (text, thought, calls) = (new StringBuilder(), new StringBuilder(), new List<ToolCall>());
        var answers = 0;
        foreach (var content in message.Contents)
        {
            switch (content)
            {
                case TextContent { Text: var said }:
                    text.Append(said);
                    break;
                case TextReasoningContent { Text: var reasoning }:
                    thought.Append(reasoning);
                    break;
                case FunctionCallContent call:
                    names[call.CallId] = call.Name;
                    calls.Add(new ToolCall(call.CallId, call.Name, JsonSerializer.Serialize(call.Arguments ?? new Dictionary<string, object?>(StringComparer.Ordinal), AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(IDictionary<string, object?>)))));
                    break;
                case FunctionResultContent answer:
                    answers++;
                    to.Add(new ChatMessage("tool", Answer(answer)) { ToolCallId = answer.CallId, Name = names.GetValueOrDefault(answer.CallId) });
                    break;
                case DataContent data when data.HasTopLevelMediaType("text"):
                    text.Append(Encoding.UTF8.GetString(data.Data.Span));
                    break;
                case UsageContent:
                    break; // about the message, not of it
                default:
                    throw new NotSupportedException($"a message has {content.GetType().Name}{MediaType(content)}: this runtime reads text only");
            }
        }
        if (answers > 0 && text.Length == 0 && calls.Count == 0) return; // a message of tools' answers and nothing else
        to.Add(new ChatMessage(message.Role.Value, text.ToString())
        {
            Reasoning = thought.Length > 0 ? thought.ToString() : null,
            ToolCalls = calls,
            Name = message.AuthorName,
        });
    }

    private static string Answer(FunctionResultContent answer) => answer switch
    {
        { Exception: { } failure, Result: null } => $"error: {failure.Message}",
        { Result: null } => "null",
        { Result: string text } => text,
        { Result: JsonElement { ValueKind: JsonValueKind.String } element } => element.GetString()!,
        { Result: TextContent { Text: var text } } => text,
        { Result: IEnumerable<AIContent> contents } => string.Concat(contents.OfType<TextContent>().Select(c => c.Text)),
        { Result: var value } => JsonSerializer.Serialize(value, AIJsonUtilities.DefaultOptions.GetTypeInfo(value.GetType())),
    };

    private static string MediaType(AIContent content) => content switch
    {
        DataContent data => $" ({data.MediaType})",
        UriContent uri => $" ({uri.MediaType})",
        _ => "",
    };
}
