using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests;

/// <summary>Counts the bytes that all threads of the process allocate, so it runs when no other test does.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public class Alone;

[Collection(nameof(Alone))]
public class AllocationTests
{
    [Theory]
    [InlineData(1, false)]
    [InlineData(3, false)]
    [InlineData(3, true)]
    public void DecodingAllocatesNothing(int batch, bool isWatched)
    {
        using var engine = Engine.Open(
            TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = BackendKind.Cpu, Sessions = batch, Threads = 2 });
        using var monitor = isWatched ? engine.Watch() : null;
        var sessions = Enumerable.Range(0, batch).Select(_ => engine.CreateSession()).ToArray();
        var tokens = Enumerable.Range(1, batch).ToArray();
        foreach (var session in sessions) session.Append([1, 2, 3]);
        for (var i = 0; i < 20; i++) engine.Decode(sessions, tokens); // grows the scratch buffers once

        // The test runner's own threads may allocate now and then: the least of several windows is ours alone.
        var least = long.MaxValue;
        for (var window = 0; window < 10 && least > 0; window++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            for (var i = 0; i < 20; i++) engine.Decode(sessions, tokens);
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }
        foreach (var session in sessions) session.Dispose();
        Assert.Equal(0, least);
    }
}
