using CsCheck;
using WarpDecode.Runtime.Sampling;
using Xunit;

namespace WarpDecode.Runtime.Tests.Sampling;

/// <summary>The stages of llama.cpp on small tables: what is left, and with which probabilities.</summary>
public sealed class SamplerFilterTests
{
    private static readonly double[] Falling = [0.4, 0.3, 0.2, 0.1];
    private static readonly double[] Even = [0.2, 0.2, 0.2, 0.2, 0.2];

    private static Candidates From(IReadOnlyList<double> probabilities) => Logits([.. probabilities.Select(p => (float)Math.Log(p))]);

    private static Candidates Logits(float[] logits)
    {
        var candidates = new Candidates(logits.Length);
        TopK.Apply(logits, 0, candidates);
        return candidates;
    }

    // Probability of every token, 0 for those that are out.
    private static double[] Left(Candidates candidates, int vocabulary)
    {
        var left = new double[vocabulary];
        var total = candidates.Weigh();
        for (var i = 0; i < candidates.Count; i++) left[candidates.Ids[i]] = candidates.Weights[i] / total;
        return left;
    }

    private static void Gives(double[] expected, Candidates candidates, double tolerance = 1e-5)
    {
        var left = Left(candidates, expected.Length);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], left[i], tolerance);
    }

    [Theory]
    [InlineData(0.09, 3)]
    [InlineData(0.19, 2)]
    [InlineData(0.29, 1)]
    [InlineData(0.39, 0)]
    [InlineData(0.51, 0)]
    public void XtcDropsTheLikelyButTheLeastOfThem(double threshold, int dropped)
    {
        var candidates = From(Falling);
        var random = new Xoshiro256(1);
        Xtc.Apply(1, threshold, candidates, ref random);
        Assert.Equal(Enumerable.Range(dropped, 4 - dropped), candidates.Ids.Take(candidates.Count));
        candidates = From(Falling);
        Xtc.Apply(0, threshold, candidates, ref random);
        Assert.Equal(4, candidates.Count);
    }

    [Fact]
    public void XtcDoesSoWithItsProbability()
    {
        var random = new Xoshiro256(5);
        var done = 0;
        for (var i = 0; i < 10_000; i++)
        {
            var candidates = From(Falling);
            Xtc.Apply(0.3, 0.15, candidates, ref random);
            if (candidates.Count == 2) done++;
        }
        Assert.InRange(done, 2850, 3150); // 3000 with a deviation of 46
    }

    [Fact]
    public void TypicalTakesTheNearestToTheEntropy()
    {
        var sure = From([0.97, 0.01, 0.01, 0.01]);
        Typical.Apply(0.5, sure);
        Gives([1, 0, 0, 0], sure);
        var unsure = From([0.4, 0.2, 0.2, 0.2]);
        Typical.Apply(0.5, unsure);
        Gives([0, 1 / 3.0, 1 / 3.0, 1 / 3.0], unsure);
    }

    [Fact]
    public void TypicalIsItsDefinition() => Gen.Select(Gen.Int[-99, 99].HashSet[1, 50].Select(set => set.Select(i => i / 12f).ToArray()), Gen.Double[0.01, 0.99], Gen.Double[0.3, 3]).Sample((logits, p, t) =>
    {
        var candidates = Logits(logits);
        candidates.Temperature = t;
        var probabilities = Left(candidates, logits.Length);
        var entropy = -probabilities.Sum(x => x * Math.Log(x));
        var expected = new List<int>();
        var sum = 0.0;
        foreach (var id in Enumerable.Range(0, logits.Length).OrderBy(i => Math.Abs(-Math.Log(probabilities[i]) - entropy)))
        {
            expected.Add(id);
            if ((sum += probabilities[id]) > p) break;
        }
        Typical.Apply(p, candidates);
        if (Math.Abs(sum - p) > 1e-9) Assert.Equal(expected.Order(), candidates.Ids.Take(candidates.Count).Order()); // else rounding decides
    }, iter: 2000);

    [Fact]
    public void TopNSigmaCutsBelowTheBest()
    {
        var one = From([0.1, 0.2, 0.3, 0.4]);
        TopNSigma.Apply(1, one);
        Gives([0, 0, 0.428571, 0.571429], one);
        foreach (var none in new[] { 0.0, 3 })
        {
            var all = From([0.1, 0.2, 0.3, 0.4]);
            TopNSigma.Apply(none, all);
            Gives([0.1, 0.2, 0.3, 0.4], all);
        }
        var impossible = Logits([1, float.NegativeInfinity, 3, 2]); // of 1, 2, 3: deviation 0.816
        TopNSigma.Apply(1.5, impossible);
        Assert.Equal([2, 3], impossible.Ids.Take(impossible.Count));
    }

    [Theory]
    [InlineData(new[] { 0 }, 50, 0, 0, new[] { 0, 0.25, 0.25, 0.25, 0.25 })]
    [InlineData(new[] { 0, 1, 2 }, 50, 0, 0, new[] { 0, 0, 0, 0.5, 0.5 })]
    [InlineData(new[] { 0, 1, 2, 0, 0 }, 50, 0, 0, new[] { 0, 0, 0, 0.5, 0.5 })]
    [InlineData(new[] { 0 }, 1, 5, 5, new[] { 0.000011, 0.249997, 0.249997, 0.249997, 0.249997 })]
    [InlineData(new[] { 0, 1, 2 }, 1, 5, 5, new[] { 0.000023, 0.000023, 0.000023, 0.499966, 0.499966 })]
    [InlineData(new[] { 0, 1, 2, 0, 0 }, 1, 5, 5, new[] { 0, 0.000023, 0.000023, 0.499977, 0.499977 })]
    public void PenaltiesCountTheRecentTokens(int[] recent, double repeat, double frequency, double presence, double[] expected)
    {
        var penalties = new Penalties(5, recent.Length, repeat, frequency, presence);
        foreach (var token in recent.Prepend(4)) penalties.Accept(token); // the first is out of sight again
        var candidates = From(Even);
        penalties.Apply(candidates);
        Gives(expected, candidates);
        var logits = From(Even).Logits;
        penalties.Apply(logits);
        Gives(expected, Logits(logits));
    }

    [Theory]
    [InlineData(new[] { 0, 1 }, 1, 1.1, 2, 4, -1, new[] { 0.25, 0.25, 0.25, 0.25 })]
    [InlineData(new[] { 0, 1, 2, 0, 1 }, 1, 1.1, 2, 5, -1, new[] { 0.296923, 0.296923, 0.109232, 0.296923 })]
    [InlineData(new[] { 0, 1, 3, 4, 0, 1 }, 1, 1.1, 2, 6, 3, new[] { 0.2, 0.2, 0.2, 0.2, 0.2 })]
    [InlineData(new[] { 0, 1, 2, 0, 1 }, 2, 1.1, 2, 5, -1, new[] { 0.241818, 0.241818, 0.032727, 0.241818, 0.241818 })]
    [InlineData(new[] { 0, 1, 2, 3, 4, 0, 1 }, 1, 1.1, 4, 7, -1, new[] { 0.2, 0.2, 0.2, 0.2, 0.2 })]
    public void DryHoldsBackWhatWouldRepeat(int[] text, double multiplier, double growth, int allowed, int lastN, int breaker, double[] expected)
    {
        var dry = new Dry(expected.Length, lastN, multiplier, growth, allowed, new DryBreakers(breaker < 0 ? [] : [[breaker]]));
        foreach (var token in text) dry.Accept(token);
        var candidates = From([.. Enumerable.Repeat(1.0 / expected.Length, expected.Length)]);
        dry.Apply(candidates);
        Gives(expected, candidates);
    }

    [Fact]
    public void TemperatureZeroKeepsTheBest()
    {
        var candidates = From(Even);
        Temperature.Apply(0, 0, 1, candidates);
        Gives([1, 0, 0, 0, 0], candidates);
    }

    [Fact]
    public void TheDynamicTemperatureGoesWithTheEntropy()
    {
        // Even: the highest; one alone: untouched; in between as defined.
        var even = From(Even);
        Temperature.Apply(1, 0.5, 1, even);
        Assert.Equal(1.5, even.Temperature, 1e-9);
        var some = From(Falling);
        Temperature.Apply(0.5, 1, 2, some);
        var evenness = -Falling.Sum(p => p * Math.Log(p)) / Math.Log(4);
        Assert.Equal(1.5 * evenness * evenness, some.Temperature, 1e-6);
        var sure = Logits([1000, 0, 0]);
        Temperature.Apply(1, 1, 1, sure);
        Assert.Equal(1, sure.Count);
    }

    [Fact]
    public void MirostatCutsAtMuAndLearns()
    {
        // μ begins at 2τ = 3 bits: of 1/2, 1/4, 1/8, 1/16, 1/16 the last two have 4.
        double[] p = [0.5, 0.25, 0.125, 0.0625, 0.0625];
        var mirostat = new Mirostat(1.5, 0.5);
        var candidates = From(p);
        mirostat.Apply(candidates);
        // Rounding of the logits may leave one that lies on the border, or not.
        Assert.InRange(candidates.Count, 2, 3);
        mirostat.Observe(0.5); // 1 bit of 1.5: μ = 3 + 0.25
        candidates = From(p);
        mirostat.Apply(candidates);
        Gives([4 / 7.0, 2 / 7.0, 1 / 7.0, 0, 0], candidates);
        for (var i = 0; i < 20; i++) mirostat.Observe(0.01); // far too surprising, again and again
        candidates = From(p);
        mirostat.Apply(candidates);
        Gives([1, 0, 0, 0, 0], candidates); // the best stays
        mirostat.Reset();
        candidates = From(p);
        mirostat.Apply(candidates);
        Assert.InRange(candidates.Count, 2, 3);
    }

    [Fact]
    public void MirostatsSurpriseComesToItsTarget()
    {
        var logits = Enumerable.Range(0, 200).Select(i => (float)(-i / 20.0)).ToArray(); // 5.8 bits without it
        var mirostat = new Mirostat(3, 0.1);
        var random = new Xoshiro256(9);
        var bits = 0.0;
        for (var i = 0; i < 3000; i++)
        {
            var candidates = Logits(logits);
            mirostat.Apply(candidates);
            var total = candidates.Weigh();
            var at = Array.IndexOf(candidates.Ids, Draw.Apply(candidates, total, random.NextDouble()), 0, candidates.Count);
            var probability = candidates.Weights[at] / total;
            mirostat.Observe(probability);
            if (i >= 1000) bits -= Math.Log2(probability) / 2000;
        }
        Assert.InRange(bits, 2.9, 3.1);
    }

    [Fact]
    public void FiltersKeepASubsetWithTheBestInIt()
    {
        var filters = new (string Name, Action<Candidates, double> Apply)[]
        {
            ("top-k", (c, x) => TopK.Apply(1 + (int)(x * 20), c)),
            ("top-p", (c, x) => TopP.Apply(x, c)),
            ("min-p", (c, x) => MinP.Apply(x, c)),
            ("top-nσ", (c, x) => TopNSigma.Apply(x * 3, c)),
            ("mirostat", (c, x) => new Mirostat(x * 4, 0.1).Apply(c)),
        };
        Gen.Select(Gen.OneOf(Gen.Float[-9, 9], Gen.Int[-2, 2].Select(i => (float)i)).Array[1, 40], Gen.Double[0.01, 0.99], Gen.Double[0.2, 3], Gen.Int[0, 4]).Sample((logits, x, t, which) =>
        {
            var candidates = Logits(logits);
            candidates.Temperature = t;
            filters[which].Apply(candidates, x);
            var kept = candidates.Ids.Take(candidates.Count).ToArray();
            Assert.Equal(kept.Length, kept.Distinct().Count());
            for (var i = 0; i < kept.Length; i++) Assert.Equal(logits[kept[i]], candidates.Logits[i]);
            Assert.Contains(logits.Max(), kept.Select(id => logits[id]));
            // What is out is not better than what is in.
            var worst = kept.Min(id => logits[id]);
            Assert.All(Enumerable.Range(0, logits.Length).Except(kept), id => Assert.True(logits[id] <= worst, filters[which].Name));
            Assert.Equal(1, Left(candidates, logits.Length).Sum(), 1e-9);
        }, iter: 4000);
    }
}
