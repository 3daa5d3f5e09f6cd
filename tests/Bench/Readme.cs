using System.CommandLine;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using WarpDecode.Runtime.Benchmarking;

namespace WarpDecode.Bench;

/// <summary>
/// The README's tables of speed, made of the result files. What stands between <c>&lt;!-- results: NAME --&gt;</c> and
/// <c>&lt;!-- end --&gt;</c> is what the table of that name gives. A new one is one row of <see cref="Tables"/>.
/// </summary>
internal static class Readme
{
    private const string Begin = "<!-- results: ";
    private const string End = "<!-- end -->";

    /// <summary>Each table: its name, and what it is made of.</summary>
    private static readonly Dictionary<string, Func<Results, string>> Tables = new(StringComparer.Ordinal)
    {
        ["cpu"] = CpuTable,
        ["gpu-steps"] = GpuSteps,
        ["gpu-prompts"] = results =>
        {
            var steps = results.Figures("h200/steps.json");
            return $"Prompts in steps of 512 tokens, FP32 cache: Q4_K_M mix {Whole(steps["prefill Q4_K_M mix 512 tokens/s"])} tokens/s (512 tokens) and "
                + $"{Whole(steps["prefill Q4_K_M mix 4096 tokens/s"])} (4,096), BF16 {Whole(steps["prefill BF16 512 tokens/s"])} and {Whole(steps["prefill BF16 4096 tokens/s"])}.";
        },
        ["gpu-experts"] = GpuExperts,
        ["gpu-forms"] = GpuForms,
        ["accuracy"] = AccuracyTable,
        ["eval"] = EvalTable,
        ["startup"] = results =>
        {
            var startup = results.Startup("epyc-2-cores/startup.json");
            return string.Create(CultureInfo.InvariantCulture, $"From the start of the process to the first token, {startup.Model}, warm page cache: {startup.First.Median:F0} ms ({startup.First.Min:F0} to {startup.First.Max:F0}).");
        },
    };

    /// <summary>The repository's root.</summary>
    public static string Root { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Here())!, "..", ".."));

    public static Command Command()
    {
        var write = new Option<bool>("--write") { Description = "Change README.md; without it, only say whether its tables are those of the results." };
        var command = new Command("readme", "Make the README's tables from the result files.") { write };
        command.SetAction(parsed =>
        {
            var path = Path.Combine(Root, "README.md");
            var (old, made) = (File.ReadAllText(path), Made());
            if (parsed.GetValue(write) && old != made) File.WriteAllText(path, made);
            if (old == made) Console.WriteLine("README.md has the tables of the result files.");
            else Console.Error.WriteLine(parsed.GetValue(write) ? "README.md was changed." : "README.md differs from the result files: run this with --write.");
            return old == made || parsed.GetValue(write) ? 0 : 1;
        });
        return command;
    }

    /// <summary>The README as the result files would have it.</summary>
    public static string Made() => Apply(File.ReadAllText(Path.Combine(Root, "README.md")), new Results(Path.Combine(Root, "tests", "Bench", "results")));

    /// <summary>A text with its tables made anew.</summary>
    /// <exception cref="InvalidDataException">A marker without its other half, or of no known table; the message names its line.</exception>
    public static string Apply(string text, Results results)
    {
        var lines = text.Split('\n');
        var made = new List<string>();
        for (var i = 0; i < lines.Length; i++)
        {
            made.Add(lines[i]);
            if (!lines[i].StartsWith(Begin, StringComparison.Ordinal)) continue;
            var name = lines[i][Begin.Length..].Split(' ')[0];
            if (!Tables.TryGetValue(name, out var table))
                throw new InvalidDataException($"README.md, line {i + 1}: there is no table '{name}', only {string.Join(", ", Tables.Keys)}: see tests/Bench/Readme.cs");
            var end = Array.IndexOf(lines, End, i);
            if (end < 0) throw new InvalidDataException($"README.md, line {i + 1}: no '{End}' after '{lines[i]}'");
            made.AddRange(table(results).Split('\n'));
            i = end - 1;
        }
        return string.Join('\n', made);
    }

    private static string CpuTable(Results results)
    {
        (string Name, string File)[] models =
        [
            ("synthetic Q8_0", "epyc-2-cores/small-q8_0.json"), ("synthetic Q4_K", "epyc-2-cores/small-q4_k.json"), ("synthetic BF16", "epyc-2-cores/small-bf16.json"),
            ("default model (Q8_0)", "epyc-2-cores/default.json"),
        ];
        return Table(
            ["model", "decode, tokens/s", "GB/s of weights and cache", "share of read bandwidth", "8 sequences in a step, tokens/s over all", "prefill of 256, tokens/s"],
            models.Select(model =>
            {
                var rows = results.Rows(model.File, "cpu");
                var (one, eight) = (rows.Decode(1), rows.Decode(8));
                return new[]
                {
                    model.Name, Whole(one.TokensPerSecond), Number(one.Effective.Median, 1), Percent(one.Share), Whole(eight.TokensPerSecond),
                    Whole(rows.Prefill().TokensPerSecond),
                };
            }));
    }

    private static string GpuSteps(Results results)
    {
        var steps = results.Figures("h200/steps.json");
        int[] contexts = [128, 4096, 16384];
        string[] models = ["Q4_K_M mix", "BF16"];
        return Table(
            ["sequences in a step", .. models.SelectMany(model => contexts.Select(context => $"{model}, context {Whole(context)}"))],
            new[] { 1, 2, 4, 8, 16, 32 }.Select(batch => (string[])
            [
                Whole(batch),
                .. models.SelectMany(model => contexts.Select(context => string.Join(" / ", new[] { "F32", "F16" }.Select(cache =>
                    steps.TryGetValue($"step {model} cache {cache} context {context} B={batch} ms", out var ms) ? Whole(1000 * batch / ms) : "does not fit")))),
            ]));
    }

    private static string GpuExperts(Results results)
    {
        var parts = results.Figures("h200/parts.json");
        var read = parts["read GB/s"];
        string[] exact = ["Q4_K", "Q8_0", "Q6_K"];
        return Table(
            ["sequences", .. exact, "BF16", "BF16, share of read bandwidth over distinct experts", "BF16, expert-centric path", "how many times as long"],
            new[] { 1, 2, 4, 8, 16, 32 }.Select(batch =>
            {
                var (warp, conventional) = (parts[$"experts BF16 B={batch} µs"], parts[$"experts conventional B={batch} µs"]);
                return (string[])
                [
                    Whole(batch), .. exact.Select(type => Number(parts[$"exact {type} B={batch} µs"], 1)), Number(warp, 1),
                    Percent(parts[$"experts BF16 B={batch} GB/s"] / read), Number(conventional, 1), Number(conventional / warp, 2),
                ];
            }));
    }

    private static string GpuForms(Results results)
    {
        const string file = "h200/gpu-moe-q4_k.json";
        (string Name, string Moe)[] forms =
        [
            ("conventional, 8-bit activations", "conventional"), ("conventional, MXFP8", "conventional-mxfp8"), ("BF16 activations", "bf16"), ("FP32 lanes", "warp-fp32"),
        ];
        var ours = results.Rows(file, "cuda");
        return Table(
            ["sequences", "warp decode, tokens/s", "share of read bandwidth", .. forms.Select(form => $"{form.Name}: time of a step over ours")],
            new[] { 1, 2, 4, 8, 16, 32 }.Select(batch => (string[])
            [
                Whole(batch), Whole(ours.Decode(batch).TokensPerSecond), Percent(ours.Decode(batch).Share),
                .. forms.Select(form => Number(ours.Decode(batch).TokensPerSecond.Median / results.Rows(file, "cuda", moe: form.Moe).Decode(batch).TokensPerSecond.Median, 2)),
            ]));
    }

    private static string AccuracyTable(Results results)
    {
        var paths = results.Json("h200/accuracy.json").GetProperty("paths").EnumerateArray();
        return Table(
            ["experts computed by", "relative error of a layer, mean", "times ours", "largest difference of a logit", "likeliest token the same"],
            paths.Select(path => new[]
            {
                path.GetProperty("name").GetString()!, path.GetProperty("isolated_mean").GetDouble().ToString("0.0E+0", CultureInfo.InvariantCulture),
                path.GetProperty("isolated_error_over_warp").GetDouble() is var times and < 10 ? Number(times, 1) : Whole(path.GetProperty("isolated_error_over_warp").GetDouble()),
                path.GetProperty("logits").GetProperty("max_absolute").GetDouble().ToString("0.0E+0", CultureInfo.InvariantCulture),
                Number(100 * path.GetProperty("logits").GetProperty("top1_agreement").GetDouble(), 1) + " %",
            }));
    }

    private static string EvalTable(Results results)
    {
        (string Task, string Score)[] scores = [("choice_text", "acc"), ("choice_chat", "acc"), ("exact_match", "exact_match")];
        return Table(["task", "items", "score", "95 % interval"], scores.Select(score =>
        {
            var of = results.Json($"epyc-2-cores/eval-{score.Task}.json").GetProperty("overall").GetProperty(score.Score);
            double Share(string name) => 100 * of.GetProperty(name).GetDouble();
            return new[]
            {
                $"`{score.Task}.jsonl`{(score.Score == "acc" ? ", acc" : "")}", Whole(of.GetProperty("n").GetInt32()), Number(Share("score"), 1) + " %",
                $"{Number(Share("low"), 1)}–{Number(Share("high"), 1)}",
            };
        }));
    }

    private static string Table(string[] header, IEnumerable<string[]> rows)
    {
        var text = new StringBuilder();
        text.Append("| ").AppendJoin(" | ", header).Append(" |\n|").Insert(text.Length, "---|", header.Length);
        foreach (var row in rows) text.Append("\n| ").AppendJoin(" | ", row).Append(" |");
        return text.ToString();
    }

    private static string Whole(Rates rates) => Whole(rates.Median);

    private static string Whole(double value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Number(double value, int digits) => value.ToString("F" + digits, CultureInfo.InvariantCulture);

    private static string Percent(double share) => string.Create(CultureInfo.InvariantCulture, $"{100 * share:F0} %");

    private static string Here([CallerFilePath] string path = "") => path;
}

/// <summary>The result files in a folder.</summary>
internal sealed class Results(string folder)
{
    /// <summary>A whole result.</summary>
    public BenchmarkReport Report(string file) => BenchmarkReport.FromJson(File.ReadAllText(Path.Combine(folder, file)));

    /// <summary>The rows of one backend and one form of the experts; of one depth, or of the only one.</summary>
    public ResultRows Rows(string file, string backend, int? depth = null, string moe = "auto") =>
        new($"{file}: {backend}, {moe}", [.. Report(file).Rows.Where(r => r.Backend == backend && (depth is null || r.Depth == depth) && r.Moe == moe)]);

    /// <summary>The figures by name of a result of <c>bench/gpu-check.sh</c>; of several of one name the first.</summary>
    public IReadOnlyDictionary<string, double> Figures(string file)
    {
        var figures = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var figure in Json(file).EnumerateArray().SelectMany(section => section.EnumerateObject()))
        {
            if (figure.Value.ValueKind == JsonValueKind.Number) figures.TryAdd(figure.Name, figure.Value.GetDouble());
        }
        return figures;
    }

    public JsonElement Json(string file)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, file)));
        return document.RootElement.Clone();
    }

    public StartupResult Startup(string file) => StartupResult.FromJson(File.ReadAllText(Path.Combine(folder, file)));
}

/// <summary>Some rows of a result file.</summary>
internal sealed class ResultRows(string what, IReadOnlyList<BenchmarkRow> rows)
{
    public BenchmarkRow Decode(int batch) => Find(BenchmarkRow.Decode, batch);

    public BenchmarkRow Prefill() => Find(BenchmarkRow.Prefill, 1);

    private BenchmarkRow Find(string test, int batch) =>
        rows.SingleOrDefault(r => r.Test == test && r.Batch == batch) ?? throw new InvalidDataException($"{what}: there is no {test} of batch {batch}");
}
