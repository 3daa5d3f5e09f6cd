using System.Collections.Concurrent;
using Microsoft.Extensions.AI;
using Xunit;

namespace WarpDecode.Runtime.Tests.Clients;

/// <summary>Many requests at once. Alone in the process: the memory is all of it.</summary>
[Collection(nameof(ManyRequestsTests))]
[CollectionDefinition(nameof(ManyRequestsTests), DisableParallelization = true)]
public sealed class ManyRequestsTests : IDisposable
{
    private const int Sessions = 8;
    private const int Requests = 50;

    private readonly WarpDecodeChatClient client = DefaultModel.Open(Sessions);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => client.Dispose();

    [Fact]
    public async Task EachGetsTheAnswerThatItGetsAlone()
    {
        string[] questions = ["What is the capital of France?", "What is 12 + 7?", "Hello!", "What does a cow say?", "Count from 1 to 5.", "What can you do?"];
        var alone = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var question in questions) alone[question] = await Ask(question, Stop);
        // On a busy machine an answer may begin after others are done: again, until most steps were shared.
        for (var round = 0; ; round++)
        {
            var before = client.Engine.Decoded;
            var together = await Task.WhenAll(Enumerable.Range(0, 24).Select(async i => (Question: questions[i % questions.Length], Answer: await Ask(questions[i % questions.Length], Stop))));
            Assert.All(together, t => Assert.Equal(alone[t.Question], t.Answer));
            var (steps, tokens) = (client.Engine.Decoded.Steps - before.Steps, client.Engine.Decoded.Tokens - before.Tokens);
            if (tokens > 2 * steps) return;
            Assert.True(round < 19, $"{tokens} tokens in {steps} steps");
        }
    }

    [Fact]
    public async Task RandomCancellationsLeaveNothingBehind()
    {
        var random = new Random(4);
        long? managed = null;
        for (var round = 0; round < 4; round++)
        {
            var outcomes = new ConcurrentBag<bool>();
            await Task.WhenAll(Enumerable.Range(0, Requests).Select(async i =>
            {
                using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Stop);
                var left = random.Next(3) == 0 ? -1 : random.Next(12);
                try
                {
                    await foreach (var _ in client.GetStreamingResponseAsync($"What is {i} + 7?", new ChatOptions { Temperature = 0, MaxOutputTokens = 12 }, cancel.Token))
                    {
                        if (left-- == 0) await cancel.CancelAsync();
                    }
                    outcomes.Add(true);
                }
                catch (OperationCanceledException) when (!Stop.IsCancellationRequested)
                {
                    outcomes.Add(false);
                }
            }));
            Assert.Equal(Requests, outcomes.Count);
            Assert.Contains(true, outcomes);
            Assert.Contains(false, outcomes);
            Assert.Equal((0, 0), client.Engine.Pool.Count);
            client.Engine.Pool.MakeRoom(long.MaxValue);
            Assert.Equal(client.Engine.FreeTokens, (long)Sessions * client.Engine.ContextLength);
            var now = GC.GetTotalMemory(forceFullCollection: true);
            if (round == 1) managed = now; // after warm-up
            else if (managed is { } then) Assert.True(now < then + 500_000, $"{then} bytes became {now}");
        }
    }

    private async Task<string> Ask(string question, CancellationToken cancellation) =>
        (await client.GetResponseAsync(question, new ChatOptions { Temperature = 0, MaxOutputTokens = 30 }, cancellation)).Text;
}
