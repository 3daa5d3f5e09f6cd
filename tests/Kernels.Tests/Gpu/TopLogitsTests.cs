using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Reference;
using Xunit;

namespace WarpDecode.Kernels.Tests.Gpu;

/// <summary>The best tokens, on ILGPU's CPU accelerator and on the host, against sorting.</summary>
public sealed class TopLogitsTests : IDisposable
{
    private readonly Random random = new(3);
    private readonly ReferenceBackend host = new();
    private readonly CudaBackend gpu = new(TestDevice.Open(), records: false);

    /// <summary>Rows, vocabulary, tokens asked for: less than a chunk, several chunks, a chunk of one, all tokens.</summary>
    public static TheoryData<int, int, int> Sizes => new()
    {
        { 1, 1, 1 },
        { 2, 37, 37 },
        { 1, 300, 128 },
        { 3, 2049, 1 },
        { 3, 9000, 128 },
        { 9, 9000, 3 },
        { 2, 4500, 40 },
        { 1, 6000, 128 },
    };

    public void Dispose()
    {
        gpu.Dispose();
        host.Dispose();
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void TheBestComeInOrder(int rows, int vocabulary, int count)
    {
        TestDevice.SkipSlow((rows == 3 && count == 128) || count == 40);
        Check(rows, vocabulary, count, (_, _) => (2 * random.NextSingle()) - 1);
    }

    [Theory]
    [InlineData(300, 30)]
    [InlineData(5000, 64)]
    public void OfEqualsTheLowerIdComesFirst(int vocabulary, int count)
    {
        Check(1, vocabulary, count, (_, _) => 0.5f);
        Check(2, vocabulary, count, (_, _) => random.Next(5) - 2);
        Check(1, vocabulary, count, (_, i) => i % 2 == 0 ? 0f : -0f);
    }

    [Fact]
    public void OrderedLogitsAreTheWorstToGather()
    {
        Check(1, 5000, 128, (_, i) => i); // all of the best in one chunk
        Check(1, 5000, 128, (_, i) => -i);
        Check(1, 4096, 128, (_, i) => i % 256); // all of a thread's logits among the best
    }

    [Fact]
    public void NaNAndInfinitiesAreSeen()
    {
        Check(1, 3000, 5, (_, i) => i == 2500 ? float.NaN : i == 7 ? float.PositiveInfinity : -1);
        Check(1, 300, 5, (_, i) => i == 200 ? BitConverter.UInt32BitsToSingle(0xFFC00001) : 3e38f);
        Check(1, 300, 3, (_, _) => float.NegativeInfinity);
        Check(1, 300, 3, (_, i) => i < 299 ? float.NegativeInfinity : float.MinValue);
    }

    [Fact]
    public void ManyTokensOfLargeVocabulariesHaveLessRoom()
    {
        Assert.Equal(128, TopLogits.Most(151_936));
        Assert.Equal(37, TopLogits.Most(37));
        Assert.InRange(TopLogits.Most(262_144), 64, 128);
        Assert.InRange(TopLogits.Most(1 << 25), 1, 64);
        Assert.Throws<ArgumentOutOfRangeException>(() => gpu.TopLogits(gpu.Allocate(1000), 1, 1000, 129, new TopLogit[129]));
    }

    private void Check(int rows, int vocabulary, int count, Func<int, int, float> logit)
    {
        var logits = new float[rows * vocabulary];
        for (var i = 0; i < logits.Length; i++) logits[i] = logit(i / vocabulary, i % vocabulary);
        var expected = Enumerable.Range(0, rows).SelectMany(row => Enumerable.Range(0, vocabulary)
            .Select(id => new TopLogit(id, logits[(row * vocabulary) + id]))
            .OrderByDescending(t => float.IsNaN(t.Logit)).ThenByDescending(t => t.Logit).ThenBy(t => t.Id).Take(count)).ToArray();
        var found = new TopLogit[rows * count];
        host.TopLogits(host.Upload(logits), rows, vocabulary, count, found);
        Same(expected, found);
        var device = gpu.Upload(logits);
        for (var again = 0; again < 2; again++) // the counters are as before after a launch
        {
            Array.Clear(found);
            gpu.TopLogits(device, rows, vocabulary, count, found);
            Same(expected, found);
        }
    }

    private static void Same(TopLogit[] expected, TopLogit[] found)
    {
        Assert.Equal(expected.Select(t => t.Id), found.Select(t => t.Id));
        Assert.Equal(expected.Select(t => t.Logit), found.Select(t => t.Logit)); // NaN equals NaN, and −0 equals 0
    }
}
