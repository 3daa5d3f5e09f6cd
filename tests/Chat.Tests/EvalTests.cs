using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Chat.Tests;

/// <summary>The default model on its held-out items, by the real program.</summary>
public sealed class EvalTests(ModelFiles files) : IClassFixture<ModelFiles>
{
    private static string Model => Shipped(DefaultModelTests.Name);

    /// <summary>Each category's counts are those of the training report, which PyTorch computed.</summary>
    [Theory]
    [InlineData("choice_text", 12, 253)]
    [InlineData("choice_chat", 5, 284)]
    public void MultipleChoiceReproducesTheTrainingReport(string name, int categories, int items)
    {
        var report = File.ReadAllText(Shipped("training/README.md"));
        var scores = Scores(Eval(Shipped($"eval/{name}.jsonl"), $"{name}.results"));
        Assert.Equal(items, scores.GetProperty("overall").GetProperty("acc").GetProperty("n").GetInt32());
        var expected = Regex.Matches(report, $@"\| {name} \| (\w+) \| (\d+) / (\d+) \|")
            .Select(m => (m.Groups[1].Value, int.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture), int.Parse(m.Groups[3].Value, CultureInfo.InvariantCulture)))
            .OrderBy(row => row.Item1, StringComparer.Ordinal);
        var found = scores.GetProperty("categories").EnumerateArray().Select(row =>
            (row.GetProperty("category").GetString()!, row.GetProperty("acc").GetProperty("right").GetInt32(), row.GetProperty("acc").GetProperty("n").GetInt32())).ToList();
        Assert.Equal(categories, found.Count);
        Assert.Equal(expected, found);
    }

    [Fact]
    public void TheTableSaysWhatTheJsonSays()
    {
        var task = Slice("exact_match", "table.jsonl", every: 40);
        var json = Path.Combine(files.Folder, "table.json");
        var table = WdRun.Run("eval", Model, "--task", task, "--backend", "cpu", "-t", "1", "--out", Path.Combine(files.Folder, "table.results"), "--json", json).Succeeds().Lines;
        var scores = JsonDocument.Parse(File.ReadAllBytes(json)).RootElement;
        var overall = scores.GetProperty("overall").GetProperty("exact_match");
        Assert.Equal(21, overall.GetProperty("n").GetInt32());
        Assert.InRange(overall.GetProperty("right").GetInt32(), 17, 21); // 97 % of all
        Assert.Matches(@"^answer +n +right +95 %$", table[0]);
        Assert.Equal(scores.GetProperty("categories").GetArrayLength() + 2, table.Length);
        double Of(string name) => 100 * overall.GetProperty(name).GetDouble();
        Assert.Matches(string.Create(CultureInfo.InvariantCulture, $@"^all +21 +{Of("score"):F1} % +{Of("low"):F1} to {Of("high"):F1}$"), table[^1]);
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("KILL", 137)]
    public void AnInterruptedRunGoesOnToTheSameScores(string signal, int code)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are sent with kill");
        // Both kinds, so that the signal can meet either.
        var task = Path.Combine(files.Folder, $"{signal}.jsonl");
        File.WriteAllLines(task, [.. File.ReadLines(Shipped("eval/choice_text.jsonl")).Take(40), .. File.ReadLines(Shipped("eval/exact_match.jsonl")).Where((_, i) => i % 8 == 0)]);
        var whole = Path.Combine(files.Folder, $"{signal}.whole");
        var cut = Path.Combine(files.Folder, $"{signal}.cut");
        var expected = Scores(Eval(task, whole));

        var interrupted = 0;
        foreach (var least in new[] { 5_000, 12_000 }) // bytes: within the multiple choices, and within the answers
        {
            using var run = WdRun.Start("eval", Model, "--task", task, "--backend", "cpu", "-t", "1", "--out", cut);
            run.Await(() => File.Exists(cut) && new FileInfo(cut).Length > least, "some items were done");
            run.Signal(signal);
            var outcome = run.Wait(TimeSpan.FromSeconds(60));
            Assert.Equal(code, outcome.Code);
            Assert.Equal("", outcome.Text);
            if (signal == "INT") Assert.Matches(@"\Anote:  \d+ of 141 items are done; the same command goes on from them \(.*\.cut\)\n\z", outcome.Errors);
            interrupted++;
        }
        Assert.Equal(2, interrupted);
        var rest = Eval(task, cut);
        var resumed = Scores(rest);
        var before = resumed.GetProperty("items_before").GetInt32();
        Assert.InRange(before, 1, 140);
        Assert.Contains($"note:  {before} of 141 items were done before", rest.Errors, StringComparison.Ordinal);
        foreach (var part in new[] { "overall", "categories" }) Assert.Equal(expected.GetProperty(part).GetRawText(), resumed.GetProperty(part).GetRawText());
        Assert.Equal(File.ReadAllLines(whole).Order(StringComparer.Ordinal), File.ReadAllLines(cut).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void TheBatchAndTheThreadsChangeNothing()
    {
        var task = Slice("exact_match", "batch.jsonl", every: 50);
        var one = Path.Combine(files.Folder, "batch.one");
        Eval(task, one, "--batch", "1");
        var many = Path.Combine(files.Folder, "batch.many");
        Eval(task, many, "--batch", "16", "-t", "2");
        Assert.Equal(File.ReadAllLines(one).Order(StringComparer.Ordinal), File.ReadAllLines(many).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void AFinishedRunIsShownAgainAndAnotherIsRefused()
    {
        var task = Slice("choice_text", "again.jsonl", every: 60);
        var results = Path.Combine(files.Folder, "again.results");
        var first = Scores(Eval(task, results));
        Assert.Equal(first.GetProperty("overall").GetRawText(), Scores(Eval(task, results)).GetProperty("overall").GetRawText());
        WdRun.Run("eval", Model, "--task", task, "--backend", "cpu", "--out", results, "-n", "5").Fails(1, "max_tokens was 256 and is 5", "Use --restart to start anew, or --out");
        WdRun.Run("eval", WdRun.Model, "--task", task, "--backend", "cpu", "--out", results).Fails(1, "model_bytes was");
        Assert.Equal(0, Scores(Eval(task, results, "-n", "5", "--restart")).GetProperty("items_before").GetInt32());
    }

    [Fact]
    public void ResultsGoToThisFolderByDefault()
    {
        var task = Slice("choice_text", "here.jsonl", every: 100);
        var folder = Directory.CreateDirectory(Path.Combine(files.Folder, "here"));
        var outcome = WdRun.Shell($"cd '{folder.FullName}' && \"$wd\" eval \"$m\" --task '{task}' --backend cpu -t 1 && ls").Succeeds();
        Assert.Equal("here.qwen3_moe-bf16.eval.jsonl", outcome.Lines[^1]);
    }

    [Fact]
    public void ExamplesAndAPrefixReachTheModel()
    {
        var task = files.Write("shots.jsonl", [.. """{"prompt": "x:", "answer": "y", "max_tokens": 4}"""u8]);
        var examples = files.Write("examples.jsonl", [.. """{"prompt": "a:", "answer": "b"}"""u8]);
        var prefix = files.Write("prefix.txt", [.. "Letters.\n"u8]);
        string Output(string name, params string[] more)
        {
            var results = Path.Combine(files.Folder, name);
            Assert.Equal(0, WdRun.Run(["eval", WdRun.Model, "--task", task, "--backend", "cpu", "-t", "1", "--out", results, .. more]).Code);
            return JsonDocument.Parse(File.ReadAllLines(results)[1]).RootElement.GetProperty("output").GetString()!;
        }
        string Continued(string text) => WdRun.Complete("--backend", "cpu", "--raw", "--temp", "0", "-n", "4", "-p", text).Succeeds().Text;
        Assert.Equal(Continued("x:").TrimEnd('\n'), Output("plain.results").TrimEnd('\n'));
        Assert.Equal(Continued("Letters.\na: b\n\nx:").TrimEnd('\n'), Output("shots.results", "--few-shot", examples, "--prefix", prefix).TrimEnd('\n'));
    }

    [Fact]
    public void ErrorsAreLocated()
    {
        var bad = files.Write("bad.jsonl", [.. "{\"prompt\": \"p\", \"answer\": \"a\"}\n{\"prompt\": \"p\"}\n"u8]);
        WdRun.Run("eval", Model, "--task", bad).Fails(1, "bad.jsonl:2: the item has no answer: expected answer, answers or regex", "Correct the line");
        WdRun.Run("eval", Model, "--task", Path.Combine(files.Folder, "none.jsonl")).Fails(1, "none.jsonl");
        var slow = files.Write("slow.jsonl", [.. """{"prompt": "p", "regex": "^(([^z]+)+)+z$", "max_tokens": 60}"""u8]);
        WdRun.Run("eval", WdRun.Model, "--task", slow, "--backend", "cpu", "--out", Path.Combine(files.Folder, "slow.results")).Fails(1, "slow.jsonl:1: the pattern does not come to an end: 'regex'");
        var good = files.Write("good.jsonl", [.. """{"prompt": "p", "answer": "a"}"""u8]);
        WdRun.Run("eval", Model, "--task", good, "--backend", "cpu", "--out", bad).Fails(1, "bad.jsonl:1: this is no file of results", "this one is left as it is");
        WdRun.Run("eval", Model, "--task", good, "--backend", "cpu", "-c", "1", "--out", Path.Combine(files.Folder, "short.results"), "--prefix", bad).Fails(1, "the item is too long: expected at most 1 tokens", "-c");
    }

    [Theory]
    [InlineData("--task", "eval", "MODEL")]
    [InlineData("--batch takes 1 to 256, not '0'", "eval", "MODEL", "--task", "x", "--batch", "0")]
    [InlineData("--limit takes 1 or more, not '0'", "eval", "MODEL", "--task", "x", "--limit", "0")]
    [InlineData("--max-tokens takes 1 to 1000000, not '-1'", "eval", "MODEL", "--task", "x", "-n", "-1")]
    [InlineData("--shots counts the examples of --few-shot", "eval", "MODEL", "--task", "x", "--shots", "2")]
    [InlineData("--out takes a path that is not empty", "eval", "MODEL", "--task", "x", "--out", "")]
    public void BadUsageIsSaid(string what, params string[] arguments) => WdRun.Run([.. arguments.Select(a => a == "MODEL" ? WdRun.Model : a)]).Fails(2, what);

    private static string Shipped(string name)
    {
        var path = Path.Combine(TestData.Root, "models", name);
        Assert.True(File.Exists(path), $"{path} is missing: it is part of the repository");
        return path;
    }

    private static Outcome Eval(string task, string results, params string[] more)
    {
        string[] threads = more.Contains("-t") ? [] : ["-t", "1"];
        var outcome = WdRun.Run(["eval", Model, "--task", task, "--backend", "cpu", "--out", results, "--json", "-", .. threads, .. more]);
        Assert.True(outcome.Code == 0, outcome.Errors);
        return outcome;
    }

    private static JsonElement Scores(Outcome outcome) => JsonDocument.Parse(outcome.Text).RootElement;

    private string Slice(string name, string file, int every)
    {
        var path = Path.Combine(files.Folder, file);
        File.WriteAllLines(path, File.ReadLines(Shipped($"eval/{name}.jsonl")).Where((_, i) => i % every == 0));
        return path;
    }
}
