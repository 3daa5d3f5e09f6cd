using System.ComponentModel;
using System.Text.Json;
using Microsoft.Extensions.AI;
using WarpDecode.Runtime.Text;
using Xunit;
using AIChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace WarpDecode.Runtime.Tests.Clients;

/// <summary>Functions that the model calls: the default model with a template that knows tools, which it was never taught to use: calls are required.</summary>
public sealed class FunctionCallingTests : IDisposable
{
    // Tools and calls as Hermes and Qwen write them.
    private const string Template =
        """
        {%- if tools %}<|im_start|>system
        Tools: {{ tools | tojson }}<|im_end|>
        {% endif %}
        {%- for message in messages %}<|im_start|>{{ 'user' if message.role == 'tool' else message.role }}
        {{ message.content }}
        {%- for call in message.tool_calls or [] %}
        <tool_call>
        {"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
        </tool_call>
        {%- endfor %}<|im_end|>
        {% endfor %}
        {%- if add_generation_prompt %}<|im_start|>assistant
        {% endif %}
        """;

    private readonly WarpDecodeChatClient client = DefaultModel.Open(sessions: 2, ChatTemplate.Parse(Template, "tools"));

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => client.Dispose();

    [Fact]
    public async Task ARequiredCallHasArgumentsThatAreValidByItsSchema()
    {
        var options = new ChatOptions { Temperature = 0, ToolMode = ChatToolMode.RequireAny, Tools = [AIFunctionFactory.Create(Add, "add"), AIFunctionFactory.Create(Report, "report")] };
        var response = await client.GetResponseAsync("What is 12 + 7?", options, Stop);
        Assert.Equal(ChatFinishReason.ToolCalls, response.FinishReason);
        var call = Assert.Single(response.Messages.SelectMany(m => m.Contents).OfType<FunctionCallContent>());
        Assert.Equal("call_0", call.CallId);
        Assert.Equal("", response.Text);
        Assert.All(call.Name == "add" ? ["a", "b"] : new[] { "level", "urgent" }, name => Assert.Contains(name, call.Arguments!.Keys));
        options.ToolMode = ChatToolMode.RequireSpecific("report");
        call = Assert.Single((await client.GetResponseAsync("What is 12 + 7?", options, Stop)).Messages.SelectMany(m => m.Contents).OfType<FunctionCallContent>());
        Assert.Equal("report", call.Name);
        Assert.Contains(((JsonElement)call.Arguments!["level"]!).GetString(), new[] { "Low", "High" });
        options.ToolMode = ChatToolMode.RequireSpecific("none");
        await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync("x", options, Stop));
    }

    [Fact]
    public async Task FunctionInvocationCallsAndTheModelHearsTheResult()
    {
        var heard = new List<string>();
        // Behind the invocation: it sees each request to the model.
        using var chain = new ChatClientBuilder(new Listening(client, heard)).UseFunctionInvocation().Build();
        var called = 0;
        long Count([Description("a number")] long a, [Description("another")] long b)
        {
            called++;
            return a + b;
        }

        var options = new ChatOptions { Temperature = 0, MaxOutputTokens = 120, ToolMode = ChatToolMode.RequireSpecific("count"), Tools = [AIFunctionFactory.Create(Count, "count")] };
        var response = await chain.GetResponseAsync("What is 12 + 7?", options, Stop);
        Assert.Equal(1, called);
        var result = Assert.Single(response.Messages.SelectMany(m => m.Contents).OfType<FunctionResultContent>());
        Assert.Equal("call_0", result.CallId);
        Assert.Equal(ChatRole.Assistant, response.Messages[^1].Role); // and then it spoke
        Assert.Equal(2, heard.Count);
        Assert.Contains("FunctionResultContent", heard[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task AResponseFormatAndToolsTogetherGiveOneOrTheOther()
    {
        var options = new ChatOptions
        {
            Temperature = 0,
            ResponseFormat = ChatResponseFormat.ForJsonSchema(JsonElement.Parse("""{"type":"object","properties":{"sum":{"type":"integer"}},"required":["sum"],"additionalProperties":false}""")),
            Tools = [AIFunctionFactory.Create(Add, "add")],
        };
        var response = await client.GetResponseAsync("What is 12 + 7?", options, Stop);
        if (response.FinishReason == ChatFinishReason.ToolCalls) Assert.Equal("add", Assert.Single(response.Messages.SelectMany(m => m.Contents).OfType<FunctionCallContent>()).Name);
        else Assert.Equal(JsonValueKind.Number, JsonElement.Parse(response.Text).GetProperty("sum").ValueKind);
    }

    [Fact]
    public async Task NoToolsAreCalledWhereNoneMayBe()
    {
        var options = new ChatOptions { Temperature = 0, ToolMode = ChatToolMode.None, Tools = [AIFunctionFactory.Create(Add, "add")] };
        var response = await client.GetResponseAsync("What is the capital of France?", options, Stop);
        Assert.Contains("Paris", response.Text, StringComparison.Ordinal);
        Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
    }

    [Fact]
    public async Task CallsAndAnswersOfTheConversationReachTheTemplate()
    {
        AIChatMessage[] messages =
        [
            new(ChatRole.User, "What is 12 + 7?"),
            new(ChatRole.Assistant, [new FunctionCallContent("c1", "add", new Dictionary<string, object?> { ["a"] = 12, ["b"] = 7 })]),
            new(ChatRole.Tool, [new FunctionResultContent("c1", 19)]),
        ];
        var response = await client.GetResponseAsync(messages, new ChatOptions { Temperature = 0, MaxOutputTokens = 1 }, Stop);
        var expected = client.Engine.Template.EncodeChat(
            client.Engine.Tokenizer,
            [
                new("user", "What is 12 + 7?"),
                new("assistant", "") { ToolCalls = [new ToolCall("c1", "add", """{"a":12,"b":7}""")] },
                new("tool", "19") { ToolCallId = "c1", Name = "add" },
            ],
            addGenerationPrompt: true);
        Assert.Equal(expected.Length, response.Usage!.InputTokenCount);
    }

    private static long Add([Description("a number")] long a, [Description("another")] long b) => a + b;

    private static string Report(Level level, bool urgent) => $"{level} {urgent}";

    private enum Level
    {
        Low,
        High,
    }

    private sealed class Listening(IChatClient inner, List<string> heard) : DelegatingChatClient(inner)
    {
        public override Task<ChatResponse> GetResponseAsync(IEnumerable<AIChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            heard.Add(string.Join(' ', messages.SelectMany(m => m.Contents).Select(c => c.GetType().Name)));
            return base.GetResponseAsync(messages, options, cancellationToken);
        }
    }
}
