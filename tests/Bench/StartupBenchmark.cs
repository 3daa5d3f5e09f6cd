using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using WarpDecode.Runtime.Benchmarking;

namespace WarpDecode.Bench;

/// <summary>Milliseconds from the start of a wd-run process to the first byte of its answer, and to its end.</summary>
internal static class StartupBenchmark
{
    public static Command Command()
    {
        var program = new Option<string>("--program") { Description = "The wd-run program.", Required = true };
        var model = new Option<string?>("--model") { Description = "A GGUF file; without it, the default model." };
        var repeats = new Option<int>("--repeats") { DefaultValueFactory = _ => 15 };
        var outFile = new Option<string?>("--out") { Description = "Write the result to this file too, as JSON." };
        var command = new Command("startup", "Process start to first token.") { program, model, repeats, outFile };
        command.SetAction(parsed =>
        {
            var (first, end) = (new Rates(), new Rates());
            for (var i = -1; i < parsed.GetValue(repeats); i++) // the first fills the page cache
            {
                var (toFirst, toEnd) = Run(parsed.GetValue(program)!, parsed.GetValue(model));
                if (i < 0) continue;
                first.Add(toFirst);
                end.Add(toEnd);
            }
            var result = new StartupResult(
                Path.GetFileName(parsed.GetValue(model)) ?? "default model", HostMachine.Description, HostMachine.Version, first, end);
            Console.WriteLine($"Start-up of `wd-run -p Hello --temp 0 -n 1` ({result.Model}), warm page cache, median of {parsed.GetValue(repeats)} (min..max): first token after {first} ms, exit after {end} ms");
            if (parsed.GetValue(outFile) is { } file) File.WriteAllText(file, result.ToJson());
        });
        return command;
    }

    private static (double First, double End) Run(string program, string? model)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, UseShellExecute = false };
        foreach (var argument in (string[])[.. model is null ? Array.Empty<string>() : [model], "-p", "Hello", "--temp", "0", "-n", "1"])
            start.ArgumentList.Add(argument);
        var begun = Stopwatch.GetTimestamp();
        using var process = Process.Start(start)!;
        if (process.StandardOutput.BaseStream.ReadByte() < 0) throw new InvalidOperationException("wd-run gave no answer");
        var first = Stopwatch.GetElapsedTime(begun);
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"wd-run ended with exit code {process.ExitCode}");
        return (first.TotalMilliseconds, Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
    }
}

/// <summary>How long a process takes to its first token, and to its end, in milliseconds.</summary>
internal sealed record StartupResult(string Model, string Machine, string Version, Rates First, Rates End)
{
    private static readonly JsonSerializerOptions Format = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public string ToJson() => JsonSerializer.Serialize(this, Format) + "\n";

    public static StartupResult FromJson(string json) => JsonSerializer.Deserialize<StartupResult>(json, Format) ?? throw new JsonException("null is no result");
}
