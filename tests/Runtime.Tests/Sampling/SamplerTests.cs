using CsCheck;
using WarpDecode.Runtime.Sampling;
using Xunit;

namespace WarpDecode.Runtime.Tests.Sampling;

public sealed class SamplerTests
{
    private static readonly SamplerOptions Open = new() { Temperature = 1, TopK = 0, TopP = 1, MinP = 0, Seed = 1 };

    [Fact]
    public void DrawsFollowTheModelsDistribution()
    {
        float[] logits = [2.0f, 0.5f, -1.0f, float.NegativeInfinity, 1.0f, 0.0f, 0.0f, 3.0f];
        Follows(logits, Open, l => Softmax(l, 1));
        Follows(logits, Open with { Temperature = 0.5 }, l => Softmax(l, 0.5));
        Follows(logits, Open with { Temperature = 3, TopK = 4 }, l => Softmax([.. l.Select((x, i) => i is 7 or 0 or 4 or 1 ? x : float.NegativeInfinity)], 3));
    }

    // Pearson's chi-square over the possible tokens; the seed is fixed, so the test is, too.
    private static void Follows(float[] logits, SamplerOptions options, Func<float[], double[]> distribution)
    {
        const int draws = 100_000;
        var sampler = new Sampler(options, logits.Length);
        var counts = new int[logits.Length];
        for (var i = 0; i < draws; i++) counts[sampler.Sample(logits)]++;
        var expected = distribution(logits);
        var chiSquare = 0.0;
        for (var id = 0; id < logits.Length; id++)
        {
            if (expected[id] == 0) Assert.Equal(0, counts[id]);
            else chiSquare += Math.Pow(counts[id] - (draws * expected[id]), 2) / (draws * expected[id]);
        }
        Assert.True(chiSquare < 22.5, $"chi-square {chiSquare}"); // 0.1 % beyond this at 6 degrees of freedom
    }

    private static double[] Softmax(float[] logits, double t)
    {
        var weights = logits.Select(l => Math.Exp(l / t)).ToArray();
        return [.. weights.Select(w => w / weights.Sum())];
    }

    [Fact]
    public void TheStagesRunInOrder()
    {
        // Probabilities at temperature 1: .5 .25 .125 .0625 .0625. Top-p and min-p look at these, whatever the temperature.
        float[] logits = [.. new[] { 0.5, 0.25, 0.125, 0.0625, 0.0625 }.Select(p => (float)Math.Log(p))];
        Assert.Equal([0, 1], Reached(Open with { Temperature = 50, TopP = 0.7 }, logits));
        Assert.Equal([0, 1], Reached(Open with { Temperature = 50, MinP = 0.4 }, logits));
        // Of the two that top-k leaves, the first has two thirds: top-p works on what is left.
        Assert.Equal([0], Reached(Open with { Temperature = 50, TopK = 2, TopP = 0.6 }, logits));
        Assert.Equal([0, 1], Reached(Open with { Temperature = 50, TopP = 0.6 }, logits));
        // The penalty comes first: it takes the best out of top-k.
        Assert.Equal([1], Reached(Open with { TopK = 1, RepeatPenalty = 3 }, logits, accepted: 0));
    }

    [Fact]
    public void TheOrderOfTheStagesIsTheirs()
    {
        // 0.5 0.25 0.125 0.0625 0.0625 again.
        float[] logits = [.. new[] { 0.5, 0.25, 0.125, 0.0625, 0.0625 }.Select(p => (float)Math.Log(p))];
        SamplerOptions In(SamplerOptions options, string order) => options with { Order = SamplerStages.Parse(order) };
        // Temperature first makes all alike, so top-p of 0.7 needs four of five.
        var hot = Open with { Temperature = 50, TopP = 0.7 };
        Assert.Equal([0, 1, 2, 3], Reached(In(hot, "temperature;top_p"), logits));
        Assert.Equal([0, 1], Reached(In(hot, "top_p;temperature"), logits));
        Assert.Equal([0, 1, 2, 3, 4], Reached(In(Open with { Temperature = 50, MinP = 0.4 }, "temp;min-p"), logits));
        // Top-p of two thirds takes one of two, but two of five.
        var both = Open with { Temperature = 50, TopK = 2, TopP = 0.6 };
        Assert.Equal([0], Reached(In(both, "top_k;top_p;temperature"), logits));
        Assert.Equal([0, 1], Reached(In(both, "top_p;top_k;temperature"), logits));
        // The penalty after top-k penalises one that stays alone.
        var penalty = Open with { TopK = 1, RepeatPenalty = 3 };
        Assert.Equal([0], Reached(In(penalty, "top_k;penalties"), logits, accepted: 0));
        Assert.Equal([1], Reached(In(penalty, "penalties;top_k"), logits, accepted: 0));
        // XTC drops the best even where the likeliest of the rest is then taken; what is left out is off.
        var xtc = Open with { Temperature = 0, XtcProbability = 1, XtcThreshold = 0.2 };
        Assert.Equal([1], Reached(xtc, logits));
        Assert.Equal([0], Reached(In(xtc, "temperature;xtc"), logits));
        Assert.Equal([0, 1, 2, 3, 4], Reached(In(Open with { TopK = 1 }, "temperature"), logits));
    }

    [Fact]
    public void NamesOfStagesAreLlamaCppsAndWrongOnesAreErrors()
    {
        const string all = "penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature";
        Assert.Equal(SamplerOptions.DefaultOrder, SamplerStages.Parse(all));
        Assert.Equal(all, SamplerStages.Text(SamplerOptions.DefaultOrder));
        Assert.Equal([SamplerStage.Typical, SamplerStage.TopP, SamplerStage.Temperature], SamplerStages.Parse("typical; nucleus;temp;"));
        Assert.Contains("'best'", Assert.Throws<FormatException>(() => SamplerStages.Parse("top_k;best")).Message, StringComparison.Ordinal);
        Assert.Contains("twice", Assert.Throws<FormatException>(() => SamplerStages.Parse("top_k;top-k")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ALogitBiasIsAddedAndMinusInfinityRulesOut()
    {
        float[] logits = [3, 2, 1, 0];
        SamplerOptions With(params (int Id, double Bias)[] bias) => Open with { Temperature = 0, LogitBias = bias.ToDictionary(b => b.Id, b => b.Bias) };
        Assert.Equal(2, new Sampler(With((2, 2.5)), 4).Sample(logits));
        Assert.Equal(1, new Sampler(With((0, double.NegativeInfinity)), 4).Sample(logits));
        Assert.Equal([1, 3], Reached(With((0, double.NegativeInfinity), (2, double.NegativeInfinity)) with { Temperature = 2 }, logits));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sampler(With((4, 1)), 4));
        var none = With((0, double.NegativeInfinity), (1, double.NegativeInfinity), (2, double.NegativeInfinity), (3, double.NegativeInfinity));
        foreach (var temperature in new[] { 0.0, 1 })
            Assert.Contains("rule out", Assert.ThrowsAny<InvalidOperationException>(() => new Sampler(none with { Temperature = temperature }, 4).Sample(logits)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void MirostatAloneWithTheTemperatureChooses()
    {
        // Its aim is 0 bits: the best alone, whatever the other options are; and it does not look at penalties.
        float[] logits = [3, 2, 1, 0];
        Assert.Equal([0], Reached(Open with { Mirostat = 2, MirostatTau = 0, RepeatPenalty = 5 }, logits, accepted: 0));
        Assert.Equal([0, 1, 2, 3], Reached(Open with { Mirostat = 2, MirostatTau = 50, TopK = 1, MinP = 1 }, logits));
    }

    private static IEnumerable<int> Reached(SamplerOptions options, float[] logits, int? accepted = null)
    {
        var sampler = new Sampler(options, logits.Length);
        if (accepted is { } token) sampler.Accept(token);
        return Enumerable.Range(0, 2000).Select(_ => sampler.Sample(logits)).Distinct().Order();
    }

    [Fact]
    public void TemperatureZeroTakesTheBestAndOfEqualsTheLowestId()
    {
        var sampler = new Sampler(new SamplerOptions { Temperature = 0, RepeatPenalty = 2, RepeatLastN = 2 }, 5);
        float[] logits = [1, 4, 3, 4, -1];
        Assert.Equal(1, sampler.Sample(logits));
        sampler.Accept(1);
        Assert.Equal(3, sampler.Sample(logits));
        sampler.Accept(3);
        Assert.Equal(2, sampler.Sample(logits)); // 4 / 2 twice
        sampler.Accept(0);
        Assert.Equal(1, sampler.Sample(logits)); // 1 is out of sight again
        sampler.Reset();
        Assert.Equal(1, sampler.Sample(logits));
        Assert.Equal([1f, 4, 3, 4, -1], logits); // the caller's logits are untouched
    }

    [Fact]
    public void GreedyIsTheLimitOfTheDraw() => Gen.Int[-100, 100].Select(i => i / 10f).Array[2, 50].Sample(logits =>
    {
        var cold = new Sampler(new SamplerOptions { Temperature = 1e-12, Seed = 3 }, logits.Length).Sample(logits);
        var greedy = new Sampler(new SamplerOptions { Temperature = 0 }, logits.Length).Sample(logits);
        Assert.Equal(logits[greedy], logits[cold]);
        Assert.Equal(logits.Max(), logits[greedy]);
    });

    [Fact]
    public void ASeedMeansTheSameDrawsEverywhere()
    {
        var logits = Enumerable.Range(0, 1000).Select(i => (float)((i * 7919) % 1000) / 150).ToArray();
        int[] Run(Sampler sampler) => [.. Enumerable.Range(0, 12).Select(_ => sampler.Sample(logits))];
        var sampler = new Sampler(new SamplerOptions { Seed = 42, TopK = 0, MinP = 0 }, 1000);
        var first = Run(sampler);
        Assert.NotEqual(first, Run(sampler));
        sampler.Reset();
        Assert.Equal(first, Run(sampler));
        Assert.NotEqual(first, Run(new Sampler(new SamplerOptions { Seed = 43, TopK = 0, MinP = 0 }, 1000)));
        Assert.Equal(42UL, sampler.Seed);
        Assert.Equal(Pinned, first);
    }

    // By the same definitions written in Python.
    private static readonly int[] Pinned = [531, 976, 51, 559, 252, 607, 866, 373, 323, 742, 372, 161];

    [Fact]
    public void WithoutASeedOneIsTakenAndCanBeRead()
    {
        var logits = new float[100];
        var random = new Sampler(Open with { Seed = null }, 100);
        var again = new Sampler(Open with { Seed = random.Seed }, 100);
        for (var i = 0; i < 20; i++) Assert.Equal(random.Sample(logits), again.Sample(logits));
        Assert.True(Enumerable.Range(0, 5).Select(_ => new Sampler(Open with { Seed = null }, 1).Seed).Distinct().Count() > 1);
    }

    [Theory]
    [InlineData(float.NaN, "NaN")]
    [InlineData(float.PositiveInfinity, "infinite")]
    public void UnusableLogitsAreAnError(float bad, string word)
    {
        foreach (var size in new[] { 1, 3, 8, 37 })
        {
            for (var at = 0; at < size; at++)
            {
                var logits = new float[size];
                logits[at] = bad;
                foreach (var temperature in new[] { 0.0, 0.8 })
                {
                    var error = Assert.ThrowsAny<InvalidOperationException>(() => new Sampler(new SamplerOptions { Temperature = temperature }, size).Sample(logits));
                    Assert.Contains(word, error.Message, StringComparison.Ordinal);
                    Assert.Contains($"token {at} of {size}", error.Message, StringComparison.Ordinal);
                }
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(37)]
    public void LogitsThatRuleOutEveryTokenAreAnError(int size)
    {
        var logits = Enumerable.Repeat(float.NegativeInfinity, size).ToArray();
        Assert.Contains("no token", Assert.ThrowsAny<InvalidOperationException>(() => new Sampler(Open, size).Sample(logits)).Message, StringComparison.Ordinal);
        logits[^1] = -3;
        Assert.Equal(size - 1, new Sampler(Open, size).Sample(logits));
    }

    [Fact]
    public void OptionsOutOfRangeAreRefusedWithTheRange()
    {
        var d = new SamplerOptions();
        var wrong = new (SamplerOptions Options, string Name)[]
        {
            (d with { Temperature = -0.1 }, nameof(d.Temperature)), (d with { Temperature = double.NaN }, nameof(d.Temperature)), (d with { Temperature = double.PositiveInfinity }, nameof(d.Temperature)),
            (d with { TopK = -1 }, nameof(d.TopK)),
            (d with { TopP = 0 }, nameof(d.TopP)), (d with { TopP = 1.01 }, nameof(d.TopP)), (d with { TopP = double.NaN }, nameof(d.TopP)),
            (d with { MinP = -0.1 }, nameof(d.MinP)), (d with { MinP = 1.1 }, nameof(d.MinP)), (d with { MinP = double.NaN }, nameof(d.MinP)),
            (d with { RepeatPenalty = 0 }, nameof(d.RepeatPenalty)), (d with { RepeatPenalty = double.NaN }, nameof(d.RepeatPenalty)),
            (d with { DynamicTemperatureRange = -1 }, nameof(d.DynamicTemperatureRange)), (d with { DynamicTemperatureExponent = double.NaN }, nameof(d.DynamicTemperatureExponent)),
            (d with { Typical = 0 }, nameof(d.Typical)), (d with { TopNSigma = -0.5 }, nameof(d.TopNSigma)),
            (d with { XtcProbability = 1.1 }, nameof(d.XtcProbability)), (d with { XtcThreshold = -0.1 }, nameof(d.XtcThreshold)),
            (d with { FrequencyPenalty = double.NaN }, nameof(d.FrequencyPenalty)), (d with { PresencePenalty = 101 }, nameof(d.PresencePenalty)),
            (d with { DryMultiplier = -1 }, nameof(d.DryMultiplier)), (d with { DryAllowedLength = -1 }, nameof(d.DryAllowedLength)), (d with { DryLastN = -1 }, nameof(d.DryLastN)),
            (d with { Mirostat = 1 }, nameof(d.Mirostat)), (d with { MirostatTau = -1 }, nameof(d.MirostatTau)), (d with { MirostatEta = 2 }, nameof(d.MirostatEta)),
            (d with { LogitBias = new Dictionary<int, double> { [-1] = 1 } }, nameof(d.LogitBias)), (d with { LogitBias = new Dictionary<int, double> { [1] = double.PositiveInfinity } }, nameof(d.LogitBias)),
            (d with { BannedStrings = [""] }, nameof(d.BannedStrings)), (d with { BannedStrings = [new string('x', 20000)] }, nameof(d.BannedStrings)),
            (d with { RepeatLastN = -1 }, nameof(d.RepeatLastN)), (d with { RepeatLastN = int.MaxValue }, nameof(d.RepeatLastN)),
        };
        foreach (var (options, name) in wrong)
        {
            var error = Assert.Throws<ArgumentOutOfRangeException>(() => new Sampler(options, 10));
            Assert.Equal(name, error.ParamName);
            Assert.Matches("0 |above 0", error.Message);
        }
        d.Validate();
        Assert.Equal((0.8, 40, 0.95, 0.05, 1.0, 64), (d.Temperature, d.TopK, d.TopP, d.MinP, d.RepeatPenalty, d.RepeatLastN));
    }

    [Fact]
    public void WrongSizesAndIdsAreRefused()
    {
        var sampler = new Sampler(Open, 10);
        Assert.Throws<ArgumentException>(() => sampler.Sample(new float[9]));
        Assert.Throws<ArgumentOutOfRangeException>(() => sampler.Accept(10));
        Assert.Throws<ArgumentOutOfRangeException>(() => sampler.Accept(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sampler(Open, 0));
    }

    [Theory]
    [InlineData(0.0, 40, 0.95, 1.0)]
    [InlineData(0.8, 40, 0.95, 1.1)]
    [InlineData(0.8, 0, 0.95, 1.0)]
    [InlineData(0.8, 0, 1.0, 1.1)]
    public void ATokenAllocatesNothing(double temperature, int topK, double topP, double penalty)
    {
        var logits = Enumerable.Range(0, 5000).Select(i => (float)Math.Sin(i) * 8).ToArray();
        var sampler = new Sampler(new SamplerOptions { Temperature = temperature, TopK = topK, TopP = topP, RepeatPenalty = penalty, Seed = 5 }, logits.Length);
        for (var i = 0; i < 2; i++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var n = 0; n < 100; n++) sampler.Accept(sampler.Sample(logits));
            if (i == 1) Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        }
    }
}
