namespace WarpDecode.Chat.Conversations;

/// <summary>A conversation, or a file of one, that cannot be used as asked.</summary>
/// <param name="message">What happened and where: safe to print.</param>
/// <param name="advice">What to do about it.</param>
/// <param name="inner">What it came from.</param>
internal sealed class ConversationException(string message, string advice, Exception? inner = null) : Exception(message, inner)
{
    public string Advice { get; } = advice;
}
