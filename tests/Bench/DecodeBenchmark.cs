using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using WarpDecode.Formats;
using WarpDecode.Runtime;

namespace WarpDecode.Bench;

/// <summary>
/// Whole decode steps of a model: tokens/s, the bytes of active weights that they read per second as a share of the machine's read
/// bandwidth measured in the same run, and managed bytes allocated per token.
/// </summary>
internal static class DecodeBenchmark
{
    private const int Depth = 64;

    public static Command Command()
    {
        var model = new Option<string?>("--model") { Description = "A GGUF file; without it, a synthetic model is made." };
        var type = new Option<WeightType>("--type") { Description = "Weight type of the synthetic model.", DefaultValueFactory = _ => WeightType.Q8_0 };
        var threads = new Option<int>("--threads") { Description = "Threads.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var tokens = new Option<int>("--tokens") { Description = "Tokens of one repeat.", DefaultValueFactory = _ => 64 };
        var repeats = new Option<int>("--repeats") { DefaultValueFactory = _ => 7 };
        var batches = new Option<int[]>("--batch") { Description = "Sequences in a step.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [1, 2, 4, 8] };
        var prefill = new Option<int>("--prefill") { Description = "Tokens of the prompt that is timed.", DefaultValueFactory = _ => 256 };
        var moe = new Option<MoeForm[]>("--moe") { Description = "Forms of the experts, measured in turn in one run.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [MoeForm.Auto] };
        var outFile = new Option<string?>("--out") { Description = "Append the table to this file too." };
        var command = new Command("decode", "Decode and prefill of a whole model.") { model, type, threads, tokens, repeats, batches, prefill, moe, outFile };
        command.SetAction(parsed =>
        {
            var path = parsed.GetValue(model);
            var synthetic = path is null;
            path ??= Path.Combine(Path.GetTempPath(), $"wd-bench-{Environment.ProcessId}.gguf");
            try
            {
                if (synthetic) SyntheticModel.Small.Write(path, parsed.GetValue(type));
                var table = Run(path, synthetic ? $"synthetic {parsed.GetValue(type)}" : Path.GetFileName(path), parsed.GetValue(threads),
                    parsed.GetValue(tokens), parsed.GetValue(repeats), parsed.GetValue(batches)!, parsed.GetValue(prefill), parsed.GetValue(moe)!);
                Console.WriteLine(table);
                if (parsed.GetValue(outFile) is { } file) File.AppendAllText(file, table + "\n");
            }
            finally
            {
                if (synthetic) File.Delete(path);
            }
        });
        return command;
    }

    private static string Run(string path, string name, int threads, int tokens, int repeats, int[] batches, int prefill, MoeForm[] forms)
    {
        var engines = new List<Engine>();
        try
        {
            foreach (var form in forms)
                engines.Add(Engine.Open(path, new EngineOptions { Backend = BackendKind.Cpu, Threads = threads, Sessions = batches.Max(), ContextLength = Math.Max(prefill, Depth + 4 + tokens), Moe = form }));
            return Run(engines, name, threads, tokens, repeats, batches, prefill, forms);
        }
        finally
        {
            foreach (var engine in engines) engine.Dispose();
        }
    }

    private static string Run(List<Engine> engines, string name, int threads, int tokens, int repeats, int[] batches, int prefill, MoeForm[] forms)
    {
        var file = engines[0].File;
        var summary = ModelSummary.Of(file);
        var random = new Random(2);
        int Token() => random.Next(engines[0].Vocabulary);

        // Everything is measured in turn, so that a disturbance of the machine meets all of it alike.
        var read = new Rates();
        var results = forms.Select(_ => new Result(batches)).ToArray();
        for (var repeat = -1; repeat < repeats; repeat++) // the first is for warming up
        {
            var bandwidth = ReadBandwidth(file, threads);
            if (repeat >= 0) read.Add(bandwidth);
            foreach (var batch in batches)
            {
                foreach (var (engine, result) in engines.Zip(results))
                {
                    var sessions = Enumerable.Range(0, batch).Select(_ => engine.CreateSession()).ToArray();
                    var next = new int[batch];
                    foreach (var session in sessions) session.Append([.. Enumerable.Range(0, Depth).Select(_ => Token())]);
                    for (var i = 0; i < 4; i++) Step(engine, sessions, next, random);
                    var before = GC.GetTotalAllocatedBytes(precise: true);
                    var start = Stopwatch.GetTimestamp();
                    for (var i = 0; i < tokens; i++) Step(engine, sessions, next, random);
                    var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                    var bytes = GC.GetTotalAllocatedBytes(precise: true) - before;
                    foreach (var session in sessions) session.Dispose();
                    if (repeat < 0) continue;
                    result.Decode[batch].Add(batch * tokens / seconds);
                    result.Allocated[batch] = Math.Min(result.Allocated[batch], bytes / tokens);
                }
            }
            foreach (var (engine, result) in engines.Zip(results))
            {
                using var long1 = engine.CreateSession();
                var text = Enumerable.Range(0, prefill).Select(_ => Token()).ToArray();
                var begun = Stopwatch.GetTimestamp();
                long1.Append(text);
                if (repeat >= 0) result.Prompt.Add(prefill / Stopwatch.GetElapsedTime(begun).TotalSeconds);
            }
        }

        var lines = new List<string>
        {
            $"Decode of {name} ({summary.Parameters / 1e6:F0} M parameters, {summary.FileBytes / 1e6:F0} MB; one token reads {summary.ActiveBytes / 1e6:F1} MB of weights), "
                + $"{threads} threads, depth {Depth} to {Depth + tokens}, medians of {repeats} (min..max)",
            Machine.Description,
            string.Create(CultureInfo.InvariantCulture, $"Read bandwidth of the mapped file in the same run: {read} GB/s"),
            "",
        };
        foreach (var (form, result) in forms.Zip(results))
        {
            if (forms.Length > 1) lines.AddRange([$"Experts: {form}", ""]);
            lines.Add("| sequences in a step | tokens/s over all | GB/s of active weights | share of read bandwidth | managed bytes per step |");
            lines.Add("|---|---|---|---|---|");
            foreach (var batch in batches)
            {
                // What a step of several sequences reads depends on how many experts they share; only one sequence has a plain figure.
                var weights = result.Decode[batch].Scaled(summary.ActiveBytes!.Value / 1e9);
                lines.Add($"| {batch} | {result.Decode[batch]} | {(batch == 1 ? weights.ToString() : "–")} | {(batch == 1 ? weights.Of(read) : "–")} | {result.Allocated[batch]} |");
            }
            lines.Add("");
            lines.Add($"Prefill of {prefill} tokens: {result.Prompt} tokens/s");
            if (forms.Length > 1) lines.Add("");
        }
        return string.Join('\n', lines) + "\n";
    }

    /// <summary>What was measured of one form of the experts.</summary>
    private sealed class Result(int[] batches)
    {
        public Dictionary<int, Rates> Decode { get; } = batches.ToDictionary(b => b, _ => new Rates());

        public Rates Prompt { get; } = new();

        public Dictionary<int, long> Allocated { get; } = batches.ToDictionary(b => b, _ => long.MaxValue);
    }

    private static void Step(Engine engine, Session[] sessions, int[] tokens, Random random)
    {
        for (var i = 0; i < tokens.Length; i++) tokens[i] = random.Next(engine.Vocabulary);
        engine.Decode(sessions, tokens);
    }

    /// <summary>GB/s of plain reads over the whole mapped file, by as many threads.</summary>
    private static unsafe double ReadBandwidth(ModelFile file, int threads)
    {
        var first = file.Tensors.MinBy(t => t.Offset)!;
        var last = file.Tensors.MaxBy(t => t.Offset)!;
        var bytes = last.Offset + last.Bytes - first.Offset;
        var part = bytes / threads / 64 * 64;
        var start = (nint)first.Data;
        var seconds = Measure.Seconds(threads, i => Limits.Read((byte*)start + (i * part), part));
        return part * threads / seconds / 1e9;
    }
}
