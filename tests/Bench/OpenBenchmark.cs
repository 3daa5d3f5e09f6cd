using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using WarpDecode.Formats;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Benchmarking;

namespace WarpDecode.Bench;

/// <summary>
/// Milliseconds to map and check a model file and to open an engine on it (cpu), and how much of the file these touch. Without a file, a sparse one
/// of a known model's shapes is made and deleted: 17 GiB that take some kilobytes of the disk. Holes are zeros, and reading them costs memory
/// but no disk, so that touched pages show.
/// </summary>
internal static class OpenBenchmark
{
    public static Command Command()
    {
        var model = new Option<string?>("--model") { Description = "A model file; without it, a sparse one is made." };
        var synthetic = new Option<string>("--synthetic") { Description = "Shapes of the sparse one: NAME[:TYPE][:layers].", DefaultValueFactory = _ => "qwen3-30b-a3b:Q4_K_M" };
        var folder = new Option<string>("--folder") { Description = "Where to make it.", DefaultValueFactory = _ => Path.GetTempPath() };
        var context = new Option<int>("-c") { Description = "Tokens of the context.", DefaultValueFactory = _ => 512 };
        var repeats = new Option<int>("--repeats") { DefaultValueFactory = _ => 15 };
        var command = new Command("open", "Opening a large model on the cpu: time, and pages touched.") { model, synthetic, folder, context, repeats };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(model) is { } given)
            {
                Measure(given, parsed.GetValue(context), parsed.GetValue(repeats));
                return;
            }
            var path = Path.Combine(parsed.GetValue(folder)!, $"wd-open-{Guid.NewGuid():N}.gguf");
            try
            {
                SyntheticModel.Parse(parsed.GetValue(synthetic)!).Write(path);
                Measure(path, parsed.GetValue(context), parsed.GetValue(repeats));
            }
            finally
            {
                File.Delete(path);
            }
        });
        return command;
    }

    private static void Measure(string path, int context, int repeats)
    {
        var options = new EngineOptions { Backend = BackendKind.Cpu, ContextLength = context };
        var (map, open, step) = (new Rates(), new Rates(), new Rates());
        var (firstMap, firstOpen) = (0.0, 0.0);
        var (mapped, opened, stepped) = (0L, 0L, 0L);
        var bytes = 0L;
        var check = new Rates();
        for (var i = -1; i < repeats; i++) // the first compiles the code
        {
            var begun = Stopwatch.GetTimestamp();
            using (var file = ModelFile.Open(path))
            {
                var took = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
                if (i < 0) firstMap = took;
                else map.Add(took);
                bytes = file.Length;
                mapped = Touched(path);
                begun = Stopwatch.GetTimestamp();
                for (var n = 0; n < 1000; n++) file.CheckWhole();
                if (i >= 0) check.Add(Stopwatch.GetElapsedTime(begun).TotalMicroseconds / 1000);
            }
            begun = Stopwatch.GetTimestamp();
            using var engine = Engine.Open(path, options);
            var tookToOpen = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
            if (i < 0) firstOpen = tookToOpen;
            else open.Add(tookToOpen);
            opened = Touched(path);
            using var session = engine.CreateSession();
            begun = Stopwatch.GetTimestamp();
            session.Append([1]);
            if (i >= 0) step.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            stepped = Touched(path);
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Path.GetFileName(path)}, {bytes / (double)(1L << 30):F2} GiB, context {context}, {HostMachine.Description}"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"map and check: {map} ms (first, with compiling, {firstMap:F1}); touched {Kib(mapped)} of the file"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"open an engine: {open} ms (first {firstOpen:F1}); touched {Kib(opened)}"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"check that it did not shrink, once a step: {check} µs each"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"first token's step: {step} ms; touched {Kib(stepped)}"));
    }

    private static string Kib(long bytes) => bytes < 0 ? "(not known here)" : string.Create(CultureInfo.InvariantCulture, $"{bytes >> 10} KiB");

    // Resident bytes of the process's map of a file, on Linux. The kernel maps what lies around a touched page along with it (fault-around, 64 KiB),
    // if it is in the page cache.
    private static long Touched(string path)
    {
        if (!OperatingSystem.IsLinux()) return -1;
        var (found, sum) = (false, 0L);
        foreach (var line in File.ReadLines("/proc/self/smaps"))
        {
            if (line.Contains(" r--", StringComparison.Ordinal)) found = line.EndsWith(path, StringComparison.Ordinal);
            else if (found && line.StartsWith("Rss:", StringComparison.Ordinal)) sum += long.Parse(line.AsSpan(4, line.Length - 6).Trim(), CultureInfo.InvariantCulture) << 10;
        }
        return sum;
    }
}
