using System.Text.Json;

namespace WarpDecode.Runtime.Grammars.JsonSchemas;

/// <summary>Reads schemas keyword by keyword, those that they refer to with them, into what they ask for together.</summary>
internal sealed class SchemaReader(JsonElement root)
{
    /// <summary>What the parts ask for together.</summary>
    public Schema Read(IEnumerable<SchemaPart> parts)
    {
        var schema = new Schema();
        var seen = new Dictionary<string, SchemaPart>(StringComparer.Ordinal);
        var from = new Dictionary<string, string>(StringComparer.Ordinal); // of what another part refers to, that part
        var open = new Queue<SchemaPart>(parts);
        while (open.TryDequeue(out var part))
        {
            if (!seen.TryAdd(part.Pointer, part))
            {
                // Twice the same asks for no more; but what can only be said by itself has no meaning.
                if (seen[part.Pointer].Chosen != part.Chosen) ThrowCircle(part);
                continue;
            }
            schema.Parts.Add(part);
            var waiting = open.Count;
            switch (part.Element.ValueKind)
            {
                case JsonValueKind.True:
                    break;
                case JsonValueKind.False:
                    schema.IsNever = true;
                    break;
                case JsonValueKind.Object:
                    foreach (var keyword in part.Element.EnumerateObject()) Read(schema, part, keyword.Name, keyword.Value, open);
                    ReadItems(schema, part);
                    ReadProperties(schema, part);
                    break;
                default:
                    throw new GrammarException($"JSON schema, #{part.Pointer}: a schema is an object, true or false, not {part.Element.ValueKind}", "Correct the schema there.");
            }
            foreach (var next in open.Skip(waiting))
            {
                for (var at = part.Pointer; at is not null; at = from.GetValueOrDefault(at))
                {
                    if (at == next.Pointer) ThrowCircle(next);
                }
                from.TryAdd(next.Pointer, part.Pointer);
            }
        }
        return schema;
    }

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private static void ThrowCircle(SchemaPart part) => throw new GrammarException(
        $"JSON schema, #{part.Pointer}: this schema is valid where it is valid itself, by $ref, allOf, anyOf or oneOf, which says nothing",
        "A schema may refer to itself within properties and items only.");

    private void Read(Schema schema, SchemaPart part, string keyword, JsonElement value, Queue<SchemaPart> open)
    {
        if (keyword is not ("$schema" or "$id" or "$comment" or "$defs" or "definitions" or "title" or "description" or "default" or "examples"
            or "deprecated" or "readOnly" or "writeOnly" or "type" or "enum" or "const" or "$ref" or "allOf" or "anyOf" or "oneOf"))
            schema.Assertion ??= $"#{part.Pointer}/{keyword}";
        switch (keyword)
        {
            case "$schema" or "$comment" or "$defs" or "definitions" or "title" or "description" or "default" or "examples" or "deprecated" or "readOnly" or "writeOnly":
                break;
            case "contentEncoding" or "contentMediaType" or "contentSchema": // annotations by the standard
                break;
            case "$id":
                if (part.Pointer.Length > 0) throw part.Error(keyword, "a schema with an address of its own is not supported");
                break;
            case "$ref" or "allOf" when part.Chosen.Contains(keyword, StringComparison.Ordinal):
                break;
            case "$ref":
                open.Enqueue(Resolve(part, value));
                break;
            case "allOf":
                foreach (var one in Branches(part, keyword, value)) open.Enqueue(one);
                break;
            case "anyOf" or "oneOf":
                _ = Branches(part, keyword, value);
                if (!part.Chosen.Contains(keyword, StringComparison.Ordinal)) schema.Choice ??= (part, keyword);
                break;
            case "type":
                schema.Types &= value.ValueKind == JsonValueKind.Array
                    ? value.EnumerateArray().Aggregate(JsonTypes.None, (types, t) => types | TypeNamed(part, t))
                    : TypeNamed(part, value);
                break;
            case "enum":
                if (value.ValueKind != JsonValueKind.Array) throw part.Error(keyword, "is a list of values");
                Allow(schema, part, keyword, [.. value.EnumerateArray()]);
                break;
            case "const":
                Allow(schema, part, keyword, [value]);
                break;
            case "minimum" or "exclusiveMinimum":
                schema.Bounds.AtLeast(Number(part, keyword, value), keyword[0] == 'e');
                break;
            case "maximum" or "exclusiveMaximum":
                schema.Bounds.AtMost(Number(part, keyword, value), keyword[0] == 'e');
                break;
            case "minLength":
                schema.MinLength = Math.Max(schema.MinLength, Count(part, keyword, value));
                break;
            case "maxLength":
                schema.MaxLength = Math.Min(schema.MaxLength ?? int.MaxValue, Count(part, keyword, value, clamp: true));
                break;
            case "pattern" or "format":
                if (value.ValueKind != JsonValueKind.String) throw part.Error(keyword, "is a string");
                var text = value.GetString()!;
                if (schema.Text is { } other && (other.Keyword, other.Text) != (keyword, text)) throw part.Error(keyword, $"beside another {other.Keyword} is not supported");
                schema.Text ??= (part, keyword, text);
                break;
            case "minItems":
                schema.MinItems = Math.Max(schema.MinItems, Count(part, keyword, value));
                break;
            case "maxItems":
                schema.MaxItems = Math.Min(schema.MaxItems ?? int.MaxValue, Count(part, keyword, value, clamp: true));
                break;
            case "uniqueItems" when value.ValueKind == JsonValueKind.False:
                break;
            case "minProperties":
                schema.Counted ??= part;
                schema.MinProperties = Math.Max(schema.MinProperties, Count(part, keyword, value));
                break;
            case "maxProperties":
                schema.Counted ??= part;
                schema.MaxProperties = Math.Min(schema.MaxProperties ?? int.MaxValue, Count(part, keyword, value, clamp: true));
                break;
            case "required":
                if (value.ValueKind != JsonValueKind.Array) throw part.Error(keyword, "is a list of names");
                foreach (var name in value.EnumerateArray())
                    schema.Required.Add(name.ValueKind == JsonValueKind.String ? name.GetString()! : throw part.Error(keyword, "is a list of names"));
                break;
            case "properties" or "additionalProperties" or "items" or "prefixItems":
                break; // read together, below
            default:
                throw part.Error(keyword, keyword is "not" or "if" or "then" or "else" or "patternProperties" or "multipleOf" or "uniqueItems" or "contains"
                    or "minContains" or "maxContains" or "propertyNames" or "dependentRequired" or "dependentSchemas" or "dependencies" or "unevaluatedItems"
                    or "unevaluatedProperties" or "additionalItems" or "$anchor" or "$dynamicRef" or "$dynamicAnchor" or "$recursiveRef" or "$vocabulary"
                    ? $"the keyword '{keyword}' is not supported"
                    : $"unknown keyword '{keyword}'");
        }
    }

    /// <summary>The branches of allOf, anyOf or oneOf.</summary>
    public static List<SchemaPart> Branches(SchemaPart part, string keyword, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() == 0) throw part.Error(keyword, "is a list of one schema or more");
        return [.. value.EnumerateArray().Select((e, i) => part.At(e, keyword, $"{i}"))];
    }

    private static void ReadItems(Schema schema, SchemaPart part)
    {
        var prefix = new List<SchemaPart>();
        if (part.Element.TryGetProperty("prefixItems", out var list))
        {
            if (list.ValueKind != JsonValueKind.Array) throw part.Error("prefixItems", "is a list of schemas");
            prefix.AddRange(list.EnumerateArray().Select((e, i) => part.At(e, "prefixItems", $"{i}")));
        }
        SchemaPart? rest = null;
        if (part.Element.TryGetProperty("items", out var items))
        {
            if (items.ValueKind == JsonValueKind.Array) throw part.Error("items", "a list of schemas is of older drafts", "Use prefixItems.");
            rest = part.At(items, "items");
        }
        if (prefix.Count > 0 || rest is not null) schema.Items.Add((prefix, rest));
    }

    private static void ReadProperties(Schema schema, SchemaPart part)
    {
        var named = new Dictionary<string, SchemaPart>(StringComparer.Ordinal);
        if (part.Element.TryGetProperty("properties", out var properties))
        {
            if (properties.ValueKind != JsonValueKind.Object) throw part.Error("properties", "is an object of schemas");
            foreach (var property in properties.EnumerateObject())
            {
                named.Add(property.Name, part.At(property.Value, "properties", property.Name));
                if (!schema.Names.Contains(property.Name)) schema.Names.Add(property.Name);
            }
        }
        SchemaPart? rest = part.Element.TryGetProperty("additionalProperties", out var other) ? part.At(other, "additionalProperties") : null;
        if (named.Count > 0 || rest is not null) schema.Properties.Add((named, rest));
    }

    private static void Allow(Schema schema, SchemaPart part, string keyword, List<JsonElement> values)
    {
        schema.ValuesFrom ??= (part, keyword);
        schema.Values = schema.Values is { } known ? known.FindAll(k => values.Exists(v => JsonElement.DeepEquals(k, v))) : values;
    }

    private SchemaPart Resolve(SchemaPart part, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String) throw part.Error("$ref", "is a string");
        var address = value.GetString()!;
        if (address.Length == 0 || address[0] != '#' || (address.Length > 1 && address[1] != '/'))
            throw part.Error("$ref", $"'{address}' is not of this document: only #/… is supported");
        var (element, at) = (root, new SchemaPart(root, ""));
        foreach (var step in Uri.UnescapeDataString(address[1..]).Split('/').Skip(1))
        {
            var name = step.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            var found = element.ValueKind switch
            {
                JsonValueKind.Object => element.TryGetProperty(name, out element),
                JsonValueKind.Array when int.TryParse(name, System.Globalization.NumberStyles.None, null, out var index) && index < element.GetArrayLength() =>
                    (element = element[index]).ValueKind != JsonValueKind.Undefined,
                _ => false,
            };
            if (!found) throw part.Error("$ref", $"'{address}' leads nowhere", "Correct it: the part behind # is a JSON pointer into this document.");
            at = at.At(element, name);
        }
        if (part.Pointer == at.Pointer) throw part.Error("$ref", "refers to itself");
        return at;
    }

    private static JsonTypes TypeNamed(SchemaPart part, JsonElement name) => name.ValueKind != JsonValueKind.String
        ? throw part.Error("type", "is a name or a list of names")
        : name.GetString() switch
        {
            "null" => JsonTypes.Null,
            "boolean" => JsonTypes.Boolean,
            "integer" => JsonTypes.Integer,
            "number" => JsonTypes.Number,
            "string" => JsonTypes.String,
            "array" => JsonTypes.Array,
            "object" => JsonTypes.Object,
            var other => throw part.Error("type", $"there is no type '{other}'", "Types are null, boolean, integer, number, string, array and object."),
        };

    private static JsonNumber Number(SchemaPart part, string keyword, JsonElement value) =>
        JsonNumber.Read(value) ?? throw part.Error(keyword, "is a number of not more than 300 digits");

    private static int Count(SchemaPart part, string keyword, JsonElement value, bool clamp = false)
    {
        if (JsonNumber.Read(value) is not { IsInteger: true, Digits.Sign: >= 0 } number) throw part.Error(keyword, "is a whole number, 0 or more");
        if (number.Digits <= GrammarLimits.Repeat) return (int)number.Digits;
        // A smaller maximum than is asked for is as valid; a smaller minimum is not.
        return clamp ? GrammarLimits.Repeat : throw part.Error(keyword, $"goes up to {GrammarLimits.Repeat}");
    }
}
