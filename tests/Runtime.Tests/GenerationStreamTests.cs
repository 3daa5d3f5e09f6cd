using WarpDecode.Runtime.Sampling;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests;

/// <summary>Answers as a stream of pieces with their tokens.</summary>
public sealed class GenerationStreamTests : IDisposable
{
    private static readonly SamplerOptions Greedy = new() { Temperature = 0 };

    private readonly Engine engine = Engine.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = BackendKind.Cpu, ContextLength = 300 });

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => engine.Dispose();

    [Fact]
    public async Task PiecesJoinToTheTextAndTheTokens()
    {
        using var session = engine.CreateSession();
        var pieces = await session.GenerateAsync("The license is", new GenerationOptions { Sampling = Greedy, MaxTokens = 60 }, Stop).ToListAsync(Stop);
        int[] tokens = [.. pieces.SelectMany(p => p.Tokens).Select(t => t.Id)];
        Assert.Equal(60, tokens.Length);
        Assert.Equal(session.Tokens[^59..].ToArray(), tokens[..59]);
        Assert.Equal(engine.Tokenizer.Decode(tokens).TrimEnd('\uFFFD'), string.Concat(pieces.Select(p => p.Text)).TrimEnd('\uFFFD'));
        Assert.All(pieces[..^1], p => Assert.Null(p.Result));
        Assert.Equal((FinishReason.MaxTokens, 60), (pieces[^1].Result!.Finish, pieces[^1].Result!.Tokens));
        Assert.All(pieces.SelectMany(p => p.Tokens), t => Assert.Null(t.LogProb));
        // Anew, by the same enumerable, with the cache that is there.
        var again = await session.GenerateAsync("The license is", new GenerationOptions { Sampling = Greedy, MaxTokens = 60 }, Stop).ToListAsync(Stop);
        Assert.Equal(tokens, again.SelectMany(p => p.Tokens).Select(t => t.Id));
        Assert.True(again[^1].Result!.CachedTokens > 0);
    }

    [Fact]
    public async Task ATokenComesWithTheTextThatItCompletes()
    {
        // Drawn from all tokens, single bytes of characters and beginnings of the stop string come often.
        var options = new GenerationOptions { Sampling = new SamplerOptions { Temperature = 3, TopK = 0, TopP = 1, MinP = 0, Seed = 1 }, MaxTokens = 250, Stop = ["e never"] };
        using var session = engine.CreateSession();
        var (text, before) = ("", "");
        var tokens = new List<int>();
        await foreach (var piece in session.GenerateAsync("The", options, Stop))
        {
            // The text before had nothing of it, or a part only.
            if (piece.Tokens is [var first, ..]) Assert.True(Said(first.Id).Length >= before.Length, $"{before} with {Said(first.Id)}");
            tokens.AddRange(piece.Tokens.Select(t => t.Id));
            text += piece.Text;
            if (piece.Result is null) Assert.StartsWith(Said(), text, StringComparison.Ordinal); // all of their text is there
            before = text.TrimEnd('\uFFFD');
        }
        Assert.Equal(250, tokens.Count);

        string Said(params int[] next) => engine.Tokenizer.Decode([.. tokens, .. next]).TrimEnd('\uFFFD');
    }

    [Fact]
    public async Task WhatCancelsOrGoesAwayEndsIt()
    {
        using var session = engine.CreateSession();
        using var cancel = new CancellationTokenSource();
        var endless = new GenerationOptions { Sampling = Greedy with { IgnoreEndOfTurn = true } };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in session.GenerateAsync("The", endless, cancel.Token)) await cancel.CancelAsync();
        });
        var length = session.Length;
        Assert.InRange(length, 1, 299);
        await foreach (var _ in session.GenerateAsync("The", endless, Stop)) break;
        session.Append([1], Stop); // it is free again
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await session.GenerateAsync("The", new GenerationOptions { LogProbs = 21 }, Stop).ToListAsync(Stop));
        await Assert.ThrowsAsync<ContextFullException>(async () => await session.GenerateAsync(new int[301], null, Stop).ToListAsync(Stop));
    }
}
