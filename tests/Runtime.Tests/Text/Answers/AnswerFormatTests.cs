using System.Text.Json;
using CsCheck;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Text;

public sealed class AnswerFormatTests
{
    [Theory] // what is said of it, and how a template of each family is known
    [InlineData("content only", "{{ message.content }}")]
    [InlineData("no tool calls, <think> reasoning", "{{ content.split('</think>')[-1] }}")]
    [InlineData("harmony channels", "<|start|>assistant<|channel|>final<|message|>")]
    [InlineData("hermes tool calls, no reasoning", "<tool_call>\n{\"name\": \"")]
    [InlineData("qwen-coder tool calls, <think> reasoning", "<tool_call>\n<function=name>\n<parameter=x> <think>\n")]
    [InlineData("glm tool calls, <think> reasoning", "<tool_call>{name}\n<arg_key> </think>")]
    [InlineData("kimi tool calls, no reasoning", "<|tool_calls_section_begin|>")]
    [InlineData("deepseek tool calls, <think> reasoning", "<｜tool▁calls▁begin｜> <think>")]
    [InlineData("minimax tool calls, <think> reasoning", "<minimax:tool_call> </think>")]
    [InlineData("seed tool calls, <seed:think> reasoning", "<seed:tool_call> <function= <parameter= <seed:think> </seed:think> </seed:cot_budget_reflect>")]
    [InlineData("mistral tool calls, [THINK] reasoning", "[TOOL_CALLS] [THINK]")]
    [InlineData("gemma tool calls, <|channel>thought reasoning", "'<|tool_call>call:' <|channel>thought\n")]
    [InlineData("command tool calls, <|START_THINKING|> reasoning", "<|START_ACTION|> <|START_THINKING|>")]
    [InlineData("granite tool calls, no reasoning", "respond with <|tool_call|>")]
    [InlineData("llama tool calls, no reasoning", "<|start_header_id|> '\"parameters\": '")]
    [InlineData("llama tool calls, no reasoning", "<|python_tag|>")]
    [InlineData("no tool calls, ◁think▷ reasoning", "◁think▷")]
    [InlineData("content only", "<|start_header_id|> Llama 3")]
    public void TemplatesDeclareIt(string description, string template) =>
        Assert.Equal(description, AnswerFormat.Detect(template, _ => false).Description);

    [Fact]
    public void TheVocabularyDeclaresWhatTheTemplateLeavesOut()
    {
        Assert.Equal("granite", AnswerFormat.Detect("<|tool|>", text => text == "<|tool_call|>").Name);
        Assert.Equal("none", AnswerFormat.Detect("<|tool|>", _ => false).Name);
    }

    [Fact]
    public void AUserMayNameIt()
    {
        Assert.Equal("glm tool calls, <think> reasoning", AnswerFormat.Detect("<tool_call> <think>", _ => false, "glm").Description);
        var error = Assert.Throws<ArgumentException>(() => AnswerFormat.Detect("", _ => false, "klingon"));
        Assert.Contains("hermes", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("GLM-4.6", "glm tool calls, <think> reasoning")]
    [InlineData("Kimi-K2-Instruct", "kimi tool calls, no reasoning")]
    [InlineData("MiniMax-M2", "minimax tool calls, <think> reasoning")]
    [InlineData("Qwen-Qwen2.5-7B-Instruct", "hermes tool calls, no reasoning")]
    [InlineData("Qwen-Qwen3-0.6B", "hermes tool calls, <think> reasoning")]
    [InlineData("Qwen3-Coder", "qwen-coder tool calls, no reasoning")]
    [InlineData("deepseek-ai-DeepSeek-V3.1", "deepseek tool calls, <think> reasoning")]
    [InlineData("google-gemma-4-31B-it", "gemma tool calls, <|channel>thought reasoning")]
    [InlineData("ibm-granite-granite-4.0", "hermes tool calls, no reasoning")]
    [InlineData("meta-llama-Llama-3.1-8B-Instruct", "llama tool calls, no reasoning")]
    [InlineData("microsoft-Phi-3.5-mini-instruct", "content only")]
    [InlineData("mistralai-Mistral-Nemo-Instruct-2407", "mistral tool calls, no reasoning")]
    [InlineData("openai-gpt-oss-120b", "harmony channels")]
    public void ReleasedTemplatesAreKnown(string model, string description) => Assert.Equal(description, Released(model).Description);

    [Theory] // what begins and ends the assistant's turn in these templates' own rendering of a call
    [InlineData("GLM-4.6", "<|assistant|>", "<|observation|>")]
    [InlineData("MiniMax-M2", "]~b]ai\n", "[e~[")]
    [InlineData("Qwen-Qwen2.5-7B-Instruct", "<|im_start|>assistant\n", "<|im_end|>")]
    [InlineData("Qwen-Qwen3-0.6B", "<|im_start|>assistant\n", "<|im_end|>")]
    [InlineData("Qwen3-Coder", "<|im_start|>assistant\n", "<|im_end|>")]
    [InlineData("deepseek-ai-DeepSeek-V3.1", "<｜Assistant｜>", "<｜end▁of▁sentence｜>")]
    [InlineData("google-gemma-4-31B-it", "<|turn>model\n", "<|tool_response>")]
    [InlineData("ibm-granite-granite-4.0", "<|end_of_role|>", "<|end_of_text|>")]
    [InlineData("meta-llama-Llama-3.1-8B-Instruct", "<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>")]
    [InlineData("mistralai-Mistral-Nemo-Instruct-2407", "[/INST]", "</s>")]
    [InlineData("openai-gpt-oss-120b", "<|start|>assistant", "<|start|>functions")]
    public void WhatATemplateRendersIsReadAgain(string model, string begin, string end)
    {
        using var goldens = JsonDocument.Parse(File.ReadAllBytes(TestData.Shared("templates/goldens.json")));
        var rendered = goldens.RootElement.GetProperty("renders").GetProperty(model).GetProperty("tool_turn").GetProperty("text").GetString()!;
        var question = rendered.LastIndexOf("Weather in Bern?", StringComparison.Ordinal);
        var from = rendered.IndexOf(begin, question, StringComparison.Ordinal) + begin.Length;
        var answer = Answers.ReadInEverySplit(Released(model), rendered[..from], rendered[from..rendered.IndexOf(end, from, StringComparison.Ordinal)]);
        var call = Assert.Single(answer.Calls);
        Assert.Equal("get_weather", call.Name);
        Assert.True(JsonElement.DeepEquals(JsonDocument.Parse("""{"city": "Bern"}""").RootElement, JsonDocument.Parse(call.Arguments).RootElement), call.Arguments);
        Assert.Equal(("", ""), (answer.Content, answer.Reasoning));
    }

    [Fact]
    public void CallsAreReadAsTheyWereWritten() =>
        Gen.Select(Gen.String[Gen.Char[(char)0, 'ÿ'], 0, 20], TokenizerModels.AnyOf("a", "</tool_call>", "[ARGS]{", "<|call|>", "\"}}", "🌦\n\n"), Gen.Int).Sample((random, bit, number) =>
        {
            var value = random.Replace("<", "", StringComparison.Ordinal) + bit + number;
            var json = JsonSerializer.Serialize(new Dictionary<string, object> { ["s"] = value, ["n"] = number });
            var prompt = "<|start|>assistant";
            (string Format, string Text)[] written =
            [
                ("hermes", $"<tool_call>\n{{\"name\": \"f\", \"arguments\": {json}}}\n</tool_call>"),
                ("llama", $"{{\"name\": \"f\", \"parameters\": {json}}}"),
                ("mistral", $"[TOOL_CALLS][{{\"name\": \"f\", \"arguments\": {json}}}]"),
                ("mistral", $"[TOOL_CALLS]f[ARGS]{json}"),
                ("deepseek", $"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{json}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"),
                ("kimi", $"<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{json}<|tool_call_end|><|tool_calls_section_end|>"),
                ("harmony", $"<|channel|>commentary to=functions.f <|constrain|>json<|message|>{json}<|call|>"),
                ("qwen-coder", $"<tool_call>\n<function=f>\n<parameter=s>\n{value}\n</parameter>\n<parameter=n>\n{number}\n</parameter>\n</function>\n</tool_call>"),
                ("glm", $"<tool_call>f\n<arg_key>s</arg_key>\n<arg_value>{value}</arg_value>\n<arg_key>n</arg_key>\n<arg_value>{number}</arg_value>\n</tool_call>"),
                ("minimax", $"<minimax:tool_call>\n<invoke name=\"f\">\n<parameter name=\"s\">{value}</parameter>\n<parameter name=\"n\">{number}</parameter>\n</invoke>\n</minimax:tool_call>"),
                ("gemma", $"<|tool_call>call:f{{s:<|\"|>{value}<|\"|>,n:{number}}}<tool_call|>"),
            ];
            var tool = new ToolDefinition("f", null, """{"properties": {"s": {"type": "string"}, "n": {"type": "integer"}}}""");
            foreach (var (format, text) in written)
            {
                var answer = Answers.Read(Answers.Format(format), prompt, ["Text.\n"[..(format is "llama" or "harmony" ? 0 : 6)], text], [tool]);
                Assert.True(answer.Calls.Count == 1, $"{format}: {text}");
                using var arguments = JsonDocument.Parse(answer.Calls[0].Arguments);
                Assert.Equal(value, arguments.RootElement.GetProperty("s").GetString());
                Assert.Equal(number, arguments.RootElement.GetProperty("n").GetInt32());
                Assert.Equal(format is "llama" or "harmony" ? "" : "Text.", answer.Content);
            }
        }, iter: 100);

    [Fact]
    public void OnlyTheFormatsOwnControlTokensAreMarkers()
    {
        var tokenizer = TokenizerModels.Bytes("qwen2",
            ("<|channel|>", 3), ("<|message|>", 3), ("<|call|>", 3), ("<|pad|>", 3), ("[TOOL_CALLS]", 3), ("<think>", 4), ("<|channel>", 3), ("[", 3))
            .Add("tokenizer.ggml.merges", (string[])[]).Open();
        string Shown(AnswerFormat format, bool calls = true) => string.Join(' ', format.MarkerTokens(tokenizer, calls).Order().Select(id => tokenizer.Decode([id], special: true)));
        Assert.Equal("<|channel|> <|message|>", Shown(Answers.Format("harmony"))); // <|call|> ends the turn
        Assert.Equal("[TOOL_CALLS]", Shown(Answers.Format("mistral")));
        Assert.Equal("", Shown(Answers.Format("mistral"), calls: false));
        Assert.Equal("<|channel>", Shown(Answers.Format("gemma", "<|channel>thought"), calls: false));
        Assert.Equal("", Shown(AnswerFormat.None));
    }

    private static AnswerFormat Released(string model) => AnswerFormat.Detect(File.ReadAllText(TestData.Shared($"templates/{model}.jinja")), _ => false);
}
