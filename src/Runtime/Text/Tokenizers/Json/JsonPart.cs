using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using WarpDecode.Formats;

namespace WarpDecode.Runtime.Text.Tokenizers.Json;

/// <summary>A value within a tokenizer.json, and where it is, for messages.</summary>
internal readonly record struct JsonPart(JsonElement Value, string Path, string File)
{
    /// <summary>What the object says it is.</summary>
    public string Type => Text("type", "none");

    public bool Has(string name) => Value.ValueKind == JsonValueKind.Object && Value.TryGetProperty(name, out var found) && found.ValueKind != JsonValueKind.Null;

    public JsonPart this[string name] => Value.ValueKind == JsonValueKind.Object && Value.TryGetProperty(name, out var found) && found.ValueKind != JsonValueKind.Null
        ? this with { Value = found, Path = $"{Path}.{name}" }
        : this with { Value = default, Path = $"{Path}.{name}" };

    public string Text(string name, string? otherwise = null)
    {
        var part = this[name];
        if (part.Value.ValueKind == JsonValueKind.Undefined && otherwise is not null) return otherwise;
        return part.AsText();
    }

    public string AsText()
    {
        if (Value.ValueKind != JsonValueKind.String) Wrong("a text");
        try
        {
            return Value.GetString()!;
        }
        catch (InvalidOperationException) // half a surrogate pair
        {
            Wrong("valid UTF-16");
            return "";
        }
    }

    public bool Flag(string name, bool otherwise)
    {
        var part = this[name];
        if (part.Value.ValueKind == JsonValueKind.Undefined) return otherwise;
        if (part.Value.ValueKind is not (JsonValueKind.True or JsonValueKind.False)) part.Wrong("true or false");
        return part.Value.GetBoolean();
    }

    public int Integer(string name, int? otherwise = null)
    {
        var part = this[name];
        if (part.Value.ValueKind == JsonValueKind.Undefined && otherwise is { } known) return known;
        return part.AsInteger();
    }

    public int AsInteger()
    {
        var number = 0;
        if (Value.ValueKind != JsonValueKind.Number || !Value.TryGetInt32(out number) || number < 0) Wrong("a number from 0 on");
        return number;
    }

    public IEnumerable<JsonPart> Items(string name)
    {
        var part = this[name];
        if (part.Value.ValueKind != JsonValueKind.Array) part.Wrong("an array");
        var i = 0;
        foreach (var item in part.Value.EnumerateArray()) yield return part with { Value = item, Path = $"{part.Path}[{i++}]" };
    }

    [DoesNotReturn]
    public void Wrong(string expected) => ModelFileException.Throw("value", File, Path, null, expected,
        Value.ValueKind == JsonValueKind.Undefined ? "none" : ModelFileException.Printable(Value.GetRawText(), 100), "If the value is right, this runtime does not support it.");

    /// <summary>Says that a stage is of a kind that is not supported.</summary>
    [DoesNotReturn]
    public void Refuse(string what, string known) => ModelFileException.Throw("tokenizer not supported yet:", File, Path, null, known, what,
        "This runtime cannot read text for this model yet: use one with another tokenizer.");
}
