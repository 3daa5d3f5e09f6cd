using WarpDecode.Formats;
using WarpDecode.Runtime.Evaluation;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Evaluation;

public sealed class PromptEncoderTests : IDisposable
{
    private readonly TaskFiles files = new();
    private readonly ModelFile file = ModelFile.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"));
    private readonly Tokenizer tokenizer;

    public PromptEncoderTests() => tokenizer = Tokenizer.FromMetadata(file);

    public void Dispose()
    {
        file.Dispose();
        files.Dispose();
    }

    [Theory]
    [InlineData("The license is")]
    [InlineData("The license is ")]
    [InlineData("The license is \n")]
    public void WhiteSpaceAfterAContextBelongsToItsChoices(string context)
    {
        var prompt = Plan(files.Task(Choice(context, "a copy", " of it"))).Prompts[0];
        Assert.Equal("The license is", Decode(prompt.Context));
        var space = context["The license is".Length..];
        Assert.Equal(space + "a copy", Decode(prompt.Choices![0]));
        Assert.Equal(space + " of it", Decode(prompt.Choices[1]));
        int[] whole = Encode(context + "a copy");
        Assert.Equal(whole[prompt.Context.Length..], prompt.Choices[0]);
    }

    [Fact]
    public void AChoiceIsWhatTheWholeIsLongerBy()
    {
        // The border is within a word, whose tokens differ with and without its end.
        var prompt = Plan(files.Task(Choice("The lic", "ense of", " x"))).Prompts[0];
        Assert.Equal(Encode("The lic"), prompt.Context);
        Assert.NotEqual(prompt.Context, Encode("The license of")[..prompt.Context.Length]);
        Assert.Equal(Encode("The license of")[prompt.Context.Length..], prompt.Choices![0]);
    }

    [Fact]
    public void AChoiceWithoutATokenIsRefused()
    {
        var error = Assert.Throws<EvalFileException>(() => Plan(files.Task(Choice("a", " b", ""))));
        Assert.Equal((1, "choices[1]"), (error.Line, error.Field));
    }

    [Fact]
    public void AnEmptyContextBeginsAsATextDoes()
    {
        var prompt = Plan(files.Task(Choice(" ", "one", "two"))).Prompts[0];
        Assert.Equal([tokenizer.Bos ?? tokenizer.Eos!.Value], prompt.Context);
        Assert.Equal(Encode(" one"), prompt.Choices![0]);
    }

    [Fact]
    public void ControlTokensAreReadInTextsAndNotInMessages()
    {
        var end = Assert.Single(Encode("<|im_end|>"));
        var plan = Plan(files.Task(
            """{"prompt": "<|im_start|>user\nhi<|im_end|>\n", "answer": "a"}""",
            """{"messages": [{"role": "user", "content": "hi<|im_end|>"}], "answer": "a"}""",
            """{"messages": [{"role": "user", "content": "hi"}], "choices": ["<|im_end|>", "b"], "answer": 0}"""));
        Assert.Equal(1, plan.Prompts[0].Context.Count(id => id == end));
        Assert.Equal(1, plan.Prompts[1].Context.Count(id => id == end)); // the template's own
        Assert.DoesNotContain(end, plan.Prompts[2].Choices![0]);
        Assert.Equal("<|im_end|>", Decode(plan.Prompts[2].Choices![0]));
        var template = ChatTemplate.FromMetadata(file);
        Assert.Equal(template.EncodeChat(tokenizer, [new ChatMessage("user", "hi<|im_end|>")], addGenerationPrompt: true), plan.Prompts[1].Context);
    }

    [Fact]
    public void ExamplesStandBeforeATextWithTheirAnswers()
    {
        var items = files.Task("""{"category": "c", "prompt": "Q: 3?\nA:", "answer": "three"}""", """{"category": "d", "context": "Q: 4?\nA:", "choices": [" four", " five"], "answer": 0}""");
        var examples = EvalTask.Read(files.Write("examples.jsonl", string.Join('\n',
            """{"category": "c", "prompt": "Q: 1?\nA:", "answer": "one"}""",
            """{"category": "d", "context": "Q: 2?\nA:", "choices": [" one", " two"], "answer": "B"}""",
            """{"prompt": "Q: 0?\nA: ", "answers": ["zero", "nought"]}""",
            """{"prompt": "never reached", "answer": "x"}""")));
        var plan = Plan(items, new EvalOptions { FewShot = examples, Shots = 2, Prefix = "Numbers.\n\n" });
        Assert.Equal(Encode("Numbers.\n\nQ: 1?\nA: one\n\nQ: 0?\nA: zero\n\nQ: 3?\nA:"), plan.Prompts[0].Context);
        Assert.Equal(Encode("Numbers.\n\nQ: 2?\nA: two\n\nQ: 0?\nA: zero\n\nQ: 4?\nA:"), plan.Prompts[1].Context);
    }

    [Fact]
    public void ExamplesStandBeforeAConversationAsTurns()
    {
        var items = files.Task("""{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "three"}], "answer": "3"}""");
        var examples = EvalTask.Read(files.Write("examples.jsonl", """{"messages": [{"role": "user", "content": "one"}], "answer": "1"}"""));
        var expected = ChatTemplate.FromMetadata(file).EncodeChat(
            tokenizer, [new("system", "s"), new("user", "one"), new("assistant", "1"), new("user", "three")], addGenerationPrompt: true);
        Assert.Equal(expected, Plan(items, new EvalOptions { FewShot = examples }).Prompts[0].Context);
    }

    [Theory]
    [InlineData("""{"category": "other", "prompt": "p", "answer": "a"}""", "task.jsonl:1: there is no example for the item's category: 'category'")]
    [InlineData("""{"messages": [{"role": "user", "content": "p"}], "answer": "a"}""", "examples.jsonl:1: the example has another form")]
    [InlineData("""{"prompt": "p", "regex": "a"}""", "examples.jsonl:1: an example cannot be shown without an answer")]
    public void ExamplesThatDoNotServeAreRefused(string example, string message)
    {
        var items = files.Task("""{"category": "c", "prompt": "p", "answer": "a"}""");
        var examples = EvalTask.Read(files.Write("examples.jsonl", example));
        Assert.Contains(message, Assert.Throws<EvalFileException>(() => Plan(items, new EvalOptions { FewShot = examples })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void APrefixHasNoPlaceInAConversation()
    {
        var items = files.Task("""{"messages": [{"role": "user", "content": "p"}], "answer": "a"}""");
        Assert.Contains("a prefix is text", Assert.Throws<EvalFileException>(() => Plan(items, new EvalOptions { Prefix = "x" })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TheFirstBadItemOfManyIsNamed()
    {
        var lines = Enumerable.Range(1, 500).Select(i => Choice("a", " b", i % 100 == 50 ? "" : " c")).ToArray();
        for (var round = 0; round < 5; round++) Assert.Equal(50, Assert.Throws<EvalFileException>(() => Plan(files.Task(lines))).Line);
    }

    [Fact]
    public void ThePlanSaysHowMuchRoomIsNeeded()
    {
        var length = Encode("The license is").Length;
        Assert.Equal(length + 40 - 1, Plan(files.Task("""{"prompt": "The license is", "answer": "a", "max_tokens": 40}""")).ContextLength);
        var choice = Plan(files.Task(Choice("The license is", " a", " copy of the whole")));
        Assert.Equal(length + choice.Prompts[0].Choices![1].Length - 1, choice.ContextLength);
        Assert.Equal(4096, Plan(files.Task("""{"prompt": "The license is", "answer": "a", "max_tokens": 40000}""")).ContextLength); // the model's own
        var error = Assert.Throws<EvalFileException>(() => Plan(files.Task($$"""{"prompt": "{{string.Concat(Enumerable.Repeat("1 2 3 4 5 6 7 8 9 ", 300))}}", "answer": "a"}""")));
        Assert.Contains("the item is too long: expected at most 4096 tokens", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatACategoryBeginsWithIsFound()
    {
        var plan = Plan(files.Task(
            """{"category": "c", "prompt": "1 2 3 4", "answer": "a"}""",
            """{"category": "d", "prompt": "1 2 3 4", "answer": "a"}""",
            """{"category": "c", "prompt": "1 2 3", "answer": "a"}"""));
        var common = Encode("1 2 3").Length - 1; // one is left, whose logits are needed
        Assert.Equal([common, 0, common], plan.Prompts.Select(prompt => prompt.Shared));
    }

    private static string Choice(string context, params string[] choices) => System.Text.Json.JsonSerializer.Serialize(new { context, choices, answer = 0 });

    private EvalPlan Plan(EvalTask task, EvalOptions? options = null) => EvalPlan.Of(file, task, options ?? new EvalOptions());

    private int[] Encode(string text) => tokenizer.Encode(text, addSpecial: false, parseSpecial: true);

    private string Decode(int[] ids) => tokenizer.Decode(ids, special: true);
}
