using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat.Conversations;

/// <summary>One thing that happened in a conversation: a line of its file.</summary>
internal abstract record ConversationRecord;

/// <summary>A message came, and the conversation stands there now; the current branch goes along.</summary>
/// <param name="Id">Its number: one more than that before.</param>
/// <param name="Parent">Number of the message it follows, 0 for none.</param>
/// <param name="Message">The message.</param>
/// <param name="Info">What is known of it.</param>
internal sealed record MessageAdded(int Id, int Parent, ChatMessage Message, MessageInfo Info) : ConversationRecord;

/// <summary>The conversation stands at another message now.</summary>
/// <param name="Id">Its number, 0 for the beginning.</param>
/// <param name="Branch">Name of the branch that is current from now on, and ends here; null for none.</param>
internal sealed record HeadMoved(int Id, string? Branch) : ConversationRecord;

/// <summary>The title was set.</summary>
internal sealed record TitleChanged(string Text) : ConversationRecord;

/// <summary>The name was set under which the conversation is found.</summary>
internal sealed record NameChanged(string Text) : ConversationRecord;

/// <summary>A setting changed; null puts it back.</summary>
internal sealed record SettingChanged(string Name, string? Value) : ConversationRecord;

/// <summary>Another model answers from here on.</summary>
internal sealed record ModelChanged(ModelIdentity Model) : ConversationRecord;
