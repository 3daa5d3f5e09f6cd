using CsCheck;
using WarpDecode.Runtime.Sampling;
using Xunit;

namespace WarpDecode.Runtime.Tests.Sampling;

/// <summary>Each stage against its definition, computed the slow way.</summary>
public sealed class SamplerStageTests
{
    // Few different values, so that ties are common, and tokens ruled out.
    private static readonly Gen<float[]> AnyLogits = Gen.OneOf(
        Gen.Float[-20, 20], Gen.Int[-3, 3].Select(i => (float)i), Gen.Int[0, 9].Select(i => i == 0 ? float.NegativeInfinity : 1f))
        .Array[1, 60].Where(logits => logits.Any(float.IsFinite));

    private static (int Id, float Logit)[] Sorted(float[] logits) =>
        [.. logits.Select((logit, id) => (id, logit)).OrderByDescending(c => c.logit).ThenBy(c => c.id)];

    private static (int Id, float Logit)[] Kept(Candidates c) =>
        [.. Enumerable.Range(0, c.Count).Select(i => (c.Ids[i], c.Logits[i])).OrderByDescending(x => x.Item2).ThenBy(x => x.Item1)];

    [Fact]
    public void TopKKeepsTheKBest() => Gen.Select(AnyLogits, Gen.Int[0, 70]).Sample((logits, k) =>
    {
        var candidates = new Candidates(logits.Length);
        TopK.Apply(logits, k, candidates);
        Assert.Equal(Sorted(logits).Take(k == 0 ? logits.Length : k), Kept(candidates));
    }, iter: 5000);

    [Fact]
    public void TopPKeepsTheFewestBestWhoseProbabilitiesReachP() => Gen.Select(AnyLogits, Gen.Double[0.001, 1], Gen.Int[0, 70]).Sample((logits, p, k) =>
    {
        var candidates = new Candidates(logits.Length);
        TopK.Apply(logits, k, candidates);
        var before = Kept(candidates);
        var weights = before.Select(c => Math.Exp((double)c.Logit - before[0].Logit)).ToArray();
        var total = weights.Sum();
        TopP.Apply(p, candidates);
        var after = Kept(candidates);
        Assert.Equal(before.Take(after.Length), after);
        if (p < 1) Assert.Equal(after, Enumerable.Range(0, candidates.Count).Select(i => (candidates.Ids[i], candidates.Logits[i]))); // best first
        const double rounding = 1e-12;
        Assert.True(weights.Take(after.Length).Sum() >= (p - rounding) * total);
        Assert.True(weights.Take(after.Length - 1).Sum() < (p + rounding) * total);
    }, iter: 5000);

    [Fact]
    public void TopPOfOneKeepsAll()
    {
        var candidates = new Candidates(3);
        TopK.Apply([1, float.NegativeInfinity, 3], 0, candidates);
        TopP.Apply(1, candidates);
        Assert.Equal(3, candidates.Count);
    }

    [Fact]
    public void MinPKeepsWhatIsProbableEnoughBesideTheBest() => Gen.Select(AnyLogits, Gen.Double[0, 1]).Sample((logits, p) =>
    {
        var candidates = new Candidates(logits.Length);
        TopK.Apply(logits, 0, candidates);
        MinP.Apply(p, candidates);
        var best = (double)logits.Max();
        var ratio = (float logit) => Math.Exp(logit - best);
        foreach (var (_, logit) in Kept(candidates)) Assert.True(ratio(logit) >= p - 1e-9);
        Assert.True(candidates.Count >= logits.Count(logit => ratio(logit) >= p + 1e-9));
        Assert.Equal(candidates.Ids.Take(candidates.Count).Order(), candidates.Ids.Take(candidates.Count)); // order kept
    }, iter: 5000);

    [Fact]
    public void TheRepeatPenaltyTouchesEachRecentTokenOnce() =>
        Gen.Select(AnyLogits, Gen.Int[0, 59].Array[0, 40], Gen.Int[0, 20], Gen.Double[0.5, 2]).Sample((logits, tokens, lastN, p) =>
        {
            var penalty = new Penalties(logits.Length, lastN, p, 0, 0);
            var accepted = tokens.Select(t => t % logits.Length).ToList();
            accepted.ForEach(penalty.Accept);
            var to = (float[])logits.Clone();
            penalty.Apply(to);
            var recent = accepted.TakeLast(lastN).ToHashSet();
            for (var id = 0; id < logits.Length; id++)
                Assert.Equal(!recent.Contains(id) ? logits[id] : (float)(logits[id] > 0 ? logits[id] / p : logits[id] * p), to[id]);
            penalty.Reset();
            logits.CopyTo(to, 0);
            penalty.Apply(to);
            Assert.Equal(logits, to);
        }, iter: 3000);

    [Fact]
    public void TemperatureGivesTheWeightsOfTheScaledLogits() => Gen.Select(AnyLogits, Gen.Double[0.01, 5]).Sample((logits, t) =>
    {
        var candidates = new Candidates(logits.Length);
        TopK.Apply(logits, 0, candidates);
        Temperature.Apply(t, candidates);
        var total = candidates.Weigh();
        var best = logits.Max();
        var expected = logits.Select(l => Math.Exp(((double)l - best) / t)).ToArray();
        Assert.Equal(expected, candidates.Weights.Take(candidates.Count));
        Assert.Equal(expected.Sum(), total, tolerance: 1e-9);
    });

    [Theory]
    [InlineData(0.0, 1)]
    [InlineData(0.0999, 1)]
    [InlineData(0.1001, 3)]
    [InlineData(0.3999, 3)]
    [InlineData(0.4001, 4)]
    [InlineData(0.9999999999999999, 4)]
    public void TheDrawFallsByShares(double uniform, int expected)
    {
        // Weights 0, 1, 0, 3, 6, 0: a token of no weight is never drawn, not by 0 nor by rounding at the end.
        var candidates = new Candidates(6) { Count = 6 };
        for (var i = 0; i < 6; i++) candidates.Ids[i] = i;
        new[] { 0.0, 1, 0, 3, 6, 0 }.CopyTo(candidates.Weights, 0);
        Assert.Equal(expected, Draw.Apply(candidates, 10, uniform));
        Assert.Equal(4, Draw.Apply(candidates, 10.5, 0.9999));
    }

    [Fact]
    public void TheGeneratorGivesThePublishedSequences()
    {
        // SplitMix64 of 1234567 is published with its reference code; xoshiro256** of the state (1, 2, 3, 4) likewise.
        var first = new Xoshiro256(1, 2, 3, 4);
        Assert.Equal([11520UL, 0UL, 1509978240UL, 1215971899390074240UL, 1216172134540287360UL],
            Enumerable.Range(0, 5).Select(_ => first.Next()));
        var state = 1234567UL;
        Assert.Equal([6457827717110365317UL, 3203168211198807973UL, 9817491932198370423UL], Enumerable.Range(0, 3).Select(_ => Xoshiro256.SplitMix(ref state)));
        var numbers = new Xoshiro256(42);
        for (var i = 0; i < 10_000; i++) Assert.InRange(numbers.NextDouble(), 0, 1 - 1e-16);
    }
}
