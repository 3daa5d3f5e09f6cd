using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Clients;

/// <summary>
/// Answers that the default model cannot give by itself, for it was not taught to think or to call: a grammar makes it write them, and they are read as
/// what they are.
/// </summary>
public sealed partial class ReasoningTests : IDisposable
{
    // A template that opens the reasoning, and says how calls are written.
    private const string Template =
        """
        {%- for message in messages %}<|im_start|>{{ message.role }}
        {{ message.content }}<|im_end|>
        {% endfor %}
        {#- <tool_call> #}
        {%- if add_generation_prompt %}<|im_start|>assistant
        {% if enable_thinking is not defined or enable_thinking %}<think>
        {% endif %}{% endif %}
        """;

    private readonly WarpDecodeChatClient client = DefaultModel.Open(sessions: 1, ChatTemplate.Parse(Template, "thinking"));

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => client.Dispose();

    [Fact]
    public async Task WhatTheModelThinksIsApart()
    {
        var free = new ChatOptions { Temperature = 0, AdditionalProperties = new() { ["ignore_eos"] = true }, MaxOutputTokens = 12 };
        var thinking = await client.GetResponseAsync("Hello!", free, Stop);
        Assert.Equal("", thinking.Text); // it never closes its reasoning
        Assert.NotEqual("", string.Concat(thinking.Messages.SelectMany(m => m.Contents).OfType<TextReasoningContent>().Select(c => c.Text)));
        Assert.Equal(12, thinking.Usage!.ReasoningTokenCount);

        free.Reasoning = new ReasoningOptions { Output = ReasoningOutput.None };
        Assert.Empty((await client.GetResponseAsync("Hello!", free, Stop)).Messages.SelectMany(m => m.Contents).OfType<TextReasoningContent>());

        free.Reasoning = new ReasoningOptions { Effort = ReasoningEffort.None };
        var spoken = await client.GetResponseAsync("Hello!", free, Stop);
        Assert.NotEqual("", spoken.Text);
        Assert.Equal(0, spoken.Usage!.ReasoningTokenCount);

        // Read as reasoning and content where the answer has both.
        var both = new ChatOptions
        {
            Temperature = 0,
            AdditionalProperties = new()
            {
                ["chat_template_kwargs"] = new Dictionary<string, object?> { ["enable_thinking"] = false },
                ["grammar"] = """root ::= "<think>" [a-z ]{8,12} "</think>\n\n" [A-Z]{4,6}""",
            },
        };
        var response = await client.GetResponseAsync("Hello!", both, Stop);
        Assert.Matches("^[A-Z]{4,6}$", response.Text);
        Assert.Matches("^[a-z ]{1,12}$", string.Concat(response.Messages.SelectMany(m => m.Contents).OfType<TextReasoningContent>().Select(c => c.Text)));
        Assert.InRange(response.Usage!.ReasoningTokenCount!.Value, 1, response.Usage.OutputTokenCount!.Value - 1);
    }

    [Fact]
    public async Task TheFirstCallIsTheLastWhereOnlyOneMayBe()
    {
        ChatOptions Options(bool? multiple) => new()
        {
            Temperature = 0,
            Tools = [AIFunctionFactory.Create((long a) => a, "one")],
            AllowMultipleToolCalls = multiple,
            AdditionalProperties = new()
            {
                ["chat_template_kwargs"] = new Dictionary<string, object?> { ["enable_thinking"] = false },
                ["grammar"] = """
                    root ::= call call
                    call ::= "<tool_call>{\"name\":\"one\",\"arguments\":{\"a\":" [1-9] "}}</tool_call>"
                    """,
            },
        };
        var two = await client.GetResponseAsync("Hello!", Options(null), Stop);
        Assert.Equal(["call_0", "call_1"], two.Messages.SelectMany(m => m.Contents).OfType<FunctionCallContent>().Select(c => c.CallId));
        Assert.Equal(ChatFinishReason.ToolCalls, two.FinishReason);
        var one = await client.GetResponseAsync("Hello!", Options(false), Stop);
        Assert.Equal("call_0", Assert.Single(one.Messages.SelectMany(m => m.Contents).OfType<FunctionCallContent>()).CallId);
        Assert.Equal(ChatFinishReason.ToolCalls, one.FinishReason);
        Assert.True(one.Usage!.OutputTokenCount < two.Usage!.OutputTokenCount);
        Assert.Equal(two.Usage.InputTokenCount, one.Usage.InputTokenCount);
    }

    [Fact]
    public void EveryTestOfTheConformanceTableExists()
    {
        var named = Test().Matches(File.ReadAllText(Path.Combine(TestData.Root, "docs", "ichatclient.md"))).Select(m => (Class: m.Groups["class"].Value, Method: m.Groups["method"].Value)).ToList();
        Assert.True(named.Count > 20);
        var types = typeof(ReasoningTests).Assembly.GetTypes().ToLookup(t => t.Name, StringComparer.Ordinal);
        foreach (var (name, method) in named) Assert.True(types[name].Any(t => t.GetMethod(method) is not null), $"{name}.{method}");
    }

    [GeneratedRegex("`(?<class>[A-Za-z]+Tests)\\.(?<method>[A-Za-z]+)`", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Test();
}
