using System.ComponentModel;
using System.Text.Json;
using Microsoft.Extensions.AI;
using WarpDecode.Runtime.Grammars;
using WarpDecode.Runtime.Sampling;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;
using AIChatMessage = Microsoft.Extensions.AI.ChatMessage;
using Finish = Microsoft.Extensions.AI.ChatFinishReason;

namespace WarpDecode.Runtime.Tests.Clients;

/// <summary>What <see cref="IChatClient"/> promises, on the default model.</summary>
public sealed class ChatClientTests(DefaultModel model) : IClassFixture<DefaultModel>
{
    private static readonly ChatOptions Greedy = new() { Temperature = 0 };

    private WarpDecodeChatClient Client => model.Client;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AnAnswerHasTextUsageAndWhyItEnded()
    {
        var response = await Client.GetResponseAsync("What is the capital of France?", Greedy, Stop);
        Assert.Contains("Paris", response.Text, StringComparison.Ordinal);
        Assert.Equal(Finish.Stop, response.FinishReason);
        Assert.Equal("warpdecode-tiny-moe-q8_0", response.ModelId);
        Assert.NotNull(response.ResponseId);
        Assert.NotNull(response.CreatedAt);
        var message = Assert.Single(response.Messages);
        Assert.Equal(ChatRole.Assistant, message.Role);
        var prompt = Client.Engine.Template.EncodeChat(Client.Engine.Tokenizer, [new("user", "What is the capital of France?")], addGenerationPrompt: true);
        Assert.Equal(prompt.Length, response.Usage!.InputTokenCount);
        Assert.Equal(Client.Engine.Tokenizer.Encode(response.Text, false, false).Length + 1, response.Usage.OutputTokenCount); // and the end of the turn
        Assert.Equal(response.Usage.InputTokenCount + response.Usage.OutputTokenCount, response.Usage.TotalTokenCount);
    }

    [Fact]
    public async Task UpdatesComeTokenByTokenAndJoinToTheAnswer()
    {
        var whole = await Client.GetResponseAsync("Tell me a story", new ChatOptions { Temperature = 0, MaxOutputTokens = 60 }, Stop);
        var updates = await Client.GetStreamingResponseAsync("Tell me a story", new ChatOptions { Temperature = 0, MaxOutputTokens = 60 }, Stop).ToListAsync(Stop);
        Assert.Equal(whole.Text, string.Concat(updates.Select(u => u.Text)));
        Assert.True(updates.Count > 10, $"{updates.Count} updates");
        Assert.Single(updates.Select(u => u.ResponseId).Distinct());
        Assert.Equal(Finish.Length, updates[^1].FinishReason);
        Assert.All(updates[..^1], u => Assert.Null(u.FinishReason));
        var usage = Assert.Single(updates.SelectMany(u => u.Contents).OfType<UsageContent>()).Details;
        Assert.Equal(60, usage.OutputTokenCount);
        Assert.IsType<GenerationResult>(updates[^1].RawRepresentation);
    }

    [Fact]
    public async Task TheSameSeedGivesTheSameAnswerAndIsToldWhereItWasNotGiven()
    {
        var options = new ChatOptions { Temperature = 1.5f, TopP = 1, TopK = 0, Seed = 7, MaxOutputTokens = 30, AdditionalProperties = new() { ["min_p"] = 0 } };
        var one = await Client.GetResponseAsync("Tell me a story", options, Stop);
        Assert.Equal(one.Text, (await Client.GetResponseAsync("Tell me a story", options, Stop)).Text);
        options.Seed = 8;
        Assert.NotEqual(one.Text, (await Client.GetResponseAsync("Tell me a story", options, Stop)).Text);
        options.Seed = null;
        var drawn = await Client.GetResponseAsync("Tell me a story", options, Stop);
        options.Seed = Convert.ToInt64(drawn.AdditionalProperties!["seed"], System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(drawn.Text, (await Client.GetResponseAsync("Tell me a story", options, Stop)).Text);
    }

    [Fact]
    public async Task StopSequencesAreFoundAcrossTokens()
    {
        var whole = (await Client.GetResponseAsync("What is the capital of France?", Greedy, Stop)).Text;
        var tokens = Client.Engine.Tokenizer.Encode(whole, false, false);
        var first = Client.Engine.Tokenizer.Decode(tokens.AsSpan(0, 2));
        var stop = whole.Substring(first.Length - 2, 4); // begins in one token and ends in another
        var response = await Client.GetResponseAsync("What is the capital of France?", new ChatOptions { Temperature = 0, StopSequences = [stop] }, Stop);
        Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], response.Text);
        Assert.Equal(Finish.Stop, response.FinishReason);
    }

    [Fact]
    public async Task InstructionsAndSystemMessagesAreOneAtTheBeginning()
    {
        AIChatMessage[] messages = [new(ChatRole.System, "Be brief."), new(ChatRole.User, "Hello!")];
        var response = await Client.GetResponseAsync(messages, new ChatOptions { Temperature = 0, Instructions = "Speak English.", MaxOutputTokens = 1 }, Stop);
        var prompt = Client.Engine.Template.EncodeChat(
            Client.Engine.Tokenizer, [new("system", "Speak English.\n\nBe brief."), new("user", "Hello!")], addGenerationPrompt: true);
        Assert.Equal(prompt.Length, response.Usage!.InputTokenCount);
    }

    [Fact]
    public async Task ARequestThatGoesOnReadsOnlyWhatIsNew()
    {
        using var client = DefaultModel.Open(sessions: 2);
        List<AIChatMessage> messages = [new(ChatRole.User, "My name is Clara.")];
        var first = await client.GetResponseAsync(messages, Greedy, Stop);
        Assert.Equal(0, first.Usage!.CachedInputTokenCount);
        messages.AddRange(first.Messages);
        messages.Add(new AIChatMessage(ChatRole.User, "What is my name?"));
        // Another conversation between.
        await client.GetResponseAsync("What is 12 + 7?", Greedy, Stop);
        var second = await client.GetResponseAsync(messages, Greedy, Stop);
        Assert.Contains("Clara", second.Text, StringComparison.Ordinal);
        // All that was read and written but for the token that ended the turn.
        Assert.Equal(first.Usage.InputTokenCount + first.Usage.OutputTokenCount - 1, second.Usage!.CachedInputTokenCount);
        using var fresh = DefaultModel.Open(sessions: 1);
        Assert.Equal((await fresh.GetResponseAsync(messages, Greedy, Stop)).Text, second.Text);
    }

    [Fact]
    public async Task JsonComesByItsSchema()
    {
        var options = new ChatOptions { Temperature = 1, Seed = 3 };
        var response = await Client.GetResponseAsync<Weather>("What is the weather like?", options, cancellationToken: Stop);
        Assert.True(response.TryGetResult(out var weather), response.Text);
        Assert.True(Enum.IsDefined(weather.Sky));
        var any = await Client.GetResponseAsync("What is the weather like?", new ChatOptions { Temperature = 0, ResponseFormat = ChatResponseFormat.Json, MaxOutputTokens = 30 }, Stop);
        if (any.FinishReason == Finish.Stop) Assert.Equal(JsonValueKind.Object, JsonElement.Parse(any.Text).ValueKind);
        else Assert.StartsWith("{", any.Text, StringComparison.Ordinal);
        var unsupported = new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema(JsonElement.Parse("""{"type":"object","not":{}}""")) };
        var error = await Assert.ThrowsAsync<GrammarException>(() => Client.GetResponseAsync("x", unsupported, Stop));
        Assert.Contains("not", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OwnOptionsComeByAdditionalProperties()
    {
        var digits = await Client.GetResponseAsync("What is 12 + 7?", new ChatOptions { Temperature = 0, AdditionalProperties = new() { ["grammar"] = "root ::= [0-9]+" } }, Stop);
        Assert.Matches("^[0-9]+$", digits.Text);
        var banned = await Client.GetResponseAsync("What is the capital of France?", new ChatOptions { Temperature = 0, AdditionalProperties = new() { ["banned_strings"] = new[] { "Paris" } } }, Stop);
        Assert.DoesNotContain("Paris", banned.Text, StringComparison.Ordinal);
        var error = await Assert.ThrowsAsync<ArgumentException>(() => Client.GetResponseAsync("x", new ChatOptions { AdditionalProperties = new() { ["min_p"] = "much" } }, Stop));
        Assert.Contains("min_p", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Client.GetResponseAsync("x", new ChatOptions { Temperature = -1 }, Stop));
    }

    [Fact]
    public async Task LogProbabilitiesAreTheModelsOwn()
    {
        var options = new ChatOptions { Temperature = 0, AdditionalProperties = new() { ["logprobs"] = 3 } };
        var updates = await Client.GetStreamingResponseAsync("What is the capital of France?", options, Stop).ToListAsync(Stop);
        var tokens = updates.Select(u => u.RawRepresentation).OfType<GenerationUpdate>().SelectMany(u => u.Tokens).ToList();
        Assert.Equal(updates[^1].Contents.OfType<UsageContent>().Single().Details.OutputTokenCount, tokens.Count);
        using var session = Client.Engine.CreateSession();
        session.Append(Client.Engine.Template.EncodeChat(Client.Engine.Tokenizer, [new("user", "What is the capital of France?")], addGenerationPrompt: true));
        foreach (var token in tokens)
        {
            var logits = session.Logits.ToArray();
            var sum = Math.Log(logits.Sum(l => Math.Exp(l - logits.Max()))) + logits.Max();
            Assert.Equal(logits[token.Id] - sum, token.LogProb!.Value, 1e-9);
            var best = Enumerable.Range(0, logits.Length).OrderByDescending(i => logits[i]).ThenBy(i => i).Take(3);
            Assert.Equal(best, token.Likeliest.Select(t => t.Id));
            Assert.Equal(token.Id, token.Likeliest[0].Id); // greedy
            if (!Client.Engine.Tokenizer.EndOfTurn.Contains(token.Id)) session.Append([token.Id]);
        }
        Assert.True(tokens.Zip(tokens.Skip(1)).All(p => p.First.Time <= p.Second.Time));
    }

    [Fact]
    public async Task CancellingEndsItWithinOneTokenAndGivesTheCacheBack()
    {
        using var client = DefaultModel.Open(sessions: 1);
        var free = client.Engine.FreeTokens;
        using var cancel = new CancellationTokenSource();
        var after = 0;
        var reading = Task.Run(
            async () =>
            {
                var options = new ChatOptions { Temperature = 0, AdditionalProperties = new() { ["ignore_eos"] = true } };
                await foreach (var update in client.GetStreamingResponseAsync("Tell me a story", options, cancel.Token))
                {
                    if (cancel.IsCancellationRequested) after++;
                    if (((GenerationUpdate)update.RawRepresentation!).Tokens.Count > 0) await cancel.CancelAsync();
                }
            },
            Stop);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        Assert.Equal(0, after);
        Assert.Equal(free, client.Engine.FreeTokens);
        // And by going away.
        await foreach (var _ in client.GetStreamingResponseAsync("Tell me a story", Greedy, Stop)) break;
        Assert.Equal(free, client.Engine.FreeTokens);
        Assert.Equal((0, 0), client.Engine.Pool.Count);
        using var before = new CancellationTokenSource();
        await before.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.GetResponseAsync("x", Greedy, before.Token));
    }

    [Fact]
    public async Task WhatCannotBeDoneIsSaid()
    {
        Assert.Contains("text", (await Assert.ThrowsAsync<NotSupportedException>(() =>
            Client.GetResponseAsync(new AIChatMessage(ChatRole.User, [new DataContent("data:image/png;base64,AAAA")]), null, Stop))).Message, StringComparison.Ordinal);
        Assert.Contains("template", (await Assert.ThrowsAsync<NotSupportedException>(() =>
            Client.GetResponseAsync("x", new ChatOptions { Tools = [AIFunctionFactory.Create(() => 1, "one")] }, Stop))).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<NotSupportedException>(() => Client.GetResponseAsync("x", new ChatOptions { ConversationId = "1" }, Stop));
        var error = await Assert.ThrowsAsync<ContextFullException>(() => Client.GetResponseAsync(new string('x', 20000), null, Stop));
        Assert.Contains("1024", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(() => Client.GetResponseAsync(Array.Empty<AIChatMessage>(), null, Stop));
    }

    [Fact]
    public void ServicesAreFound()
    {
        IChatClient client = Client;
        Assert.Same(client, client.GetService<WarpDecodeChatClient>());
        Assert.Same(Client.Engine, client.GetService<Engine>());
        Assert.Same(Client.Engine.Tokenizer, client.GetService<Tokenizer>());
        var metadata = client.GetService<ChatClientMetadata>()!;
        Assert.Equal(("warpdecode", "warpdecode-tiny-moe-q8_0"), (metadata.ProviderName, metadata.DefaultModelId));
        Assert.Null(client.GetService<Sampler>());
        Assert.Null(client.GetService(typeof(Engine), "key"));
    }

    [Fact]
    public async Task ClosingTheModelEndsRequestsAndFurtherOnesFail()
    {
        var client = DefaultModel.Open(sessions: 1);
        var endless = new ChatOptions { Temperature = 0, AdditionalProperties = new() { ["ignore_eos"] = true } };
        var updates = client.GetStreamingResponseAsync("Tell me a story", endless, Stop).GetAsyncEnumerator(Stop);
        Assert.True(await updates.MoveNextAsync());
        var waiting = client.GetResponseAsync("x", Greedy, Stop);
        await client.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            while (await updates.MoveNextAsync()) Assert.False(Stop.IsCancellationRequested);
        });
        await updates.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.GetResponseAsync("x", Greedy, Stop));
    }

    private sealed record Weather([property: Description("what it looks like")] Sky Sky, bool Warm);

    private enum Sky
    {
        Unknown,
        Clear,
        Cloudy,
        Rain,
    }
}

/// <summary>The default model, open for all tests of a class.</summary>
public sealed class DefaultModel : IDisposable
{
    public static string ModelPath { get; } = Path.Combine(TestData.Root, "models", "warpdecode-tiny-moe-q8_0.gguf");

    public WarpDecodeChatClient Client { get; } = Open(sessions: 4);

    public static WarpDecodeChatClient Open(int sessions, ChatTemplate? template = null) =>
        WarpDecodeChatClient.Open(ModelPath, new EngineOptions { Backend = BackendKind.Cpu, Sessions = sessions, Template = template });

    public void Dispose() => Client.Dispose();
}
