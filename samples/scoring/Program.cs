// Scores files with a model: how well it predicts a text, and how likely it finds each of several continuations.
//   scoring MODEL [TEXT.txt] [ITEMS.jsonl]
// A line of ITEMS is {"context": "…", "continuations": ["…", "…"]}. What comes out is JSON, one line for the text and one for each item.
using System.Text.Json;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Evaluation;

if (args.Length is 0 or > 3)
{
    Console.Error.WriteLine("usage: scoring MODEL [TEXT.txt] [ITEMS.jsonl]");
    return 2;
}
var text = args.Length > 1 ? args[1] : Path.Combine(AppContext.BaseDirectory, "text.txt");
var items = args.Length > 2 ? args[2] : Path.Combine(AppContext.BaseDirectory, "items.jsonl");
var lines = new JsonSerializerOptions(JsonSerializerDefaults.Web);

// Room in the cache for eight sessions: so many continuations are read in one step.
using var engine = Engine.Open(args[0], new EngineOptions { Sessions = 8 });

// The text in windows of 256 tokens that overlap by half, so that nearly every token is predicted with at least 128 before it.
var tokens = Perplexity.Tokenize(engine.Tokenizer, await File.ReadAllTextAsync(text));
var fit = Perplexity.Run(engine, tokens, new PerplexityOptions { Context = 256, Stride = 128 });
Console.WriteLine(JsonSerializer.Serialize(new { Text = Path.GetFileName(text), fit.Scored, Perplexity = fit.Perplexity.Value }, lines));

// The continuations: of all items at once, because the engine then shares steps and what contexts have in common.
var questions = new List<ScoringItem>();
await foreach (var line in File.ReadLinesAsync(items))
{
    if (string.IsNullOrWhiteSpace(line)) continue;
    var item = JsonSerializer.Deserialize<Item>(line, lines)!;
    questions.Add(new ScoringItem(item.Context, item.Continuations));
}
var scores = await Scoring.ScoreAsync(engine, questions);
foreach (var (question, found) in questions.Zip(scores))
{
    var best = found.Index().MaxBy(s => s.Item.LogProbability).Index;
    Console.WriteLine(JsonSerializer.Serialize(
        new { question.Context, Best = question.Continuations[best], LogProbabilities = found.Select(s => s.LogProbability) }, lines));
}
return 0;

internal sealed record Item(string Context, string[] Continuations);
