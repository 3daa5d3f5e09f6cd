using System.CommandLine;
using System.Diagnostics;
using System.Text;
using WarpDecode.Runtime.Benchmarking;

namespace WarpDecode.Bench;

/// <summary>
/// How the full-screen chat feels: from the start of the program to what is seen first, and from a key to its echo, while nothing happens and while an
/// answer is decoded on all cores. The program runs in a pseudo-terminal, which <c>script</c> of util-linux makes.
/// </summary>
internal static class EchoBenchmark
{
    private const string Keys = "ÀÈÌÒÙÁÉÍÓÚÂÊÎÔÛÄËÏÖÜ"; // none of them occurs in an answer
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static Command Command()
    {
        var program = new Argument<string>("PROGRAM") { Description = "wd-run." };
        var options = new Argument<string>("OPTIONS") { Description = "Its options, one string.", DefaultValueFactory = _ => "" };
        var command = new Command("echo", "Full-screen chat: time to the first picture, and from a key to its echo.") { program, options };
        command.SetAction(parsed =>
        {
            Console.WriteLine(HostMachine.Description);
            var home = Directory.CreateTempSubdirectory("wd-echo-").FullName;
            try
            {
                Measure($"'{Path.GetFullPath(parsed.GetValue(program)!)}' --ignore-eos --temp 0 {parsed.GetValue(options)}", home);
            }
            finally
            {
                Directory.Delete(home, recursive: true);
            }
        });
        return command;
    }

    private static void Measure(string run, string home)
    {
        var start = new ProcessStartInfo("script", ["-qfec", $"stty rows 24 cols 80; exec {run}", "/dev/null"])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        foreach (var (name, value) in new[] { ("HOME", home), ("XDG_DATA_HOME", home), ("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("LC_ALL", "C.UTF-8") })
            start.Environment[name] = value;
        var began = Stopwatch.GetTimestamp();
        using var process = Process.Start(start)!;
        var screen = new Screen(process);
        Console.WriteLine($"first picture after {screen.Await("Loading", 0, began):F0} ms");
        Console.WriteLine($"ready after {screen.Await("Q8_0", 0, began):F0} ms");
        Thread.Sleep(1000);
        Report("nothing happens", screen, "");
        screen.Send("/set context-full shift\r"); // the answer goes on until it is stopped, whatever the context
        Thread.Sleep(500);
        Report("an answer is decoded", screen, "Tell me a story");
        process.Kill(entireProcessTree: true);
        process.WaitForExit();
    }

    private static void Report(string when, Screen screen, string question)
    {
        var times = new List<double>();
        while (times.Count < Keys.Length * 2)
        {
            if (question.Length > 0)
            {
                screen.Send(question + "\r");
                screen.Await("stops", screen.Length, 0); // of "Esc stops": of cells that stay as they are nothing is written, and the space may be one
            }
            // Some keys each time.
            for (var i = 0; i < 4; i++)
            {
                var key = Keys[times.Count % Keys.Length].ToString();
                var (from, sent) = (screen.Length, Stopwatch.GetTimestamp());
                screen.Send(key);
                times.Add(screen.Await(key, from, sent));
                Thread.Sleep(37);
            }
            screen.Send("\u0003"); // stops it
            Thread.Sleep(2300);
            screen.Send("\u0015"); // and what was typed goes
            if (question.Length > 0) screen.Send("/clear\r");
            Thread.Sleep(300);
        }
        times.Sort();
        Console.WriteLine($"key to echo while {when}: median {times[times.Count / 2]:F1} ms, 95 % {times[times.Count * 95 / 100]:F1} ms, most {times[^1]:F1} ms");
    }

    /// <summary>What the program writes, with the answers of a terminal to what it asks.</summary>
    private sealed class Screen
    {
        private readonly StringBuilder text = new();
        private readonly Process process;

        public Screen(Process process)
        {
            this.process = process;
            new Thread(Read) { IsBackground = true }.Start();
        }

        public int Length
        {
            get
            {
                lock (text) return text.Length;
            }
        }

        public void Send(string keys)
        {
            lock (process)
            {
                process.StandardInput.BaseStream.Write(Encoding.UTF8.GetBytes(keys));
                process.StandardInput.BaseStream.Flush();
            }
        }

        /// <summary>Milliseconds since <paramref name="since"/> when something was written.</summary>
        public double Await(string what, int from, long since)
        {
            var patience = Stopwatch.StartNew();
            lock (text)
            {
                while (!text.ToString(from, text.Length - from).Contains(what, StringComparison.Ordinal))
                {
                    if (patience.Elapsed > Patience) throw new TimeoutException($"'{what}' was never written");
                    Monitor.Wait(text, 1000);
                }
                return Stopwatch.GetElapsedTime(since).TotalMilliseconds;
            }
        }

        private void Read()
        {
            var decoder = Encoding.UTF8.GetDecoder();
            var bytes = new byte[65536];
            var characters = new char[65536];
            var stdout = process.StandardOutput.BaseStream;
            while (stdout.Read(bytes) is > 0 and var count)
            {
                var piece = new string(characters, 0, decoder.GetChars(bytes.AsSpan(0, count), characters, flush: false));
                if (piece.Contains("\u001b[6n", StringComparison.Ordinal)) Send("\u001b[1;1R");
                if (piece.Contains("\u001b[0c", StringComparison.Ordinal)) Send("\u001b[?62;22c");
                if (piece.Contains("\u001b[18t", StringComparison.Ordinal)) Send("\u001b[8;24;80t");
                lock (text)
                {
                    text.Append(piece);
                    Monitor.PulseAll(text);
                }
            }
        }
    }
}
