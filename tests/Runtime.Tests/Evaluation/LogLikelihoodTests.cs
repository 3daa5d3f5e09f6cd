using WarpDecode.Runtime.Evaluation;
using Xunit;

namespace WarpDecode.Runtime.Tests.Evaluation;

public class LogLikelihoodTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(64)]
    [InlineData(2_816)]
    [InlineData(151_669)]
    public void IsThatOfPlainLoops(int count)
    {
        var random = new Random(count);
        var logits = Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 60) - 30)).ToArray();
        var top = (double)logits.Max();
        var sum = 0.0;
        foreach (var logit in logits) sum += Math.Exp(logit - top);
        Assert.Equal(top + Math.Log(sum), LogLikelihood.LogSum(logits), 1e-12 * Math.Max(1, Math.Abs(top)));
    }

    [Fact]
    public void LargeLogitsDoNotOverflow()
    {
        Assert.Equal(3e38 + Math.Log(2), LogLikelihood.LogSum([3e38f, 3e38f]), 1e32);
        Assert.Equal(-3e38, LogLikelihood.LogSum([-3e38f, float.NegativeInfinity]), 1e32);
        Assert.Equal(Math.Log(20), LogLikelihood.LogSum(new float[20]), 1e-14);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void RefusesWhatHasNoProbabilities(float bad)
    {
        for (var at = 0; at < 37; at++)
        {
            var logits = new float[37];
            logits[at] = bad;
            Assert.Throws<ModelOutputException>(() => LogLikelihood.LogSum(logits));
        }
        Assert.Throws<ModelOutputException>(() => LogLikelihood.LogSum(Enumerable.Repeat(float.NegativeInfinity, 37).ToArray()));
    }
}
