using System.Buffers;
using System.Text;
using System.Text.Json;
using WarpDecode.Runtime.Grammars.JsonSchemas;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime.Grammars;

/// <summary>One form that an answer may have: JSON that is valid by a schema, between two texts.</summary>
/// <param name="Name">What the schema is of, for messages.</param>
/// <param name="Before">Text before the JSON; markers in it are tokens.</param>
/// <param name="Schema">The schema, with references from its own root.</param>
/// <param name="After">Text after the JSON.</param>
internal sealed record AnswerForm(string Name, string Before, string Schema, string After);

/// <summary>Makes the grammar of an answer that has one of several forms: content by a schema, or a call of one of the tools.</summary>
internal static class AnswerGrammar
{
    /// <summary>The grammar.</summary>
    /// <param name="forms">The forms, one or more, with different names.</param>
    /// <param name="markers">Texts that are one token each where the vocabulary has them as control tokens.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <exception cref="GrammarException">A schema is not one, or uses what is not supported.</exception>
    public static Grammar Of(IReadOnlyList<AnswerForm> forms, IEnumerable<string> markers, Tokenizer tokenizer)
    {
        var tokens = new List<(string Text, int Id)>();
        foreach (var marker in markers)
        {
            if (tokenizer.Encode(marker, addSpecial: false, parseSpecial: true) is [var id] && tokenizer.IsControl(id)) tokens.Add((marker, id));
        }
        var schemas = Join(forms);
        return Grammar.Of(SchemaCompiler.Compile(schemas, [.. forms.Select(f => f.Name)], (rules, values) =>
            Node.Choice([.. forms.Select((form, i) => Node.Sequence(Literal(form.Before, tokens, rules), values[i], Literal(form.After, tokens, rules)))])));
    }

    /// <summary>An object of all the schemas, their references made to begin at its root.</summary>
    private static string Join(IReadOnlyList<AnswerForm> forms)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            foreach (var form in forms)
            {
                writer.WritePropertyName(form.Name);
                try
                {
                    using var document = JsonDocument.Parse(form.Schema, new JsonDocumentOptions { MaxDepth = GrammarLimits.Nesting - 2, AllowDuplicateProperties = false });
                    var name = form.Name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
                    Write(document.RootElement, $"#/{Uri.EscapeDataString(name)}", writer);
                }
                catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
                {
                    throw new GrammarException($"the JSON schema of {form.Name} is not JSON: {e.Message}", "Correct it there.");
                }
            }
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void Write(JsonElement element, string root, Utf8JsonWriter writer)
    {
        if (element.ValueKind == JsonValueKind.Array)
        {
            writer.WriteStartArray();
            foreach (var item in element.EnumerateArray()) Write(item, root, writer);
            writer.WriteEndArray();
            return;
        }
        if (element.ValueKind != JsonValueKind.Object)
        {
            element.WriteTo(writer);
            return;
        }
        writer.WriteStartObject();
        foreach (var property in element.EnumerateObject())
        {
            writer.WritePropertyName(property.Name);
            if (property.Name == "$ref" && property.Value.ValueKind == JsonValueKind.String && property.Value.GetString() is ['#', .. var rest]) writer.WriteStringValue(root + rest);
            else if (property.Name is "const" or "enum" or "default" or "examples") property.Value.WriteTo(writer); // values, not schemas
            else Write(property.Value, root, writer);
        }
        writer.WriteEndObject();
    }

    /// <summary>A text with its markers as tokens.</summary>
    private static Node Literal(string text, List<(string Text, int Id)> tokens, RuleSet rules)
    {
        var parts = new List<Node>();
        while (text.Length > 0)
        {
            var (at, marker) = (text.Length, (Text: "", Id: -1));
            foreach (var token in tokens)
            {
                var found = text.IndexOf(token.Text, StringComparison.Ordinal);
                if (found >= 0 && (found < at || (found == at && token.Text.Length > marker.Text.Length))) (at, marker) = (found, token);
            }
            if (at > 0) parts.Add(Node.Text(text[..at]));
            if (marker.Id >= 0)
            {
                rules.Tokens.Add(new TokenReference(marker.Id, null, Negated: false));
                parts.Add(new TokenNode(rules.Tokens.Count - 1));
            }
            text = text[(at + marker.Text.Length)..];
        }
        return parts.Count == 0 ? Node.Empty : Node.Sequence([.. parts]);
    }
}
