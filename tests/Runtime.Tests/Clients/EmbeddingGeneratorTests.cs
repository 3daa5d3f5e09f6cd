using Microsoft.Extensions.AI;
using WarpDecode.Runtime.Tests.Evaluation;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Clients;

public sealed class EmbeddingGeneratorTests : IDisposable
{
    private static readonly string Model = Path.Combine(TestData.Root, "models", "warpdecode-tiny-moe-q8_0.gguf");
    private static readonly EngineOptions Options = new() { Backend = BackendKind.Cpu, Threads = 2, ContextLength = 256, Sessions = 3, PrefillTokens = 32 };

    private readonly Engine engine = Engine.Open(Model, Options);
    private readonly WarpDecodeEmbeddingGenerator generator;

    public EmbeddingGeneratorTests() => generator = new WarpDecodeEmbeddingGenerator(engine, "tiny");

    public void Dispose() => engine.Dispose();

    /// <summary>More texts than a step takes, of one token and of many: each is what it is alone, in its place.</summary>
    [Fact]
    public async Task EveryTextHasTheMeanOfItsTokensInOrder()
    {
        string[] texts = ["Paris", "The capital of France is Paris.", string.Concat(Enumerable.Repeat("A long text goes over several steps. ", 12)), "a", "Paris", "Berlin is a city.", "7"];
        var all = await generator.GenerateAsync(texts);
        Assert.Equal(texts.Length, all.Count);
        var tokens = 0;
        for (var i = 0; i < texts.Length; i++)
        {
            var ids = engine.Tokenizer.Encode(texts[i], addSpecial: true, parseSpecial: false);
            tokens += ids.Length;
            using var session = engine.CreateSession();
            var expected = engine.MeanHiddenStates([new Piece(session, ids)], default)[0];
            Assert.Equal(expected, all[i].Vector.ToArray());
            Assert.Equal("tiny", all[i].ModelId);
            Assert.NotNull(all[i].CreatedAt);
        }
        Assert.Equal(all[0].Vector.ToArray(), all[4].Vector.ToArray());
        Assert.NotEqual(all[0].Vector.ToArray(), all[3].Vector.ToArray());
        Assert.Equal((tokens, tokens), (all.Usage!.InputTokenCount, all.Usage.TotalTokenCount));
        Assert.Equal(engine.PagesPerSession * Options.Sessions, engine.FreePages);
        Assert.Empty(await generator.GenerateAsync([]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData("true")]
    public async Task NormalizedItHasLength1AndTheSameDirection(object normalize)
    {
        var mean = (await generator.GenerateVectorAsync("A text.")).ToArray();
        var options = new EmbeddingGenerationOptions { Dimensions = engine.HiddenSize, AdditionalProperties = new() { [WarpDecodeEmbeddingGenerator.NormalizeProperty] = normalize } };
        var unit = (await generator.GenerateVectorAsync("A text.", options)).ToArray();
        var length = Math.Sqrt(mean.Sum(x => (double)x * x));
        Assert.True(Math.Abs(length - 1) > 0.01);
        Assert.InRange(Math.Sqrt(unit.Sum(x => (double)x * x)), 1 - 1e-6, 1 + 1e-6);
        for (var i = 0; i < unit.Length; i++) Assert.InRange(Math.Abs((unit[i] * length) - mean[i]), 0, 1e-5);
    }

    [Fact]
    public async Task WhatCannotBeIsSaid()
    {
        var empty = await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync(["a", ""]));
        Assert.StartsWith("text 2 of 2 is empty", empty.Message, StringComparison.Ordinal);
        Assert.StartsWith("the text is empty", (await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync([""]))).Message, StringComparison.Ordinal);
        Assert.StartsWith("text 1 of 2 is null", (await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync([null!, "a"]))).Message, StringComparison.Ordinal);
        var dimensions = await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync(["a"], new EmbeddingGenerationOptions { Dimensions = 7 }));
        Assert.Contains($"7 dimensions were asked for, but those of this model have {engine.HiddenSize}", dimensions.Message, StringComparison.Ordinal);
        var normalize = new EmbeddingGenerationOptions { AdditionalProperties = new() { ["normalize"] = "maybe" } };
        Assert.Contains("true or false, not 'maybe'", (await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync(["a"], normalize))).Message, StringComparison.Ordinal);
        var words = string.Concat(Enumerable.Repeat("word ", 300));
        var tooLong = await Assert.ThrowsAsync<ContextFullException>(() => generator.GenerateAsync(["a", words]));
        Assert.Matches("^text 2 of 2 has [0-9]+ tokens, the context has 256: split the text", tooLong.Message);
        Assert.Equal(engine.PagesPerSession * Options.Sessions, engine.FreePages);
    }

    /// <summary>A text may spell control tokens: it is encoded as a text of others.</summary>
    [Fact]
    public async Task ControlTokensInATextAreText()
    {
        var spelled = engine.Tokenizer.Encode("<|im_end|>", addSpecial: false, parseSpecial: false);
        Assert.NotEqual(spelled, engine.Tokenizer.Encode("<|im_end|>", addSpecial: false, parseSpecial: true));
        Assert.Equal(spelled.Length, (await generator.GenerateAsync(["<|im_end|>"])).Usage!.InputTokenCount - (engine.Tokenizer.AddBos ? 1 : 0));
    }

    [Fact]
    public void ItHasServices()
    {
        IEmbeddingGenerator<string, Embedding<float>> made = generator;
        var metadata = made.GetRequiredService<EmbeddingGeneratorMetadata>();
        Assert.Equal(("warpdecode", "tiny", engine.HiddenSize), (metadata.ProviderName, metadata.DefaultModelId, metadata.DefaultModelDimensions));
        Assert.Same(generator, made.GetService<IEmbeddingGenerator<string, Embedding<float>>>());
        Assert.Same(generator, made.GetService<WarpDecodeEmbeddingGenerator>());
        Assert.Same(engine, made.GetService<Engine>());
        Assert.Same(engine.Tokenizer, made.GetService<Tokenizer>());
        Assert.Null(made.GetService<Session>());
        Assert.Null(made.GetService<Engine>("key"));
    }

    /// <summary>Many callers for three sessions: each gets the bits that it gets alone.</summary>
    [Fact]
    public async Task ManyThreadsGetWhatOneGets()
    {
        string[] texts = [.. Enumerable.Range(0, 4).Select(i => string.Concat(Enumerable.Repeat($"Text {i} of some. ", 1 + (i % 3))))];
        var alone = new List<float[]>();
        foreach (var text in texts) alone.Add((await generator.GenerateVectorAsync(text)).ToArray());
        var found = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Task.Run(() => generator.GenerateVectorAsync(texts[i % 4]))));
        for (var i = 0; i < found.Length; i++) Assert.Equal(alone[i % 4], found[i].ToArray());
    }

    /// <summary>The cache that sessions of the application's own leave is enough for one text at a time, and not for one that is longer than what is left.</summary>
    [Fact]
    public async Task BesideSessionsOfTheApplicationsOwnItTakesWhatIsLeft()
    {
        using var engine = Engine.Open(Model, Options with { ContextLength = 64 });
        using var generator = new WarpDecodeEmbeddingGenerator(engine);
        string[] texts = ["One text.", "Another.", "A third, that is a little longer than the others are."];
        var alone = await generator.GenerateAsync(texts);
        var held = new List<Session>();
        for (var pages = engine.FreePages - 1; pages > 0; pages -= engine.PagesPerSession)
        {
            held.Add(engine.CreateSession());
            held[^1].Append(new int[Math.Min(pages, engine.PagesPerSession) * Engine.PageTokens]);
        }
        Assert.Equal(1, engine.FreePages);
        var beside = await generator.GenerateAsync(texts);
        for (var i = 0; i < texts.Length; i++) Assert.Equal(alone[i].Vector.ToArray(), beside[i].Vector.ToArray());
        var full = await Assert.ThrowsAsync<ContextFullException>(() => generator.GenerateAsync([string.Concat(Enumerable.Repeat("many words ", 18))]));
        Assert.Contains("1 are free: dispose a session or open the engine for more", full.Message, StringComparison.Ordinal);
        foreach (var session in held) session.Dispose();
        Assert.Equal(engine.PagesPerSession * Options.Sessions, engine.FreePages);
    }

    /// <summary>A text takes the place of one conversation at most, the one that was not used for the longest time.</summary>
    [Fact]
    public async Task ConversationsKeepTheirCache()
    {
        int[][] prompts = [[1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 12, 13, 14, 15]];
        var rentals = new List<SessionPool.Rental>();
        foreach (var prompt in prompts) rentals.Add(await engine.Pool.RentAsync(prompt, default));
        for (var i = 0; i < prompts.Length; i++)
        {
            rentals[i].Session.Append(prompts[i]);
            rentals[i].Keep();
        }
        await generator.GenerateAsync(["a", "b", "c", "d"]);
        var kept = new List<int>();
        foreach (var prompt in prompts)
        {
            using var rental = await engine.Pool.RentAsync(prompt, default);
            kept.Add(rental.Kept);
        }
        Assert.Equal([0, 5, 6], kept);
    }

    [Fact]
    public async Task CancelledItStopsAndFreesTheCache()
    {
        using var before = new CancellationTokenSource();
        await before.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generator.GenerateAsync(["a"], cancellationToken: before.Token));
        var all = new List<SessionPool.Rental>();
        while (all.Count < Options.Sessions) all.Add(await engine.Pool.RentAsync(default, default));
        using (var waiting = new CancellationTokenSource())
        {
            var request = generator.GenerateAsync(["a"], cancellationToken: waiting.Token);
            while (engine.Pool.Count.Waiting == 0) await Task.Delay(1);
            await waiting.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
        }
        foreach (var rental in all) rental.Dispose();
        using var cancellation = new CancellationTokenSource();
        string[] texts = [.. Enumerable.Repeat(string.Concat(Enumerable.Repeat("many words ", 50)), 400)];
        var running = generator.GenerateAsync(texts, cancellationToken: cancellation.Token);
        while (engine.Forwards < 3) await Task.Delay(1);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.InRange(engine.Forwards, 3, 1000); // of the 1600 or more that all of them take
        Assert.Equal(engine.PagesPerSession * Options.Sessions, engine.FreePages);
    }

    [Fact]
    public async Task OneThatOpenedItsModelClosesIt()
    {
        var owner = WarpDecodeEmbeddingGenerator.Open(TinyModel.Path, Options with { ContextLength = 64 });
        Assert.Equal("qwen3_moe-bf16", ((IEmbeddingGenerator)owner).GetRequiredService<EmbeddingGeneratorMetadata>().DefaultModelId);
        owner.Dispose();
        owner.Dispose();
        Assert.Throws<ObjectDisposedException>(owner.Engine.CreateSession);
        generator.Dispose(); // does not own its engine
        Assert.Single(await generator.GenerateAsync(["a"]));
    }
}
