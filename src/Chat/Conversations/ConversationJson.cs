using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat.Conversations;

/// <summary>Records of a conversation as JSON objects, one a line, and back.</summary>
internal static class ConversationJson
{
    /// <summary>What the first line of a file says that it is.</summary>
    public const string Format = "wd-run conversation";

    /// <summary>Version of the format: a change that an older reader would misunderstand raises it.</summary>
    public const int Version = 1;

    // Text stays readable: the file is read by parsers and people, never pasted into HTML.
    internal static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The first line of a file, its end included.</summary>
    public static byte[] HeaderLine(string id, DateTimeOffset created) => Line(w =>
    {
        w.WriteString("format", Format);
        w.WriteNumber("version", Version);
        w.WriteString("id", id);
        w.WriteString("created", Iso(created));
    });

    /// <summary>A record's line, its end included.</summary>
    public static byte[] RecordLine(ConversationRecord record) => Line(w => Write(w, record));

    /// <summary>Reads the first line.</summary>
    /// <exception cref="InvalidDataException">It is none of ours, or of a version not known here.</exception>
    public static (string Id, DateTimeOffset Created) ReadHeader(ReadOnlyMemory<byte> line)
    {
        using var document = Parse(line);
        var root = document.RootElement;
        if (Optional(root, "format") != Format) throw new InvalidDataException("this is no conversation of wd-run");
        var version = Int(root, "version");
        if (version != Version) throw new InvalidDataException($"the format has version {version}, this wd-run reads version {Version}");
        return (Text(root, "id"), Time(root, "created"));
    }

    /// <summary>Reads a record.</summary>
    /// <exception cref="InvalidDataException">It is none.</exception>
    public static ConversationRecord Read(ReadOnlyMemory<byte> line)
    {
        using var document = Parse(line);
        return Read(document.RootElement);
    }

    internal static ConversationRecord Read(JsonElement e) => Text(e, "type") switch
    {
        "message" => new MessageAdded(Int(e, "id"), Int(e, "parent"), ReadMessage(e), ReadInfo(e)),
        "head" => new HeadMoved(Int(e, "id"), Optional(e, "branch")),
        "title" => new TitleChanged(Text(e, "text")),
        "name" => new NameChanged(Text(e, "text")),
        "setting" => new SettingChanged(Text(e, "name"), Optional(e, "value")),
        "model" => new ModelChanged(new ModelIdentity(Text(e, "name"), Long(e, "size"), Text(e, "hash"))),
        var other => throw new InvalidDataException($"there is no kind of record '{ConversationTree.OneLine(other, 40)}'"),
    };

    internal static void Write(Utf8JsonWriter w, ConversationRecord record)
    {
        switch (record)
        {
            case MessageAdded m:
                w.WriteString("type", "message");
                w.WriteNumber("id", m.Id);
                w.WriteNumber("parent", m.Parent);
                WriteMessage(w, m.Message);
                WriteInfo(w, m.Info);
                break;
            case HeadMoved h:
                w.WriteString("type", "head");
                w.WriteNumber("id", h.Id);
                Maybe(w, "branch", h.Branch);
                break;
            case TitleChanged t:
                w.WriteString("type", "title");
                w.WriteString("text", t.Text);
                break;
            case NameChanged n:
                w.WriteString("type", "name");
                w.WriteString("text", n.Text);
                break;
            case SettingChanged s:
                w.WriteString("type", "setting");
                w.WriteString("name", s.Name);
                Maybe(w, "value", s.Value);
                break;
            case ModelChanged m:
                w.WriteString("type", "model");
                w.WriteString("name", m.Model.Name);
                w.WriteNumber("size", m.Model.Size);
                w.WriteString("hash", m.Model.Hash);
                break;
            default:
                throw new ArgumentException($"no line for {record.GetType().Name}", nameof(record));
        }
    }

    /// <summary>A message's fields, as OpenAI's interface names them.</summary>
    internal static void WriteMessage(Utf8JsonWriter w, ChatMessage m)
    {
        w.WriteString("role", m.Role);
        w.WriteString("content", m.Content);
        Maybe(w, "reasoning_content", m.Reasoning);
        if (m.ToolCalls.Count > 0)
        {
            w.WriteStartArray("tool_calls");
            foreach (var call in m.ToolCalls)
            {
                w.WriteStartObject();
                w.WriteString("id", call.Id);
                w.WriteString("type", "function");
                w.WriteStartObject("function");
                w.WriteString("name", call.Name);
                w.WriteString("arguments", call.Arguments);
                w.WriteEndObject();
                w.WriteEndObject();
            }
            w.WriteEndArray();
        }
        Maybe(w, "tool_call_id", m.ToolCallId);
        Maybe(w, "name", m.Name);
    }

    /// <summary>Reads a message's fields; the content may be absent where tools are called, or come in parts.</summary>
    internal static ChatMessage ReadMessage(JsonElement e)
    {
        var role = Text(e, "role");
        if (role is "developer") role = "system";
        if (role is not ("system" or "user" or "assistant" or "tool")) throw new InvalidDataException($"the role is system, user, assistant or tool, not '{ConversationTree.OneLine(role, 40)}'");
        List<ToolCall> calls = [];
        if (e.TryGetProperty("tool_calls", out var list) && list.ValueKind != JsonValueKind.Null)
        {
            if (list.ValueKind != JsonValueKind.Array) throw new InvalidDataException("tool_calls is no list");
            foreach (var call in list.EnumerateArray())
            {
                if (call.ValueKind != JsonValueKind.Object || !call.TryGetProperty("function", out var function)) throw new InvalidDataException("a tool call has no function");
                calls.Add(new ToolCall(Optional(call, "id") ?? "", Text(function, "name"), Arguments(function)));
            }
        }
        return new ChatMessage(role, Content(e, calls.Count > 0))
        {
            Reasoning = Optional(e, "reasoning_content") ?? Optional(e, "reasoning"),
            ToolCalls = calls,
            ToolCallId = Optional(e, "tool_call_id"),
            Name = Optional(e, "name"),
        };
    }

    internal static JsonDocument Parse(ReadOnlyMemory<byte> json)
    {
        var document = JsonDocument.Parse(json);
        if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
        document.Dispose();
        throw new InvalidDataException("this is no JSON object");
    }

    internal static string Text(JsonElement e, string name) => Optional(e, name) ?? throw new InvalidDataException($"'{name}' is missing");

    internal static string? Optional(JsonElement e, string name)
    {
        if (e.ValueKind != JsonValueKind.Object) throw new InvalidDataException("this is no JSON object");
        if (!e.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null) return null;
        return value.ValueKind == JsonValueKind.String ? value.GetString() : throw new InvalidDataException($"'{name}' is no text");
    }

    internal static int Int(JsonElement e, string name) => Number(e, name) is { } n && n.TryGetInt32(out var value) && value >= 0
        ? value : throw new InvalidDataException($"'{name}' is no number from 0 to {int.MaxValue}");

    private static long Long(JsonElement e, string name) => Number(e, name) is { } n && n.TryGetInt64(out var value) && value >= 0
        ? value : throw new InvalidDataException($"'{name}' is no number from 0 on");

    private static JsonElement? Number(JsonElement e, string name) => e.TryGetProperty(name, out var n) && n.ValueKind == JsonValueKind.Number ? n : null;

    private static DateTimeOffset Time(JsonElement e, string name) =>
        DateTimeOffset.TryParse(Text(e, name), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time : throw new InvalidDataException($"'{name}' is no time");

    private static string Arguments(JsonElement function)
    {
        if (!function.TryGetProperty("arguments", out var a)) return "{}";
        return a.ValueKind == JsonValueKind.String ? a.GetString()! : a.GetRawText(); // some programs write the object itself
    }

    private static string Content(JsonElement e, bool mayMiss)
    {
        if (!e.TryGetProperty("content", out var content) || content.ValueKind == JsonValueKind.Null)
            return mayMiss ? "" : throw new InvalidDataException("'content' is missing");
        if (content.ValueKind == JsonValueKind.String) return content.GetString()!;
        if (content.ValueKind != JsonValueKind.Array) throw new InvalidDataException("'content' is neither text nor a list of parts");
        return string.Concat(content.EnumerateArray().Select(part => Optional(part, "type") is "text" or null
            ? Text(part, "text")
            : throw new InvalidDataException($"'content' has a part of type '{ConversationTree.OneLine(Text(part, "type"), 40)}': only text is read")));
    }

    private static void WriteInfo(Utf8JsonWriter w, MessageInfo info)
    {
        w.WriteString("time", Iso(info.Time));
        Maybe(w, "model", info.Model);
        Maybe(w, "finish", info.Finish?.ToString());
        if (info.PromptTokens is { } prompt) w.WriteNumber("prompt_tokens", prompt);
        if (info.Tokens is { } tokens) w.WriteNumber("tokens", tokens);
        Maybe(w, "seed", info.Seed?.ToString(CultureInfo.InvariantCulture)); // as text: 64 bits are more than a JSON number keeps
        if (info.Settings.Count == 0) return;
        w.WriteStartObject("settings");
        foreach (var (name, value) in info.Settings) w.WriteString(name, value);
        w.WriteEndObject();
    }

    private static MessageInfo ReadInfo(JsonElement e)
    {
        var finish = Optional(e, "finish");
        var seed = Optional(e, "seed");
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        if (e.TryGetProperty("settings", out var s))
        {
            if (s.ValueKind != JsonValueKind.Object) throw new InvalidDataException("'settings' is no object");
            foreach (var p in s.EnumerateObject()) settings[p.Name] = p.Value.GetString() ?? throw new InvalidDataException($"the setting '{ConversationTree.OneLine(p.Name, 40)}' is no text");
        }
        return new MessageInfo
        {
            Time = Time(e, "time"),
            Model = Optional(e, "model"),
            Finish = finish is null ? null : Enum.TryParse<FinishReason>(finish, out var f) && Enum.IsDefined(f) ? f : throw new InvalidDataException("'finish' is no known reason"),
            PromptTokens = e.TryGetProperty("prompt_tokens", out _) ? Int(e, "prompt_tokens") : null,
            Tokens = e.TryGetProperty("tokens", out _) ? Int(e, "tokens") : null,
            Seed = seed is null ? null : ulong.TryParse(seed, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : throw new InvalidDataException("'seed' is no number"),
            Settings = settings,
        };
    }

    private static string Iso(DateTimeOffset time) => time.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private static void Maybe(Utf8JsonWriter w, string name, string? value)
    {
        if (value is not null) w.WriteString(name, value);
    }

    private static byte[] Line(Action<Utf8JsonWriter> fields)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var w = new Utf8JsonWriter(buffer, WriterOptions))
        {
            w.WriteStartObject();
            fields(w);
            w.WriteEndObject();
        }
        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }
}
