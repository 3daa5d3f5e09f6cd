using System.Text;
using CsCheck;

namespace WarpDecode.Runtime.Tests.Grammars;

/// <summary>Small grammars in GBNF and short texts, from few characters, so that they often fit each other.</summary>
internal static class RandomGrammars
{
    public static Gen<string> Gbnf { get; } =
        from rules in Gen.Int[1, 3]
        from bodies in Body(rules, 3).Array[rules]
        select Write(bodies);

    public static Gen<string> Text { get; } = AnyOf("a", "b", "ab", "ba", "é", "日", "\n", "c", "").Array[0, 6].Select(string.Concat);

    public static Gen<string> AnyOf(params string[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    private static string Write(string[] bodies)
    {
        var text = new StringBuilder();
        for (var i = 0; i < bodies.Length; i++) text.Append(i == 0 ? "root" : $"r{i}").Append(" ::= ").Append(bodies[i]).Append('\n');
        return text.ToString();
    }

    private static Gen<string> Body(int rules, int depth)
    {
        var leaf = Gen.OneOf(
            AnyOf("\"a\"", "\"b\"", "\"ab\"", "\"é\"", "\"\"", "[ab]", "[^a]", "[a-cé]", "[^b\\n]", ".", "\"日\"", "[\\x62\\u00e9]"),
            Gen.Int[0, rules - 1].Select(r => r == 0 ? "root" : $"r{r}"),
            AnyOf("\"b\"", "[ab]", "\"a\""));
        if (depth == 0) return leaf;
        var inner = Body(rules, depth - 1);
        return Gen.Frequency(
            (2, leaf),
            (3, inner.Array[1, 3].Select(p => string.Join(' ', p))),
            (2, inner.Array[2, 3].Select(p => $"({string.Join(" | ", p)})")),
            (2, Gen.Select(inner, AnyOf("*", "+", "?", "{2}", "{1,3}", "{2,}", "{0,20}", "{3,18}"), (p, r) => $"({p}){r}")),
            (1, Gen.Select(leaf, AnyOf("*", "{0,30}", "{2,17}", "{17,}"), (p, r) => p + r)));
    }
}
