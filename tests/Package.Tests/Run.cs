using System.Diagnostics;
using System.Text;
using Xunit;

namespace WarpDecode.Package.Tests;

/// <summary>What a finished program left behind.</summary>
/// <param name="Code">Exit code.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Errors">Standard error.</param>
internal sealed record Outcome(int Code, string Output, string Errors)
{
    /// <summary>Asserts that it ended well.</summary>
    public Outcome Succeeds()
    {
        Assert.True(Code == 0, $"exit code {Code}\n{Output}\n{Errors}");
        return this;
    }
}

/// <summary>A program that runs, as one from a user's shell would: nothing of the build that these tests are part of is in its environment.</summary>
internal sealed class Run : IDisposable
{
    private readonly Process process;
    private readonly StringBuilder output = new();
    private readonly StringBuilder errors = new();
    private readonly Task reading;
    private readonly string name;

    private Run(string program, IEnumerable<string> arguments, string? folder, params IEnumerable<(string Name, string? Value)> variables)
    {
        var all = arguments.ToArray();
        name = $"{Path.GetFileName(program)} {string.Join(' ', all)}";
        var start = new ProcessStartInfo(program, all)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
            WorkingDirectory = folder ?? Path.GetTempPath(),
        };
        foreach (var inherited in start.Environment.Keys.Where(k => k.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToList()) start.Environment.Remove(inherited);
        // No process stays behind to be used again, and the same answers on every machine.
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0";
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        start.Environment["DOTNET_CLI_UI_LANGUAGE"] = "en";
        start.Environment["DOTNET_NOLOGO"] = "1";
        start.Environment["CUDA_VISIBLE_DEVICES"] = "";
        foreach (var (variable, value) in variables)
        {
            if (value is null) start.Environment.Remove(variable);
            else start.Environment[variable] = value;
        }
        process = Process.Start(start)!;
        process.StandardInput.Close();
        reading = Task.WhenAll(Read(process.StandardOutput, output), Read(process.StandardError, errors));
    }

    /// <summary>The dotnet that runs these tests.</summary>
    public static string Dotnet { get; } = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } host ? host : "dotnet";

    /// <summary>Standard output until now.</summary>
    public string Output
    {
        get
        {
            lock (output) return output.ToString();
        }
    }

    /// <summary>Runs a program to its end.</summary>
    public static async Task<Outcome> ToEndAsync(string program, IEnumerable<string> arguments, string? folder = null, params (string Name, string? Value)[] variables)
    {
        using var run = new Run(program, arguments, folder, variables);
        return await run.WaitAsync();
    }

    /// <summary>Runs a command of the SDK to its end, which must be a good one.</summary>
    public static async Task<string> SdkAsync(string folder, params string[] arguments) => (await ToEndAsync(Dotnet, arguments, folder)).Succeeds().Output;

    /// <summary>Starts a program that goes on until it is disposed.</summary>
    public static Run Start(string program, IEnumerable<string> arguments, string? folder = null) => new(program, arguments, folder);

    /// <summary>Waits until a line of its output has some text; gives the line.</summary>
    public async Task<string> LineAsync(string text, int after = 0)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var lines = Output[after..].Split('\n')[..^1]; // whole ones
            if (Array.Find(lines, l => l.Contains(text, StringComparison.Ordinal)) is { } line) return line;
            Assert.False(process.HasExited, $"{name} ended before it wrote '{text}':\n{Output}\n{errors}");
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60), $"waited a minute until {name} writes '{text}':\n{Output}\n{errors}");
            await Task.Delay(10);
        }
    }

    public void Dispose()
    {
        if (!process.HasExited) process.Kill(entireProcessTree: true);
        process.WaitForExit();
        process.Dispose();
    }

    private async Task<Outcome> WaitAsync()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        try
        {
            await process.WaitForExitAsync(deadline.Token);
            await reading.WaitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"{name} did not end within five minutes:\n{Output}\n{errors}");
        }
        return new Outcome(process.ExitCode, output.ToString(), errors.ToString());
    }

    private static async Task Read(StreamReader from, StringBuilder to)
    {
        var buffer = new char[4096];
        while (await from.ReadAsync(buffer) is > 0 and var count)
        {
            lock (to) to.Append(buffer, 0, count);
        }
    }
}
