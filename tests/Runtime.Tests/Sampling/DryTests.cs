using CsCheck;
using WarpDecode.Runtime.Sampling;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Sampling;

public sealed class DryTests
{
    private const int Vocabulary = 6;

    // By its definition, without anything clever: compares every end of the text with every place before.
    private static double[] Penalties(int[] text, int lastN, double multiplier, double growth, int allowed, int[][] breakers)
    {
        var recent = text.TakeLast(lastN).ToArray();
        var penalties = new double[Vocabulary];
        if (recent.Length <= allowed) return penalties;
        var most = recent.Length;
        for (var i = recent.Length - 1; i >= 0; i--)
        {
            var longest = breakers.Where(b => i + b.Length <= recent.Length && recent.AsSpan(i, b.Length).SequenceEqual(b)).Select(b => b.Length).DefaultIfEmpty(0).Max();
            if (longest == 0) continue;
            most = recent.Length - i - longest;
            break;
        }
        if (most < allowed) return penalties;
        for (var next = 1; next < recent.Length; next++)
        {
            // recent[..next] ends like the text, in so many tokens; recent[next] would go on with it.
            var length = 0;
            while (length < next && recent[next - 1 - length] == recent[^(1 + length)]) length++;
            length = Math.Min(length, most);
            if (length < allowed || breakers.Any(b => b.Length == 1 && b[0] == recent[next])) continue;
            penalties[recent[next]] = Math.Max(penalties[recent[next]], multiplier * Math.Pow(growth, length - allowed));
        }
        return penalties;
    }

    [Fact]
    public void ThePenaltiesAreThoseOfTheDefinition() => Gen.Select(
        Gen.OneOf(Gen.Int[0, 5], Gen.Int[0, 1]).Array[0, 60], Gen.Int[1, 70], Gen.Int[0, 4], Gen.Int[0, 5].Array[1, 3].Array[0, 2], Gen.Double[1, 1.5]).Sample((text, lastN, allowed, breakers, growth) =>
        {
            var dry = new Dry(Vocabulary, lastN, 0.5, growth, allowed, new DryBreakers(breakers));
            for (var round = 0; round < 2; round++)
            {
                foreach (var token in text) dry.Accept(token);
                var expected = Penalties(text, lastN, 0.5, growth, allowed, breakers);
                for (var again = 0; again < 2; again++)
                {
                    var logits = new float[Vocabulary];
                    dry.Apply(logits);
                    for (var id = 0; id < Vocabulary; id++) Assert.Equal(-(float)expected[id], logits[id], 1e-4f + (1e-5f * (float)expected[id]));
                }
                dry.Reset();
            }
        }, iter: 5000);

    [Fact]
    public void ALongRepetitionTakesLinearTimeAndStaysANumber()
    {
        var dry = new Dry(2, 100_000, 100, 100, 2, new DryBreakers([]));
        for (var i = 0; i < 100_000; i++) dry.Accept(0);
        float[] logits = [5, 5];
        dry.Apply(logits);
        Assert.Equal(5, logits[1]);
        Assert.True(float.IsFinite(logits[0]) && logits[0] < -1e30f);
    }

    [Fact]
    public void BreakersAreTokensThatHoldThemOrBeginThem()
    {
        using var engine = Engine.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = BackendKind.Cpu });
        var tokenizer = engine.Tokenizer;
        var ids = Enumerable.Range(0, tokenizer.Count).Where(id => !tokenizer.IsControl(id)).ToArray();
        string Text(int id) => tokenizer.Decode([id]);
        int[] Encode(string text) => tokenizer.Encode(text, addSpecial: false, parseSpecial: false);

        var single = DryBreakers.FromTexts(["e"], tokenizer);
        foreach (var id in ids) Assert.Equal(Text(id).Contains('e', StringComparison.Ordinal), single.IsBreaker(id));

        // A breaker of several tokens: found where these stand, and nothing before it counts.
        const string breaker = "QZ7";
        var tokens = Encode(breaker);
        Assert.True(tokens.Length > 1);
        var several = DryBreakers.FromTexts([breaker], tokenizer);
        Assert.False(several.IsBreaker(tokens[0]));
        var other = Encode("a")[0];
        int[] text = [other, .. tokens, other, other, other];
        Assert.Equal(3, several.Since([.. text.Reverse()]));
        Assert.Equal(2, several.Since([other, other])); // none
    }

    [Fact]
    public void BreakersNeedTheTokenizer()
    {
        var options = new SamplerOptions { DryMultiplier = 1 };
        Assert.Contains("tokenizer", Assert.Throws<ArgumentException>(() => new Sampler(options, 10)).Message, StringComparison.Ordinal);
        _ = new Sampler(options with { DrySequenceBreakers = [] }, 10);
    }
}
