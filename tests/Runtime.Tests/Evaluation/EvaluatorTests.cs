using System.Text;
using System.Text.Json;
using WarpDecode.Runtime.Evaluation;
using WarpDecode.Runtime.Sampling;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Evaluation;

public sealed class EvaluatorTests : IDisposable
{
    private static readonly string Model = TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf");
    private readonly TaskFiles files = new();
    private int runs;

    public void Dispose() => files.Dispose();

    [Fact]
    public void AChoicesScoreIsThatOfItsTokensAlone()
    {
        using var run = Start(Mixed());
        var results = run.Evaluate(files.PathOf("results.jsonl")).Results;
        foreach (var (prompt, result) in run.Plan.Prompts.Zip(results))
        {
            if (prompt.Choices is null) continue;
            for (var i = 0; i < prompt.Choices.Length; i++)
            {
                var expected = 0.0;
                int[] whole = [.. prompt.Context, .. prompt.Choices[i]];
                using var session = run.Engine.CreateSession();
                session.Append(whole, (position, logits) =>
                {
                    if (position + 1 < prompt.Context.Length || position + 1 == whole.Length) return;
                    var sum = 0.0;
                    foreach (var logit in logits) sum += Math.Exp(logit);
                    expected += logits[whole[position + 1]] - Math.Log(sum);
                });
                Assert.Equal(expected, result.GetProperty("scores")[i].GetDouble(), 1e-9);
            }
        }
    }

    [Fact]
    public async Task AnAnswerIsThatOfAGeneration()
    {
        using var run = Start(Mixed());
        var results = run.Evaluate(files.PathOf("results.jsonl")).Results;
        var ends = new HashSet<string>();
        for (var i = 0; i < results.Count; i++)
        {
            if (run.Plan.Prompts[i].Choices is not null) continue;
            using var session = run.Engine.CreateSession();
            var options = new GenerationOptions { Sampling = new SamplerOptions { Temperature = 0 }, MaxTokens = run.Plan.MaxTokens(i), Stop = run.Plan.Task.Items[i].Stop };
            await using var answer = Generation.Start(session, run.Plan.Tokenizer, run.Plan.Prompts[i].Context, options);
            using var text = new MemoryStream();
            await answer.Output.CopyToAsync(text);
            var expected = await answer.Completion;
            Assert.Equal(Encoding.UTF8.GetString(text.ToArray()), results[i].GetProperty("output").GetString());
            Assert.Equal(expected.Tokens, results[i].GetProperty("tokens").GetInt32());
            Assert.Equal(expected.Finish.ToString(), results[i].GetProperty("finish").GetString());
            ends.Add(expected.Finish.ToString());
        }
        Assert.Superset(new HashSet<string> { nameof(FinishReason.MaxTokens), nameof(FinishReason.StopString) }, ends);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(40)]
    public void TheBatchChangesNoBit(int batch)
    {
        using var eight = Start(Mixed());
        using var other = Start(Mixed(), new EvalOptions { MaxTokens = 12, Batch = batch });
        Assert.Equal(Lines(eight.Evaluate(files.PathOf("8.jsonl"))), Lines(other.Evaluate(files.PathOf("other.jsonl"))));
    }

    [Fact]
    public void WhatACategorySharesChangesNoBit()
    {
        var lines = Mixed();
        using var shared = Start(lines);
        Assert.Contains(shared.Plan.Prompts, prompt => prompt.Shared > 5);
        var together = shared.Evaluate(files.PathOf("together.jsonl")).Results;
        for (var i = 0; i < lines.Length; i += 7)
        {
            using var alone = Start([lines[i]]);
            Assert.Equal(0, alone.Plan.Prompts[0].Shared);
            var single = Assert.Single(alone.Evaluate(files.PathOf($"alone{i}.jsonl")).Results);
            var field = single.TryGetProperty("scores", out _) ? "scores" : "output";
            Assert.Equal(single.GetProperty(field).GetRawText(), together[i].GetProperty(field).GetRawText());
        }
    }

    [Fact]
    public void ARunCutAnywhereGoesOnToTheSameResults()
    {
        using var run = Start(Mixed());
        var whole = run.Evaluate(files.PathOf("whole.jsonl"));
        var bytes = File.ReadAllBytes(files.PathOf("whole.jsonl"));
        var random = new Random(3);
        int[] cuts = [0, 1, 13, 14, 40, bytes.Length - 1, bytes.Length, .. Enumerable.Range(0, 6).Select(_ => random.Next(bytes.Length))];
        foreach (var cut in cuts)
        {
            File.WriteAllBytes(files.PathOf("cut.jsonl"), bytes[..cut]);
            var resumed = run.Evaluate(files.PathOf("cut.jsonl"));
            Assert.Equal(Math.Max(0, bytes[..cut].Count(b => b == '\n') - 1), resumed.Before);
            Assert.Equal(Lines(whole), Lines(resumed));
            Assert.Equal(JsonSerializer.Serialize(whole.Report), JsonSerializer.Serialize(resumed.Report));
        }
    }

    [Fact]
    public void ACancelledRunKeepsWhatIsFinished()
    {
        using var run = Start(Mixed());
        var whole = run.Evaluate(files.PathOf("whole.jsonl"));
        foreach (var stop in new[] { 1, 9, 30 })
        {
            var path = files.PathOf($"stopped{stop}.jsonl");
            using var source = new CancellationTokenSource();
            var progress = new Reports(p =>
            {
                if (p.Done == stop) source.Cancel();
            });
            Assert.ThrowsAny<OperationCanceledException>(() => Evaluator.Run(run.Engine, run.Plan, path, progress: progress, cancellation: source.Token));
            var resumed = run.Evaluate(path);
            Assert.True(resumed.Before >= stop && resumed.Before < run.Plan.Task.Count);
            Assert.Equal(Lines(whole), Lines(resumed));
            Assert.Equal(run.Engine.PagesPerSession * run.Plan.Sessions, run.Engine.FreePages); // nothing was left in the cache
        }
    }

    [Fact]
    public void AFinishedRunIsReadAndNotComputed()
    {
        using var run = Start(Mixed());
        var first = run.Evaluate(files.PathOf("results.jsonl"));
        var again = run.Evaluate(files.PathOf("results.jsonl"));
        Assert.Equal(run.Plan.Task.Count, again.Before);
        Assert.Equal(JsonSerializer.Serialize(first.Report), JsonSerializer.Serialize(again.Report));
    }

    [Fact]
    public void ResultsOfAnotherRunAreRefusedAndSayWhatDiffers()
    {
        var path = files.PathOf("results.jsonl");
        var lines = Mixed();
        using (var run = Start(lines)) run.Evaluate(path);
        var before = File.ReadAllBytes(path);
        using (var other = Start(lines, new EvalOptions { MaxTokens = 13, IgnoreCase = true }))
        {
            var error = Assert.Throws<EvalFileException>(() => other.Evaluate(path));
            Assert.Contains("max_tokens was 12 and is 13", error.Message, StringComparison.Ordinal);
            Assert.Contains("ignore_case was no and is yes", error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("task_sha256", error.Message, StringComparison.Ordinal);
            Assert.Contains("--restart", error.Advice, StringComparison.Ordinal);
            Assert.Equal(before, File.ReadAllBytes(path));
        }
        using var changed = Start([.. lines[..^1], lines[0]]);
        Assert.Contains("task_sha256 was", Assert.Throws<EvalFileException>(() => changed.Evaluate(path)).Message, StringComparison.Ordinal);
        Assert.Equal(0, changed.Evaluate(path, restart: true).Before);
        Assert.Equal(lines.Length, changed.Evaluate(path).Before);
    }

    [Theory]
    [InlineData("my notes\n")]
    [InlineData("{\"wd_run_eva")]
    [InlineData("{\"other\": 1}\n")]
    public void AFileThatIsNoneOfResultsIsLeftAlone(string text)
    {
        var path = files.Write("results.jsonl", text);
        using var run = Start(Mixed()[..1]);
        if (text == "{\"wd_run_eva")
        {
            Assert.Equal(0, run.Evaluate(path).Before); // what a run killed at once leaves
            return;
        }
        foreach (var restart in new[] { false, true })
        {
            Assert.Contains("this is no file of results", Assert.Throws<EvalFileException>(() => run.Evaluate(path, restart)).Message, StringComparison.Ordinal);
            Assert.Equal(text, File.ReadAllText(path));
        }
    }

    [Theory]
    [InlineData("not json", "the line is damaged")]
    [InlineData("[]", "the line is damaged: expected a JSON object")]
    [InlineData("{}", "'item': expected a whole number from 0 to 1, found nothing")]
    [InlineData("""{"item": 2, "scores": [1, 2]}""", "found 2")]
    [InlineData("""{"item": 0, "scores": [-1]}""", "'scores': expected 2 numbers")]
    [InlineData("""{"item": 0, "scores": [-1, "x"]}""", "'scores[1]': expected a number")]
    [InlineData("""{"item": 0, "scores": [-1, -1e999]}""", "'scores[1]'")]
    [InlineData("""{"item": 0, "output": "x", "finish": "MaxTokens", "tokens": 3}""", "'scores'")]
    [InlineData("""{"item": 1, "output": "x", "finish": "Bored", "tokens": 3}""", "'finish': expected EndOfTurn, StopString")]
    [InlineData("""{"item": 1, "output": "x", "finish": "MaxTokens"}""", "'tokens'")]
    [InlineData("""{"item": 1, "output": "\ud800", "finish": "MaxTokens", "tokens": 1}""", "the line is damaged")]
    public void ADamagedLineIsNamed(string line, string message)
    {
        using var run = Start(["""{"context": "a", "choices": [" b", " c"], "answer": 0}""", """{"prompt": "p", "answer": "q"}"""]);
        var path = files.PathOf("results.jsonl");
        run.Evaluate(path);
        var header = File.ReadAllLines(path)[0];
        File.WriteAllText(path, $"{header}\n{line}\n");
        var error = Assert.Throws<EvalFileException>(() => run.Evaluate(path));
        Assert.StartsWith(path + ":2: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnItemTwiceIsNamed()
    {
        using var run = Start(Mixed());
        var path = files.PathOf("results.jsonl");
        run.Evaluate(path);
        File.AppendAllText(path, File.ReadAllLines(path)[4] + "\n");
        Assert.Contains("the item occurs twice: 'item'", Assert.Throws<EvalFileException>(() => run.Evaluate(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TwoRunsDoNotWriteToOneFile()
    {
        using var run = Start(Mixed());
        var path = files.PathOf("results.jsonl");
        var tried = 0;
        var progress = new Reports(p =>
        {
            if (p.Done != 5) return;
            Assert.Throws<IOException>(() => run.Evaluate(path));
            tried++;
        });
        Evaluator.Run(run.Engine, run.Plan, path, progress: progress);
        Assert.Equal(1, tried);
    }

    [Fact]
    public void AnEngineOfTooShortAContextIsRefused()
    {
        var task = files.Task(Mixed());
        using var engine = Engine.Open(Model, new EngineOptions { Backend = BackendKind.Cpu, Threads = 1, ContextLength = 8, Sessions = 9 });
        var plan = EvalPlan.Of(engine.File, task, new EvalOptions { MaxTokens = 12 });
        Assert.Contains("at most 8 tokens, the context", Assert.Throws<EvalFileException>(() => Evaluator.Run(engine, plan, files.PathOf("r.jsonl"))).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(files.PathOf("r.jsonl")));
    }

    [Fact]
    public void ProgressCountsItemsAndRightOnes()
    {
        using var run = Start(Mixed());
        var reports = new List<EvalProgress>();
        var report = Evaluator.Run(run.Engine, run.Plan, files.PathOf("r.jsonl"), progress: new Reports(reports.Add));
        Assert.Equal(Enumerable.Range(0, run.Plan.Task.Count + 1), reports.Select(p => p.Done));
        Assert.Equal(report.Overall.Acc!.Right + report.Overall.ExactMatch!.Right, reports[^1].Right);
    }

    // Items of both kinds and of different lengths, texts and conversations, with and without a common beginning.
    private static string[] Mixed()
    {
        var random = new Random(11);
        string Words(int count) => string.Join(' ', Enumerable.Range(0, count).Select(_ => random.Next(3) switch { 0 => "the", 1 => "license", _ => $"{random.Next(1000)}" }));
        return [.. Enumerable.Range(0, 42).Select(i => (i % 3) switch
        {
            0 => JsonSerializer.Serialize(new { category = i % 2 == 0 ? "one" : "two", context = $"In the beginning of the text {Words(i)}", choices = Enumerable.Range(0, 2 + (i % 4)).Select(n => " " + Words(1 + n)).ToArray(), answer = i % 2 }),
            1 => JsonSerializer.Serialize(new { category = i % 2 == 0 ? "one" : "three", prompt = $"In the beginning of the text {Words(i)}", answer = "x", stop = i % 4 == 1 ? new[] { "e", "1" } : [] }),
            _ => JsonSerializer.Serialize(new { messages = new[] { new { role = "user", content = Words(1 + (i / 2)) } }, regex = "[aeiou]", max_tokens = 3 + (i % 9) }),
        })];
    }

    private static string[] Lines(Evaluated evaluated) => [.. evaluated.Results.Select(line => line.GetRawText())];

    private Run Start(string[] lines, EvalOptions? options = null)
    {
        var task = EvalTask.Read(files.Write($"task{runs++}.jsonl", string.Join('\n', lines) + "\n"));
        options ??= new EvalOptions { MaxTokens = 12 };
        EvalPlan plan;
        using (var file = Formats.ModelFile.Open(Model)) plan = EvalPlan.Of(file, task, options);
        return new Run(Engine.Open(Model, new EngineOptions { Backend = BackendKind.Cpu, Threads = 1, ContextLength = plan.ContextLength, Sessions = plan.Sessions }), plan);
    }

    /// <param name="Report">The scores.</param>
    /// <param name="Results">Lines of the results file in the order of the items.</param>
    /// <param name="Before">Items found in the file.</param>
    private sealed record Evaluated(EvalReport Report, List<JsonElement> Results, int Before);

    private sealed record Run(Engine Engine, EvalPlan Plan) : IDisposable
    {
        public Evaluated Evaluate(string path, bool restart = false)
        {
            var before = -1;
            var report = Evaluator.Run(Engine, Plan, path, restart, new Reports(p => before = p.Before));
            var results = File.ReadAllLines(path).Skip(1).Select(line => JsonDocument.Parse(line).RootElement).OrderBy(line => line.GetProperty("item").GetInt32()).ToList();
            Assert.Equal(Enumerable.Range(0, Plan.Task.Count), results.Select(line => line.GetProperty("item").GetInt32()));
            return new Evaluated(report, results, before);
        }

        public void Dispose() => Engine.Dispose();
    }

    private sealed class Reports(Action<EvalProgress> report) : IProgress<EvalProgress>
    {
        public void Report(EvalProgress value) => report(value);
    }
}
