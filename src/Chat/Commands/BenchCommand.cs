using System.CommandLine;
using System.Globalization;
using System.Text;
using WarpDecode.Formats;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Benchmarking;

namespace WarpDecode.Chat.Commands;

/// <summary><c>wd-run bench MODEL</c>: the speed of prompts and decoding, and how near it is to what the memory gives.</summary>
internal static class BenchCommand
{
    private const int Most = 1 << 20; // a typing mistake should not run for a year

    public static Command Create()
    {
        var model = ModelArgument.Optional();
        var synthetic = new Option<string?>("--synthetic")
        {
            // Written out, for every start of the program builds this; a test compares it with what can be made.
            Description = "In the place of MODEL, one of known shapes with random weights: small, qwen3-30b-a3b, qwen3-235b-a22b, mixtral-8x7b, mixtral-8x22b; "
                + "types F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, BF16, MXFP4, "
                + "Q5_K_M, Q5_K_S, Q4_K_M, Q4_K_S, MXFP4_MOE, Q3_K_L, Q3_K_M, Q3_K_S (default Q4_K_M).",
            HelpName = "NAME[:TYPE][:layers]",
        }.NotEmpty("a name");
        var prompt = Number("-p", "--prompt-tokens", "Tokens of the prompt; 0 for none.", 512, 0);
        var decode = Number("-n", "--decode-tokens", "Tokens that each sequence decodes; 0 for none.", 128, 0);
        var batches = Numbers("-b", "--batch", "Sequences that decode together.", [1, 2, 4, 8, 16, 32], 1);
        var depths = Numbers("-d", "--depth", "Tokens that stand in the cache before.", [0, 4096], 0);
        var repeats = Number("-r", "--repeats", "How often each is measured.", 5, 1);
        var threads = new Option<int>("--threads", "-t") { Description = "Threads of the cpu backend; 0 for one a core.", HelpName = "N" }.TakesNumber(n => n is >= 0 and <= 1024, "0 to 1024");
        var backends = Names("--backend", "Where to compute, one after another.", Enum.GetValues<BackendKind>(), b => b.ToString().ToLowerInvariant());
        var forms = Names("--moe", "How the experts are computed, one after another.", Enum.GetValues<MoeForm>(), MoeForms.NameOf);
        var kvType = Names("--kv-type", "Type of the cached keys and values.", [WeightType.F32, WeightType.F16, WeightType.BF16], t => t.ToString().ToLowerInvariant());
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var markdown = new Option<bool>("--markdown") { Description = "Print Markdown." };
        var compare = new Option<string?>("--compare") { Description = "A result of llama-bench -o json on the same model: its tokens/s and the ratio stand beside ours.", HelpName = "FILE" }.NotEmpty("a path");
        var command = new Command("bench", "Measure prompts and decoding against the memory's read bandwidth.")
        {
            model, synthetic, prompt, decode, batches, depths, repeats, backends, forms, kvType, threads, compare, json, markdown,
        };
        command.SetAction((parsed, cancellation) =>
        {
            if (parsed.GetValue(model) is not null && parsed.GetValue(synthetic) is not null)
                throw new UsageException("a MODEL and --synthetic cannot both be measured", "Leave one of them away.");
            if (parsed.GetValue(json) && parsed.GetValue(markdown)) throw new UsageException("--json and --markdown are two forms of one output", "Leave one of them away.");
            if (parsed.GetValue(kvType) is { Count: > 1 }) throw new UsageException("--kv-type takes one type", "Run once for each.");
            // Read before the long work.
            var other = parsed.GetValue(compare) is { } file ? File.ReadAllText(file, Encoding.UTF8) : null;
            var (progress, loading) = (new BenchmarkProgressLine(), LoadProgressLine.ForTerminal());
            BenchmarkReport report;
            try
            {
                report = Benchmark.Run(
                    new BenchmarkOptions
                    {
                        Model = parsed.GetValue(synthetic) is null ? parsed.GetValue(model) ?? ModelArgument.Default() : null,
                        Synthetic = parsed.GetValue(synthetic),
                        Backends = parsed.GetValue(backends) ?? [BackendKind.Auto],
                        MoeForms = parsed.GetValue(forms) ?? [MoeForm.Auto],
                        PromptTokens = parsed.GetValue(prompt),
                        DecodeTokens = parsed.GetValue(decode),
                        Batches = parsed.GetValue(batches)!,
                        Depths = parsed.GetValue(depths)!,
                        Repeats = parsed.GetValue(repeats),
                        Threads = parsed.GetValue(threads),
                        KvType = parsed.GetValue(kvType) is [var type, ..] ? type : null,
                        Progress = progress,
                        Loading = loading,
                    },
                    cancellation);
                if (other is not null) report = LlamaBench.Compare(report, other, parsed.GetValue(compare)!);
            }
            catch (ArgumentException e)
            {
                throw new UsageException(e.Message, "See wd-run bench --help.");
            }
            catch (FormatException e)
            {
                throw new UsageException(e.Message, "Make it with llama-bench -o json, with the same -p, -n, -d and model.");
            }
            finally
            {
                loading?.Clear();
                progress.Clear();
            }
            foreach (var note in report.Notes) Console.Error.WriteLine("note:  " + note);
            Console.Out.Write(parsed.GetValue(json) ? report.ToJson() + "\n" : parsed.GetValue(markdown) ? BenchmarkTable.ToMarkdown(report) : BenchmarkTable.ToText(report));
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    private static Option<int> Number(string shortName, string name, string description, int usual, int least) =>
        new Option<int>(name, shortName) { Description = description, HelpName = "N", DefaultValueFactory = _ => usual }.TakesNumber(n => n >= least && n <= Most, $"{least} to {Most}");

    private static Option<IReadOnlyList<int>> Numbers(string shortName, string name, string description, int[] usual, int least) => new(name, shortName)
    {
        Description = description,
        HelpName = "N,N,…",
        DefaultValueFactory = _ => usual,
        CustomParser = result =>
        {
            var numbers = new List<int>();
            foreach (var word in result.Tokens[0].Value.Split(','))
            {
                if (int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n >= least && n <= Most) numbers.Add(n);
                else result.AddError($"{name} takes numbers from {least} to {Most} with commas between them, not '{word}'");
            }
            return numbers;
        },
    };

    private static Option<IReadOnlyList<T>?> Names<T>(string name, string description, T[] values, Func<T, string> nameOf) => new(name)
    {
        Description = description,
        HelpName = string.Join(',', values.Select(nameOf)),
        CustomParser = result =>
        {
            var found = new List<T>();
            foreach (var word in result.Tokens.SelectMany(t => t.Value.Split(',')))
            {
                if (Array.FindIndex(values, v => nameOf(v) == word) is >= 0 and var at) found.Add(values[at]);
                else result.AddError($"{name} takes {string.Join(", ", values.Select(nameOf))} with commas between them, not '{word}'");
            }
            return found;
        },
    };
}
