using System.Text.Json;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime.Monitoring;
using WarpDecode.Runtime.Tests.Models;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Monitoring;

/// <summary>The routes that a session's last token took, against those that Hugging Face transformers recorded for the tiny model.</summary>
public class RoutingTests
{
    private static readonly string Model = TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf");
    private static readonly JsonElement[] Prompts =
        [.. JsonDocument.Parse(File.ReadAllText(TestData.Golden("qwen3_moe/golden.json"))).RootElement.GetProperty("prompts").EnumerateArray()];

    /// <summary>Token by token, as an answer is made. Emulated, a GPU is slow: one token of one prompt.</summary>
    [Theory]
    [InlineData("reference")]
    [InlineData("cpu")]
    [InlineData("cuda")]
    [InlineData("cuda, experts of layer 0 on the cpu")]
    [InlineData("cuda, layer 1 on the cpu")]
    public void EveryTokensAreThoseOfTransformers(string where)
    {
        SlowTests.Skip(where.StartsWith("cuda,", StringComparison.Ordinal));
        using var engine = Open(where);
        var routes = new RoutingSnapshot(engine);
        var (seen, isEmulated) = (0, where.StartsWith("cuda", StringComparison.Ordinal));
        foreach (var prompt in isEmulated ? [Prompts.First(p => Golden.Ids(p, "ids").Length > 1)] : Prompts)
        {
            using var session = engine.CreateSession();
            Assert.False(session.TryReadRouting(routes));
            var ids = Golden.Ids(prompt, "ids");
            for (var t = 0; t < Math.Min(isEmulated ? 1 : int.MaxValue, ids.Length); t++)
            {
                session.Append([ids[t]]);
                Assert.True(session.TryReadRouting(routes));
                AssertGolden(prompt, t, routes);
                seen++;
            }
        }
        Assert.True(seen >= 1);
    }

    [Fact]
    public void OfAPromptTheyAreThoseOfItsLastToken()
    {
        using var engine = Open("cpu", prefill: 4);
        var prompt = Prompts.First(p => Golden.Ids(p, "ids").Length > 5);
        using var session = engine.CreateSession();
        session.Append(Golden.Ids(prompt, "ids").AsSpan(0, 6)); // steps of 4 and 2 tokens
        var routes = new RoutingSnapshot(engine);
        Assert.True(session.TryReadRouting(routes));
        AssertGolden(prompt, 5, routes);
        session.Rewind(3);
        Assert.False(session.TryReadRouting(routes));
        Assert.Equal(5, routes.Position); // as it was
    }

    [Fact]
    public void SessionsOfOneStepHaveTheirOwnAndAnothersStepTakesThemAway()
    {
        using var engine = Open("cpu");
        var (first, second) = (Prompts.First(p => Golden.Ids(p, "ids").Length > 1), Prompts.Last(p => Golden.Ids(p, "ids").Length > 1));
        using var a = engine.CreateSession();
        using var b = engine.CreateSession();
        engine.Decode([a, b], [Golden.Ids(first, "ids")[0], Golden.Ids(second, "ids")[0]]);
        var routes = new RoutingSnapshot(engine);
        Assert.True(a.TryReadRouting(routes));
        AssertGolden(first, 0, routes);
        Assert.True(b.TryReadRouting(routes));
        AssertGolden(second, 0, routes);
        using var fork = a.Fork();
        Assert.False(fork.TryReadRouting(routes));
        b.Append([1]);
        Assert.True(b.TryReadRouting(routes));
        Assert.False(a.TryReadRouting(routes));
    }

    [Fact]
    public void AnotherModelsSnapshotIsRefused()
    {
        using var engine = Open("cpu");
        using var session = engine.CreateSession();
        Assert.Throws<ArgumentException>(() => session.TryReadRouting(new RoutingSnapshot(3, 2)));
        Assert.Throws<ArgumentException>(() => new RoutingSnapshot(engine).CopyFrom(new RoutingSnapshot(2, 3)));
    }

    /// <summary>In one copy, and where that is too large layer by layer.</summary>
    [Theory]
    [InlineData(3, 5, 3, 7)]
    [InlineData(80, 512, 32, 64)]
    public unsafe void OnADeviceLayersHaveRoutesOfTheirOwn(int layers, int tokens, int topK, int experts)
    {
        using var device = new EmulatedDevice();
        var routings = DeviceRouting.OfLayers(device, layers, tokens, topK, experts);
        var (ids, weights) = (new int[tokens * topK], new float[tokens * topK]);
        for (var layer = 0; layer < layers; layer++)
        {
            for (var i = 0; i < ids.Length; i++) (ids[i], weights[i]) = ((layer * 1_000_000) + i, layer + (i / 65536f));
            fixed (int* from = ids) device.Upload(routings[layer].Ids, from, ids.Length * 4L);
            fixed (float* from = weights) device.Upload(routings[layer].Weights, from, ids.Length * 4L);
        }
        const int first = 2, count = 3;
        var (foundIds, foundWeights) = (new int[layers * count * topK], new float[layers * count * topK]);
        DeviceRouting.Read(routings, first, count, foundIds, foundWeights);
        for (var layer = 0; layer < layers; layer++)
        {
            for (var i = 0; i < count * topK; i++)
            {
                Assert.Equal((layer * 1_000_000) + (first * topK) + i, foundIds[(layer * count * topK) + i]);
                Assert.Equal(layer + (((first * topK) + i) / 65536f), foundWeights[(layer * count * topK) + i]);
            }
        }
        Assert.Throws<ArgumentException>(() => DeviceRouting.Read(routings, tokens - 1, count, foundIds, foundWeights));
        Assert.Throws<InvalidOperationException>(() => routings[0].Free());

        // What is shared holds the slots of one layer at a time.
        routings[0].Grouped = true;
        routings[1].Grouped = false;
        Assert.True(routings[0].Grouped);
        routings[1].Grouped = true;
        Assert.False(routings[0].Grouped);
    }

    internal static Engine Open(string where, int? prefill = null)
    {
        var options = new EngineOptions { ContextLength = 64, Sessions = 3, Threads = 2, PrefillTokens = prefill };
        return where switch
        {
            "reference" => Engine.Open(Model, options with { Backend = BackendKind.Reference }),
            "cpu" => Engine.Open(Model, options with { Backend = BackendKind.Cpu }),
            "cuda" => Engine.Open(Model, options with { Backend = BackendKind.Cuda }, () => new EmulatedDevice()),
            "cuda, experts of layer 0 on the cpu" => Engine.Open(Model, options with { Backend = BackendKind.Cuda, CpuMoe = 1 }, () => new EmulatedDevice()),
            "cuda, layer 1 on the cpu" => Engine.Open(Model, options with { Backend = BackendKind.Cuda, GpuLayers = 1 }, () => new EmulatedDevice()),
            _ => throw new ArgumentException(where),
        };
    }

    private static void AssertGolden(JsonElement prompt, int token, RoutingSnapshot routes)
    {
        Assert.Equal(token, routes.Position);
        foreach (var router in prompt.GetProperty("router").EnumerateArray())
        {
            var layer = router.GetProperty("layer").GetInt32();
            Assert.Equal(router.GetProperty("topk_idx")[token].EnumerateArray().Select(e => e.GetInt32()), routes.ExpertsOf(layer).ToArray());
            var weights = router.GetProperty("topk_weight")[token].EnumerateArray().Select(e => e.GetSingle()).ToArray();
            for (var k = 0; k < weights.Length; k++) Assert.Equal(weights[k], routes.WeightsOf(layer)[k], 1e-4);
        }
    }
}
