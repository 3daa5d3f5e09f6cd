using System.Text;
using System.Text.Json;
using WarpDecode.Runtime.Grammars;
using WarpDecode.Runtime.Sampling;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Grammars;

/// <summary>Answers that must be a call, or JSON, read back as answers are.</summary>
public sealed class AnswerGrammarTests : IDisposable
{
    private const string Schema =
        """
        {"type": "object", "properties": {"level": {"enum": ["low", "high"]}, "next": {"$ref": "#/$defs/place"}, "other": {"$ref": "#/properties/level"}},
         "required": ["level", "next", "other"], "additionalProperties": false, "$defs": {"place": {"type": "integer", "minimum": -3, "maximum": 12}}}
        """;

    private readonly Engine engine = Engine.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = BackendKind.Cpu, ContextLength = 64 });

    public static TheoryData<string> Formats { get; } = [.. AnswerFormat.Names];

    public void Dispose() => engine.Dispose();

    [Theory]
    [MemberData(nameof(Formats))]
    public void AHeldCallIsReadAsThatCall(string name)
    {
        var format = AnswerFormat.Detect("", _ => false, name);
        if (format.Calls?.Around("one", 3) is null)
        {
            // Formats that write each value as text of its own.
            Assert.Contains(name, new[] { "harmony", "minimax", "gemma", "seed", "glm", "qwen-coder" });
            return;
        }
        ToolDefinition[] tools = [new("one", null, Schema), new("two/b.c", null, Schema.Replace("\"low\"", "\"lowest\"", StringComparison.Ordinal))];
        AnswerForm[] forms = [.. tools.Select(t => new AnswerForm(t.Name, format.Calls.Around(t.Name, 3)!.Value.Before, t.Parameters!, format.Calls.Around(t.Name, 3)!.Value.After))];
        var grammar = AnswerGrammar.Of(forms, format.Calls.Markers, engine.Tokenizer);
        var random = new Random(5);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < 12; i++)
        {
            var text = Walk(new GrammarConstraint(grammar, engine.Tokenizer, engine.Vocabulary), random);
            var reader = AnswerReader.Create(format, "", tools, firstCall: 3);
            var events = new List<AnswerEvent>();
            reader.Write(text, events);
            reader.Finish(events);
            var call = Assert.Single(events).Call;
            Assert.True(call is not null, text);
            using var arguments = JsonDocument.Parse(call.Arguments);
            Assert.Contains(arguments.RootElement.GetProperty("level").GetString(), call.Name == "one" ? ["low", "high"] : new[] { "lowest", "high" });
            Assert.InRange(arguments.RootElement.GetProperty("next").GetInt32(), -3, 12);
            seen.Add(call.Name);
        }
        Assert.Equal(2, seen.Count);
    }

    [Fact]
    public void AConstraintBeginsWhereTheReasoningEnds()
    {
        var tokenizer = engine.Tokenizer;
        var grammar = Grammar.FromJsonSchema("""{"enum": [true, "yes"]}""");
        var open = tokenizer.Decode([Enumerable.Range(0, tokenizer.Count).First(id => tokenizer.IsControl(id) && !tokenizer.EndOfTurn.Contains(id))], special: true);
        var tag = new ReasoningTag(open, "</think>");
        foreach (var isOpen in new[] { true, false })
        {
            var constraint = new AfterReasoning(new GrammarConstraint(grammar, tokenizer, engine.Vocabulary), tokenizer, engine.Vocabulary, tag, isOpen);
            for (var round = 0; round < 2; round++)
            {
                if (!isOpen) Take(constraint, open);
                foreach (var end in tokenizer.EndOfTurn) Assert.False(Allows(constraint, end));
                Take(constraint, "It is <b>so</b> </thin");
                // What would go on behind the closing text within one token cannot come.
                foreach (var id in Enumerable.Range(0, tokenizer.Count).Where(id => !tokenizer.IsControl(id) && tokenizer.Bytes(id).StartsWith("k>"u8)))
                    Assert.Equal(tokenizer.Bytes(id)["k>"u8.Length..].Trim(" \t\r\n"u8).IsEmpty, Allows(constraint, id));
                Take(constraint, "k>");
                var text = Walk(constraint, new Random(round));
                Assert.Contains(text, new[] { "true", "\"yes\"" });
                constraint.Reset();
            }
            // It need not think.
            if (!isOpen) Assert.Contains(Walk(constraint, new Random(3), not: tokenizer.Encode(open, false, true)[0]), new[] { "true", "\"yes\"" });
        }
    }

    [Fact]
    public void ASchemaThatIsNoneNamesItsTool()
    {
        var error = Assert.Throws<GrammarException>(() => AnswerGrammar.Of([new AnswerForm("weather", "", "{", "")], [], engine.Tokenizer));
        Assert.Contains("weather", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<GrammarException>(() => AnswerGrammar.Of([new AnswerForm("weather", "", """{"type": "object", "properties": {"a": {"not": {}}}}""", "")], [], engine.Tokenizer));
        Assert.Contains("weather/properties/a", error.Message, StringComparison.Ordinal);
    }

    private static bool Allows(ITokenConstraint constraint, int id) => (constraint.Allowed[id >> 6] >> id & 1) != 0;

    private void Take(ITokenConstraint constraint, string text)
    {
        foreach (var id in engine.Tokenizer.Encode(text, addSpecial: false, parseSpecial: true))
        {
            Assert.True(Allows(constraint, id));
            constraint.Accept(id);
        }
    }

    /// <summary>Any tokens that may come, to the end of the turn; control tokens with their text.</summary>
    private string Walk(ITokenConstraint constraint, Random random, int not = -1)
    {
        var bytes = new List<byte>();
        for (var i = 0; i < 1000; i++)
        {
            var ids = Enumerable.Range(0, engine.Vocabulary).Where(id => id != not && Allows(constraint, id)).ToArray();
            var chosen = ids[random.Next(ids.Length)];
            constraint.Accept(chosen);
            if (engine.Tokenizer.EndOfTurn.Contains(chosen)) return Encoding.UTF8.GetString([.. bytes]);
            bytes.AddRange(engine.Tokenizer.Bytes(chosen));
        }
        throw new InvalidOperationException("no end");
    }
}
