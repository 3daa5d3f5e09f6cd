using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests;

public sealed class SessionTests : IDisposable
{
    private const int Sessions = 6;

    private readonly Engine engine = Engine.Open(
        TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"),
        new EngineOptions { Backend = BackendKind.Cpu, Sessions = Sessions, ContextLength = 160, PrefillTokens = 24 });

    public void Dispose() => engine.Dispose();

    [Theory]
    [InlineData("qwen3_moe/qwen3_moe-bf16.gguf")]
    [InlineData("qwen3_moe/qwen3_moe-Q4_K_M-mix.gguf")]
    public void ABatchGivesTheBitsOfEachSequenceAlone(string file)
    {
        using var model = Engine.Open(TestData.Golden(file), new EngineOptions { Backend = BackendKind.Cpu, Sessions = Sessions, ContextLength = 160 });
        // Sequences of different lengths, so that positions and page counts differ within one step.
        var prompts = Enumerable.Range(0, Sessions).Select(i => Tokens(seed: i, count: 5 + (i * 17))).ToArray();
        var next = Enumerable.Range(0, Sessions).Select(i => Tokens(seed: 100 + i, count: 8)).ToArray();

        var alone = prompts.Select((prompt, i) =>
        {
            using var session = model.CreateSession();
            session.Append(prompt);
            return next[i].Select(token =>
            {
                session.Append([token]);
                return session.Logits.ToArray();
            }).ToArray();
        }).ToArray();

        var together = prompts.Select(prompt =>
        {
            var session = model.CreateSession();
            session.Append(prompt);
            return session;
        }).ToArray();
        for (var n = 0; n < next[0].Length; n++)
        {
            model.Decode(together, [.. next.Select(tokens => tokens[n])]);
            for (var i = 0; i < Sessions; i++) Assert.Equal(Bits(alone[i][n]), Bits(together[i].Logits));
        }
        foreach (var session in together) session.Dispose();
    }

    [Theory]
    [InlineData("qwen3_moe/qwen3_moe-bf16.gguf", 7)]
    [InlineData("qwen3_moe/qwen3_moe-bf16.gguf", 128)]
    [InlineData("qwen3_moe/qwen3_moe-Q4_K_M-mix.gguf", 128)]
    public void PiecesGiveTheBitsOfEachSequenceAlone(string file, int capacity)
    {
        using var model = Engine.Open(TestData.Golden(file), new EngineOptions { Backend = BackendKind.Cpu, Sessions = Sessions, ContextLength = 160, PrefillTokens = capacity });
        // Some begin anew, some go on from a past; a piece may be cut by the end of a step, and one is a single token.
        var pasts = Enumerable.Range(0, Sessions).Select(i => Tokens(seed: i, count: i % 2 == 0 ? 0 : 20 + i)).ToArray();
        var pieces = Enumerable.Range(0, Sessions).Select(i => Tokens(seed: 100 + i, count: 1 + (i * 7))).ToArray();
        var alone = new List<int[]>();
        foreach (var (past, piece) in pasts.Zip(pieces))
        {
            using var session = model.CreateSession();
            session.Append(past);
            session.Append(piece, (_, logits) => alone.Add(Bits(logits)));
        }

        var sessions = pasts.Select(past =>
        {
            var session = model.CreateSession();
            session.Append(past);
            return session;
        }).ToArray();
        var together = new List<int[]>();
        var places = new List<(int, int)>();
        model.Append([.. sessions.Zip(pieces, (session, piece) => new Piece(session, piece))], (piece, position, logits) =>
        {
            places.Add((piece, position));
            together.Add(Bits(logits));
        }, TestContext.Current.CancellationToken);
        Assert.Equal(alone, together);
        Assert.Equal(pieces.SelectMany((piece, i) => piece.Select((_, n) => (i, pasts[i].Length + n))), places);
        for (var (i, last) = (0, -1); i < Sessions; i++) Assert.Equal(alone[last += pieces[i].Length], Bits(sessions[i].Logits));

        // Without a reader: the logits after the last token of each.
        for (var i = 0; i < Sessions; i++) sessions[i].Rewind(pasts[i].Length);
        model.Append([.. sessions.Zip(pieces, (session, piece) => new Piece(session, piece))], null, TestContext.Current.CancellationToken);
        for (var (i, last) = (0, -1); i < Sessions; i++) Assert.Equal(alone[last += pieces[i].Length], Bits(sessions[i].Logits));
        foreach (var session in sessions) session.Dispose();
    }

    [Fact]
    public void PrefillInChunksOfAnySizeGivesTheBitsOfOneTokenAtATime()
    {
        var prompt = Tokens(seed: 7, count: 75);
        using var single = engine.CreateSession();
        foreach (var token in prompt) single.Append([token]);
        using var chunked = engine.CreateSession();
        chunked.Append(prompt); // 24 + 24 + 24 + 3
        Assert.Equal(Bits(single.Logits), Bits(chunked.Logits));
    }

    [Fact]
    public void ThreadsDoNotChangeTheBits()
    {
        var prompt = Tokens(seed: 8, count: 40);
        var results = new[] { 1, 2, 5 }.Select(threads =>
        {
            using var model = Engine.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = BackendKind.Cpu, Threads = threads });
            using var session = model.CreateSession();
            session.Append(prompt);
            return Bits(session.Logits);
        }).ToArray();
        Assert.Equal(results[0], results[1]);
        Assert.Equal(results[0], results[2]);
    }

    [Fact]
    public void AForkSharesThePastAndNotTheFuture()
    {
        // 40 tokens end in the middle of a page: both timelines then write to a page that they shared.
        using var session = engine.CreateSession();
        session.Append(Tokens(seed: 1, count: 40));
        using var fork = session.Fork();
        Assert.Equal(Bits(session.Logits), Bits(fork.Logits));

        fork.Append(Tokens(seed: 2, count: 30));
        session.Append(Tokens(seed: 3, count: 30));
        Assert.Equal(Expected([.. Tokens(1, 40), .. Tokens(3, 30)]), Bits(session.Logits));
        Assert.Equal(Expected([.. Tokens(1, 40), .. Tokens(2, 30)]), Bits(fork.Logits));
        Assert.Equal([.. Tokens(1, 40), .. Tokens(2, 30)], fork.Tokens.ToArray());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(32)]
    [InlineData(50)]
    public void RewindingForgetsWhatCameAfter(int length)
    {
        using var session = engine.CreateSession();
        session.Append(Tokens(seed: 4, count: 70));
        using var fork = session.Fork(); // holds the pages that the rewound session writes to again
        session.Rewind(length);
        Assert.Equal(length, session.Length);
        Assert.False(session.HasLogits);
        session.Append(Tokens(seed: 5, count: 20));
        Assert.Equal(Expected([.. Tokens(4, 70)[..length], .. Tokens(5, 20)]), Bits(session.Logits));
        fork.Append(Tokens(seed: 6, count: 3));
        Assert.Equal(Expected([.. Tokens(4, 70), .. Tokens(6, 3)]), Bits(fork.Logits));
    }

    [Fact]
    public void AFullContextIsAnErrorAndLeavesTheSessionAsItWas()
    {
        using var session = engine.CreateSession();
        session.Append(Tokens(seed: 1, count: 150));
        var before = Bits(session.Logits);
        var error = Assert.Throws<ContextFullException>(() => session.Append(Tokens(seed: 2, count: 11)));
        Assert.Contains("150 of 160", error.Message, StringComparison.Ordinal);
        Assert.Equal(150, session.Length);
        Assert.Equal(before, Bits(session.Logits));
        session.Append(Tokens(seed: 2, count: 10));
        Assert.Equal(160, session.Length);
    }

    [Fact]
    public void PagesComeBackWhenSessionsEnd()
    {
        var free = engine.FreePages;
        var sessions = Enumerable.Range(0, Sessions).Select(_ => engine.CreateSession()).ToArray();
        foreach (var session in sessions) session.Append(Tokens(seed: 1, count: 160));
        Assert.Equal(0, engine.FreePages);
        using (var extra = engine.CreateSession()) Assert.Throws<ContextFullException>(() => extra.Append([1]));
        var fork = sessions[0].Fork();
        foreach (var session in sessions) session.Dispose();
        Assert.Equal(free - 5, engine.FreePages); // the fork still holds the five pages of its past
        fork.Dispose();
        Assert.Equal(free, engine.FreePages);
    }

    [Fact]
    public void WithoutAPageForTheCopyAForkCannotWriteAndNothingChanges()
    {
        // 6 sessions of 5 pages; five full ones and one of 130 tokens, its fifth page shared with a fork, leave none free.
        var full = Enumerable.Range(0, Sessions - 1).Select(_ => engine.CreateSession()).ToArray();
        foreach (var session in full) session.Append(Tokens(seed: 1, count: 160));
        using var last = engine.CreateSession();
        last.Append(Tokens(seed: 2, count: 130));
        using var fork = last.Fork();
        Assert.Equal(0, engine.FreePages);
        Assert.Throws<ContextFullException>(() => fork.Append([1]));
        Assert.Equal(130, fork.Length);
        Assert.True(fork.HasLogits);
        full[0].Dispose();
        fork.Append([1]);
        Assert.Equal(Expected([.. Tokens(2, 130), 1]), Bits(fork.Logits));
        foreach (var session in full) session.Dispose();
    }

    [Fact]
    public void ATokenOutsideTheVocabularyIsRefused()
    {
        using var session = engine.CreateSession();
        Assert.Throws<ArgumentOutOfRangeException>(() => session.Append([1, 2, engine.Vocabulary]));
        Assert.Throws<ArgumentOutOfRangeException>(() => session.Append([-1]));
        Assert.Equal(0, session.Length);
    }

    [Fact]
    public void CancellingAPromptStopsBetweenSteps()
    {
        using var session = engine.CreateSession();
        using var source = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => session.Append(
            Tokens(seed: 1, count: 100), (position, _) => { if (position == 30) source.Cancel(); }, source.Token));
        Assert.Equal(48, session.Length); // two whole steps of 24
        session.Append(Tokens(seed: 1, count: 100).AsSpan(48));
        Assert.Equal(Expected(Tokens(seed: 1, count: 100)), Bits(session.Logits));
    }

    private static int[] Tokens(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(480))];
    }

    private static int[] Bits(ReadOnlySpan<float> logits)
    {
        var bits = new int[logits.Length];
        for (var i = 0; i < bits.Length; i++) bits[i] = BitConverter.SingleToInt32Bits(logits[i]);
        return bits;
    }

    private int[] Expected(int[] tokens)
    {
        using var model = Engine.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = BackendKind.Cpu });
        using var session = model.CreateSession();
        session.Append(tokens);
        Assert.Equal(engine.Vocabulary, session.Logits.Length);
        return Bits(session.Logits);
    }
}
