using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// Arguments of a call whose format writes each value as text. The tool's schema says what a value is; where it is silent, a value
/// that is JSON other than a string is that, and every other is a string. A value that is not what the schema says is a string, too.
/// </summary>
internal sealed class CallArguments
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly List<(string Key, string Value)> values = [];
    private readonly Dictionary<string, int> places = new(StringComparer.Ordinal);
    private readonly JsonElement properties; // of the schema, or undefined

    public CallArguments(IReadOnlyList<ToolDefinition>? tools, string name)
    {
        if (tools?.FirstOrDefault(t => t.Name == name) is not { } tool) return;
        using var schema = tool.Parameters is { } text ? CallJson.Parse(text) : null;
        if (schema?.RootElement is { ValueKind: JsonValueKind.Object } root && root.TryGetProperty("properties", out var found)
            && found.ValueKind == JsonValueKind.Object)
        {
            properties = found.Clone();
        }
    }

    /// <summary>Adds a value; of several with one key the last counts.</summary>
    public void Add(string key, string value)
    {
        if (places.TryAdd(key, values.Count)) values.Add((key, value));
        else values[places[key]] = (key, value);
    }

    /// <summary>All as a JSON object; null if there is text that is no Unicode.</summary>
    public string? ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>();
        try
        {
            using var writer = new Utf8JsonWriter(buffer, Options);
            writer.WriteStartObject();
            foreach (var (key, value) in values)
            {
                writer.WritePropertyName(key);
                if (AsJson(key, value) is { } json) writer.WriteRawValue(json);
                else writer.WriteStringValue(value);
            }
            writer.WriteEndObject();
            writer.Flush();
        }
        catch (Exception e) when (e is ArgumentException or JsonException)
        {
            return null;
        }
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private string? AsJson(string key, string value)
    {
        var kinds = Kinds.None;
        if (properties.ValueKind == JsonValueKind.Object && properties.TryGetProperty(key, out var schema)) kinds = KindsOf(schema, 0);
        if (kinds == Kinds.None) kinds = Kinds.All & ~Kinds.Text;
        if (kinds == Kinds.Text) return null;
        var text = value.Trim();
        if (kinds.HasFlag(Kinds.Truth) && bool.TryParse(text, out var truth)) return truth ? "true" : "false"; // True, as Python writes it
        using var document = CallJson.Parse(text);
        if (document is null) return null;
        var kind = document.RootElement.ValueKind switch
        {
            JsonValueKind.Object => Kinds.Object,
            JsonValueKind.Array => Kinds.Array,
            JsonValueKind.Number => Kinds.Number,
            JsonValueKind.True or JsonValueKind.False => Kinds.Truth,
            JsonValueKind.Null => Kinds.Null,
            _ => Kinds.None,
        };
        return (kinds & kind) != Kinds.None ? text : null;
    }

    private static Kinds KindsOf(JsonElement schema, int depth)
    {
        if (schema.ValueKind != JsonValueKind.Object || depth > 4) return Kinds.None;
        var kinds = Kinds.None;
        if (schema.TryGetProperty("type", out var type))
        {
            if (type.ValueKind == JsonValueKind.String) kinds |= KindOf(type);
            else if (type.ValueKind == JsonValueKind.Array) kinds = type.EnumerateArray().Aggregate(kinds, (all, one) => all | KindOf(one));
        }
        else if (schema.TryGetProperty("enum", out var values) && values.ValueKind == JsonValueKind.Array)
        {
            if (values.EnumerateArray().All(v => v.ValueKind == JsonValueKind.String)) kinds |= Kinds.Text;
        }
        foreach (var name in new[] { "anyOf", "oneOf", "allOf" })
        {
            if (!schema.TryGetProperty(name, out var choices) || choices.ValueKind != JsonValueKind.Array) continue;
            foreach (var choice in choices.EnumerateArray()) kinds |= KindsOf(choice, depth + 1);
        }
        return kinds;
    }

    private static Kinds KindOf(JsonElement type) => type.ValueKind != JsonValueKind.String ? Kinds.None : type.GetRawText() switch
    {
        "\"string\"" => Kinds.Text,
        "\"integer\"" or "\"number\"" => Kinds.Number,
        "\"boolean\"" => Kinds.Truth,
        "\"object\"" => Kinds.Object,
        "\"array\"" => Kinds.Array,
        "\"null\"" => Kinds.Null,
        _ => Kinds.None,
    };

    [Flags]
    private enum Kinds
    {
        None = 0,
        Text = 1,
        Number = 2,
        Truth = 4,
        Object = 8,
        Array = 16,
        Null = 32,
        All = 63,
    }
}
