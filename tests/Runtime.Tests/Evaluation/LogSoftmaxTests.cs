using WarpDecode.Runtime.Evaluation;
using Xunit;

namespace WarpDecode.Runtime.Tests.Evaluation;

public class LogSoftmaxTests
{
    public static TheoryData<int, float> Cases
    {
        get
        {
            var cases = new TheoryData<int, float>();
            foreach (var count in (int[])[1, 2, 7, 15, 16, 17, 31, 33, 512, 1_001])
            {
                foreach (var spread in (float[])[0, 0.01f, 3, 300]) cases.Add(count, spread);
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void AgreesWithPlainLoops(int count, float spread)
    {
        var (p, q) = (Random(count, spread, 1), Random(count, spread, 2));
        var (pSum, qSum) = (LogSoftmax.LogSumExp(p), LogSoftmax.LogSumExp(q));
        Assert.Equal(LogSumExp(p), pSum, 1e-12 * Math.Max(1, Math.Abs(pSum)));
        Assert.Equal(LogSumExp(q), qSum, 1e-12 * Math.Max(1, Math.Abs(qSum)));
        Assert.Equal(Array.IndexOf(p, p.Max()), LogSoftmax.ArgMax(p));
        var kl = 0.0;
        for (var i = 0; i < count; i++) kl += Math.Exp(p[i] - LogSumExp(p)) * (p[i] - LogSumExp(p) - (q[i] - LogSumExp(q)));
        Assert.Equal(kl, LogSoftmax.Divergence(p, pSum, q, qSum), 1e-12 * Math.Max(1, kl));
        Assert.Equal(0, LogSoftmax.Divergence(p, pSum, p, pSum));
    }

    [Fact]
    public void AHandMadeDivergence()
    {
        // p = (1/2, 1/4, 1/4), q = (1/4, 1/4, 1/2): Σ p log(p/q) = 1/2 log 2 + 0 - 1/4 log 2.
        float[] p = [MathF.Log(2), 0, 0];
        float[] q = [0, 0, MathF.Log(2)];
        Assert.Equal(Math.Log(2) / 4, LogSoftmax.Divergence(p, LogSoftmax.LogSumExp(p), q, LogSoftmax.LogSumExp(q)), 1e-7);
    }

    /// <summary>Of (1/2, 1/2) from the softmax of (ε, 0) it is log cosh(ε/2) = ε²/8 - ε⁴/192 + …</summary>
    [Theory]
    [InlineData(0.5)]
    [InlineData(0.0625)]
    [InlineData(0.0009765625)]
    [InlineData(9.5367431640625e-07)]
    [InlineData(9.313225746154785e-10)]
    public void TinyDivergencesKeepTheirDigits(double epsilon)
    {
        var half = epsilon / 2;
        var expected = epsilon > 0.1 ? Math.Log(Math.Cosh(half)) : (half * half / 2) - (Math.Pow(half, 4) / 12) + (Math.Pow(half, 6) / 45);
        float[] p = [0, 0];
        float[] q = [(float)epsilon, 0];
        var found = LogSoftmax.Divergence(p, LogSoftmax.LogSumExp(p), q, LogSoftmax.LogSumExp(q));
        Assert.InRange(found / expected, 1 - 1e-6, 1 + 1e-6);
    }

    [Fact]
    public void ProbabilitiesThatVanishAreNoNaN()
    {
        var p = new float[40];
        var q = new float[40];
        p[0] = q[39] = 3_000;
        Assert.Equal(3_000, LogSoftmax.Divergence(p, LogSoftmax.LogSumExp(p), q, LogSoftmax.LogSumExp(q)), 1e-9);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void LogitsThatAreNotFiniteGiveNaN(float bad)
    {
        for (var at = 0; at < 50; at++)
        {
            var logits = Random(50, 1, at);
            logits[at] = bad;
            Assert.True(double.IsNaN(LogSoftmax.LogSumExp(logits)), $"at {at}");
            var e = Assert.Throws<ModelOutputException>(() => LogSoftmax.FiniteLogSumExp(logits));
            Assert.Contains("one of 50 is not a finite number", e.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(40)]
    public void LargeLogitsDoNotOverflow(int count)
    {
        var logits = Enumerable.Repeat(3e38f, count).ToArray();
        Assert.Equal((double)3e38f, LogSoftmax.LogSumExp(logits), 1e24);
        Assert.Equal(Math.Log(count), LogSoftmax.FiniteLogSumExp(new float[count]), 1e-14);
    }

    [Fact]
    public void OfEqualLogitsTheFirstIsTheTop()
    {
        var logits = new float[50];
        (logits[33], logits[49]) = (1, 1);
        Assert.Equal(33, LogSoftmax.ArgMax(logits));
        Assert.Equal(0, LogSoftmax.ArgMax(new float[50]));
        (logits[5], logits[6]) = (2, 2);
        Assert.Equal(5, LogSoftmax.ArgMax(logits));
    }

    private static double LogSumExp(float[] logits)
    {
        var most = (double)logits.Max();
        return most + Math.Log(logits.Sum(x => Math.Exp(x - most)));
    }

    private static float[] Random(int count, float spread, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => ((random.NextSingle() * 2) - 1) * spread)];
    }
}
