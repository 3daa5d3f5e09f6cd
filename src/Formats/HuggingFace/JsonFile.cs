using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace WarpDecode.Formats.HuggingFace;

/// <summary>A JSON file of a model's folder, with typed access that says which value is missing or wrong. An object no name of which occurs twice.</summary>
internal sealed class JsonFile
{
    private const int Depth = 64;
    private const string WrongAdvice = "If the value is right, this runtime does not support it.";

    private JsonFile(string path, JsonElement root) => (Path, Root) = (path, root);

    public string Path { get; }

    public JsonElement Root { get; }

    /// <summary>Reads a file.</summary>
    /// <exception cref="ModelFileException">It cannot be read, is too large, or is not a JSON object.</exception>
    public static JsonFile Read(string path)
    {
        using var file = new MappedFile(path);
        if (file.Length > Limits.JsonBytes)
            ModelFileException.Throw("length", path, null, null, $"at most {Limits.JsonBytes} bytes", file.Length.ToString(), "This is not a file of a model.");
        try
        {
            var options = new JsonDocumentOptions { MaxDepth = Depth, AllowDuplicateProperties = false };
            var bytes = file.Span(0, (int)file.Length).ToArray();
            file.CheckWhole();
            // Asked first: the parser looks into texts only when they are read.
            if (!Utf8.IsValid(bytes)) ModelFileException.Throw("content", path, null, Utf8Prefix(bytes), "UTF-8", "other bytes", "The file is damaged or incomplete: download it again.");
            using var document = JsonDocument.Parse(bytes, options);
            if (HalfPair(bytes) is >= 0 and var half)
                ModelFileException.Throw("content", path, null, half, "both halves of a surrogate pair", "one", "The file is damaged: download it again.");
            var root = document.RootElement.Clone();
            if (root.ValueKind != JsonValueKind.Object)
                ModelFileException.Throw("content", path, null, 0, "a JSON object", Kind(root), WrongAdvice);
            return new JsonFile(path, root);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // the latter: a name with half a surrogate pair
        {
            throw new ModelFileException("content", path, null, null, "JSON", e.Message, "The file is damaged or incomplete: download it again.", e);
        }
    }

    /// <summary>A value that is there and not null.</summary>
    public bool TryGet(string name, out JsonElement value) => TryGet(Root, name, out value);

    /// <inheritdoc cref="TryGet(string, out JsonElement)"/>
    public static bool TryGet(JsonElement parent, string name, out JsonElement value)
    {
        value = default;
        return parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;
    }

    /// <summary>An integer from 0 to <paramref name="max"/>, or <paramref name="otherwise"/> where the file has none; without it, the file must.</summary>
    public int Integer(string name, int? otherwise = null, int max = int.MaxValue)
    {
        if (!TryGet(name, out var value)) return otherwise ?? Missing<int>(name);
        var number = 0;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out number) || number < 0 || number > max)
            Wrong(name, $"an integer from 0 to {max}", value);
        return number;
    }

    /// <summary>A finite number.</summary>
    public double Number(string name) => Number(Root, name, name);

    /// <summary>A finite number of an object within; <paramref name="shown"/> names it in messages.</summary>
    public double Number(JsonElement parent, string name, string shown)
    {
        if (!TryGet(parent, name, out var value)) return Missing<double>(shown);
        var number = 0.0;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out number) || !double.IsFinite(number)) Wrong(shown, "a finite number", value);
        return number;
    }

    /// <summary>A truth value, or <paramref name="otherwise"/> where the file has none.</summary>
    public bool Flag(string name, bool otherwise)
    {
        if (!TryGet(name, out var value)) return otherwise;
        if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False)) Wrong(name, "true or false", value);
        return value.GetBoolean();
    }

    /// <summary>A text, or null where the file has none.</summary>
    public string? Text(string name)
    {
        if (!TryGet(name, out var value)) return null;
        return TextOf(name, value);
    }

    /// <summary>A value as a text.</summary>
    public string TextOf(string name, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String) Wrong(name, "a text", value);
        return value.GetString()!; // well formed: that was checked when the file was read
    }

    [DoesNotReturn]
    public void Wrong(string name, string expected, JsonElement found, string advice = WrongAdvice) =>
        ModelFileException.Throw("value", Path, name, null, expected, Kind(found), advice);

    // Where an escape \uD800 … \uDFFF stands without its other half, or -1. In JSON a backslash is only within texts.
    private static long HalfPair(ReadOnlySpan<byte> json)
    {
        var at = 0;
        while (json[at..].IndexOf((byte)'\\') is >= 0 and var step)
        {
            at += step;
            var unit = Unit(json, at);
            if (unit is >= 0xDC00 and <= 0xDFFF) return at;
            if (unit is >= 0xD800 and <= 0xDBFF)
            {
                if (Unit(json, at + 6) is not (>= 0xDC00 and <= 0xDFFF)) return at;
                at += 6;
            }
            at += unit < 0 ? 2 : 6;
        }
        return -1;

        static int Unit(ReadOnlySpan<byte> json, int at) =>
            at + 6 <= json.Length && json[at] == '\\' && json[at + 1] == 'u' && Utf8Parser.TryParse(json.Slice(at + 2, 4), out int unit, out var used, 'x') && used == 4 ? unit : -1;
    }

    // Length of what is well formed at the beginning.
    private static long Utf8Prefix(ReadOnlySpan<byte> bytes)
    {
        var at = 0;
        while (Rune.DecodeFromUtf8(bytes[at..], out _, out var length) == System.Buffers.OperationStatus.Done) at += length;
        return at;
    }

    [DoesNotReturn]
    private T Missing<T>(string name)
    {
        ModelFileException.Throw("has no value", Path, name, null, "one", "none", "The file is incomplete for this use: download it again.");
        return default;
    }

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.Undefined => "none",
        _ => value.GetRawText() is { Length: > 100 } text ? text[..100] + "…" : value.GetRawText(),
    };
}
