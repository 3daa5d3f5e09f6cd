using CsCheck;
using WarpDecode.Runtime.Monitoring;
using Xunit;

namespace WarpDecode.Runtime.Tests.Monitoring;

public class RoutingStatisticsTests
{
    [Fact]
    public void WithoutTokensNothingIsKnown()
    {
        var empty = new RoutingStatistics(2, 8);
        Assert.Equal((0, 0.0, 0.0, 0.0), (empty.Tokens, empty.Entropy(0, LoadWindow.All), empty.Imbalance(1, LoadWindow.Recent), empty.Load(1, 7, LoadWindow.All)));
        Assert.Equal(3, empty.MostEntropy);
        Assert.Equal(8, empty.Unused(0));
    }

    [Fact]
    public void EvenLoadsHaveAllTheBitsAndOneExpertHasNone()
    {
        var statistics = new RoutingStatistics(2, 4);
        for (var i = 0; i < 8; i++) statistics.Add([i % 4, 2]); // layer 0 in turn, layer 1 always the same
        Assert.Equal(2, statistics.Entropy(0, LoadWindow.All), 1e-12);
        Assert.Equal(1, statistics.Imbalance(0, LoadWindow.All), 1e-12);
        Assert.InRange(statistics.Entropy(0, LoadWindow.Recent), 1.99, 2);
        foreach (var window in Enum.GetValues<LoadWindow>())
        {
            Assert.Equal(0, statistics.Entropy(1, window), 1e-12);
            Assert.Equal(4, statistics.Imbalance(1, window), 1e-12);
            Assert.Equal(4, statistics.Load(1, 2, window), 1e-12);
        }
        Assert.Equal((2, 8, 0, 3), (statistics.Count(0, 1), statistics.Count(1, 2), statistics.Unused(0), statistics.Unused(1)));
    }

    /// <summary>Half-lives of a thousandth of a token make the units overflow at every token.</summary>
    [Fact]
    public void TheyAreThoseThatALoopOverAllTokensGives() =>
        (from layers in Gen.Int[1, 3]
         from topK in Gen.Int[1, 4]
         from experts in Gen.Int[topK, 9]
         from halfLife in Gen.OneOf(Gen.Const(1e-4), Gen.Const(0.1), Gen.Const(1.0), Gen.Const(7.5), Gen.Const(64.0))
         from tokens in Gen.Shuffle(Enumerable.Range(0, experts).ToArray()).Array[layers].Array[0, 60]
         select (layers, topK, experts, halfLife, tokens)).Sample(
            x =>
            {
                var statistics = new RoutingStatistics(x.layers, x.experts, x.halfLife);
                foreach (var token in x.tokens) statistics.Add([.. token.SelectMany(layer => layer.Take(x.topK))]);
                for (var layer = 0; layer < x.layers; layer++)
                {
                    foreach (var window in Enum.GetValues<LoadWindow>())
                    {
                        var counts = new double[x.experts];
                        for (var t = 0; t < x.tokens.Length; t++)
                        {
                            var weight = window == LoadWindow.All ? 1 : Math.Pow(0.5, (x.tokens.Length - 1 - t) / x.halfLife);
                            foreach (var expert in x.tokens[t][layer].Take(x.topK)) counts[expert] += weight;
                        }
                        var total = counts.Sum();
                        var loads = new double[x.experts];
                        statistics.Loads(layer, window, loads);
                        for (var e = 0; e < x.experts; e++)
                        {
                            Assert.Equal(total == 0 ? 0 : counts[e] * x.experts / total, loads[e], 1e-9);
                            Assert.Equal(loads[e], statistics.Load(layer, e, window));
                        }
                        Assert.Equal(counts.Where(c => c > 0).Sum(c => -c / total * Math.Log2(c / total)), statistics.Entropy(layer, window), 1e-9);
                        Assert.Equal(loads.Max(), statistics.Imbalance(layer, window), 1e-9);
                    }
                }
            },
            iter: 200);

    [Fact]
    public void WhatDoesNotFitIsRefusedAndChangesNothing()
    {
        var statistics = new RoutingStatistics(2, 4);
        statistics.Add([1, 2]);
        Assert.Throws<ArgumentException>(() => statistics.Add([1, 4]));
        Assert.Throws<ArgumentException>(() => statistics.Add([1, -1]));
        Assert.Throws<ArgumentException>(() => statistics.Add([1, 2, 3]));
        Assert.Throws<ArgumentException>(() => statistics.Add([]));
        Assert.Throws<ArgumentException>(() => statistics.CopyFrom(new RoutingStatistics(2, 5)));
        Assert.Throws<ArgumentOutOfRangeException>(() => statistics.Load(0, 4, LoadWindow.All));
        Assert.Throws<ArgumentOutOfRangeException>(() => new RoutingStatistics(1, 1, double.NaN));
        Assert.Equal((1, 1), (statistics.Tokens, statistics.Count(0, 1)));
    }

    [Fact]
    public void ACopyIsAllOfItAndClearingForgets()
    {
        var (statistics, copy) = (new RoutingStatistics(1, 4), new RoutingStatistics(1, 4));
        for (var i = 0; i < 100; i++) statistics.Add([i % 3, 3]);
        copy.Add([2]);
        copy.CopyFrom(statistics);
        statistics.Clear();
        Assert.Equal((0, 0.0), (statistics.Tokens, statistics.Load(0, 3, LoadWindow.Recent)));
        Assert.Equal((100, 100), (copy.Tokens, copy.Count(0, 3)));
        Assert.Equal(2, copy.Load(0, 3, LoadWindow.Recent), 1e-9);
    }
}
