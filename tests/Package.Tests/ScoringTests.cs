using System.Text.Json;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Evaluation;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Package.Tests;

/// <summary>samples/scoring: what it prints is what the library gives.</summary>
public sealed class ScoringTests(Workspace workspace)
{
    [Fact]
    public async Task ScoresAsTheLibraryDoes()
    {
        var folder = Path.Combine(TestData.Root, "samples", "scoring");
        var lines = (await workspace.RunSampleAsync("scoring", Workspace.Model)).Succeeds().Output.TrimEnd('\n').Split('\n').Select(l => JsonDocument.Parse(l).RootElement).ToList();

        using var engine = Engine.Open(Workspace.Model, new EngineOptions { Backend = BackendKind.Cpu });
        var tokens = Perplexity.Tokenize(engine.Tokenizer, await File.ReadAllTextAsync(Path.Combine(folder, "text.txt")));
        var fit = Perplexity.Run(engine, tokens, new PerplexityOptions { Context = 256, Stride = 128 });
        Assert.Equal((tokens.Length - 1, fit.Perplexity.Value), (lines[0].GetProperty("scored").GetInt32(), lines[0].GetProperty("perplexity").GetDouble()));

        var items = File.ReadAllLines(Path.Combine(folder, "items.jsonl")).Select(l => JsonSerializer.Deserialize<Item>(l, JsonSerializerOptions.Web)!).ToList();
        Assert.Equal(1 + items.Count, lines.Count);
        foreach (var (item, line) in items.Zip(lines.Skip(1)))
        {
            var direct = Scoring.Score(engine, item.Context, item.Continuations).Select(s => s.LogProbability).ToList();
            Assert.Equal(direct, line.GetProperty("logProbabilities").EnumerateArray().Select(p => p.GetDouble()));
            Assert.Equal(item.Continuations[direct.IndexOf(direct.Max())], line.GetProperty("best").GetString());
        }
        Assert.Equal(" Paris.", lines[1].GetProperty("best").GetString());
    }

    private sealed record Item(string Context, string[] Continuations);

    [Fact]
    public async Task TakesOtherFiles()
    {
        var (text, items) = (Path.Combine(workspace.Folder, "other.txt"), Path.Combine(workspace.Folder, "other.jsonl"));
        await File.WriteAllTextAsync(text, "The dog runs. The cat sleeps.");
        await File.WriteAllTextAsync(items, """{"context": "One, two,", "continuations": [" three", " dog"]}""" + "\n\n");
        var lines = (await workspace.RunSampleAsync("scoring", Workspace.Model, text, items)).Succeeds().Output.TrimEnd('\n').Split('\n');
        Assert.Equal(2, lines.Length);
        Assert.StartsWith("{\"text\":\"other.txt\"", lines[0], StringComparison.Ordinal);
        Assert.Contains("\"best\":\" three\"", lines[1], StringComparison.Ordinal);
    }
}
