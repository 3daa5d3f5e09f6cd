using System.Text.Json;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat.Conversations;

/// <summary>Conversations from JSON: what <see cref="ConversationExport"/> writes with its whole tree, or messages of OpenAI's form.</summary>
internal static class ConversationImport
{
    /// <summary>Most bytes of a file.</summary>
    public const long MaxBytes = 256 << 20;

    /// <summary>Reads a file into an empty conversation.</summary>
    /// <exception cref="ConversationException">It is damaged, or something else.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static void Read(ConversationTree into, string path, TimeProvider time)
    {
        path = DataFolder.Expand(path);
        var size = new FileInfo(path).Length;
        if (size > MaxBytes) throw Bad(path, $"it has {size} bytes, at most {MaxBytes} are read");
        try
        {
            Read(into, File.ReadAllBytes(path), time);
        }
        catch (InvalidDataException e)
        {
            throw Bad(path, e.Message, e);
        }
    }

    /// <summary>Reads JSON into an empty conversation.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or something else.</exception>
    public static void Read(ConversationTree into, ReadOnlyMemory<byte> json, TimeProvider time)
    {
        if (into.Messages.Count > 0) throw new ArgumentException("the conversation is not empty", nameof(into));
        if (json.Span.StartsWith("\uFEFF"u8)) json = json[3..];
        var item = 0;
        try
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
            if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty("tree", out var tree))
            {
                // All is checked in a tree of its own first, so that a damaged file leaves nothing half done.
                var version = ConversationJson.Int(root, "version");
                if (version != ConversationJson.Version) throw new InvalidDataException($"the format has version {version}, this wd-run reads version {ConversationJson.Version}");
                var trial = new ConversationTree();
                foreach (var record in Items(tree, "tree"))
                {
                    item++;
                    trial.Apply(ConversationJson.Read(record));
                }
                item = 0;
                foreach (var record in trial.Records()) into.Do(record);
                return;
            }
            var messages = new List<ChatMessage>();
            var list = root.ValueKind == JsonValueKind.Object
                ? root.TryGetProperty("messages", out var m) ? m : throw new InvalidDataException("there are neither 'messages' nor a 'tree'")
                : root;
            foreach (var message in Items(list, "messages"))
            {
                item++;
                if (message.ValueKind != JsonValueKind.Object) throw new InvalidDataException("this is no message");
                messages.Add(ConversationJson.ReadMessage(message));
            }
            item = 0;
            if (messages.Count > ConversationTree.MaxMessages) throw new InvalidDataException($"a conversation has at most {ConversationTree.MaxMessages} messages");
            var now = time.GetUtcNow();
            if (messages is [{ Role: "system" } system, ..]) into.Set("system", system.Content);
            foreach (var message in messages.Skip(messages is [{ Role: "system" }, ..] ? 1 : 0)) into.Append(message, new MessageInfo { Time = now });
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or InvalidDataException)
        {
            var why = e is JsonException { LineNumber: { } line } ? $"this is no JSON (line {line + 1})" : e is InvalidDataException ? e.Message : "there is text that is no UTF-8";
            throw new InvalidDataException(item > 0 ? $"item {item}: {why}" : why, e);
        }
    }

    private static IEnumerable<JsonElement> Items(JsonElement list, string name) => list.ValueKind == JsonValueKind.Array
        ? list.EnumerateArray()
        : throw new InvalidDataException($"'{name}' is no list");

    private static ConversationException Bad(string path, string why, Exception? inner = null) =>
        new($"{ConversationTree.OneLine(path, 4096)}: {why}", "It takes what /export FILE.json writes, or a list of messages with role and content.", inner);
}
