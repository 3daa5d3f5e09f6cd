using System.Globalization;
using System.Text;
using System.Text.Json;
using WarpDecode.Runtime;

namespace WarpDecode.Chat.Conversations;

/// <summary>A conversation for others: Markdown for people, JSON for programs.</summary>
internal static class ConversationExport
{
    /// <summary>Writes to a file, Markdown or JSON by its ending. A file that is there already stays, unless <paramref name="overwrite"/>.</summary>
    /// <exception cref="ConversationException">The ending is another, or there is a file already.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Write(ConversationTree tree, string path, bool overwrite = false)
    {
        path = DataFolder.Expand(path);
        var bytes = Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".md" or ".markdown" => Encoding.UTF8.GetBytes(Markdown(tree)),
            ".json" => Json(tree),
            _ => throw new ConversationException($"'{ConversationTree.OneLine(path, 200)}' ends neither in .md nor in .json", "The ending says the form: .md for people, .json for programs."),
        };
        if (!overwrite && (File.Exists(path) || Directory.Exists(path)))
            throw new ConversationException($"there is a file '{ConversationTree.OneLine(path, 200)}' already", "Give another name.");
        using var stream = new FileStream(path, DataFolder.Private(overwrite ? FileMode.Create : FileMode.CreateNew, FileAccess.Write, FileShare.None));
        stream.Write(bytes);
    }

    /// <summary>The current line as Markdown.</summary>
    public static string Markdown(ConversationTree tree)
    {
        var text = new StringBuilder();
        text.Append("# ").Append(Escaped(tree.Title)).Append("\n\n");
        if (tree.Model is { } model) text.Append("Model: ").Append(Code(model.Name)).Append("  \n");
        var line = ConversationTree.Path(tree.Head);
        if (line.Count > 0) text.Append("Date: ").Append(Date(line[0].Info.Time)).Append('\n');
        if (tree.System is { } system) text.Append("\n## System\n\n").Append(system.Trim()).Append('\n');
        foreach (var node in line)
        {
            var message = node.Message;
            text.Append("\n## ").Append(message.Role switch
            {
                "user" => "You",
                "assistant" => "Assistant",
                "tool" => "Tool" + (message.Name is null ? "" : " " + Code(message.Name)),
                _ => "System",
            }).Append("\n\n");
            if (!string.IsNullOrWhiteSpace(message.Reasoning))
                text.Append("<details><summary>Reasoning</summary>\n\n").Append(message.Reasoning.Trim()).Append("\n\n</details>\n\n");
            if (message.Content.Length > 0) text.Append(message.Role == "tool" ? Fenced(message.Content, "") : message.Content.Trim('\n')).Append('\n');
            foreach (var call in message.ToolCalls)
                text.Append("\nCalls ").Append(Code(call.Name)).Append(":\n\n").Append(Fenced(call.Arguments, "json")).Append('\n');
            if (node.Info.Finish is { } finish and not FinishReason.EndOfTurn) text.Append("\n*(").Append(Words(finish)).Append(")*\n");
        }
        return text.ToString();
    }

    /// <summary>The current line as messages of OpenAI's form, and the whole tree.</summary>
    public static byte[] Json(ConversationTree tree)
    {
        using var stream = new MemoryStream();
        using (var w = new Utf8JsonWriter(stream, ConversationJson.WriterOptions with { Indented = true }))
        {
            w.WriteStartObject();
            w.WriteString("format", ConversationJson.Format);
            w.WriteNumber("version", ConversationJson.Version);
            w.WriteString("title", tree.Title);
            if (tree.Model is { } model) w.WriteString("model", model.Name);
            w.WriteStartArray("messages");
            foreach (var message in tree.PathMessages())
            {
                w.WriteStartObject();
                ConversationJson.WriteMessage(w, message);
                w.WriteEndObject();
            }
            w.WriteEndArray();
            w.WriteStartArray("tree");
            foreach (var record in tree.Records())
            {
                w.WriteStartObject();
                ConversationJson.Write(w, record);
                w.WriteEndObject();
            }
            w.WriteEndArray();
            w.WriteEndObject();
        }
        return stream.ToArray();
    }

    // A fence longer than any in the text.
    private static string Fenced(string text, string language)
    {
        var fence = new string('`', Math.Max(3, LongestRun(text) + 1));
        return $"{fence}{language}\n{text.TrimEnd('\n')}\n{fence}";
    }

    private static string Code(string text)
    {
        var fence = new string('`', LongestRun(text) + 1);
        return text.StartsWith('`') || text.EndsWith('`') ? $"{fence} {text} {fence}" : fence + text + fence;
    }

    private static int LongestRun(string text)
    {
        var (longest, run) = (0, 0);
        foreach (var c in text) longest = Math.Max(longest, run = c == '`' ? run + 1 : 0);
        return longest;
    }

    private static string Escaped(string title) => string.Concat(title.Select(c => c is '\\' or '`' or '*' or '_' or '[' or ']' or '<' or '#' ? "\\" + c : c.ToString()));

    private static string Date(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    private static string Words(FinishReason finish) => finish switch
    {
        FinishReason.StopString => "ended by a stop string",
        FinishReason.MaxTokens => "cut at the token limit",
        FinishReason.ContextFull => "cut: the context was full",
        _ => "stopped",
    };
}
