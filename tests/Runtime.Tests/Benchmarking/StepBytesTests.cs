using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime.Benchmarking;
using WarpDecode.Runtime.Models;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Benchmarking;

/// <summary>What a step is said to read, against counts by hand from the tiny model's shapes, and the experts that are counted.</summary>
public class StepBytesTests
{
    // rows × columns of each matrix; BF16, but the router and the norms F32.
    private const int Vocabulary = 512, Hidden = 256, Layers = 2, Heads = 4, KvHeads = 2, HeadDim = 32, TopK = 2, Ff = 256, Experts = 4;
    private const int Attention = 2 * ((2 * Heads * HeadDim * Hidden) + (2 * KvHeads * HeadDim * Hidden));
    private const int Expert = 2 * 3 * Ff * Hidden;
    private const int PerLayer = Attention + (4 * ((Experts * Hidden) + (2 * Hidden) + (2 * HeadDim)));
    private const int Head = (2 * Vocabulary * Hidden) + (4 * Hidden);
    private const int EmbeddingRow = 2 * Hidden;
    private static readonly string Model = TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf");

    [Fact]
    public void TheyAreThoseCountedByHand()
    {
        using var file = ModelFile.Open(Model);
        var config = new Qwen3Moe().ReadConfig(file);
        var bytes = new StepBytes(file, config, WeightType.F32);
        Assert.Equal(2 * 4 * Layers * KvHeads * HeadDim, bytes.CachePerToken);
        Assert.Equal(2 * 2 * Layers * KvHeads * HeadDim, new StepBytes(file, config, WeightType.F16).CachePerToken);

        Assert.Equal(ModelSummary.Of(file).ActiveBytes, bytes.Of(1, [TopK, TopK], 0, logits: true));
        Assert.Equal((Layers * PerLayer) + Head + EmbeddingRow + (Layers * TopK * Expert), bytes.Of(1, [TopK, TopK], 0, logits: true));
        // Three sequences that share experts, at positions 4, 9 and 19, without the head.
        Assert.Equal((Layers * PerLayer) + (3 * EmbeddingRow) + ((3 + 4) * Expert) + ((5 + 10 + 20) * bytes.CachePerToken), bytes.Of(3, [3, 4], 5 + 10 + 20, logits: false));

        // Part by part: embedding, projections, attention, router, gate and up, down, head.
        var parts = new long[7];
        bytes.Of(2, [3, 4], 9, logits: true, parts);
        Assert.Equal(
            [2 * EmbeddingRow, Layers * (Attention + (4 * 2 * HeadDim) + (4 * Hidden)), 9 * bytes.CachePerToken, Layers * 4 * ((Experts * Hidden) + Hidden), 7 * Expert * 2 / 3, 7 * Expert / 3, Head],
            parts);
    }

    [Fact]
    public void EqualSequencesShareTheirExperts()
    {
        using var engine = Open(device: false);
        var sessions = Enumerable.Range(0, 3).Select(_ => engine.CreateSession()).ToArray();
        Assert.Equal([TopK, TopK], engine.CountExperts(sessions, [7, 7, 7]));
        Assert.All(sessions, s => Assert.Equal(1, s.Length));
        Assert.All(sessions, s => Assert.False(s.HasLogits));
        Assert.Equal([TopK, TopK], engine.CountExperts(sessions.AsSpan(0, 1), [9]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void DifferentOnesAreCountedOnceOnEveryBackend(bool device)
    {
        SlowTests.Skip(device);
        using var cpu = Open(device: false);
        int[] tokens = [3, 400, 77];
        var expected = Count(cpu, tokens);
        if (device)
        {
            using var emulated = Open(device: true);
            Assert.Equal(expected, Count(emulated, tokens));
        }
        Assert.All(expected, n => Assert.InRange(n, TopK, Experts));
        Assert.True(expected.Sum() > Layers * TopK, "all three tokens chose the same experts: take others for this test");

        // As a prompt the same tokens: the first is alone, so that its experts are among those of all.
        using var session = cpu.CreateSession();
        var steps = cpu.CountExperts(session, [3, 400, 77, 12, 13]);
        Assert.Equal(5, session.Length);
        Assert.All(Assert.Single(steps), n => Assert.InRange(n, TopK, Experts));
    }

    [Fact]
    public void APromptIsCountedStepByStep()
    {
        using var engine = Engine.Open(Model, new EngineOptions { Backend = BackendKind.Cpu, ContextLength = 64, Threads = 1, PrefillTokens = 4 });
        using var session = engine.CreateSession();
        var steps = engine.CountExperts(session, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        Assert.Equal(3, steps.Count);
        Assert.Equal([TopK, TopK], steps[2]); // the last token alone
        // Counting computes: what follows is as if the prompt had been appended.
        using var other = engine.CreateSession();
        other.Append([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        session.Append([10]);
        Assert.Equal(other.Logits, session.Logits);
    }

    [Fact]
    public void ASessionStandsAtADepthWithPagesOfItsOwn()
    {
        using var engine = Open(device: false);
        int[] first = [.. Enumerable.Range(1, Engine.PageTokens)];
        using var session = engine.CreateSession();
        var free = engine.FreePages;
        engine.Stand(session, 100, first);
        Assert.Equal(100, session.Length);
        Assert.Equal(4, free - engine.FreePages);
        engine.Decode([session], [5]);
        Assert.All(session.Logits.ToArray(), l => Assert.True(float.IsFinite(l)));

        // Within the first page it is a prompt like any other.
        using var short1 = engine.CreateSession();
        using var appended = engine.CreateSession();
        engine.Stand(short1, 20, first);
        appended.Append(first.AsSpan(0, 20));
        engine.Decode([short1, appended], [5, 5]);
        Assert.Equal(appended.Logits, short1.Logits);
        Assert.Throws<ArgumentException>(() => engine.Stand(session, 100, first));
    }

    private static int[] Count(Engine engine, int[] tokens)
    {
        var sessions = tokens.Select(_ => engine.CreateSession()).ToArray();
        return engine.CountExperts(sessions, tokens);
    }

    private static Engine Open(bool device)
    {
        var options = new EngineOptions { Backend = device ? BackendKind.Cuda : BackendKind.Cpu, ContextLength = 128, Threads = 2, Sessions = 3 };
        return Engine.Open(Model, options, () => new EmulatedDevice());
    }
}
