using WarpDecode.Chat.Conversations;

namespace WarpDecode.Chat.Ui;

/// <content>What is on the screen of the conversation.</content>
internal sealed partial class ChatController
{
    private readonly List<TranscriptEntry> entries = [];

    /// <summary>What is shown, oldest first.</summary>
    public IReadOnlyList<TranscriptEntry> Entries => entries;

    private void Notice(string text) => Show(new TranscriptEntry(EntryKind.Notice, text), null);

    private void Error(string what, string toDo) => Notice($"{Capital(what).TrimEnd('.')}. {toDo}");

    private static string Capital(string text) => text.Length > 0 && char.IsLower(text[0]) ? char.ToUpperInvariant(text[0]) + text[1..] : text;

    private void Show(TranscriptEntry entry, MessageNode? node)
    {
        entries.Add(entry);
        shown.Add(node);
        display.Add(entry);
    }

    private void Truncate(int count)
    {
        if (count >= entries.Count) return;
        entries.RemoveRange(count, entries.Count - count);
        shown.RemoveRange(count, shown.Count - count);
        display.Truncate(count);
    }

    /// <summary>Shows the current line: what is there of it already stays.</summary>
    private void Sync() => SyncTo(Tree.Head);

    private void SyncTo(MessageNode? end)
    {
        var path = ConversationTree.Path(end);
        var (same, keep) = (0, lineStart);
        for (var i = lineStart; i < shown.Count; i++)
        {
            if (shown[i] is not { } node)
            {
                // Notices stay where they are among what stays; an answer that came to nothing does not.
                if (entries[i].Kind == EntryKind.Assistant) break;
                if (i == shown.Count - 1) keep = shown.Count;
                continue;
            }
            if (same == path.Count || node != path[same]) break;
            same++;
            keep = i + 1;
        }
        Truncate(keep);
        foreach (var node in path.Skip(same)) Show(EntryOf(node), node);
    }

    private static TranscriptEntry EntryOf(MessageNode node)
    {
        var message = node.Message;
        switch (message.Role)
        {
            case "user":
                return new TranscriptEntry(EntryKind.User, message.Content);
            case "assistant":
                var entry = new TranscriptEntry(EntryKind.Assistant);
                if (!string.IsNullOrEmpty(message.Reasoning)) entry.RestoreReasoning(message.Reasoning, null);
                if (message.Content.Length > 0) entry.Append(message.Content);
                foreach (var call in message.ToolCalls) entry.AddToolCall(AnswerPrinter.Line(call).TrimEnd('\n'));
                entry.Complete();
                return entry;
            case "system":
                return new TranscriptEntry(EntryKind.System, message.Content);
            default:
                return new TranscriptEntry(EntryKind.Notice, $"{message.Role}: {message.Content}");
        }
    }
}
