using System.Globalization;
using System.Text;
using CsCheck;
using WarpDecode.Bench;
using WarpDecode.Runtime.Grammars;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Grammars;

public class JsonSchemaTests
{
    [Theory]
    [InlineData("{}", """{"a": [1,2.5e-3,"x\n\u00e9\ud83d\ude00"], "b":null}""", true)]
    [InlineData("true", "[]", true)]
    [InlineData("""{"type":"object"}""", "[]", false)]
    [InlineData("""{"type":"object"}""", """{"a":1,  "b":2}""", false)] // one space at most
    [InlineData("""{"type":"string"}""", "\"\\ud83d\"", false)]         // half of a pair
    [InlineData("""{"type":"string"}""", "\"a\nb\"", false)]
    [InlineData("""{"type":"string","maxLength":2}""", "\"\\ud83d\\ude00😀\"", true)]
    [InlineData("""{"type":"string","maxLength":2}""", "\"abc\"", false)]
    [InlineData("""{"type":"string","minLength":3}""", "\"ab\"", false)]
    [InlineData("""{"type":["integer","null"]}""", "null", true)]
    [InlineData("""{"type":"integer"}""", "01", false)]
    [InlineData("""{"type":"integer"}""", "1.5", false)]
    [InlineData("""{"type":"number","minimum":0.5,"maximum":0.75}""", "0.625", true)]
    [InlineData("""{"type":"number","minimum":0.5,"maximum":0.75}""", "0.76", false)]
    [InlineData("""{"properties":{"a":{"type":"integer"}},"required":["a","z"]}""", """{"a":1,"z":true,"q":[]}""", true)]
    [InlineData("""{"properties":{"a":{"type":"integer"}},"required":["a","z"]}""", """{"a":1}""", false)]
    [InlineData("""{"properties":{"ab":{"type":"integer"}},"type":"object"}""", """{"a":"x","abc":1,"b":2,"":3}""", true)]
    [InlineData("""{"properties":{"ab":{"type":"integer"}},"type":"object"}""", """{"ab":"x"}""", false)]
    [InlineData("""{"properties":{"ab":{"type":"integer"}},"type":"object"}""", """{"\u0061b":"x"}""", false)] // the same name
    [InlineData("""{"properties":{"a":false},"type":"object"}""", """{"a":1}""", false)]
    [InlineData("""{"properties":{"a":true,"b":true},"additionalProperties":false,"minProperties":1,"type":"object"}""", "{}", false)]
    [InlineData("""{"properties":{"a":true,"b":true},"additionalProperties":false,"minProperties":1,"type":"object"}""", """{"b":1}""", true)]
    [InlineData("""{"type":"array","prefixItems":[{"const":1},{"const":2}],"items":false}""", "[1,2]", true)]
    [InlineData("""{"type":"array","prefixItems":[{"const":1},{"const":2}],"items":false}""", "[1,2,3]", false)]
    [InlineData("""{"type":"array","prefixItems":[{"const":1},{"const":2}],"minItems":2}""", "[1]", false)]
    [InlineData("""{"type":"array","items":{"const":7},"minItems":2,"maxItems":50000}""", "[7, 7,7]", true)]
    [InlineData("""{"type":"array","maxItems":0}""", "[1]", false)]
    [InlineData("""{"type":"string","pattern":"b+"}""", "\"abbc\"", true)]
    [InlineData("""{"type":"string","pattern":"^a\\.b$|^\\w\\s[^x]$"}""", "\"a.b\"", true)]
    [InlineData("""{"type":"string","pattern":"^a\\.b$|^\\w\\s[^x]$"}""", "\"a_b\"", false)]
    [InlineData("""{"type":"string","pattern":"^[a-z]+$","minLength":2,"maxLength":4}""", "\"abcd\"", true)]
    [InlineData("""{"type":"string","pattern":"^[a-z]+$","minLength":2,"maxLength":4}""", "\"abcde\"", false)]
    [InlineData("""{"type":"string","format":"date"}""", "\"2024-02-29\"", true)]
    [InlineData("""{"type":"string","format":"date"}""", "\"1900-02-29\"", false)]
    [InlineData("""{"allOf":[{"minimum":3},{"maximum":5},{"type":"integer"}]}""", "4", true)]
    [InlineData("""{"allOf":[{"minimum":3},{"maximum":5},{"type":"integer"}]}""", "6", false)]
    [InlineData("""{"enum":[1,"a",[1]],"type":"string"}""", "1", false)]
    [InlineData("""{"type":"object","properties":{"next":{"$ref":"#"}},"additionalProperties":false}""", """{"next":{"next":{}}}""", true)]
    [InlineData("""{"type":"integer","anyOf":[{"minimum":10},{"maximum":-10}]}""", "-10", true)]
    [InlineData("""{"type":"integer","anyOf":[{"minimum":10},{"maximum":-10}]}""", "9", false)]
    [InlineData("""{"oneOf":[{"type":"string"},{"type":"object","required":["a"],"properties":{"a":{"const":1}}},{"type":"object","required":["a"],"properties":{"a":{"type":"string"}}}]}""", """{"a":"x"}""", true)]
    public void Takes(string schema, string text, bool valid) => Assert.Equal(valid, Grammar.FromJsonSchema(schema).Matches(Encoding.UTF8.GetBytes(text)));

    [Theory]
    [InlineData("""{"properties":{"a":{"not":{}}}}""", "#/properties/a/not", "'not' is not supported")]
    [InlineData("""{"items":{"multipleOf":2}}""", "#/items/multipleOf", "not supported")]
    [InlineData("""{"uniqueItems":true}""", "#/uniqueItems", "not supported")]
    [InlineData("""{"patternProperties":{}}""", "#/patternProperties", "not supported")]
    [InlineData("""{"if":{},"then":{}}""", "#/if", "not supported")]
    [InlineData("""{"a~/b":1}""", "#/a~/b", "unknown keyword")]
    [InlineData("""{"properties":{"a~/b":{"typo":1}}}""", "#/properties/a~0~1b/typo", "unknown keyword")]
    [InlineData("""{"format":"unknown"}""", "#/format", "date-time")]
    [InlineData("""{"type":"text"}""", "#/type", "no type 'text'")]
    [InlineData("""{"pattern":"(?=a)"}""", "#/pattern", "(?:…)")]
    [InlineData("""{"pattern":"a\\b"}""", "#/pattern", "\\b")]
    [InlineData("""{"pattern":"^ab+$","maxLength":3}""", "#/pattern", "maxLength")]
    [InlineData("""{"$ref":"other.json"}""", "#/$ref", "not of this document")]
    [InlineData("""{"$ref":"#/$defs/none"}""", "#/$ref", "leads nowhere")]
    [InlineData("""{"$ref":"#"}""", "#/$ref", "itself")]
    [InlineData("""{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}""", "#/$defs/a", "itself")]
    [InlineData("""{"anyOf":[{"type":"null"},{"$ref":"#"}]}""", "#", "itself")]
    [InlineData("""{"oneOf":[{"type":"integer"},{"type":"number"}]}""", "#/oneOf", "both 0 and 1")]
    [InlineData("""{"enum":[1,2],"minimum":2}""", "#/enum", "#/minimum")]
    [InlineData("""{"minProperties":2}""", "#/minProperties", "required")]
    [InlineData("""{"items":[{}]}""", "#/items", "older drafts")]
    [InlineData("""{"minLength":-1}""", "#/minLength", "0 or more")]
    [InlineData("""{"type":"string","minLength":3,"maxLength":2}""", "no text fits", "")]
    [InlineData("false", "no text fits", "")]
    [InlineData("[]", "#", "a schema is an object")]
    [InlineData("{", "not JSON", "")]
    public void WhatIsNotSupportedIsNamed(string schema, string place, string what)
    {
        var message = Assert.Throws<GrammarException>(() => Grammar.FromJsonSchema(schema)).Message;
        Assert.Contains(place, message, StringComparison.Ordinal);
        Assert.Contains(what, message, StringComparison.Ordinal);
    }

    [Fact]
    public void RangesOfNumbersAreExact() =>
        Gen.Select(Gen.Int[-1200, 1200], Gen.Int[0, 900], Gen.Bool, Gen.Bool, Gen.Int[0, 2]).Sample(
            (low, width, lowExcluded, highExcluded, scale) =>
            {
                var (from, to) = (Decimal(low, scale), Decimal(low + width, scale));
                foreach (var type in (string[])["integer", "number"])
                {
                    var schema = $$"""{"type":"{{type}}","{{(lowExcluded ? "exclusiveMinimum" : "minimum")}}":{{from}},"{{(highExcluded ? "exclusiveMaximum" : "maximum")}}":{{to}}}""";
                    Grammar? grammar = null;
                    try
                    {
                        grammar = Grammar.FromJsonSchema(schema);
                    }
                    catch (GrammarException e) when (e.Message.StartsWith("no text fits", StringComparison.Ordinal))
                    {
                        // no number is between them
                    }
                    foreach (var text in ((int[])[low - 1, low, low + 1, low + (width / 2), low + width - 1, low + width, low + width + 1])
                        .SelectMany(v => (string[])[Decimal(v, scale), Decimal(v, 0), Decimal((10 * v) + 1, scale + 1), Decimal((10 * v) - 1, scale + 1)]))
                    {
                        var value = decimal.Parse(text, CultureInfo.InvariantCulture);
                        var (l, h) = (decimal.Parse(from, CultureInfo.InvariantCulture), decimal.Parse(to, CultureInfo.InvariantCulture));
                        var inside = (lowExcluded ? value > l : value >= l) && (highExcluded ? value < h : value <= h)
                            && (type == "number" || !text.Contains('.', StringComparison.Ordinal));
                        Assert.True(inside == (grammar?.Matches(Encoding.ASCII.GetBytes(text)) ?? false), $"{text} under {schema}");
                    }
                }
            },
            iter: 300, threads: 1);

    [Fact]
    public void WhatAModelWritesIsValid()
    {
        var path = Path.Combine(TestData.Root, "models", "warpdecode-tiny-moe-q8_0.gguf");
        Assert.SkipUnless(File.Exists(path), "the default model is not here");
        using var engine = Engine.Open(path, new EngineOptions { Backend = BackendKind.Cpu, ContextLength = 256, Threads = 2 });
        using var session = engine.CreateSession();
        var sampling = new GrammarSampling(engine, temperature: 1.5, seed: 5);
        var prompt = engine.Tokenizer.Encode("JSON: ", addSpecial: true, parseSpecial: false);
        var whole = 0;
        foreach (var (name, schema) in GrammarCases.Schemas)
        {
            var validator = Json.Schema.JsonSchema.FromText(schema);
            var constraint = new GrammarConstraint(Grammar.FromJsonSchema(schema), engine.Tokenizer, engine.Vocabulary);
            for (var i = 0; i < 1; i++, constraint.Reset())
            {
                if (sampling.Sample(session, prompt, constraint, 160) is not { } text) continue;
                whole++;
                Assert.True(GrammarSampling.IsValid(validator, text), $"under {name}: {Encoding.UTF8.GetString(text)}");
            }
        }
        foreach (var (name, gbnf) in GrammarCases.Grammars)
        {
            var recogniser = new NaiveRecogniser(GbnfParser.Parse(gbnf));
            var constraint = new GrammarConstraint(Grammar.Parse(gbnf), engine.Tokenizer, engine.Vocabulary);
            for (var i = 0; i < 1; i++, constraint.Reset())
            {
                if (sampling.Sample(session, prompt, constraint, 160) is not { } text) continue;
                whole++;
                Assert.True(recogniser.Matches(text), $"under {name}: {Encoding.UTF8.GetString(text)}");
            }
        }
        Assert.True(whole >= 25, $"only {whole} of 30 texts came to an end");
    }

    [Fact]
    public void TheValidatorFindsFaults()
    {
        // That the oracle does not say yes to everything, formats included.
        foreach (var (schema, text) in new[] { ("""{"type":"string","format":"date"}""", "\"2023-02-29\""), ("""{"maximum":5}""", "6"), ("""{"required":["a"]}""", "{}") })
            Assert.False(GrammarSampling.IsValid(Json.Schema.JsonSchema.FromText(schema), Encoding.UTF8.GetBytes(text)));
    }

    [Fact]
    public void AWarmConstraintAllocatesNothing()
    {
        var tokens = Enumerable.Range(0, 256).Select(b => new[] { (byte)b }).Append([]).ToArray();
        var constraint = new GrammarConstraint(Grammar.FromJsonSchema(GrammarCases.Schemas[0].Schema).MasksFor(new TokenIndex(tokens, [256], _ => null, 257)));
        var text = """{"name":"Ada","age":36}"""u8.ToArray();
        Write();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10; i++) Write();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(constraint.IsComplete);

        void Write()
        {
            constraint.Reset();
            foreach (var value in text)
            {
                if (constraint.Allowed.IsEmpty) throw new InvalidOperationException();
                constraint.Accept(value);
            }
        }
    }

    private static string Decimal(int value, int scale) => (value / (decimal)Math.Pow(10, scale)).ToString(CultureInfo.InvariantCulture);
}
