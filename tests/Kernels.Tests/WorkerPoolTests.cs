using WarpDecode.Kernels.Cpu;
using Xunit;

namespace WarpDecode.Kernels.Tests;

public class WorkerPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void EveryItemIsDoneExactlyOnce(int workers)
    {
        using var pool = new WorkerPool(workers);
        var counts = new int[1000];
        var job = new Counting(counts);
        // Many short jobs and pauses between them: workers are met spinning, falling asleep and asleep.
        for (var round = 0; round < 300; round++)
        {
            var items = round % 7 == 0 ? 1000 : round % 13;
            Array.Clear(counts);
            pool.Run(job, items, itemsAtOnce: 1 + (round % 5));
            Assert.All(counts.Take(items), count => Assert.Equal(1, count));
            Assert.All(counts.Skip(items), count => Assert.Equal(0, count));
            if (round % 50 == 49) Thread.Sleep(2);
        }
    }

    [Fact]
    public void AFailingItemFailsTheCallAndNotTheNext()
    {
        using var pool = new WorkerPool(3);
        var error = Assert.ThrowsAny<Exception>(() => pool.Run(new Failing(), 100));
        Assert.Contains("on purpose", error.Message, StringComparison.Ordinal);
        var counts = new int[50];
        pool.Run(new Counting(counts), 50);
        Assert.All(counts, count => Assert.Equal(1, count));
    }

    [Fact]
    public void CallsFromSeveralThreadsTakeTurns()
    {
        using var pool = new WorkerPool(2);
        Parallel.For(0, 4, _ =>
        {
            var counts = new int[64];
            for (var round = 0; round < 100; round++) pool.Run(new Counting(counts), counts.Length);
            Assert.All(counts, count => Assert.Equal(100, count));
        });
    }

    private sealed class Counting(int[] counts) : Job
    {
        public override void Do(int begin, int end, int worker)
        {
            for (var i = begin; i < end; i++) Interlocked.Increment(ref counts[i]);
        }
    }

    private sealed class Failing : Job
    {
        public override void Do(int begin, int end, int worker)
        {
            if (begin == 60) throw new InvalidOperationException("on purpose");
        }
    }
}
