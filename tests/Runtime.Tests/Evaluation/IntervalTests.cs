using CsCheck;
using WarpDecode.Runtime.Evaluation;
using Xunit;

namespace WarpDecode.Runtime.Tests.Evaluation;

public class IntervalTests
{
    // (p + z²/2n ∓ z √(p(1−p)/n + z²/4n²)) / (1 + z²/n), evaluated by Python.
    [Theory]
    [InlineData(8, 10, 0.49016247153664183, 0.94331784854562475)]
    [InlineData(0, 10, 0, 0.27753279986288926)]
    [InlineData(10, 10, 0.72246720013711074, 1)]
    [InlineData(1, 2, 0.0945312057342307, 0.9054687942657693)]
    public void IsWilsons(int right, int total, double low, double high)
    {
        var interval = Interval.Wilson(right, total);
        Assert.Equal(low, interval.Low, 1e-9);
        Assert.Equal(high, interval.High, 1e-9);
    }

    [Fact]
    public void OfNothingNothingIsKnown() => Assert.Equal(new Interval(0, 1), Interval.Wilson(0, 0));

    [Fact]
    public void HoldsTheShareAndSolvesItsEquation() => Gen.Int[1, 5000].SelectMany(n => Gen.Int[0, n].Select(k => (k, n))).Sample(one =>
    {
        var (k, n) = one;
        var interval = Interval.Wilson(k, n);
        var p = (double)k / n;
        Assert.True(interval.Low >= 0 && interval.Low <= p && p <= interval.High && interval.High <= 1);
        var mirrored = Interval.Wilson(n - k, n);
        Assert.Equal(1 - mirrored.High, interval.Low, 1e-12);
        // An end is a share whose own standard error puts p at 1.96 of them: |p − e| = z √(e(1−e)/n).
        foreach (var end in new[] { interval.Low, interval.High })
        {
            if (end is 0 or 1) continue;
            Assert.Equal(1.959963984540054 * Math.Sqrt(end * (1 - end) / n), Math.Abs(p - end), 1e-9);
        }
    });

    [Fact]
    public void RefusesWhatCannotBe()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Interval.Wilson(-1, 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => Interval.Wilson(4, 3));
    }
}
