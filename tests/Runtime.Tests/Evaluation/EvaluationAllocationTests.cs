using WarpDecode.Runtime.Evaluation;
using Xunit;

namespace WarpDecode.Runtime.Tests.Evaluation;

/// <summary>Counts the bytes that all threads of the process allocate, so it runs when no other test does.</summary>
[Collection(nameof(Alone))]
public class EvaluationAllocationTests
{
    /// <summary>A batch of 32 positions costs what handing it to threads does, and a position nothing.</summary>
    [Theory]
    [InlineData(1_000)]
    [InlineData(50_000)]
    public void ScoringAllocatesNothingPerPosition(int vocabulary)
    {
        var batch = new PositionBatch(vocabulary, compares: true, threads: 2);
        var row = new float[vocabulary];
        for (var i = 0; i < vocabulary; i++) row[i] = i % 17;
        var least = long.MaxValue;
        for (var round = 0; round < 10; round++)
        {
            for (var i = 0; i < batch.Capacity; i++) batch.Add(row, i);
            batch.Logits.CopyTo(batch.Basis);
            var before = GC.GetTotalAllocatedBytes(precise: true);
            var scores = batch.Score();
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
            Assert.Equal(32, scores.Length);
            Assert.Equal(0, scores[^1].Divergence);
        }
        Assert.InRange(least, 0, 4_096);
    }
}
