using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Chat.Tests;

/// <summary>What a run of the program left behind.</summary>
/// <param name="Code">Exit code.</param>
/// <param name="Bytes">Standard output.</param>
/// <param name="Errors">Standard error, without the line below.</param>
/// <param name="Chosen">The line that says why auto took the cpu.</param>
internal sealed record Outcome(int Code, byte[] Bytes, string Errors, string? Chosen)
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Standard output as text; it must be whole, valid UTF-8.</summary>
    public string Text => Strict.GetString(Bytes);

    public string[] Lines => Text.TrimEnd('\n').Split('\n');

    /// <summary>Asserts that all went well and nothing was said on stderr.</summary>
    public Outcome Succeeds()
    {
        Assert.Equal("", Errors);
        Assert.Equal(0, Code);
        return this;
    }

    /// <summary>Asserts the two lines of an error, an empty stdout, and the exit code.</summary>
    public void Fails(int code, string what, string toDo = "")
    {
        var match = Regex.Match(Errors, @"\Aerror: (?<what>\S.*)\nhint:  (?<todo>\S.*)\n\z");
        Assert.True(match.Success, $"not 'error: …', 'hint: …', but:\n{Errors}");
        Assert.Contains(what, match.Groups["what"].Value, StringComparison.Ordinal);
        Assert.Contains(toDo, match.Groups["todo"].Value, StringComparison.Ordinal);
        Assert.Equal("", Text);
        Assert.Equal(code, Code);
    }
}

/// <summary>The real program, as a process.</summary>
internal static class WdRun
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    /// <summary>The program that was built with these tests.</summary>
    public static string Path { get; } = System.IO.Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "wd-run.exe" : "wd-run");

    /// <summary>A tiny model of random weights, with a real tokenizer and a ChatML template.</summary>
    public static string Model { get; } = TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf");

    public static Outcome Run(params string[] arguments) => RunWith([], arguments);

    public static Outcome RunWith(string stdin, params string[] arguments) => RunWith(Encoding.UTF8.GetBytes(stdin), arguments);

    public static Outcome RunWith(byte[] stdin, params string[] arguments)
    {
        using var running = new Running(Path, arguments);
        running.Send(stdin);
        running.CloseInput();
        return running.Wait(Deadline);
    }

    /// <summary>A line of bash in which "$wd" is the program and "$m" the model.</summary>
    public static Outcome Shell(string script)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() || OperatingSystem.IsMacOS(), "the test is a line of bash");
        using var running = new Running("/bin/bash", ["-c", script], ("wd", Path), ("m", Model));
        running.CloseInput();
        return running.Wait(Deadline);
    }

    /// <summary>One completion with the tiny model on one thread.</summary>
    public static Outcome Complete(params string[] arguments) => Run([Model, "-t", "1", .. arguments]);

    public static Running Start(params string[] arguments) => new(Path, arguments);
}

/// <summary>A program that runs, with its three streams.</summary>
internal sealed class Running : IDisposable
{
    private readonly Process process;
    private readonly MemoryStream output = new();
    private readonly StringBuilder errors = new();
    private readonly Task reading;
    private string? chosen;

    public Running(string program, IEnumerable<string> arguments, params (string Name, string Value)[] variables)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardErrorEncoding = Encoding.UTF8,
        };
        start.Environment["CUDA_VISIBLE_DEVICES"] = ""; // the same tests on every machine
        foreach (var (name, value) in variables) start.Environment[name] = value;
        process = Process.Start(start)!;
        reading = Task.WhenAll(Task.Run(ReadOutput), Task.Run(ReadErrors));
    }

    /// <summary>Bytes of stdout so far.</summary>
    public int OutputLength
    {
        get
        {
            lock (output) return (int)output.Length;
        }
    }

    /// <summary>Characters of stderr so far.</summary>
    public int ErrorLength
    {
        get
        {
            lock (errors) return errors.Length;
        }
    }

    public int Id => process.Id;

    public void Send(byte[] bytes)
    {
        try
        {
            process.StandardInput.BaseStream.Write(bytes);
            process.StandardInput.BaseStream.Flush();
        }
        catch (IOException)
        {
            // The program ended without reading all, as it does after a usage error.
        }
    }

    public void CloseInput()
    {
        try
        {
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // As above.
        }
    }

    /// <summary>Waits until a condition holds; the deadline is generous, since the machine may be busy.</summary>
    public void Await(Func<bool> condition, string what)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.False(process.HasExited, $"the program ended with {(process.HasExited ? process.ExitCode : 0)} before {what}: {errors}");
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60), $"waited a minute for {what}");
            Thread.Sleep(5);
        }
    }

    public void Signal(string name)
    {
        using var kill = Process.Start("kill", [$"-{name}", process.Id.ToString()]);
        kill.WaitForExit();
    }

    public Outcome Wait(TimeSpan deadline)
    {
        if (!process.WaitForExit(deadline) || !reading.Wait(deadline))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"the program did not end within {deadline.TotalSeconds} s; stderr so far: {errors}");
        }
        return new Outcome(process.ExitCode, output.ToArray(), errors.ToString(), chosen);
    }

    public void Dispose()
    {
        if (!process.HasExited) process.Kill(entireProcessTree: true);
        process.Dispose();
        output.Dispose();
    }

    private void ReadOutput()
    {
        var buffer = new byte[4096];
        while (process.StandardOutput.BaseStream.Read(buffer) is > 0 and var count)
        {
            lock (output) output.Write(buffer, 0, count);
        }
    }

    private void ReadErrors()
    {
        while (process.StandardError.ReadLine() is { } line)
        {
            lock (errors)
            {
                if (line.StartsWith("note:  on the cpu: ", StringComparison.Ordinal)) chosen = line;
                else errors.Append(line).Append('\n');
            }
        }
    }
}
