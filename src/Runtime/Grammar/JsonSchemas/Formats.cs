namespace WarpDecode.Runtime.Grammars.JsonSchemas;

/// <summary>The values of "format" that are kept to. Some are narrower than their standard, so that every reader takes them.</summary>
internal static class Formats
{
    private const string Notation = """
        date ::= year "-" (("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01]) | ("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30") | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))
          | leap "-02-29"
        year ::= "000" [1-9] | "00" [1-9] [0-9] | "0" [1-9] [0-9] [0-9] | [1-9] [0-9] [0-9] [0-9]
        leap ::= "000" [48] | "00" [2468] [048] | "00" [13579] [26] | century fours | ([02468] [48] | [2468] "0" | [13579] [26]) "00"
        century ::= "0" [1-9] | [1-9] [0-9]
        fours ::= "0" [48] | [2468] [048] | [13579] [26]
        time ::= ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,6})? ("Z" | [+-] ("0" [0-9] | "1" [0-3]) ":" [0-5] [0-9])
        date-time ::= date "T" time
        uuid ::= hex{8} "-" hex{4} "-" hex{4} "-" hex{4} "-" hex{12}
        hex ::= [0-9a-f]
        byte ::= "25" [0-5] | "2" [0-4] [0-9] | "1" [0-9] [0-9] | [1-9] [0-9] | [0-9]
        ipv4 ::= byte "." byte "." byte "." byte
        ipv6 ::= group (":" group){7,7}
        group ::= "0" | [1-9a-f] hex{0,3}
        email ::= word ([.+_-] word){0,4} "@" hostname
        word ::= [a-zA-Z0-9]{1,12}
        hostname ::= label ("." label){0,4} "." [a-z]{2,10}
        label ::= [a-z] ([a-z0-9]{0,15} | [a-z0-9]{1,8} "-" [a-z0-9]{1,8})
        uri ::= "http" "s"? "://" hostname ("/" [a-zA-Z0-9_.~-]{1,30}){0,8} "/"?
        duration ::= "P" (days ("T" hours)? | "T" hours | count "W")
        days ::= count "Y" (count "M" (count "D")?)? | count "M" (count "D")? | count "D"
        hours ::= count "H" (count "M" (count "S")?)? | count "M" (count "S")? | count "S"
        count ::= "0" | [1-9] [0-9]{0,3}
        """;

    /// <summary>The names.</summary>
    public static IReadOnlyList<string> Names { get; } = ["date", "time", "date-time", "duration", "uuid", "email", "hostname", "ipv4", "ipv6", "uri"];

    /// <summary>Adds a format's rules to a grammar; the rule of the format.</summary>
    public static int AddTo(RuleSet rules, string name)
    {
        // Their rules come after the grammar's, so references move by as many.
        var own = GbnfParser.Parse(Notation, name);
        var first = rules.Names.Count;
        for (var rule = 0; rule < own.Names.Count; rule++) rules.Add($"{name} {own.Names[rule]}");
        for (var rule = 0; rule < own.Names.Count; rule++) rules.Bodies[first + rule] = Moved(own.Bodies[rule], first);
        return first;
    }

    private static Node Moved(Node node, int by) => node switch
    {
        RuleNode rule => new RuleNode(rule.Rule + by),
        SequenceNode sequence => Node.Sequence([.. sequence.Parts.Select(p => Moved(p, by))]),
        ChoiceNode choice => Node.Choice([.. choice.Options.Select(o => Moved(o, by))]),
        RepeatNode repeat => new RepeatNode(Moved(repeat.Body, by), repeat.Min, repeat.Max),
        _ => node,
    };
}
