using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime.Sampling;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Sampling;

/// <summary>A sampler that is given a session reads only the best few tokens where it can, and chooses the same.</summary>
public class SessionSamplingTests
{
    private const int Sessions = 3;

    public static TheoryData<SamplerOptions> Options => [.. new[]
    {
        new SamplerOptions { Temperature = 0 },
        new SamplerOptions { Temperature = 0, RepeatPenalty = 1.5, RepeatLastN = 20 },
        new SamplerOptions { Temperature = 0, RepeatPenalty = 0.5 },
        new SamplerOptions(),
        new SamplerOptions { Temperature = 3, TopK = 100, TopP = 1, MinP = 0 },
        new SamplerOptions { Temperature = 2, TopK = 30, TopP = 0.99, MinP = 0, RepeatPenalty = 1.3, RepeatLastN = 64 },
        new SamplerOptions { Temperature = 2, TopK = 30, TopP = 0.9, MinP = 0.01, RepeatPenalty = 0.7 },
        new SamplerOptions { Temperature = 1, TopK = 0 },
        new SamplerOptions { Temperature = 1, TopK = 511, TopP = 1 },
        new SamplerOptions { Temperature = 0, LogitBias = new Dictionary<int, double> { [5] = -2, [9] = double.NegativeInfinity }, RepeatPenalty = 1.1, PresencePenalty = 1 },
        new SamplerOptions { Temperature = 0, LogitBias = new Dictionary<int, double> { [5] = 2 } },
        new SamplerOptions { Temperature = 0, XtcProbability = 0.5, XtcThreshold = 0.01 },
        new SamplerOptions { Temperature = 1.5, FrequencyPenalty = 0.5, PresencePenalty = 0.2, RepeatLastN = 200, Typical = 0.9, XtcProbability = 0.5, XtcThreshold = 0.05 },
        new SamplerOptions { Temperature = 1, DryMultiplier = 2, DryAllowedLength = 1, TopK = 20, MinP = 0, DynamicTemperatureRange = 0.7 },
        new SamplerOptions { Temperature = 0, DryMultiplier = 3, DryAllowedLength = 0 },
        new SamplerOptions { Temperature = 1.3, TopNSigma = 1.5, TopK = 50 },
        new SamplerOptions { Temperature = 1.3, Mirostat = 2, MirostatTau = 3 },
        new SamplerOptions { Temperature = 0.9, BannedStrings = ["e", " the", "in"] },
        new SamplerOptions { Temperature = 0, BannedStrings = ["e", "a"] },
        new SamplerOptions { Temperature = 2, MinP = 0.001, TopK = 30, RepeatPenalty = 1.2, Order = SamplerStages.Parse("temperature;min_p;top_k;penalties;xtc;top_p") },
    }.Select(o => o with { Seed = 11 })];

    [Theory]
    [MemberData(nameof(Options))]
    public void TheTokensAreThoseOfAllLogits(SamplerOptions options)
    {
        using var engine = Engine.Open(
            TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = BackendKind.Cpu, Sessions = 2, ContextLength = 160 });
        using var few = engine.CreateSession();
        using var all = engine.CreateSession();
        var (first, second) = (new Sampler(options, engine.Vocabulary, engine.Tokenizer), new Sampler(options, engine.Vocabulary, engine.Tokenizer));
        foreach (var session in (Session[])[few, all]) session.Append([1, 2, 3]);
        for (var i = 0; i < 120; i++)
        {
            var (a, b) = (first.Sample(few), second.Sample(all.Logits));
            Assert.Equal(b, a);
            first.Accept(a);
            second.Accept(b);
            engine.Decode([few, all], [a, b]);
        }
    }

    [Theory]
    [InlineData(0.0, 0, 300)] // most tokens are allowed: the best 128 have enough
    [InlineData(0.0, 0, 3)]   // few are: all logits are read
    [InlineData(1.5, 40, 400)]
    [InlineData(1.5, 40, 60)]
    [InlineData(1.5, 40, 2)]
    [InlineData(1.5, 0, 100)]
    public void WithAConstraintToo(double temperature, int topK, int allowed)
    {
        using var engine = Engine.Open(
            TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = BackendKind.Cpu, Sessions = 2, ContextLength = 160 });
        using var few = engine.CreateSession();
        using var all = engine.CreateSession();
        var options = new SamplerOptions { Temperature = temperature, TopK = topK, MinP = 0, RepeatPenalty = 1.2, Seed = 3 };
        var constraint = new RandomConstraint(engine.Vocabulary, allowed);
        var first = new Sampler(options, engine.Vocabulary, engine.Tokenizer, constraint);
        var second = new Sampler(options, engine.Vocabulary, engine.Tokenizer, new RandomConstraint(engine.Vocabulary, allowed));
        foreach (var session in (Session[])[few, all]) session.Append([1, 2, 3]);
        first.AcceptPrompt(1); // no token of the answer: the constraint does not see it
        second.AcceptPrompt(1);
        for (var i = 0; i < 60; i++)
        {
            var (a, b) = (first.Sample(few), second.Sample(all.Logits));
            Assert.Equal(b, a);
            Assert.True(TokenMask.Allows(constraint.Allowed, a));
            first.Accept(a);
            second.Accept(b);
            engine.Decode([few, all], [a, b]);
        }
        Assert.Equal(60, constraint.Accepted);
        first.Reset();
        Assert.Equal(0, constraint.Accepted);
    }

    [Fact]
    public void AConstraintWithAMaskThatIsTooShortIsAnError()
    {
        var sampler = new Sampler(new SamplerOptions(), 512, null, new RandomConstraint(256, 5));
        Assert.Contains("4 words, 8 are needed", Assert.Throws<InvalidOperationException>(() => sampler.Sample(new float[512])).Message, StringComparison.Ordinal);
    }

    // Allows other tokens at each step.
    private sealed class RandomConstraint(int vocabulary, int allowed) : ITokenConstraint
    {
        private readonly ulong[] mask = new ulong[(vocabulary + 63) / 64];
        private int step = -1;

        public int Accepted { get; private set; }

        public ReadOnlySpan<ulong> Allowed
        {
            get
            {
                if (step == Accepted) return mask;
                step = Accepted;
                Array.Clear(mask);
                var random = new Xoshiro256((ulong)step);
                for (var i = 0; i < allowed; i++)
                {
                    var id = (int)(random.Next() % (ulong)vocabulary);
                    mask[id / 64] |= 1UL << (id % 64);
                }
                return mask;
            }
        }

        public void Accept(int token)
        {
            if (!TokenMask.Allows(Allowed, token)) throw new InvalidOperationException("not allowed");
            Accepted++;
        }

        public void Reset() => (Accepted, step) = (0, -1);
    }

    [Fact]
    public void OnTheGpuBackendToo()
    {
        SlowTests.Skip();
        using var engine = Engine.Open(
            TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Sessions = 1, ContextLength = 64 }, new CudaBackend(new EmulatedDevice()));
        using var session = engine.CreateSession();
        session.Append([5]);
        var options = new SamplerOptions { Seed = 4, Temperature = 2, TopK = 50 };
        var few = new Sampler(options, engine.Vocabulary).Sample(session);
        Assert.True(session.TryTop(new Kernels.TopLogit[1])); // they were not read
        Assert.Equal(new Sampler(options, engine.Vocabulary).Sample(session.Logits), few);
        Assert.False(session.TryTop(new Kernels.TopLogit[1]));
        Assert.Equal(few, new Sampler(options, engine.Vocabulary).Sample(session));
    }

    [Fact]
    public void LogitsStayTheSessionsOwnWhateverOthersCompute()
    {
        using var engine = Engine.Open(
            TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = BackendKind.Cpu, Sessions = Sessions, ContextLength = 160 });
        float[] Alone(int[] tokens)
        {
            using var session = engine.CreateSession();
            session.Append(tokens);
            return session.Logits.ToArray();
        }

        var expected = new[] { Alone([1, 2]), Alone([3]), Alone([4, 5, 6]) };
        var sessions = Enumerable.Range(0, Sessions).Select(_ => engine.CreateSession()).ToArray();
        sessions[0].Append([1, 2]);
        sessions[1].Append([3]);
        sessions[2].Append([4, 5, 6]);
        for (var i = 0; i < Sessions; i++) Assert.Equal(expected[i], sessions[i].Logits.ToArray());

        // Steps of some of them, while the others' logits wait; forks, rewinds and ends in between.
        engine.Decode(sessions, [7, 8, 9]);
        var after = new[] { Alone([1, 2, 7]), Alone([3, 8]), Alone([4, 5, 6, 9]) };
        using var fork = sessions[0].Fork();
        engine.Decode([sessions[2], sessions[1]], [10, 11]);
        Assert.Equal(after[0], sessions[0].Logits.ToArray());
        sessions[2].Rewind(4);
        Assert.False(sessions[2].HasLogits);
        Assert.Throws<InvalidOperationException>(() => sessions[2].Logits.Length);
        sessions[2].Dispose();
        sessions[0].Append([12], (_, _) => { });
        Assert.Equal(Alone([3, 8, 11]), sessions[1].Logits.ToArray());
        Assert.Equal(after[0], fork.Logits.ToArray());
        Assert.Equal(Alone([1, 2, 7, 12]), sessions[0].Logits.ToArray());
    }

    [Fact]
    public void MoreSessionsThanRowsOfLogitsEachHaveTheirOwn()
    {
        const int many = 40;
        using var engine = Engine.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = BackendKind.Cpu, Sessions = many, ContextLength = 32 });
        var sessions = Enumerable.Range(0, many).Select(_ => engine.CreateSession()).ToArray();
        engine.Decode(sessions, [.. Enumerable.Range(0, many)]);
        var greedy = new Sampler(new SamplerOptions { Temperature = 0 }, engine.Vocabulary);
        var chosen = sessions.Select(greedy.Sample).ToArray();
        for (var i = 0; i < many; i++)
        {
            using var alone = engine.CreateSession();
            sessions[i].Rewind(0);
            alone.Append([i]);
            Assert.Equal(greedy.Sample(alone.Logits), chosen[i]);
        }
    }

    [Fact]
    public void ASamplerForAnotherVocabularyIsRefused()
    {
        using var engine = Engine.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = BackendKind.Cpu });
        using var session = engine.CreateSession();
        session.Append([1]);
        Assert.Throws<ArgumentException>(() => new Sampler(new SamplerOptions(), 10).Sample(session));
    }
}
