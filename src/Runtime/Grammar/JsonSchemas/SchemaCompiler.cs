using System.Text.Json;

namespace WarpDecode.Runtime.Grammars.JsonSchemas;

/// <summary>
/// Makes the rules of a grammar from a JSON Schema: every text of the grammar is valid by the schema. What cannot be kept to is an error.
/// </summary>
internal sealed class SchemaCompiler
{
    private readonly RuleSet rules = new();
    private readonly SchemaReader reader;
    private readonly Dictionary<string, int> known = new(StringComparer.Ordinal);
    private readonly Queue<(int Rule, List<SchemaPart> Parts)> open = new();
    private readonly Dictionary<string, int> formats = new(StringComparer.Ordinal);
    private readonly int anyString;

    private SchemaCompiler(JsonElement root, IReadOnlyList<string>? names, Func<RuleSet, Node[], Node>? answer)
    {
        reader = new SchemaReader(root);
        // The root comes first.
        if (names is null || answer is null)
        {
            _ = RuleOf([new SchemaPart(root, "")]);
        }
        else
        {
            var all = rules.Add("root");
            rules.Bodies[all] = answer(rules, [.. names.Select(name => new RuleNode(RuleOf([new SchemaPart(root, "").At(root.GetProperty(name), name)])))]);
        }
        anyString = rules.Add("string", JsonText.Quoted(Node.Star(JsonText.Character)));
    }

    /// <summary>The rules of a schema.</summary>
    /// <exception cref="GrammarException">It is not JSON, not a schema, or asks for what is not supported.</exception>
    public static RuleSet Compile(string json) => Compile(json, null, null);

    /// <summary>The rules of an answer that holds values by several schemas.</summary>
    /// <param name="json">An object of the schemas; references begin at its root.</param>
    /// <param name="names">Its properties.</param>
    /// <param name="answer">Makes the answer from the values by the schemas, in the order of the names.</param>
    /// <exception cref="GrammarException">It is not JSON, not schemas, or asks for what is not supported.</exception>
    public static RuleSet Compile(string json, IReadOnlyList<string>? names, Func<RuleSet, Node[], Node>? answer)
    {
        if (json.Length > GrammarLimits.Text) GrammarLimits.ThrowTooLarge($"a schema of {json.Length} characters; up to {GrammarLimits.Text} are read");
        try
        {
            var options = new JsonDocumentOptions { MaxDepth = GrammarLimits.Nesting, AllowDuplicateProperties = false };
            using var document = JsonDocument.Parse(json, options);
            var compiler = new SchemaCompiler(document.RootElement, names, answer);
            while (compiler.open.TryDequeue(out var next)) compiler.rules.Bodies[next.Rule] = compiler.Body(compiler.reader.Read(next.Parts));
            return compiler.rules;
        }
        catch (JsonException e)
        {
            throw new GrammarException($"the JSON schema is not JSON: {e.Message}", "Correct it there.");
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            // What System.Text.Json says of \ud800 when a string is asked for.
            throw new GrammarException($"the JSON schema has a string that is no text: {e.Message}", "Write surrogates in pairs.");
        }
    }

    /// <summary>The rule of a value that all the parts allow; one for the same parts.</summary>
    public Node Value(List<SchemaPart> parts) => new RuleNode(RuleOf(parts));

    /// <summary>Adds a rule.</summary>
    public int AddRule(string name, Node? body = null) => rules.Add(name, body);

    /// <summary>Sets a rule's body.</summary>
    public void SetRule(int rule, Node body) => rules.Bodies[rule] = body;

    private int RuleOf(List<SchemaPart> parts)
    {
        var key = string.Join(' ', parts.Select(p => $"#{p.Pointer}!{p.Chosen}").Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
        if (known.TryGetValue(key, out var rule)) return rule;
        known.Add(key, rule = rules.Add(key.Length > 0 ? key : "value"));
        open.Enqueue((rule, parts));
        return rule;
    }

    private Node Body(Schema schema)
    {
        if (schema.IsNever) return Node.Nothing;
        if (schema.Choice is { } choice) return Alternatives(schema, choice.Part, choice.Keyword);
        if (schema.Values is { } values) return Listed(schema, values);
        var options = new List<Node>();
        foreach (var type in (JsonTypes[])[JsonTypes.Object, JsonTypes.Array, JsonTypes.String, JsonTypes.Number, JsonTypes.Boolean, JsonTypes.Null])
        {
            var wanted = schema.Types & type;
            if (wanted == JsonTypes.None) continue;
            options.Add(wanted switch
            {
                JsonTypes.Object => new ObjectRules(this, schema).Make(new RuleNode(anyString)),
                JsonTypes.Array => new ArrayRules(this, schema).Make(),
                JsonTypes.String => String(schema),
                JsonTypes.Integer => schema.Bounds.Any ? NumberRange.Integers(schema.Bounds) : JsonText.Integer,
                JsonTypes.Boolean => JsonText.Boolean,
                JsonTypes.Null => Node.Text("null"),
                _ => schema.Bounds.Any ? NumberRange.Numbers(schema.Bounds) : JsonText.Number,
            });
        }
        return Node.Choice([.. options]);
    }

    /// <summary>One of several schemas, each with all that stands beside them.</summary>
    private Node Alternatives(Schema schema, SchemaPart part, string keyword)
    {
        var branches = SchemaReader.Branches(part, keyword, part.Element.GetProperty(keyword));
        if (keyword == "oneOf") CheckApart(part, branches);
        var beside = schema.Parts.ConvertAll(p => p with { Chosen = Chosen(p.Chosen, p.Pointer == part.Pointer ? keyword : "") });
        return Node.Choice([.. branches.Select(b => Value([.. beside, b]))]);
    }

    /// <summary>What the parts refer to is among them; so is one of the alternatives.</summary>
    private static string Chosen(string before, string keyword) => (before.Length == 0 ? "$ref allOf " : before) + keyword;

    private void CheckApart(SchemaPart part, List<SchemaPart> branches)
    {
        var apart = new Disjointness(reader);
        if (branches.Count > 256) throw part.Error("oneOf", "more than 256 schemas are not supported", "Use anyOf.");
        for (var i = 0; i < branches.Count; i++)
        {
            for (var j = 0; j < i; j++)
            {
                if (!apart.AreApart([branches[i]], [branches[j]]))
                {
                    throw part.Error("oneOf", $"a value might be valid by both {j} and {i}, and then by neither",
                        "Use anyOf, or tell them apart by type, by a const of a required property, or by additionalProperties: false.");
                }
            }
        }
    }

    private static Node Listed(Schema schema, List<JsonElement> values)
    {
        if (schema.Assertion is { } other)
        {
            var (part, keyword) = schema.ValuesFrom!.Value;
            throw part.Error(keyword, $"beside {other} is not supported", "Leave out the values that the other keyword rules out, and the keyword.");
        }
        var texts = values.Where(v => (Schema.TypeOf(v) & schema.Types) != JsonTypes.None).Select(JsonText.Spelled).Distinct(StringComparer.Ordinal);
        return Node.Choice([.. texts.Select(Node.Text)]);
    }

    private Node String(Schema schema)
    {
        var (min, max) = (schema.MinLength, schema.MaxLength);
        if (schema.Text is not { } text)
            return min == 0 && max is null ? new RuleNode(anyString) : max < min ? Node.Nothing : JsonText.Quoted(Node.Repeat(JsonText.Character, min, max));
        if (text.Keyword == "format")
        {
            if (!Formats.Names.Contains(text.Text)) throw text.Part.Error("format", $"the format '{text.Text}' is not supported; supported are {string.Join(", ", Formats.Names)}", "Leave it out, or use pattern.");
            if (min > 0 || max is not null) throw text.Part.Error("format", "beside minLength or maxLength is not supported");
            if (!formats.TryGetValue(text.Text, out var rule)) formats.Add(text.Text, rule = Formats.AddTo(rules, text.Text));
            return JsonText.Quoted(new RuleNode(rule));
        }
        var pattern = Pattern.Read(text.Text, what => text.Part.Error("pattern", what, "Write the pattern without it."));
        if (pattern.Min >= min && (max is null || pattern.Max <= max)) return JsonText.Quoted(pattern.Node);
        // A repetition of single characters is made longer or shorter; anything else would need an intersection.
        if (pattern.Node is RepeatNode { Body: var body } repeat && IsOneCharacter(text.Text))
        {
            var (least, most) = (Math.Max(repeat.Min, min), repeat.Max is { } m && !(m > max) ? m : max);
            return most < least ? Node.Nothing : JsonText.Quoted(Node.Repeat(body, least, most));
        }
        throw text.Part.Error("pattern", "with minLength or maxLength is supported where the pattern keeps to them by itself, or is one repeated character",
            "Give the lengths in the pattern, as {m,n}.");
    }

    /// <summary>Whether a pattern is an anchored repetition of one class or character.</summary>
    private static bool IsOneCharacter(string pattern)
    {
        if (pattern is not ['^', .. var inner, '$'] || inner.Contains('(', StringComparison.Ordinal)) return false;
        var end = inner.TrimEnd('?').AsSpan();
        end = end is [.., '*'] or [.., '+'] ? end[..^1] : end.LastIndexOf('{') is > 0 and var brace ? end[..brace] : end;
        return end is ['[', .. var set, ']'] ? !set.Contains(']') : end.Length == 1 || (end.Length == 2 && end[0] == '\\');
    }
}
