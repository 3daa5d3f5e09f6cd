using WarpDecode.Runtime.Evaluation;
using Xunit;

namespace WarpDecode.Runtime.Tests.Evaluation;

public class StatisticsTests
{
    [Fact]
    public void TheErrorOfAMeanIsThatOfLlamaCpp()
    {
        double[] values = [1.5, 2, 0.25, 8, 3, 3];
        var moments = default(Moments);
        foreach (var value in values) moments.Add(value);
        var (mean, square) = (values.Average(), values.Average(x => x * x));
        Assert.Equal(mean, moments.Mean.Value, 1e-14);
        Assert.Equal(Math.Sqrt((square - (mean * mean)) / (values.Length - 1)), moments.Mean.Error, 1e-14);
        Assert.Equal(Math.Exp(mean), moments.Mean.Exp().Value, 1e-13);
        Assert.Equal(Math.Exp(mean) * moments.Mean.Error, moments.Mean.Exp().Error, 1e-13);
    }

    [Fact]
    public void OneValueHasNoErrorAndNoneNoMean()
    {
        var moments = default(Moments);
        Assert.True(double.IsNaN(moments.Mean.Value));
        moments.Add(4);
        Assert.Equal(4, moments.Mean.Value);
        Assert.True(double.IsNaN(moments.Mean.Error));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(0.5, 3)]
    [InlineData(0.25, 2)]
    [InlineData(0.9, 7.4)] // at 3.6 of 4: 5 + 0.6 · 4
    [InlineData(1, 9)]
    public void PercentilesAreInterpolated(double share, double expected) =>
        Assert.Equal(expected, DivergenceStatistics.Percentile([1, 2, 3, 5, 9], share), 1e-14);

    [Fact]
    public void AMedianOfTwoIsTheirMean() => Assert.Equal(1.5, DivergenceStatistics.Percentile([1, 2], 0.5));

    [Fact]
    public void TheTableOfThreePositions()
    {
        var statistics = new DivergenceStatistics(3);
        statistics.Add(new PositionScore { LogP = Math.Log(0.5), BaseLogP = Math.Log(0.25), Divergence = 0.3, SameTop = true });
        statistics.Add(new PositionScore { LogP = Math.Log(0.1), BaseLogP = Math.Log(0.2), Divergence = 0.1, SameTop = true });
        statistics.Add(new PositionScore { LogP = Math.Log(0.8), BaseLogP = Math.Log(0.8), Divergence = 0.2, SameTop = false });
        var found = statistics.Result();
        Close(0.2, Math.Sqrt(((0.01 + 0.01) / 3) / 2), found.Mean);
        Assert.Equal(0.2, found.Median, 1e-14);
        Assert.Equal(0.28, found.P90, 1e-14); // at 1.8 of 2
        Assert.Equal(0.3, found.Maximum, 1e-14);
        Close(2.0 / 3, Math.Sqrt((2.0 / 3) * (1.0 / 3) / 2), found.SameTop); // √(p (1 - p) / (n - 1))
        Close(0.05, Math.Sqrt((((0.0625 + 0.01) / 3) - 0.0025) / 2), found.DeltaMean); // Δp = 0.25, -0.1, 0
        var meanSquare = (0.0625 + 0.01) / 3;
        var squareError = Math.Sqrt(((((0.0625 * 0.0625) + (0.01 * 0.01)) / 3) - (meanSquare * meanSquare)) / 2);
        Close(Math.Sqrt(meanSquare), squareError / (2 * Math.Sqrt(meanSquare)), found.DeltaRms);
        Assert.Equal(Math.Cbrt(1 / (0.25 * 0.2 * 0.8)), found.BasePerplexity.Value, 1e-13);
        Assert.Equal(1, found.Ratio.Value, 1e-14); // halved once, doubled once

        // By way of variances and covariance, as llama.cpp has it: √(var x + var y - 2 cov).
        double[] x = [-Math.Log(0.5), -Math.Log(0.1), -Math.Log(0.8)];
        double[] y = [-Math.Log(0.25), -Math.Log(0.2), -Math.Log(0.8)];
        double Covariance(double[] a, double[] b) => (a.Zip(b, (s, t) => s * t).Average() - (a.Average() * b.Average())) / 2;
        Assert.Equal(Math.Sqrt(Covariance(x, x) + Covariance(y, y) - (2 * Covariance(x, y))), found.Ratio.Error, 1e-13);
    }

    [Fact]
    public void EqualRunsHaveNoErrorAtAll()
    {
        var statistics = new DivergenceStatistics(2);
        for (var i = 0; i < 2; i++) statistics.Add(new PositionScore { LogP = -1 - i, BaseLogP = -1 - i, SameTop = true });
        var found = statistics.Result();
        Assert.Equal(new Estimate(0, 0), found.Mean);
        Assert.Equal(new Estimate(0, 0), found.DeltaRms);
        Assert.Equal(new Estimate(1, 0), found.Ratio);
        Assert.Equal(new Estimate(1, 0), found.SameTop);
    }

    private static void Close(double value, double error, Estimate found)
    {
        Assert.Equal(value, found.Value, 1e-13);
        Assert.Equal(error, found.Error, 1e-13);
    }
}
