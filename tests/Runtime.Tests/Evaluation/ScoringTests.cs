using System.Text.Json;
using WarpDecode.Runtime.Evaluation;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Evaluation;

public sealed class ScoringTests : IDisposable
{
    private static readonly string Model = TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf");
    private readonly TaskFiles files = new();

    public void Dispose() => files.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(16)]
    public void ScoresAreThoseOfAnEvaluation(int batch)
    {
        var items = Items();
        using var engine = Open(sessions: 40);
        var plan = EvalPlan.Of(engine.File, files.Task([.. items.Select(item => JsonSerializer.Serialize(new { context = item.Context, choices = item.Continuations, answer = 0 }))]), new EvalOptions());
        Evaluator.Run(engine, plan, files.PathOf("results.jsonl"));
        var expected = File.ReadLines(files.PathOf("results.jsonl")).Skip(1).Select(line => JsonDocument.Parse(line).RootElement)
            .OrderBy(line => line.GetProperty("item").GetInt32())
            .Select(line => line.GetProperty("scores").EnumerateArray().Select(score => score.GetDouble()).ToArray()).ToArray();
        Assert.Equal(expected, Sums(Scoring.Score(engine, items, new ScoringOptions { Batch = batch })));
        Assert.Equal(engine.PagesPerSession * 40, engine.FreePages); // nothing was left in the cache
    }

    [Fact]
    public void TokensAndProbabilitiesAreThoseOfASession()
    {
        using var engine = Open(sessions: 8);
        foreach (var item in Items())
        {
            var (context, expected) = Continuations.Of(engine.Tokenizer, item.Context, item.Continuations);
            var scores = Scoring.Score(engine, item.Context, item.Continuations);
            Assert.Equal(expected, scores.Select(score => score.Tokens));
            foreach (var score in scores)
            {
                int[] whole = [.. context, .. score.Tokens];
                var (greedy, found) = (true, new List<double>());
                using var session = engine.CreateSession();
                session.Append(whole.AsSpan(0, whole.Length - 1), (position, logits) =>
                {
                    if (position < context.Length - 1) return;
                    var (sum, best) = (0.0, 0);
                    for (var id = 0; id < logits.Length; id++)
                    {
                        sum += Math.Exp(logits[id]);
                        if (logits[id] > logits[best]) best = id;
                    }
                    found.Add(logits[whole[position + 1]] - Math.Log(sum));
                    greedy &= best == whole[position + 1];
                });
                Assert.Equal(found.Count, score.TokenLogProbabilities.Count);
                for (var i = 0; i < found.Count; i++) Assert.Equal(found[i], score.TokenLogProbabilities[i], 1e-9);
                Assert.Equal(found.Sum(), score.LogProbability, 1e-9);
                Assert.Equal(greedy, score.IsGreedy);
            }
        }
    }

    [Fact]
    public void WhatGreedyDecodingWritesIsGreedy()
    {
        using var engine = Engine.Open(Path.Combine(TestData.Root, "models", "warpdecode-tiny-moe-q8_0.gguf"), new EngineOptions { Backend = BackendKind.Cpu, ContextLength = 256, Sessions = 4 });
        ChatMessage[] conversation = [new("user", "What is the capital of France?")];
        using var session = engine.CreateSession();
        session.Append(engine.Template.EncodeChat(engine.Tokenizer, conversation, addGenerationPrompt: true));
        var answer = new List<int>();
        while (answer.Count < 40)
        {
            var best = LogSoftmax.ArgMax(session.Logits);
            if (engine.Tokenizer.EndOfTurn.Contains(best)) break;
            answer.Add(best);
            session.Append([best]);
        }
        var text = engine.Tokenizer.Decode(answer.ToArray());
        Assert.Contains("Paris", text, StringComparison.Ordinal);
        var scores = Scoring.Score(engine, conversation, [text, text.Replace("Paris", "London", StringComparison.Ordinal), "Yes."]);
        Assert.Equal(answer, scores[0].Tokens);
        Assert.Equal([true, false, false], scores.Select(score => score.IsGreedy));
        Assert.True(scores[0].LogProbability > scores[1].LogProbability);
    }

    /// <summary>As many at once as the cache has room for, down to one after another.</summary>
    [Theory]
    [InlineData(1, 96)]
    [InlineData(2, 96)]
    [InlineData(3, 160)]
    public void ASmallCacheChangesNoBit(int sessions, int context)
    {
        var items = Items();
        using var roomy = Open(sessions: 40);
        using var small = Open(sessions, context);
        Assert.Equal(Sums(Scoring.Score(roomy, items)), Sums(Scoring.Score(small, items)));
        Assert.Equal(small.PagesPerSession * sessions, small.FreePages);
    }

    [Fact]
    public void WhatCannotBeScoredIsNamed()
    {
        using var engine = Open(sessions: 2, context: 32);
        string Refusal(params ScoringItem[] items) => Assert.ThrowsAny<ArgumentException>(() => Scoring.Score(engine, items)).Message;
        Assert.Contains("item 1 has no continuations", Refusal(new("a", [" b"]), new("a", [])), StringComparison.Ordinal);
        Assert.Contains("continuation 1 of item 0 adds no token", Refusal(new ScoringItem("a", [" b", ""])), StringComparison.Ordinal);
        Assert.Contains("continuation 0 of item 0 is null", Refusal(new ScoringItem("a", [null!])), StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => Scoring.Score(engine, [], new ScoringOptions { Batch = 0 }));
        var full = Assert.Throws<ContextFullException>(() => Scoring.Score(engine, [new("a", [" b"]), new(string.Join(' ', Enumerable.Range(100, 40)), [" b"])]));
        Assert.Contains("item 1 needs a context of", full.Message, StringComparison.Ordinal);
        using (var other = engine.CreateSession())
        {
            other.Append(Enumerable.Range(0, 32).ToArray());
            using var another = engine.CreateSession();
            another.Append([1]);
            Assert.Throws<ContextFullException>(() => Scoring.Score(engine, "a", [" b"])); // others hold the cache
        }
        Assert.Empty(Scoring.Score(engine, []));
        Assert.Single(Scoring.Score(engine, "", [" b"])); // the model's own beginning is the context
        Assert.Equal(2 * engine.PagesPerSession, engine.FreePages);
    }

    [Fact]
    public async Task ItIsToldHowFarItIsAndCanBeEnded()
    {
        var items = Items();
        using var engine = Open(sessions: 4);
        var reports = new List<ScoringProgress>();
        var expected = Sums(Scoring.Score(engine, items, new ScoringOptions { Progress = new Reports(reports.Add) }));
        Assert.Equal(Enumerable.Range(1, items.Length).Select(done => new ScoringProgress(done, items.Length)), reports);
        Assert.Equal(expected, Sums(await Scoring.ScoreAsync(engine, items)));
        Assert.Equal(expected[0], (await Scoring.ScoreAsync(engine, items[0].Context, items[0].Continuations)).Select(score => score.LogProbability));

        using var source = new CancellationTokenSource();
        var options = new ScoringOptions { Batch = 1, Progress = new Reports(p => { if (p.Done == 3) source.Cancel(); }) };
        var scoring = Scoring.ScoreAsync(engine, items, options, source.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => scoring);
        Assert.True(scoring.IsCanceled);
        Assert.Equal(4 * engine.PagesPerSession, engine.FreePages);
    }

    [Fact]
    public async Task OtherEvaluationsRunOnThreadsToo()
    {
        using var engine = Open(sessions: 17);
        var tokens = Enumerable.Range(0, 80).Select(i => (i * 37) % 500).ToArray();
        var options = new PerplexityOptions { Context = 32 };
        Assert.Equal(Perplexity.Run(engine, tokens, options).Nll, (await Perplexity.RunAsync(engine, tokens, options)).Nll);
        var plan = EvalPlan.Of(engine.File, files.Task("""{"context": "a", "choices": [" b", " c"], "answer": 0}""", """{"prompt": "p", "answer": "q", "max_tokens": 3}"""), new EvalOptions());
        var report = Evaluator.Run(engine, plan, files.PathOf("a.jsonl"));
        Assert.Equal(report.Overall, (await Evaluator.RunAsync(engine, plan, files.PathOf("b.jsonl"))).Overall);
    }

    [Fact]
    public async Task AConversationIsScoredAsAnEvaluationDoes()
    {
        ScoringItem[] items =
        [
            new([new("user", "the license")], [" is", "is free"]),
            new([new("system", "<|im_end|> is text"), new("user", "what?"), new("assistant", "that"), new("user", "why?")], ["yes", " no, not at all", "3"]),
        ];
        using var engine = Open(sessions: 17);
        object Shape(ScoringItem item) => new { messages = item.Messages!.Select(m => new { role = m.Role, content = m.Content }), choices = item.Continuations, answer = 0 };
        var plan = EvalPlan.Of(engine.File, files.Task([.. items.Select(item => JsonSerializer.Serialize(Shape(item)))]), new EvalOptions());
        Evaluator.Run(engine, plan, files.PathOf("results.jsonl"));
        var expected = File.ReadLines(files.PathOf("results.jsonl")).Skip(1).Select(line => JsonDocument.Parse(line).RootElement)
            .Select(line => line.GetProperty("scores").EnumerateArray().Select(score => score.GetDouble()).ToArray()).ToArray();
        Assert.Equal(expected, Sums(Scoring.Score(engine, items)));
        Assert.Equal(plan.Prompts.Select(prompt => prompt.Choices!), Scoring.Score(engine, items).Select(all => all.Select(score => score.Tokens.ToArray()).ToArray()));
        Assert.Equal(Scoring.Score(engine, items[1].Messages!, items[1].Continuations).Select(score => score.IsGreedy), (await Scoring.ScoreAsync(engine, items[1].Messages!, items[1].Continuations)).Select(score => score.IsGreedy));
    }

    private static double[][] Sums(IReadOnlyList<IReadOnlyList<ContinuationScore>> scores) => [.. scores.Select(all => all.Select(score => score.LogProbability).ToArray())];

    // Contexts with a common beginning, of several lengths, with continuations of one token and of many.
    private static ScoringItem[] Items()
    {
        var random = new Random(4);
        string Words(int count) => string.Concat(Enumerable.Range(0, count).Select(_ => random.Next(3) switch { 0 => " the", 1 => " license", _ => $" {random.Next(1000)}" }));
        return [.. Enumerable.Range(0, 9).Select(i => new ScoringItem(
            "In the beginning" + Words(3 * i) + (i % 2 == 0 ? " " : ""), [.. Enumerable.Range(0, 2 + (i % 3)).Select(n => i % 4 == 1 ? $" {n}" : Words(1 + n))]))];
    }

    private static Engine Open(int sessions, int context = 160) =>
        Engine.Open(Model, new EngineOptions { Backend = BackendKind.Cpu, Threads = 1, Sessions = sessions, ContextLength = context });

    private sealed class Reports(Action<ScoringProgress> report) : IProgress<ScoringProgress>
    {
        public void Report(ScoringProgress value) => report(value);
    }
}
