namespace WarpDecode.Bench;

/// <summary>Schemas and grammars whose texts have an end, for sampling.</summary>
internal static class GrammarCases
{
    public static (string Name, string Schema)[] Schemas { get; } =
    [
        ("person", """{"type":"object","properties":{"name":{"type":"string","minLength":1,"maxLength":20},"age":{"type":"integer","minimum":0,"maximum":150}},"required":["name","age"],"additionalProperties":false}"""),
        ("enum", """{"enum":["red","green","blue",null,3,1.5,{"a":[1,2]},"quo\"te"]}"""),
        ("const", """{"const":{"kind":"fixed","values":[true,false]}}"""),
        ("numbers", """{"type":"array","items":{"type":"number"},"minItems":1,"maxItems":4}"""),
        ("range", """{"type":"object","properties":{"price":{"type":"number","minimum":0.5,"exclusiveMaximum":99.95},"delta":{"type":"number","exclusiveMinimum":-1,"maximum":1},"count":{"type":"integer","exclusiveMinimum":-17,"maximum":1234}},"required":["price","delta","count"],"additionalProperties":false}"""),
        ("optional", """{"type":"object","properties":{"a":{"type":"boolean"},"b":{"type":"null"},"c":{"type":"integer"},"d":{"type":"string","maxLength":5}},"required":["c"],"additionalProperties":false}"""),
        ("additional", """{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"],"additionalProperties":{"type":"boolean"},"maxProperties":4}"""),
        ("tuple", """{"type":"array","prefixItems":[{"type":"integer"},{"type":"string","maxLength":8}],"items":{"type":"boolean"},"minItems":1,"maxItems":5}"""),
        ("pattern", """{"type":"string","pattern":"^[A-Z]{2}-\\d{3,5}(?:/[a-f\"\\\\]{1,20})?$","maxLength":300}"""),
        ("unanchored", """{"type":"object","properties":{"code":{"type":"string","pattern":"^(ab|a)*c{2,40}$"}},"required":["code"],"additionalProperties":false}"""),
        ("dates", """{"type":"object","properties":{"day":{"type":"string","format":"date"},"at":{"type":"string","format":"time"},"moment":{"type":"string","format":"date-time"}},"required":["day","at","moment"],"additionalProperties":false}"""),
        ("names", """{"type":"object","properties":{"id":{"type":"string","format":"uuid"},"mail":{"type":"string","format":"email"},"host":{"type":"string","format":"ipv4"},"link":{"type":"string","format":"uri"}},"required":["id","mail","host","link"],"additionalProperties":false}"""),
        ("anyOf", """{"anyOf":[{"type":"integer","minimum":5,"maximum":50},{"type":"string","maxLength":6},{"type":"array","items":{"type":"null"},"maxItems":3}]}"""),
        ("oneOf", """{"oneOf":[{"type":"object","properties":{"kind":{"const":"circle"},"radius":{"type":"number","minimum":0,"maximum":10}},"required":["kind","radius"],"additionalProperties":false},{"type":"object","properties":{"kind":{"const":"square"},"side":{"type":"integer","minimum":1,"maximum":9}},"required":["kind","side"],"additionalProperties":false}]}"""),
        ("allOf", """{"allOf":[{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]},{"properties":{"x":{"minimum":10,"maximum":99},"y":{"type":"boolean"}},"required":["y"],"maxProperties":2}]}"""),
        ("tree", """{"$defs":{"node":{"type":"object","properties":{"value":{"type":"integer","minimum":0,"maximum":9},"children":{"type":"array","items":{"$ref":"#/$defs/node"},"maxItems":1}},"required":["value"],"additionalProperties":false}},"$ref":"#/$defs/node"}"""),
        ("refs", """{"$defs":{"word":{"type":"string","minLength":2,"maxLength":9}},"type":"object","properties":{"first":{"$ref":"#/$defs/word"},"last":{"$ref":"#/$defs/word","maxLength":4}},"required":["first","last"],"additionalProperties":false}"""),
        ("types", """{"type":"array","items":{"type":["integer","boolean","null"]},"minItems":2,"maxItems":6}"""),
        ("nested", """{"type":"object","properties":{"matrix":{"type":"array","items":{"type":"array","items":{"type":"integer","minimum":-9,"maximum":9},"minItems":2,"maxItems":2},"minItems":2,"maxItems":2},"tags":{"type":"array","items":{"enum":["a","b","c"]},"maxItems":3}},"required":["matrix","tags"],"additionalProperties":false}"""),
        ("weather", """{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"Weather","type":"object","properties":{"location":{"type":"string","description":"City","minLength":1,"maxLength":30},"unit":{"type":"string","enum":["celsius","fahrenheit"],"default":"celsius"},"days":{"type":"integer","minimum":1,"maximum":14}},"required":["location","unit"],"additionalProperties":false}"""),
    ];

    public static (string Name, string Gbnf)[] Grammars { get; } =
    [
        ("yes-no", "root ::= \"yes\" | \"no\" | \"maybe\""),
        ("list", "root ::= (\"- \" item){1,5}\nitem ::= [^\\n]{1,20} \"\\n\""),
        ("sum", "root ::= number (\" + \" number){1,6} \" = \" number\nnumber ::= \"0\" | [1-9] [0-9]{0,5}"),
        ("parentheses", "root ::= \"f\" tail\ntail ::= \"(\" inner \")\"\ninner ::= \"x\" | \"y\" | \"(\" inner \")\" | \"[\" inner \"]\" # nested\n"),
        ("chess", "root ::= (\"1. \" move \" \" move \"\\n\") ([1-9] [0-9]? \". \" move \" \" move \"\\n\"){1,3}\nmove ::= (pawn | nonpawn | castle) [+#]?\nnonpawn ::= [NBKQR] [a-h]? [1-8]? \"x\"? [a-h] [1-8]\npawn ::= ([a-h] \"x\")? [a-h] [1-8] (\"=\" [NBKQR])?\ncastle ::= \"O-O\" \"-O\"?"),
        ("unicode", "root ::= [ぁ-ゟ]{2,6} \"。\" [\\U0001F600-\\U0001F64F]? [^\\x00-\\x7F]{1,3}"),
        ("csv", "root ::= row (\"\\n\" row){0,3}\nrow ::= field (\",\" field){2}\nfield ::= quoted | [a-z0-9]{0,8}\nquoted ::= \"\\\"\" ([^\"] | \"\\\"\\\"\"){0,12} \"\\\"\""),
        ("date", "root ::= [0-9]{4} \"-\" ( \"0\" [1-9] |\n  \"1\" [0-2]) \"-\" ([0-2] [0-9] | \"3\" [01])"),
        ("json", "root ::= \"{\" ws pair (\",\" ws pair){0,2} \"}\"\npair ::= \"\\\"\" [a-z]{1,8} \"\\\":\" ws value\nvalue ::= \"true\" | \"null\" | [0-9]{1,4} | \"[\" ws (value (\",\" ws value)?)? \"]\"\nws ::= \" \"?"),
        ("words", "root ::= word (\" \" word){3,30} [.!?]\nword ::= [a-zA-Z]+ | [0-9]{1,40}"),
    ];
}
