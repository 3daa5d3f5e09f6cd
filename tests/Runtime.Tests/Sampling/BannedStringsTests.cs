using System.Text;
using CsCheck;
using WarpDecode.Runtime.Sampling;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Sampling;

public sealed class BannedStringsTests : IDisposable
{
    private readonly Engine engine = Engine.Open(
        TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = BackendKind.Cpu, Threads = 1, ContextLength = 256 });

    private Tokenizer Tokenizer => engine.Tokenizer;

    public void Dispose() => engine.Dispose();

    [Fact]
    public void ATokenThatWouldCompleteATextIsFound()
    {
        // Few letters, so that texts overlap, and are parts of one another.
        var word = Gen.Char["abé"].Array[1, 4].Select(c => new string(c));
        var letters = Enumerable.Range(0, Tokenizer.Count).Where(id => !Tokenizer.IsControl(id) && Tokenizer.Decode([id]) is "a" or "b").ToArray();
        var parts = Encoding.UTF8.GetBytes("é").Select(b => Enumerable.Range(0, Tokenizer.Count).First(id => !Tokenizer.IsControl(id) && Tokenizer.Bytes(id).SequenceEqual([b])));
        int[] tokens = [.. letters, .. parts];
        Gen.Select(word.Array[1, 4], Gen.Int[0, tokens.Length - 1].Array[1, 30]).Sample((texts, indexes) =>
        {
            var banned = new BannedStrings(texts, Tokenizer);
            var spelled = texts.Select(Encoding.UTF8.GetBytes).ToArray();
            var text = new List<byte>();
            foreach (var token in indexes.Select(i => tokens[i]))
            {
                byte[] with = [.. text, .. Tokenizer.Bytes(token)];
                Assert.Equal(spelled.Any(s => with.AsSpan().EndsWith(s)), banned.Completes(token));
                banned.Accept(token);
                text = [.. with];
            }
            banned.Reset();
            foreach (var token in tokens) Assert.Equal(spelled.Any(s => Tokenizer.Bytes(token).IndexOf(s) >= 0), banned.Completes(token));
        }, iter: 2000);
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(1.5)]
    public void TheAnswerDoesNotHaveThem(double temperature)
    {
        var free = Answer(new SamplerOptions { Temperature = temperature, Seed = 2 });
        // What would be said: pieces that mostly begin and end within tokens, and a letter.
        var pieces = free.Chunk(3).Where(c => c.Length == 3 && c.All(char.IsAscii)).Select(c => new string(c)).ToArray();
        string[] banned = [.. pieces, pieces[0][..1]];
        Assert.True(banned.Length > 3);
        var answer = Answer(new SamplerOptions { Temperature = temperature, Seed = 2, BannedStrings = banned });
        foreach (var text in banned) Assert.DoesNotContain(text, answer, StringComparison.Ordinal);
        Assert.True(answer.Length > 40);
        Assert.Equal(answer, Answer(new SamplerOptions { Temperature = temperature, Seed = 2, BannedStrings = banned }));
        Assert.Equal(free, Answer(new SamplerOptions { Temperature = temperature, Seed = 2, BannedStrings = ["not said at all"] }));
    }

    [Fact]
    public void WhereNothingIsLeftItIsAnError()
    {
        var only = Enumerable.Range(0, Tokenizer.Count).First(id => !Tokenizer.IsControl(id) && Tokenizer.Decode([id]) == "a");
        var sampler = new Sampler(new SamplerOptions { BannedStrings = ["a"], Temperature = 0 }, engine.Vocabulary, Tokenizer);
        var logits = Enumerable.Repeat(float.NegativeInfinity, engine.Vocabulary).ToArray();
        logits[only] = 1;
        Assert.Contains("rule out", Assert.ThrowsAny<InvalidOperationException>(() => sampler.Sample(logits)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TheyAllocateNothingPerToken()
    {
        var logits = Enumerable.Range(0, engine.Vocabulary).Select(i => (float)Math.Sin(i) * 4).ToArray();
        var options = new SamplerOptions
        {
            BannedStrings = ["e", "a", "th"],
            Seed = 1,
            Typical = 0.95,
            TopNSigma = 3,
            XtcProbability = 0.5,
            XtcThreshold = 0.05,
            DryMultiplier = 1,
            DynamicTemperatureRange = 0.5,
            FrequencyPenalty = 0.1,
            LogitBias = new Dictionary<int, double> { [3] = 1 },
        };
        foreach (var o in (SamplerOptions[])[options, options with { Mirostat = 2 }, options with { Temperature = 0, DynamicTemperatureRange = 0 }])
        {
            var sampler = new Sampler(o, engine.Vocabulary, Tokenizer);
            for (var i = 0; i < 2; i++)
            {
                var before = GC.GetAllocatedBytesForCurrentThread();
                for (var n = 0; n < 100; n++) sampler.Accept(sampler.Sample(logits));
                if (i == 1) Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
            }
        }
    }

    [Fact]
    public void IgnoringTheEndOfTheTurnRulesItOut()
    {
        var end = Tokenizer.EndOfTurn.First();
        var logits = new float[engine.Vocabulary];
        logits[end] = 50;
        Assert.Equal(end, new Sampler(new SamplerOptions(), engine.Vocabulary, Tokenizer).Sample(logits));
        Assert.NotEqual(end, new Sampler(new SamplerOptions { IgnoreEndOfTurn = true }, engine.Vocabulary, Tokenizer).Sample(logits));
    }

    private string Answer(SamplerOptions options)
    {
        using var session = engine.CreateSession();
        session.Append([1, 2, 3]);
        var sampler = new Sampler(options, engine.Vocabulary, Tokenizer);
        var tokens = new List<int>();
        for (var i = 0; i < 60; i++)
        {
            var token = sampler.Sample(session);
            sampler.Accept(token);
            tokens.Add(token);
            session.Append([token]);
        }
        return Tokenizer.Decode([.. tokens]);
    }
}
