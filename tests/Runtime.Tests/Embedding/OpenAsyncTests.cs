using WarpDecode.Formats;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Embedding;

public class OpenAsyncTests
{
    private static readonly string Model = TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf");
    private static readonly EngineOptions Cpu = new() { Backend = BackendKind.Cpu, Threads = 1, ContextLength = 64 };

    [Fact]
    public async Task OpensOnAnotherThread()
    {
        var reports = new List<(LoadProgress Progress, int Thread)>();
        await using var engine = await Engine.OpenAsync(Model, Cpu with { Progress = new Reports(p => reports.Add((p, Environment.CurrentManagedThreadId))) });
        using var session = engine.CreateSession();
        session.Append([1, 2]);
        Assert.Equal(512, session.Logits.Length);
        Assert.Equal(reports[^1].Progress.Total, reports[^1].Progress.Bytes);
        Assert.Single(reports.Select(report => report.Thread).Distinct());
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task EitherTokenEndsIt(bool byOptions, bool before)
    {
        using var source = new CancellationTokenSource();
        var options = Cpu with { Progress = new Reports(_ => source.Cancel()), Cancellation = byOptions ? source.Token : default };
        if (before) await source.CancelAsync();
        var opening = Engine.OpenAsync(Model, options, byOptions ? default : source.Token);
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening);
        Assert.True(opening.IsCanceled);
        if (!byOptions) Assert.Equal(source.Token, error.CancellationToken);
    }

    [Fact]
    public async Task ErrorsAreThoseOfOpen()
    {
        await Assert.ThrowsAsync<ModelFileException>(() => Engine.OpenAsync("/there/is/none.gguf", Cpu));
        await Assert.ThrowsAsync<ArgumentException>(() => Engine.OpenAsync(Model, Cpu with { KvType = WeightType.Q4_K }));
        await Assert.ThrowsAsync<ArgumentNullException>(() => Engine.OpenAsync(null!));
    }

    private sealed class Reports(Action<LoadProgress> report) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => report(value);
    }
}
