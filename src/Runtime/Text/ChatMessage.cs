namespace WarpDecode.Runtime.Text;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks: <c>system</c>, <c>user</c>, <c>assistant</c> or <c>tool</c>.</param>
/// <param name="Content">What is said.</param>
public sealed record ChatMessage(string Role, string Content)
{
    /// <summary>What the assistant thought before it spoke, if that is known: <c>reasoning_content</c> of templates.</summary>
    public string? Reasoning { get; init; }

    /// <summary>Tools that the assistant called.</summary>
    public IReadOnlyList<ToolCall> ToolCalls { get; init; } = [];

    /// <summary>Of a tool's answer, the call that it answers.</summary>
    public string? ToolCallId { get; init; }

    /// <summary>Of a tool's answer, the tool's name.</summary>
    public string? Name { get; init; }
}
