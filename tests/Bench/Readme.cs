using System.CommandLine;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
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

    private static string Table(string[] header, IEnumerable<string[]> rows)
    {
        var text = new StringBuilder();
        text.Append("| ").AppendJoin(" | ", header).Append(" |\n|").Insert(text.Length, "---|", header.Length);
        foreach (var row in rows) text.Append("\n| ").AppendJoin(" | ", row).Append(" |");
        return text.ToString();
    }

    private static string Whole(Rates rates) => rates.Median.ToString("N0", CultureInfo.InvariantCulture);

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
