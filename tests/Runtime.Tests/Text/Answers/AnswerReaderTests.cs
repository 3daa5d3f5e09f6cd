using System.Diagnostics;
using System.Text;
using WarpDecode.Runtime.Text;
using Xunit;

namespace WarpDecode.Runtime.Tests.Text;

public sealed class AnswerReaderTests
{
    public static TheoryData<int> GoodOnes => [.. Enumerable.Range(0, Samples.Good.Length)];

    [Theory]
    [MemberData(nameof(GoodOnes))]
    public void ReadsEveryFormatInEverySplit(int number)
    {
        var sample = Samples.Good[number];
        var answer = Answers.ReadInEverySplit(Answers.Format(sample.Format), sample.Prompt, sample.Text);
        Answers.CheckCalls(answer);
        Assert.Equal(sample.Content, answer.Content);
        Assert.Equal(sample.Reasoning, answer.Reasoning);
        Assert.Equal(sample.Calls, answer.Calls.Select(c => $"{c.Name} {c.Arguments}"));
    }

    [Fact]
    public void WhatIsMalformedComesBackAsItWasWritten()
    {
        foreach (var (format, text) in Samples.Malformed)
        {
            var answer = Answers.ReadInEverySplit(Answers.Format(format), "", text);
            Assert.Empty(answer.Calls);
            Assert.Equal(text, answer.Content);
        }
    }

    [Theory] // a good call after a bad one, and the other way round
    [InlineData("hermes", """<tool_call>{"name": oops</tool_call>""", """<tool_call>{"name": "f", "arguments": {}}</tool_call>""")]
    [InlineData("hermes", "<tool_call>", """<tool_call>{"name": "f", "arguments": {}}</tool_call>""")]
    [InlineData("qwen-coder", "<tool_call><function=f>no</function></tool_call>", "<tool_call><function=f></function></tool_call>")]
    [InlineData("mistral", "[TOOL_CALLS]f[ARGS][]", "[TOOL_CALLS]f[ARGS]{}")]
    [InlineData("kimi", "<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{]<|tool_call_end|>", "<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{}<|tool_call_end|>")]
    [InlineData("deepseek", "<｜tool▁call▁begin｜>f<｜tool▁sep｜>{1}<｜tool▁call▁end｜>", "<｜tool▁call▁begin｜>f<｜tool▁sep｜>{}<｜tool▁call▁end｜>")]
    [InlineData("glm", "<tool_call>f oops</tool_call>", "<tool_call>f</tool_call>")]
    [InlineData("minimax", "<minimax:tool_call>oops</minimax:tool_call>", "<minimax:tool_call><invoke name=\"f\"></invoke></minimax:tool_call>")]
    [InlineData("gemma", "<|tool_call>call:f{1}<tool_call|>", "<|tool_call>call:f{}<tool_call|>")]
    public void ABadCallDoesNotHideAGoodOne(string format, string bad, string good)
    {
        foreach (var text in new[] { bad + good, good + bad, bad + good + bad + good })
        {
            var answer = Answers.ReadInEverySplit(Answers.Format(format), "", text);
            Assert.Equal(text.Split(good).Length - 1, answer.Calls.Count);
            Assert.Equal(text.Replace(good, "", StringComparison.Ordinal), answer.Content);
        }
    }

    [Theory]
    [InlineData("""<|channel|>commentary to=functions.f<|message|>{"a": <|call|>""", """<|channel|>commentary to=functions.f<|message|>{"a": """)]
    [InlineData("""<|channel|>commentary to=functions.f<|message|>{"a": 1} x<|end|>""", """<|channel|>commentary to=functions.f<|message|>{"a": 1} x""")]
    [InlineData("<|channel|>analysis to=python code<|message|>print(1)<|call|>", "<|channel|>analysis to=python code<|message|>print(1)")]
    [InlineData("<|channel|>commentary to=functions.f", "<|channel|>commentary to=functions.f")]
    [InlineData("<|channel|>anal", "")] // structure, no text
    [InlineData("<|end|>", "")]
    [InlineData("<|channel|>final<|message|>a<|end|><|end|> \n<|start|>assistant<|channel|>final<|message|>b", "a\n\nb")]
    public void HarmonyWithoutACall(string text, string content)
    {
        var answer = Answers.ReadInEverySplit(Answers.Format("harmony"), "<|start|>assistant", text);
        Assert.Equal(new Answer("", content, []).ToString(), answer.ToString());
    }

    [Fact]
    public void IdsAreTheModelsOrNumbers()
    {
        static string Ids(string format, string text, int first = 0)
        {
            var events = new List<AnswerEvent>();
            var reader = AnswerReader.Create(Answers.Format(format), "", tools: null, first);
            reader.Write(text, events);
            reader.Finish(events);
            return string.Join(' ', events.Select(e => e.Call!.Id));
        }
        const string hermes = """<tool_call>{"name": "f", "arguments": {}}</tool_call>""";
        Assert.Equal("call_0 call_1", Ids("hermes", hermes + hermes));
        Assert.Equal("call_7", Ids("hermes", hermes, first: 7));
        Assert.Equal("abcDEF123 call00001", Ids("mistral", """[TOOL_CALLS][{"name": "f", "arguments": {}, "id": "abcDEF123"}, {"name": "g", "arguments": {}}]"""));
        Assert.Equal("xyz000000", Ids("mistral", "[TOOL_CALLS]f[CALL_ID]xyz000000[ARGS]{}"));
        Assert.Equal("functions.f:3", Ids("kimi", "<|tool_call_begin|>functions.f:3<|tool_call_argument_begin|>{}<|tool_call_end|>"));
    }

    [Fact]
    public void SchemasSayWhatValuesAre()
    {
        var tool = new ToolDefinition("f", null,
            """
            {"type": "object", "properties": {
              "s": {"type": "string"}, "i": {"type": "integer"}, "b": {"type": "boolean"}, "o": {"type": "object"}, "a": {"type": "array"},
              "n": {"type": ["string", "null"]}, "u": {"anyOf": [{"type": "integer"}, {"type": "string"}]}, "e": {"enum": ["1", "2"]}, "x": {}, "w": {"type": "integer"}}}
            """);
        (string Key, string Value, string Json)[] values =
        [
            ("s", "12", "\"12\""), ("i", "12", "12"), ("b", "True", "true"), ("o", "{\"k\": 1}", "{\"k\": 1}"), ("a", "[1, 2]", "[1, 2]"),
            ("n", "null", "null"), ("u", "5", "5"), ("e", "1", "\"1\""), ("x", "1.5", "1.5"), ("w", "many", "\"many\""), ("other", "text", "\"text\""),
        ];
        var expected = "{" + string.Join(",", values.Select(v => $"\"{v.Key}\":{v.Json}")) + "}";
        var parameters = string.Concat(values.Select(v => $"<parameter={v.Key}>\n{v.Value}\n</parameter>\n"));
        Assert.Equal(expected, Read("qwen-coder", $"<tool_call>\n<function=f>\n{parameters}</function>\n</tool_call>"));
        Assert.Equal(expected, Read("glm", "<tool_call>f\n" + string.Concat(values.Select(v => $"<arg_key>{v.Key}</arg_key>\n<arg_value>{v.Value}</arg_value>\n")) + "</tool_call>"));
        Assert.Equal(expected, Read("minimax", "<minimax:tool_call>\n<invoke name=\"f\">\n" + string.Concat(values.Select(v => $"<parameter name=\"{v.Key}\">{v.Value}</parameter>\n")) + "</invoke>\n</minimax:tool_call>"));

        string Read(string format, string text) => Assert.Single(Answers.ReadInEverySplit(Answers.Format(format), "", text, [tool]).Calls).Arguments;
    }

    [Fact]
    public void WithoutToolsNothingIsACall()
    {
        foreach (var sample in Samples.Good.Where(s => s is { Calls.Length: > 0, Reasoning: "", Prompt: "" }))
        {
            var answer = Answers.ReadInEverySplit(Answers.Format(sample.Format), "", sample.Text, []);
            Assert.Equal(new Answer("", sample.Text, []).ToString(), answer.ToString());
        }
    }

    [Fact]
    public void ABareCallMustNameATool()
    {
        const string text = """{"name": "f", "parameters": {}}""";
        var format = Answers.Format("llama");
        Assert.Single(Answers.Read(format, "", [text], [new ToolDefinition("f", null, "{}")]).Calls);
        Assert.Equal(text, Answers.Read(format, "", [text], [new ToolDefinition("g", null, "{}")]).Content);
    }

    [Fact]
    public void TextComesOutAtOnce()
    {
        var reader = AnswerReader.Create(Answers.Format("hermes"), "");
        var events = new List<AnswerEvent>();
        string Next(string text)
        {
            events.Clear();
            reader.Write(text, events);
            return string.Concat(events.Select(e => e.Text));
        }
        Assert.Equal("Hel", Next("Hel"));
        Assert.Equal("lo <b>", Next("lo <b>"));
        Assert.Equal("", Next("<tool_"));
        Assert.Equal("<tool_s", Next("s"));
        Assert.Equal("", Next("\n"));
        Assert.Equal("\nx", Next("x"));
        Assert.Equal("", Next("<tool_call>{\"name\": "));
        Assert.Equal("<tool_call>{\"name\": ".Length, reader.HeldBack);
        Assert.Equal("", Next("\"f\"}</tool_call>"));
        Assert.Equal("f", Assert.Single(events).Call!.Name);
        Assert.Equal(0, reader.HeldBack);
    }

    [Fact]
    public void AnAnswerWithoutMarkersIsExact()
    {
        const string text = " \n<think>x</think> <tool_call>{}</tool_call>\n\n";
        Assert.Equal(text, Answers.ReadInEverySplit(AnswerFormat.None, "<think>", text).Content);
    }

    [Fact]
    public void LimitsHold()
    {
        var format = Answers.Format("hermes");
        string Call(int length) => $$$"""<tool_call>{"name": "f", "arguments": {"s": "{{{new string('x', length)}}}"}}</tool_call>""";
        Assert.Single(Answers.Read(format, "", [Call(1_000_000)]).Calls);
        var tooLong = Call(1 << 20);
        Assert.Equal(tooLong, Answers.Read(format, "", [tooLong]).Content);
        Assert.Equal(tooLong, Answers.Read(format, "", tooLong.Chunk(1000).Select(c => new string(c))).Content);

        string Deep(int depth) => $$$"""<tool_call>{"name": "f", "arguments": {"a": {{{new string('[', depth)}}}{{{new string(']', depth)}}}}}</tool_call>""";
        Assert.Single(Answers.Read(format, "", [Deep(50)]).Calls);
        Assert.Equal(Deep(70), Answers.Read(format, "", [Deep(70)]).Content);
        var gemma = "<|tool_call>call:f{a:" + new string('[', 70) + new string(']', 70) + "}<tool_call|>";
        Assert.Equal(gemma, Answers.Read(Answers.Format("gemma"), "", [gemma]).Content);

        var many = Answers.Read(format, "", [string.Concat(Enumerable.Repeat(Call(0), 1003))]);
        Assert.Equal(1000, many.Calls.Count);
        Assert.Equal(Call(0) + Call(0) + Call(0), many.Content);
    }

    [Fact]
    public void HostileTextTakesLinearTime()
    {
        var clock = Stopwatch.StartNew();
        foreach (var name in AnswerFormat.Names)
        {
            var format = Answers.Format(name);
            var openers = format.Calls?.Openers ?? ["<|channel|>", "<|start|>", "<|channel|>commentary to=f<|message|>{"];
            foreach (var unit in openers.Concat(["<", "{", " ", "<think>", openers[0] + "{\"", openers[^1] + "f>", openers[0] + "<function=f><parameter=x>", openers[0] + "f\n<arg_key>x</arg_key><arg_value>"]))
            {
                foreach (var (length, size) in new[] { (10_000, 7), (200_000, 200_000) }) // as tokens come, and at once
                {
                    var text = new StringBuilder().Insert(0, unit, (length / unit.Length) + 1).ToString();
                    var answer = Answers.Read(format, "", Pieces(text, size));
                    Assert.Empty(answer.Calls);
                    Assert.InRange(answer.Content.Length + answer.Reasoning.Length, name == "harmony" ? 0 : text.Length - 2 - "<think>".Length, text.Length * 2);
                }
            }
        }
        // Quadratic time would be hours; a busy machine may take some seconds.
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60), $"{clock.Elapsed}");
    }

    [Fact]
    public void NoTextMakesItFail()
    {
        var random = new Random(1);
        var pool = Samples.Good.Select(s => s.Text).Concat(Samples.Malformed.Select(m => m.Text)).ToArray();
        string[] bits = ["<", ">", "{", "}", "[", "]", "\"", "\\", "\n", " ", "\ud83c", "\0", "</think>", "<think>", ":", ",", "x", "\\u00"];
        var clock = Stopwatch.StartNew();
        for (var round = 0; round < 6000 && clock.Elapsed < TimeSpan.FromSeconds(2); round++)
        {
            var text = new StringBuilder(pool[random.Next(pool.Length)]);
            for (var change = random.Next(1, 6); change > 0; change--)
            {
                var at = random.Next(text.Length + 1);
                switch (random.Next(4))
                {
                    case 0: text.Insert(at, bits[random.Next(bits.Length)]); break;
                    case 1: text.Remove(at, Math.Min(random.Next(1, 9), text.Length - at)); break;
                    case 2: text.Insert(at, pool[random.Next(pool.Length)]); break;
                    default: text.Insert(at, text.ToString(at, Math.Min(random.Next(1, 30), text.Length - at))); break;
                }
            }
            var answer = text.ToString();
            var format = Answers.Format(AnswerFormat.Names[random.Next(AnswerFormat.Names.Count)]);
            var prompt = random.Next(3) switch { 0 => "", 1 => "<think>\n", _ => "<|start|>assistant" };
            var whole = Answers.Read(format, prompt, [answer]);
            var cut = Answers.Read(format, prompt, Pieces(answer, random.Next(1, 20)));
            Assert.True(whole.ToString() == cut.ToString(), $"{format.Name}: {answer}\n{cut}\ninstead of\n{whole}");
            Answers.CheckCalls(whole);
        }
    }

    private static IEnumerable<string> Pieces(string text, int size)
    {
        for (var at = 0; at < text.Length; at += size) yield return text.Substring(at, Math.Min(size, text.Length - at));
    }
}
