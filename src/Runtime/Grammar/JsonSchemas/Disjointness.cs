using System.Text.Json;

namespace WarpDecode.Runtime.Grammars.JsonSchemas;

/// <summary>Whether no value can be valid by two schemas, as far as it can be shown: by type, by values, by bounds, or by a property.</summary>
internal sealed class Disjointness(SchemaReader reader)
{
    private const int Deepest = 6;

    public bool AreApart(List<SchemaPart> a, List<SchemaPart> b) => AreApart(a, b, 0);

    private bool AreApart(List<SchemaPart> a, List<SchemaPart> b, int depth)
    {
        var (x, y) = (reader.Read(a), reader.Read(b));
        if (x.IsNever || y.IsNever) return true;
        // What a choice asks for is left out: without it there are more values, and if even these are apart, so are the others.
        if (x.Values is { } values && y.Values is { } others)
            return !values.Exists(v => Fits(v, x) && others.Exists(o => Fits(o, y) && JsonElement.DeepEquals(v, o)));
        if (x.Values is not null) return x.Values.TrueForAll(v => !Fits(v, x) || Excludes(y, v));
        if (y.Values is not null) return y.Values.TrueForAll(v => !Fits(v, y) || Excludes(x, v));
        var types = x.Types & y.Types;
        return ((types & JsonTypes.Number) == JsonTypes.None || x.Bounds.IsApartFrom(y.Bounds))
            && (types & (JsonTypes.Null | JsonTypes.Boolean)) == JsonTypes.None
            && (!types.HasFlag(JsonTypes.String) || x.MaxLength < y.MinLength || y.MaxLength < x.MinLength)
            && (!types.HasFlag(JsonTypes.Array) || x.MaxItems < y.MinItems || y.MaxItems < x.MinItems || ItemsApart(x, y, depth))
            && (!types.HasFlag(JsonTypes.Object) || ObjectsApart(x, y, depth));
    }

    private static bool Fits(JsonElement value, Schema schema) => (Schema.TypeOf(value) & schema.Types) != JsonTypes.None;

    /// <summary>Whether a value is surely not valid.</summary>
    private static bool Excludes(Schema schema, JsonElement value)
    {
        if (!Fits(value, schema)) return true;
        if (value.ValueKind == JsonValueKind.Object) return schema.Required.Any(name => !value.TryGetProperty(name, out _));
        if (value.ValueKind == JsonValueKind.Array) return value.GetArrayLength() < schema.MinItems || value.GetArrayLength() > schema.MaxItems;
        if (JsonNumber.Read(value) is not { } number) return false;
        var only = default(NumberBounds);
        only.AtLeast(number, false);
        only.AtMost(number, false);
        return schema.Bounds.IsApartFrom(only);
    }

    private bool ItemsApart(Schema x, Schema y, int depth)
    {
        // A first item that both must have, or that one must and the other cannot.
        if (depth == Deepest || Math.Max(x.MinItems, y.MinItems) == 0) return false;
        return AreApart(x.ItemAt(0), y.ItemAt(0), depth + 1);
    }

    private bool ObjectsApart(Schema x, Schema y, int depth)
    {
        if (depth == Deepest) return false;
        foreach (var name in x.Required.Union(y.Required))
        {
            if (AreApart(x.Property(name), y.Property(name), depth + 1)) return true;
        }
        return false;
    }
}
