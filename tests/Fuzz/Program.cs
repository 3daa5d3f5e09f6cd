using System.CommandLine;
using System.Diagnostics;
using System.Security.Cryptography;
using SharpFuzz;
using WarpDecode.Formats;
using WarpDecode.Fuzz;

// Fuzzing of the parsers of model files. Without coverage: the managed loop below. With it: run.sh, which instruments the
// parsers with SharpFuzz and runs them under AFL++ or libFuzzer.
var parser = new Option<string>("--parser") { Description = "gguf or safetensors.", Required = true };
var minutes = new Option<double>("--minutes") { Description = "How long.", DefaultValueFactory = _ => 60 };
var jobs = new Option<int>("--jobs") { Description = "Threads.", DefaultValueFactory = _ => Environment.ProcessorCount };
var seed = new Option<int>("--seed") { Description = "Of the first thread; the others count on." };
var found = new Option<string>("--out") { Description = "Folder for inputs that a parser does not stand.", DefaultValueFactory = _ => "findings" };
var root = new RootCommand("Fuzzes the parsers of model files.") { parser, minutes, jobs, seed, found };
root.SetAction((parsed, cancellation) => Task.FromResult(Fuzz(
    Target.Of(parsed.GetValue(parser)!), TimeSpan.FromMinutes(parsed.GetValue(minutes)), parsed.GetValue(jobs), parsed.GetValue(seed), parsed.GetValue(found)!, cancellation)));

var name = new Argument<string>("PARSER") { Description = "gguf or safetensors." };
var afl = new Command("afl", "One input after another from AFL++ (see run.sh).") { name };
afl.SetAction(parsed =>
{
    var target = Target.Of(parsed.GetValue(name)!);
    using var input = new Input(1 << 20);
    Fuzzer.OutOfProcess.Run(stream =>
    {
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        Once(target, input, memory.ToArray());
    });
});
var libfuzzer = new Command("libfuzzer", "Inputs from libfuzzer-dotnet (see run.sh).") { name };
libfuzzer.SetAction(parsed =>
{
    var target = Target.Of(parsed.GetValue(name)!);
    using var input = new Input(1 << 20);
    Fuzzer.LibFuzzer.Run(bytes => Once(target, input, bytes));
});
var file = new Argument<FileInfo>("FILE") { Description = "An input." };
var reproduce = new Command("reproduce", "Read one input and say what comes of it.") { name, file };
reproduce.SetAction(parsed =>
{
    var bytes = File.ReadAllBytes(parsed.GetValue(file)!.FullName);
    var loop = new Loop(Target.Of(parsed.GetValue(name)!), 0);
    using var input = new Input(Math.Max(1, bytes.Length));
    loop.Try(input, bytes);
    foreach (var finding in loop.Findings) Console.WriteLine(finding.What);
    Console.WriteLine($"{string.Join("; ", loop.Outcomes)}; {loop.Slowest.TotalMilliseconds:F3} ms, {loop.MostAllocated} bytes allocated");
    return loop.Findings.Count > 0 ? 1 : 0;
});
var corpus = new Command("corpus", "Write the committed corpus again.");
corpus.SetAction(_ => Seeds.Write(Path.Combine(Target.Here(), "corpus")));
root.Subcommands.Add(afl);
root.Subcommands.Add(libfuzzer);
root.Subcommands.Add(reproduce);
root.Subcommands.Add(corpus);
parser.Required = !args.Any(a => a is "afl" or "libfuzzer" or "reproduce" or "corpus");
return root.Parse(args).Invoke();

static void Once(Target target, Input input, ReadOnlySpan<byte> bytes)
{
    if (bytes.Length > input.Capacity) return;
    try
    {
        target.Read(input.Map(bytes));
    }
    catch (ModelFileException)
    {
        // Refused, as it should be.
    }
}

static int Fuzz(Target target, TimeSpan time, int jobs, int seed, string folder, CancellationToken cancellation)
{
    var loops = Enumerable.Range(seed, jobs).Select(s => new Loop(target, s)).ToArray();
    var clock = Stopwatch.StartNew();
    var tasks = loops.Select(l => Task.Factory.StartNew(() => l.Run(time, stopAtFirst: false, cancellation), cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
    var next = TimeSpan.Zero;
    while (!Task.WaitAll(tasks, TimeSpan.FromSeconds(1)))
    {
        if (loops.Select(l => l.Hangs(TimeSpan.FromSeconds(30))).FirstOrDefault(b => b is not null) is { } hanging)
        {
            Console.WriteLine($"an input takes longer than 30 s: {Keep(hanging)}");
            return 1;
        }
        if (clock.Elapsed < next) continue;
        next = clock.Elapsed + TimeSpan.FromMinutes(1);
        Report();
    }
    Report();
    var findings = loops.SelectMany(l => l.Findings).ToList();
    foreach (var finding in findings) Console.WriteLine($"{Keep(finding.Bytes)}: {finding.What}");
    return findings.Count > 0 ? 1 : 0;

    void Report()
    {
        var executions = loops.Sum(l => l.Executions);
        Console.WriteLine($"{target.Name}: {clock.Elapsed:hh\\:mm\\:ss}, {executions} executions ({executions / clock.Elapsed.TotalSeconds:F0}/s), {loops.Sum(l => l.Read)} read, "
            + $"{loops.Max(l => l.Outcomes.Count)} outcomes, slowest {loops.Max(l => l.Slowest).TotalMilliseconds:F1} ms, most allocated {loops.Max(l => l.MostAllocated)} bytes, {loops.Sum(l => l.Findings.Count)} findings");
    }

    string Keep(byte[] bytes)
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, Convert.ToHexString(SHA256.HashData(bytes))[..16] + target.Extension);
        File.WriteAllBytes(path, bytes);
        return path;
    }
}
