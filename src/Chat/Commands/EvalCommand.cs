using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using WarpDecode.Formats;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Evaluation;

namespace WarpDecode.Chat.Commands;

/// <summary><c>wd-run eval MODEL --task FILE</c>: how many questions of a task file a model answers right.</summary>
internal static class EvalCommand
{
    private const int MostBatch = 256;
    private const int MostTokens = 1_000_000;

    public static Command Create()
    {
        var model = ModelArgument.Required();
        var task = new Option<string>("--task")
        {
            Description = "Items, one JSON object a line: {context | messages, choices, answer} or {prompt | messages, answer | answers | regex, max_tokens, stop}; id and category may be added.",
            HelpName = "FILE",
            Required = true,
        }.NotEmpty("a path");
        var outFile = new Option<string?>("--out", "-o") { Description = "Append the result of each item here, and go on from what is there; default: TASK.MODEL.eval.jsonl in this folder.", HelpName = "FILE" }.NotEmpty("a path");
        var restart = new Option<bool>("--restart") { Description = "Forget the results that are there and start anew." };
        var json = new Option<string?>("--json") { Description = "Write the scores as JSON; - for stdout, in the place of the table.", HelpName = "FILE" }.NotEmpty("a path");
        var limit = new Option<int?>("--limit") { Description = "Only the first N items.", HelpName = "N" };
        TakesCount(limit);
        var batch = new Option<int>("--batch") { Description = "Answers generated, or choices read, at once; the results do not depend on it.", HelpName = "N", DefaultValueFactory = _ => new EvalOptions().Batch }
            .TakesNumber(n => n is > 0 and <= MostBatch, $"1 to {MostBatch}");
        var maxTokens = new Option<int>("--max-tokens", "-n") { Description = "Most tokens of an answer whose item does not say.", HelpName = "N", DefaultValueFactory = _ => 256 }
            .TakesNumber(n => n is > 0 and <= MostTokens, $"1 to {MostTokens}");
        var ignoreCase = new Option<bool>("--ignore-case") { Description = "Compare answers without regard to case." };
        var prefix = new Option<string?>("--prefix") { Description = "Put the text of this file before each item's text, as it is.", HelpName = "FILE" }.NotEmpty("a path");
        var fewShot = new Option<string?>("--few-shot") { Description = "Put the items of this task file before each item, with their answers; those with a category only before items of that category.", HelpName = "FILE" }.NotEmpty("a path");
        var shots = new Option<int?>("--shots") { Description = "Most examples before one item, the first of the file. Default: all.", HelpName = "N" };
        TakesCount(shots);
        var engine = new EngineOptionsBinder();
        var command = new Command("eval", "Put questions to a model and count right answers: multiple choice by log-likelihood, or generated answers.")
        {
            model, task, outFile, restart, json, limit, batch, maxTokens, ignoreCase, prefix, fewShot, shots,
        };
        engine.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            if (parsed.GetValue(shots) is not null && parsed.GetValue(fewShot) is null) throw new UsageException("--shots counts the examples of --few-shot, which was not given", "Add --few-shot FILE.");
            var path = parsed.GetValue(model)!;
            var items = EvalTask.Read(parsed.GetValue(task)!, parsed.GetValue(limit), cancellation);
            var options = new EvalOptions
            {
                Batch = parsed.GetValue(batch),
                MaxTokens = parsed.GetValue(maxTokens),
                IgnoreCase = parsed.GetValue(ignoreCase),
                Prefix = parsed.GetValue(prefix) is { } prefixFile ? Encoding.UTF8.GetString(File.ReadAllBytes(prefixFile)) : "",
                FewShot = parsed.GetValue(fewShot) is { } examples ? EvalTask.Read(examples, cancellation: cancellation) : null,
                Shots = parsed.GetValue(shots),
                PreTokenizer = engine.PreTokenizer(parsed),
            };
            var progress = new EvalProgressLine(items.Count);
            var plan = Plan(path, items, options, progress, cancellation);
            using var opened = engine.Open(path, parsed, cancellation, o => o with { Sessions = plan.Sessions, ContextLength = o.ContextLength ?? plan.ContextLength });
            var results = parsed.GetValue(outFile) ?? $"{Path.GetFileNameWithoutExtension(items.Path)}.{Path.GetFileNameWithoutExtension(path)}.eval.jsonl";
            var start = Stopwatch.GetTimestamp();
            progress.Begin();
            EvalReport report;
            try
            {
                report = Evaluator.Run(opened, plan, results, parsed.GetValue(restart), progress, cancellation);
            }
            catch (OperationCanceledException)
            {
                progress.Clear();
                Console.Error.WriteLine($"note:  {progress.Last.Done} of {items.Count} items are done; the same command goes on from them ({results})");
                throw;
            }
            finally
            {
                progress.Clear();
            }
            var run = new Finished(opened, items, options, report, results, progress.Last.Before, Stopwatch.GetElapsedTime(start));
            if (run.Before > 0) Console.Error.WriteLine($"note:  {run.Before} of {items.Count} items were done before ({results})");
            if (parsed.GetValue(json) is not "-") Print(run);
            if (parsed.GetValue(json) is "-") WriteJson(StandardOutput.Stream, run);
            else if (parsed.GetValue(json) is { } jsonFile)
            {
                using var stream = File.Create(jsonFile);
                WriteJson(stream, run);
            }
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    // The file is opened a second time with the engine, which by then knows how much room the task needs.
    private static EvalPlan Plan(string model, EvalTask items, EvalOptions options, EvalProgressLine progress, CancellationToken cancellation)
    {
        using var file = ModelFile.Open(model);
        try
        {
            return EvalPlan.Of(file, items, options, progress, cancellation);
        }
        finally
        {
            progress.Clear();
        }
    }

    private static void TakesCount(Option<int?> option) => option.CustomParser = result =>
    {
        if (int.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n > 0) return n;
        result.AddError($"{option.Name} takes 1 or more, not '{result.Tokens[0].Value}'");
        return null;
    };

    private static void Print(Finished run)
    {
        var rows = run.Report.Categories.Select(row => (Name: row.Category is { } name ? Printable(name) : "(none)", Row: row)).Append((Name: "all", Row: run.Report.Overall)).ToList();
        if (rows.Count == 2 && run.Report.Categories[0].Category is null) rows.RemoveAt(0); // no categories: one line says it
        var width = Math.Max(8, rows.Max(row => row.Name.Length));
        if (run.Report.Overall.Acc is not null)
        {
            Console.Out.WriteLine($"{"choice".PadRight(width)}  {"n",6}  {"acc",7}  {"95 %",-15}  {"acc_norm",8}  {"95 %",-15}".TrimEnd());
            foreach (var (name, row) in rows)
            {
                if (row.Acc is { } acc && row.AccNorm is { } norm)
                    Console.Out.WriteLine($"{name.PadRight(width)}  {acc.Total,6}  {Percent(acc.Share),7}  {Range(acc)}  {Percent(norm.Share),8}  {Range(norm)}".TrimEnd());
            }
        }
        if (run.Report.Overall.ExactMatch is not null)
        {
            if (run.Report.Overall.Acc is not null) Console.Out.WriteLine();
            Console.Out.WriteLine($"{"answer".PadRight(width)}  {"n",6}  {"right",7}  {"95 %",-15}".TrimEnd());
            foreach (var (name, row) in rows)
            {
                if (row.ExactMatch is { } exact) Console.Out.WriteLine($"{name.PadRight(width)}  {exact.Total,6}  {Percent(exact.Share),7}  {Range(exact)}".TrimEnd());
            }
        }
    }

    private static string Range(EvalCount count) => $"{100 * count.Interval.Low:F1} to {100 * count.Interval.High:F1}".PadRight(15);

    private static string Percent(double share) => $"{100 * share:F1} %";

    // A name from a file must not drive the terminal.
    private static string Printable(string text) => new([.. text.Take(60).Select(c => char.GetUnicodeCategory(c) switch
    {
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate => '\uFFFD',
        UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => '\uFFFD',
        _ => c,
    })]);

    private static void WriteJson(Stream stream, Finished run)
    {
        using (var w = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            w.WriteStartObject();
            w.WriteString("model", run.Engine.File.Path);
            w.WriteString("task", run.Task.Path);
            w.WriteString("backend", run.Engine.Backend);
            w.WriteString("results", run.Results);
            w.WriteNumber("items", run.Task.Count);
            w.WriteNumber("items_before", run.Before);
            w.WriteNumber("seconds", Math.Round(run.Time.TotalSeconds, 3));
            w.WriteNumber("batch", run.Options.Batch);
            w.WriteNumber("max_tokens", run.Options.MaxTokens);
            w.WriteBoolean("ignore_case", run.Options.IgnoreCase);
            w.WriteStartObject("overall");
            WriteRow(w, run.Report.Overall);
            w.WriteEndObject();
            w.WriteStartArray("categories");
            foreach (var row in run.Report.Categories)
            {
                w.WriteStartObject();
                w.WriteString("category", row.Category);
                WriteRow(w, row);
                w.WriteEndObject();
            }
            w.WriteEndArray();
            w.WriteEndObject();
        }
        stream.WriteByte((byte)'\n');
    }

    private static void WriteRow(Utf8JsonWriter w, EvalRow row)
    {
        WriteCount(w, "acc", row.Acc);
        WriteCount(w, "acc_norm", row.AccNorm);
        WriteCount(w, "exact_match", row.ExactMatch);
    }

    private static void WriteCount(Utf8JsonWriter w, string name, EvalCount? count)
    {
        if (count is null) return;
        w.WriteStartObject(name);
        w.WriteNumber("n", count.Total);
        w.WriteNumber("right", count.Right);
        w.WriteNumber("score", count.Share);
        w.WriteNumber("low", count.Interval.Low);
        w.WriteNumber("high", count.Interval.High);
        w.WriteEndObject();
    }

    private sealed record Finished(Engine Engine, EvalTask Task, EvalOptions Options, EvalReport Report, string Results, int Before, TimeSpan Time);
}
