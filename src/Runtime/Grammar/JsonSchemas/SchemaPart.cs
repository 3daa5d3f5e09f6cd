using System.Text.Json;

namespace WarpDecode.Runtime.Grammars.JsonSchemas;

/// <summary>A schema at its place in the document.</summary>
/// <param name="Element">A boolean or an object.</param>
/// <param name="Pointer">JSON pointer of the place.</param>
/// <param name="Chosen">Keywords whose schemas are given as parts of their own: of alternatives (anyOf, oneOf) one.</param>
internal sealed record SchemaPart(JsonElement Element, string Pointer, string Chosen = "")
{
    /// <summary>A schema within it.</summary>
    public SchemaPart At(JsonElement element, params ReadOnlySpan<string> steps)
    {
        var pointer = Pointer;
        foreach (var step in steps) pointer += "/" + step.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
        return new SchemaPart(element, pointer);
    }

    /// <summary>An error at a keyword of it.</summary>
    public GrammarException Error(string keyword, string what, string advice = "Leave it out, or write the schema without it.") =>
        new($"JSON schema, #{Pointer}/{keyword}: {what}", advice);
}

/// <summary>Types of values; a number without a fraction is of both kinds.</summary>
[Flags]
internal enum JsonTypes
{
    None = 0,
    Null = 1,
    Boolean = 2,
    Integer = 4,
    Fraction = 8,
    String = 16,
    Array = 32,
    Object = 64,
    Number = Integer | Fraction,
    All = 127,
}

/// <summary>What several schemas ask for together, by type of value.</summary>
internal sealed class Schema
{
    /// <summary>The schemas, with those that they refer to.</summary>
    public List<SchemaPart> Parts { get; } = [];

    /// <summary>Whether no value is valid.</summary>
    public bool IsNever { get; set; }

    public JsonTypes Types { get; set; } = JsonTypes.All;

    /// <summary>The values allowed, where they are listed.</summary>
    public List<JsonElement>? Values { get; set; }

    /// <summary>The first schema whose values are listed.</summary>
    public (SchemaPart Part, string Keyword)? ValuesFrom { get; set; }

    /// <summary>The first assertion beside types and values.</summary>
    public string? Assertion { get; set; }

    public NumberBounds Bounds;

    public int MinLength { get; set; }

    public int? MaxLength { get; set; }

    /// <summary>A pattern or a format.</summary>
    public (SchemaPart Part, string Keyword, string Text)? Text { get; set; }

    public int MinItems { get; set; }

    public int? MaxItems { get; set; }

    /// <summary>Schemas of items by place, and of all others.</summary>
    public List<(List<SchemaPart> Prefix, SchemaPart? Others)> Items { get; } = [];

    /// <summary>Schemas of properties by name, and of all others.</summary>
    public List<(Dictionary<string, SchemaPart> Named, SchemaPart? Others)> Properties { get; } = [];

    /// <summary>Names of properties in order.</summary>
    public List<string> Names { get; } = [];

    public HashSet<string> Required { get; } = new(StringComparer.Ordinal);

    public int MinProperties { get; set; }

    public int? MaxProperties { get; set; }

    /// <summary>Where the limits on the number of properties are, for errors.</summary>
    public SchemaPart? Counted { get; set; }

    /// <summary>The first choice that is open.</summary>
    public (SchemaPart Part, string Keyword)? Choice { get; set; }

    /// <summary>What is asked of an item.</summary>
    public List<SchemaPart> ItemAt(int place) =>
        [.. Items.Select(i => place < i.Prefix.Count ? i.Prefix[place] : i.Others).OfType<SchemaPart>()];

    /// <summary>What is asked of a property.</summary>
    public List<SchemaPart> Property(string name) =>
        [.. Properties.Select(p => p.Named.TryGetValue(name, out var part) ? part : p.Others).OfType<SchemaPart>()];

    /// <summary>What is asked of a property that is not named.</summary>
    public List<SchemaPart> OtherProperty() => [.. Properties.Select(p => p.Others).OfType<SchemaPart>()];

    /// <summary>The type of a value.</summary>
    public static JsonTypes TypeOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => JsonTypes.Null,
        JsonValueKind.True or JsonValueKind.False => JsonTypes.Boolean,
        JsonValueKind.Number => JsonNumber.Read(value) is { IsInteger: false } ? JsonTypes.Fraction : JsonTypes.Integer,
        JsonValueKind.String => JsonTypes.String,
        JsonValueKind.Array => JsonTypes.Array,
        _ => JsonTypes.Object,
    };
}
