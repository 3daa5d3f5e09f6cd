using System.Text;
using WarpDecode.Runtime.Sampling;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests;

/// <summary>Several answers at once share steps, and none notices.</summary>
public sealed class DecodeQueueTests : IDisposable
{
    private const int Sessions = 4;

    private readonly Engine engine = Engine.Open(
        TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"),
        new EngineOptions { Backend = BackendKind.Cpu, Sessions = Sessions, ContextLength = 160, PrefillTokens = 24, Patience = TimeSpan.FromSeconds(10) });

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => engine.Dispose();

    [Fact]
    public async Task AnswersAreThoseThatEachGetsAlone()
    {
        var alone = new List<string>();
        for (var i = 0; i < Sessions; i++) alone.Add(await Answer(i));
        var alonePerStep = engine.Decoded;
        Assert.Equal(alonePerStep.Steps, alonePerStep.Tokens);
        // On a busy machine one may begin when the others are done: then once more.
        for (var round = 0; ; round++)
        {
            var before = engine.Decoded;
            var together = await Task.WhenAll(Enumerable.Range(0, Sessions).Select(i => Task.Run(() => Answer(i), Stop)));
            Assert.Equal(alone, together);
            var (steps, tokens) = (engine.Decoded.Steps - before.Steps, engine.Decoded.Tokens - before.Tokens);
            Assert.Equal(alonePerStep.Tokens, tokens);
            if (tokens > 2 * steps) return;
            Assert.True(round < 50, $"{tokens} tokens in {steps} steps");
        }
    }

    [Fact]
    public void MoreThanAStepTakesComeInTurns()
    {
        using var queue = new Recorded(most: 2);
        var threads = Enumerable.Range(0, 5).Select(i => new Thread(() =>
        {
            var seat = queue.Seats[i];
            queue.Queue.Join(seat);
            for (var n = 0; n < 20; n++) queue.Queue.Decode(seat, n);
            queue.Queue.Leave(seat);
        })).ToArray();
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) Assert.True(thread.Join(TimeSpan.FromSeconds(60)));
        Assert.All(queue.Steps, step => Assert.InRange(step.Length, 1, 2));
        for (var i = 0; i < 5; i++) // each of its tokens once, in order
            Assert.Equal(Enumerable.Range(0, 20), queue.Steps.SelectMany(s => s).Where(t => t.Seat == i).Select(t => t.Token));
    }

    [Fact]
    public void NobodyWaitsForLongForWhoDoesNotComeBack()
    {
        using var queue = new Recorded(most: 4, patience: 0.01);
        queue.Queue.Join(queue.Seats[1]); // and never decodes
        queue.Queue.Join(queue.Seats[0]);
        for (var n = 0; n < 5; n++) queue.Queue.Decode(queue.Seats[0], n);
        Assert.Equal(5, queue.Steps.Count);
        queue.Queue.Decode(queue.Seats[2], 7); // one that did not join waits for nobody
        Assert.Equal(6, queue.Steps.Count);
    }

    [Fact]
    public void AnErrorOfOneIsNotThatOfTheOthers()
    {
        using var queue = new Recorded(most: 4) { Refused = 1 };
        foreach (var seat in queue.Seats[..3]) queue.Queue.Join(seat);
        var outcomes = new Exception?[3];
        var threads = Enumerable.Range(0, 3).Select(i => new Thread(() => outcomes[i] = Record.Exception(() => queue.Queue.Decode(queue.Seats[i], 1)))).ToArray();
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) Assert.True(thread.Join(TimeSpan.FromSeconds(60)));
        Assert.Null(outcomes[0]);
        Assert.IsType<ContextFullException>(outcomes[1]);
        Assert.Null(outcomes[2]);
        queue.Fails = true;
        foreach (var seat in queue.Seats) queue.Queue.Leave(seat);
        Assert.IsType<InvalidDataException>(Record.Exception(() => queue.Queue.Decode(queue.Seats[0], 1)));
        queue.Fails = false;
        queue.Queue.Decode(queue.Seats[0], 1); // and it goes on
    }

    [Fact]
    public void OneThreadMayUseSessionsInTurns()
    {
        using var a = engine.CreateSession();
        using var b = engine.CreateSession();
        a.Append([1, 2, 3]);
        b.Append([3, 2, 1]);
        for (var i = 0; i < 50; i++)
        {
            a.Append([i]);
            b.Append([i + 1]);
        }
        Assert.Equal((53, 53), (a.Length, b.Length));
    }

    [Fact]
    public void AReaderOfLogitsCannotBeginAnotherStep()
    {
        using var a = engine.CreateSession();
        using var b = engine.CreateSession();
        var e = Assert.Throws<InvalidOperationException>(() => a.Append([1, 2], (_, _) => b.Append([1, 2]), Stop));
        Assert.Contains("computes a step", e.Message, StringComparison.Ordinal);
        b.Append([1, 2], Stop); // the engine goes on
    }

    private async Task<string> Answer(int i)
    {
        using var session = engine.CreateSession();
        var options = new GenerationOptions { MaxTokens = 20 + (5 * i), Sampling = new SamplerOptions { Temperature = 1, Seed = (ulong)i } };
        await using var answer = Generation.Start(session, engine.Tokenizer, engine.Tokenizer.Encode($"Question {i * 37}", addSpecial: true, parseSpecial: false), options, Stop);
        using var text = new MemoryStream();
        await answer.Output.CopyToAsync(text, Stop);
        await answer.Completion;
        return Encoding.UTF8.GetString(text.ToArray());
    }

    /// <summary>A queue whose steps are only written down.</summary>
    private sealed class Recorded : IDisposable
    {
        private readonly Engine engine = Engine.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = BackendKind.Reference, ContextLength = 32 });

        public Recorded(int most, double patience = 10)
        {
            Seats = [.. Enumerable.Range(0, 5).Select(_ => new DecodeQueue.Seat(engine.CreateSession()))];
            Queue = new DecodeQueue(Step, most, TimeSpan.FromSeconds(patience));
        }

        public DecodeQueue Queue { get; }

        public DecodeQueue.Seat[] Seats { get; }

        public List<(int Seat, int Token)[]> Steps { get; } = [];

        public int Refused { get; init; } = -1;

        public bool Fails { get; set; }

        public void Dispose() => engine.Dispose();

        private void Step(List<DecodeQueue.Seat> seats)
        {
            if (Fails) throw new InvalidDataException("the file is gone");
            Steps.Add([.. seats.Select(s => (Array.IndexOf(Seats, s), s.Token))]);
            if (Refused >= 0 && seats.Find(s => s == Seats[Refused]) is { } refused)
                refused.Error = System.Runtime.ExceptionServices.ExceptionDispatchInfo.Capture(new ContextFullException("full"));
        }
    }
}
