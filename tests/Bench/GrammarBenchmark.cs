using System.CommandLine;
using System.Diagnostics;
using System.Text;
using WarpDecode.Formats;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Benchmarking;
using WarpDecode.Runtime.Grammars;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Bench;

/// <summary>What grammars cost a token, and whether what a model writes under them is of the form.</summary>
internal static class GrammarBenchmark
{
    // A decode step of Qwen3-30B-A3B on a GPU.
    private const double StepMicroseconds = 1400;

    public static Command Command()
    {
        var model = new Option<string>("--model") { Description = "The model that writes.", Required = true };
        var vocabulary = new Option<string?>("--vocabulary") { Description = "A GGUF file with a large vocabulary, for the time of masks; without it, a made-up one of 151936 tokens only." };
        var samples = new Option<int>("--samples") { Description = "Texts for each form.", DefaultValueFactory = _ => 18 };
        var command = new Command("grammar", "Texts under grammars and JSON schemas: valid or not, and the time of their masks.") { model, vocabulary, samples };
        command.SetAction(parsed =>
        {
            Console.WriteLine($"{HostMachine.Description}, {HostMachine.Version}");
            using var engine = Engine.Open(parsed.GetValue(model)!, new EngineOptions { Backend = BackendKind.Cpu, ContextLength = 512 });
            var failed = Write(engine, parsed.GetValue(samples));
            Console.WriteLine();
            Console.WriteLine("| vocabulary | form | tokens | first text, µs a token (most) | warm, µs a token (p99, most) | warm share of a 1.4 ms step |");
            Console.WriteLine("|---|---|---|---|---|---|");
            Time("made up, 151936", MadeUp());
            if (parsed.GetValue(vocabulary) is { } path)
            {
                using var file = ModelFile.Open(path);
                var tokenizer = Tokenizer.FromMetadata(file);
                var begun = Stopwatch.GetTimestamp();
                var index = TokenIndex.Of(tokenizer, tokenizer.Count);
                Console.Error.WriteLine($"index of {tokenizer.Count} tokens: {Stopwatch.GetElapsedTime(begun).TotalMilliseconds:0} ms");
                Time($"{Path.GetFileName(path)}, {tokenizer.Count}", index);
            }
            return failed;
        });
        return command;
    }

    private static int Write(Engine engine, int samples)
    {
        using var session = engine.CreateSession();
        var prompt = engine.Template.EncodeChat(engine.Tokenizer, [new ChatMessage("user", "Answer in the form that is asked for.")], addGenerationPrompt: true);
        var sampling = new GrammarSampling(engine, temperature: 1.5, seed: 1);
        var (whole, cut, wrong) = (0, 0, 0);
        foreach (var (name, form, isValid) in Forms())
        {
            var constraint = new GrammarConstraint(form, engine.Tokenizer, engine.Vocabulary);
            for (var i = 0; i < samples; i++)
            {
                constraint.Reset();
                if (sampling.Sample(session, prompt, constraint, 400) is not { } text)
                {
                    cut++;
                    continue;
                }
                whole++;
                if (isValid(text)) continue;
                wrong++;
                Console.WriteLine($"NOT VALID under {name}: {Encoding.UTF8.GetString(text)}");
            }
        }
        Console.WriteLine($"{whole} texts of {GrammarCases.Schemas.Length} schemas and {GrammarCases.Grammars.Length} grammars at temperature 1.5: {whole - wrong} valid, {wrong} not; {cut} more were cut at 400 tokens.");
        var tokens = sampling.Ticks.Count;
        var (mean, step) = (Microseconds(sampling.Ticks.Sum()) / tokens, Microseconds(sampling.DecodeTicks) / tokens);
        Console.WriteLine($"{tokens} tokens: the constraint took {mean:0.00} µs a token ({Microseconds(Percentile(sampling.Ticks, 99)):0.00} µs p99, {Microseconds(sampling.Ticks.Max()):0} µs most), first visits and all; {mean / step:0.00%} of this model's decode step of {step:0} µs.");
        return wrong == 0 && whole > 0 ? 0 : 1;
    }

    public static IEnumerable<(string Name, Grammar Form, Func<byte[], bool> IsValid)> Forms()
    {
        foreach (var (name, schema) in GrammarCases.Schemas)
        {
            var validator = Json.Schema.JsonSchema.FromText(schema);
            yield return (name, Grammar.FromJsonSchema(schema), text => GrammarSampling.IsValid(validator, text));
        }
        foreach (var (name, gbnf) in GrammarCases.Grammars)
        {
            var recogniser = new NaiveRecogniser(GbnfParser.Parse(gbnf));
            yield return (name, Grammar.Parse(gbnf), text => recogniser.Matches(text));
        }
    }

    /// <summary>Time of masks without a model: any allowed token is drawn, short ones likelier, as they are in texts.</summary>
    private static void Time(string name, TokenIndex index)
    {
        var forms = Forms().Select(f => (f.Name, f.Form)).Append(("any JSON", Grammar.FromJsonSchema("{}"))).Append(("long text", Grammar.Parse("root ::= [^\\n]{1,100000}"))).ToList();
        var (allFirst, allWarm) = (new List<long>(), new List<long>());
        foreach (var (form, grammar) in forms)
        {
            var masks = grammar.MasksFor(index);
            var (first, warm) = (new List<long>(), new List<long>());
            Draw(masks, index, first, 7);
            for (var i = 0; i < 20; i++) Draw(masks, index, [], 7 + (i % 10)); // every way that is measured is seen once
            for (var i = 0; i < 20; i++) Draw(masks, index, warm, 7 + (i % 10));
            allFirst.AddRange(first);
            allWarm.AddRange(warm);
            if (form is "person" or "dates" or "any JSON" or "long text" or "chess" or "tree") Row(form, first, warm);
        }
        Row($"all {forms.Count}", allFirst, allWarm);

        void Row(string form, List<long> first, List<long> warm)
        {
            var mean = Microseconds(warm.Sum()) / warm.Count;
            Console.WriteLine($"| {name} | {form} | {warm.Count} | {Microseconds(first.Sum()) / first.Count:0.0} ({Microseconds(first.Max()):0}) | {mean:0.000} ({Microseconds(Percentile(warm, 99)):0.00}, {Microseconds(warm.Max()):0}) | {mean / StepMicroseconds:0.000%} |");
        }
    }

    private static void Draw(TokenMasks masks, TokenIndex index, List<long> ticks, int seed)
    {
        var random = new Random(seed);
        var constraint = new GrammarConstraint(masks);
        for (var i = 0; i < 200; i++)
        {
            var begun = Stopwatch.GetTimestamp();
            var allowed = constraint.Allowed;
            var asked = Stopwatch.GetTimestamp();
            var token = Any(allowed, index, random);
            var drawn = Stopwatch.GetTimestamp();
            constraint.Accept(token);
            ticks.Add(Stopwatch.GetTimestamp() - drawn + (asked - begun));
            if (index.Ends.AsSpan().Contains(token)) return;
        }
    }

    private static int Any(ReadOnlySpan<ulong> allowed, TokenIndex index, Random random)
    {
        var best = -1;
        for (var tries = 0; tries < 4000; tries++)
        {
            var id = random.Next(index.Vocabulary);
            if ((allowed[id >> 6] >> id & 1) == 0) continue;
            if (best < 0 || index.BytesOf(id).Length < index.BytesOf(best).Length) best = id;
            if (index.BytesOf(best).Length <= 4) return best;
        }
        if (best >= 0) return best;
        var count = 0;
        for (var id = 0; id < index.Vocabulary; id++)
        {
            if ((allowed[id >> 6] >> id & 1) != 0 && random.Next(++count) == 0) best = id;
        }
        return best;
    }

    /// <summary>All bytes, then words of one to some twelve letters with and without a space, digits, signs, and parts of other scripts.</summary>
    private static TokenIndex MadeUp()
    {
        const int count = 151_936;
        var random = new Random(1);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var tokens = Enumerable.Range(0, 256).Select(b => new[] { (byte)b }).ToList();
        const string letters = "etaoinshrdlucmfwypvbgkjqxzETAOINS";
        const string signs = "\"{}[]:,.;()\\/-_ \n\t<>=+*#'!?&|0123456789";
        while (tokens.Count < count - 1)
        {
            var text = new StringBuilder(random.Next(3) == 0 ? " " : "");
            var kind = random.Next(10);
            var length = 1 + (int)(Math.Abs(random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 14);
            for (var i = 0; i < length; i++)
                text.Append(kind < 7 ? letters[random.Next(1 + random.Next(letters.Length))] : kind < 8 ? signs[random.Next(signs.Length)] : (char)random.Next(0x4E00, 0x9FFF));
            if (seen.Add(text.ToString())) tokens.Add(Encoding.UTF8.GetBytes(text.ToString()));
        }
        tokens.Add([]);
        return new TokenIndex([.. tokens], [count - 1], _ => null, count);
    }

    private static double Microseconds(long ticks) => ticks * 1e6 / Stopwatch.Frequency;

    private static long Percentile(List<long> ticks, int percent) => ticks.Order().ElementAt(Math.Min(ticks.Count - 1, ticks.Count * percent / 100));
}
