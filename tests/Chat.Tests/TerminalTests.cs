using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Chat.Tests;

/// <summary>The chat in a real terminal, driven through tmux.</summary>
public sealed class TerminalTests : IDisposable
{
    private const string Shell = "shell$ ";
    private readonly string socket = $"wd-{Guid.NewGuid():N}";
    private readonly string folder = Directory.CreateTempSubdirectory("wd-tmux-").FullName;

    public void Dispose()
    {
        try
        {
            Tmux("kill-server");
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // No tmux: the test was skipped.
        }
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void AConversation()
    {
        Open();
        Type($"'{WdRun.Path}' '{WdRun.Model}' -n 12 --seed 1 -t 1");
        Await("Type a message, /help for help, Ctrl-D to leave.\n>>> $");

        Type("hello there");
        Await(">>> hello there\n[^>]+\n>>> $"); // the answer, and the next prompt on a line of its own
        Type("/help");
        Await("/clear .*\n(.*\n)*>>> $");
        Type("/nonsense");
        Await("There is no command /nonsense");
        Type("/stats");
        Await("Timings are shown.\n>>> $");
        Type("one more\\");
        Await("\n\\.\\.\\. $");
        Type("line");
        Await("kept\\), first token after (.*\n)+>>> $");
        Type("/clear");
        Await("A new conversation.\n>>> $");
        Keys("C-d");
        Await(Regex.Escape(Shell) + "$");
        Finish(0);
    }

    [Fact]
    public void CtrlCStopsTheAnswerAndThenLeaves()
    {
        Open();
        Type($"'{WdRun.Path}' '{WdRun.Model}' --backend reference --temp 0"); // minutes, if nobody stops it
        Await(">>> $");
        Type("go on");
        Await(">>> go on\n[^>]{20}");
        Keys("C-c");
        Await("\\(stopped\\)\n>>> $");
        Type("again");
        Await(">>> again\n[^>]{20}");
        Keys("C-c");
        Await("\\(stopped\\)\n(.*\n)+.*\\(stopped\\)\n>>> $");
        Keys("C-c");
        Await(Regex.Escape(Shell) + "$");
        Finish(130);
    }

    [Fact]
    public void CtrlCTwiceLeaves()
    {
        Open();
        Type($"'{WdRun.Path}' '{WdRun.Model}' --backend reference --temp 0");
        Await(">>> $");
        Type("go on");
        Await(">>> go on\n[^>]{20}");
        Keys("C-c");
        Thread.Sleep(300); // as a hand does
        Keys("C-c");
        // Of two signals that find the process not yet running on a busy machine, the kernel keeps one: then one is still to come.
        const string stopped = "\\(stopped\\)\n>>> $";
        Await($"{stopped}|{Regex.Escape(Shell)}$");
        if (Regex.IsMatch(Screen(), stopped)) Keys("C-c");
        Await(Regex.Escape(Shell) + "$");
        Finish(130);
    }

    [Fact]
    public void CtrlCInterruptsAOneShotCleanly()
    {
        Open();
        Type($"'{WdRun.Path}' '{WdRun.Model}' --backend reference --temp 0 -p hi");
        Await("-p hi\n.{20}");
        Keys("C-c");
        Await("\n" + Regex.Escape(Shell) + "$");
        Finish(130);
    }

    [Fact]
    public void PerplexityShowsHowFarItIs()
    {
        Open();
        var text = Path.Combine(TestData.Root, "models", "eval", "heldout.txt");
        Type($"'{WdRun.Path}' perplexity '{WdRun.Model}' -f '{text}' -c 64 --backend reference");
        Await("\n\\[1/\\d+\\] PPL = (.*\n)+\\[=* *\\] \\d+ %, window \\d+ of \\d+, [0-9,]+ tokens/s, about [\\d.]+ (s|min|h) left");
        Keys("C-c");
        Await("\n" + Regex.Escape(Shell) + "$");
        Assert.DoesNotContain(" left", Screen(), StringComparison.Ordinal); // the bar goes
        Finish(130);
    }

    [Fact]
    public void AnEvaluationShowsHowFarItIs()
    {
        Open();
        var models = Path.Combine(TestData.Root, "models");
        Type($"'{WdRun.Path}' eval '{models}/{DefaultModelTests.Name}' --task '{models}/eval/exact_match.jsonl' --backend cpu -t 1 --out r");
        Await(@"\d+ of 801 items, \d+\.\d % right, about [\d.]+ (s|min|h) left");
        Keys("C-c");
        Await(@"note:  \d+ of 801 items are done; the same command goes on from them \(r\)\n" + Regex.Escape(Shell) + "$");
        Assert.DoesNotContain(" left", Screen(), StringComparison.Ordinal);
        Finish(130);
    }

    private void Open()
    {
        try
        {
            Tmux("-V");
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("tmux is not installed");
        }
        var config = Path.Combine(folder, "tmux.conf");
        File.WriteAllText(config, "set -g default-terminal screen-256color\n");
        Tmux("-f", config, "new-session", "-d", "-x", "100", "-y", "40", "-c", folder,
            $"env -u NO_COLOR LC_ALL=C.UTF-8 PS1='{Shell}' bash --norc --noprofile");
        Await(Regex.Escape(Shell) + "$");
    }

    // The exit code, and a terminal as it was before.
    private void Finish(int code)
    {
        Type("echo code=$? && stty -a");
        Await("code=\\d+\n(.*\n)+" + Regex.Escape(Shell) + "$");
        var screen = Screen();
        Assert.Contains($"code={code}\n", screen, StringComparison.Ordinal);
        foreach (var setting in new[] { "echo", "icanon", "isig", "icrnl", "opost", "onlcr" }) Assert.Matches($@"[\s;]{setting}[\s;]", screen);
    }

    private void Type(string line)
    {
        Tmux("send-keys", "-l", line);
        Keys("Enter");
    }

    private void Keys(string key) => Tmux("send-keys", key);

    private void Await(string pattern)
    {
        var clock = Stopwatch.StartNew();
        while (!Regex.IsMatch(Screen(), pattern))
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60), $"waited a minute for {pattern}; the screen shows:\n{Screen()}");
            Thread.Sleep(20);
        }
    }

    // The last screen without empty lines at its end; the space after a prompt, which tmux cuts off, is put back.
    private string Screen()
    {
        var text = Tmux("capture-pane", "-p", "-J").TrimEnd('\n', ' ');
        var at = text.LastIndexOf('\n') + 1;
        return text[at..] is ">>>" or "..." or "shell$" ? text + " " : text;
    }

    private string Tmux(params string[] arguments)
    {
        var start = new ProcessStartInfo("tmux", ["-L", socket, .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        start.Environment.Remove("TMUX");
        using var tmux = Process.Start(start)!;
        var text = tmux.StandardOutput.ReadToEnd();
        tmux.WaitForExit();
        return text;
    }
}
