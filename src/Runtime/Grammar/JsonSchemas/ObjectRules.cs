using System.Text;

namespace WarpDecode.Runtime.Grammars.JsonSchemas;

/// <summary>
/// An object: the named properties in the schema's order, those that are not required left out or not, then others if they are allowed. The
/// names of the others may be written without escapes only, so that they are seen to be others.
/// </summary>
internal sealed class ObjectRules(SchemaCompiler compiler, Schema schema)
{
    private const int LongestName = 256;

    public Node Make(Node anyString)
    {
        var names = schema.Names.Concat(schema.Required.Except(schema.Names).Order(StringComparer.Ordinal)).ToList();
        var others = schema.OtherProperty();
        var other = others.Exists(o => o.Element.ValueKind == System.Text.Json.JsonValueKind.False)
            ? Node.Nothing
            : Node.Sequence(names.Count == 0 ? anyString : Named(names), Colon(), compiler.Value(others));
        var (least, most) = Counts(names);

        // Two rules for what follows each place: where no property is written yet, and where one is.
        var first = compiler.AddRule("object's first", least > 0 ? Others(other, 1, most) : Node.Optional(Others(other, 1, most)));
        var rest = compiler.AddRule("object's rest", most is { } m ? Node.Repeat(Comma(other), 0, m) : Node.Star(Comma(other)));
        for (var i = names.Count - 1; i >= 0; i--)
        {
            var property = Node.Sequence(Node.Text(JsonText.Spelled(names[i])), Colon(), compiler.Value(schema.Property(names[i])), new RuleNode(rest));
            var isRequired = schema.Required.Contains(names[i]);
            first = compiler.AddRule("object's first", isRequired ? property : Node.Choice(property, new RuleNode(first)));
            rest = compiler.AddRule("object's rest", isRequired ? Comma(property) : Node.Choice(Comma(property), new RuleNode(rest)));
        }
        return Node.Sequence(Node.Text("{"), new RuleNode(first), Node.Text("}"));
    }

    private static Node Colon() => Node.Sequence(Node.Text(":"), JsonText.Space);

    private static Node Comma(Node node) => Node.Sequence(JsonText.Comma, node);

    private static Node Others(Node other, int least, int? most) =>
        most == 0 ? Node.Nothing : Node.Sequence(other, most is { } m ? Node.Repeat(Comma(other), least - 1, m - 1) : Node.Star(Comma(other)));

    /// <summary>Limits on the number of properties, where they can be kept to: others may have the same name twice, which counts once.</summary>
    private (int Least, int? Most) Counts(List<string> names)
    {
        var required = schema.Required.Count;
        var least = Math.Max(0, schema.MinProperties - required);
        if (least > 1 || (least == 1 && required > 0))
        {
            throw schema.Counted!.Error("minProperties", "is supported up to the number of required properties, or as 1 where none is required",
                "Name more properties as required.");
        }
        if (schema.MaxProperties is not { } max) return (least, null);
        if (names.Count <= max && required == names.Count) return (least, max - names.Count);
        if (names.Count <= max && schema.OtherProperty().Exists(o => o.Element.ValueKind == System.Text.Json.JsonValueKind.False)) return (least, null);
        throw schema.Counted!.Error("maxProperties", "is supported where all named properties are required, or no others are allowed and not more are named",
            "Name fewer properties, or require them.");
    }

    /// <summary>A name that is none of these.</summary>
    private static Node Named(List<string> names)
    {
        var tree = new Branch();
        foreach (var name in names)
        {
            if (name.Length > LongestName) GrammarLimits.ThrowTooLarge($"a property's name of {name.Length} characters; up to {LongestName} are supported");
            var at = tree;
            foreach (var rune in name.EnumerateRunes())
            {
                if (!at.Next.TryGetValue(rune.Value, out var next)) at.Next.Add(rune.Value, next = new Branch());
                at = next;
            }
            at.IsName = true;
        }
        return JsonText.Quoted(Apart(tree));
    }

    private static Node Apart(Branch branch)
    {
        var taken = CodePoints.Of(branch.Next.Keys.Select(c => (c, c)));
        var free = JsonText.Direct.Except(taken);
        var options = new List<Node> { Node.Sequence(Node.Char(free), Node.Star(Node.Char(JsonText.Direct))) };
        if (!branch.IsName) options.Add(Node.Empty);
        // A name that is written with an escape is told apart already at that character.
        foreach (var (point, next) in branch.Next)
        {
            if (JsonText.Direct.Contains(point)) options.Add(Node.Sequence(Node.Text(new Rune(point).ToString()), Apart(next)));
        }
        return Node.Choice([.. options]);
    }

    private sealed class Branch
    {
        public SortedDictionary<int, Branch> Next { get; } = [];

        public bool IsName { get; set; }
    }
}

/// <summary>An array: the items that have schemas of their own by place, then any number of others.</summary>
internal sealed class ArrayRules(SchemaCompiler compiler, Schema schema)
{
    public Node Make()
    {
        var (min, max) = (schema.MinItems, schema.MaxItems);
        if (max < min) return Node.Nothing;
        var places = schema.Items.Select(i => i.Prefix.Count).DefaultIfEmpty().Max();
        if (max < places) places = max.Value;
        var item = compiler.Value(schema.ItemAt(int.MaxValue));
        var comma = Node.Sequence(JsonText.Comma, item);
        Node rest;
        if (places == 0)
        {
            var some = max == 0 ? Node.Nothing : Node.Sequence(item, Node.Repeat(comma, Math.Max(0, min - 1), max - 1));
            rest = min == 0 ? Node.Optional(some) : some;
        }
        else
        {
            rest = Node.Repeat(comma, Math.Max(0, min - places), max - places);
        }
        for (var i = places - 1; i >= 0; i--)
        {
            var after = compiler.AddRule("array's rest", rest);
            var one = Node.Sequence(i > 0 ? JsonText.Comma : Node.Empty, compiler.Value(schema.ItemAt(i)), new RuleNode(after));
            rest = i >= min ? Node.Optional(one) : one;
        }
        return Node.Sequence(Node.Text("["), rest, Node.Text("]"));
    }
}
