using WarpDecode.Runtime;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat.Conversations;

/// <summary>What is known of a message besides its text.</summary>
internal sealed record MessageInfo
{
    /// <summary>When it was said, or when the answer was whole.</summary>
    public DateTimeOffset Time { get; init; }

    /// <summary>Of an answer, the name of the model.</summary>
    public string? Model { get; init; }

    /// <summary>Of an answer, why it ended.</summary>
    public FinishReason? Finish { get; init; }

    /// <summary>Of an answer, tokens of the prompt.</summary>
    public int? PromptTokens { get; init; }

    /// <summary>Of an answer, tokens generated.</summary>
    public int? Tokens { get; init; }

    /// <summary>Of an answer, the seed of its draws.</summary>
    public ulong? Seed { get; init; }

    /// <summary>Of an answer, the settings it was made with, as <c>/set</c> names and writes them.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();
}

/// <summary>A message in its place in the tree. Its number never changes.</summary>
internal sealed class MessageNode
{
    private readonly List<MessageNode> children = [];

    internal MessageNode(int id, MessageNode? parent, ChatMessage message, MessageInfo info)
    {
        (Id, Parent, Message, Info) = (id, parent, message, info);
        Depth = parent is null ? 1 : parent.Depth + 1;
        parent?.children.Add(this);
    }

    /// <summary>Numbers messages from 1 on in the order they came.</summary>
    public int Id { get; }

    /// <summary>The message it follows; null for a first one.</summary>
    public MessageNode? Parent { get; }

    public ChatMessage Message { get; }

    public MessageInfo Info { get; }

    /// <summary>Messages from the beginning to here, this one included.</summary>
    public int Depth { get; }

    /// <summary>What follows, one for each branch, oldest first.</summary>
    public IReadOnlyList<MessageNode> Children => children;
}

/// <summary>A line of the conversation, from the beginning to one of its ends.</summary>
/// <param name="Name">Its name; a line without one is called by the number of its last message: <c>#12</c>.</param>
/// <param name="Tip">Its last message; null where it has none.</param>
/// <param name="IsCurrent">Whether the conversation stands there.</param>
internal sealed record BranchLine(string Name, MessageNode? Tip, bool IsCurrent)
{
    /// <summary>How many messages it has.</summary>
    public int Length => Tip?.Depth ?? 0;

    /// <summary>When the last message came.</summary>
    public DateTimeOffset? Time => Tip?.Info.Time;
}
