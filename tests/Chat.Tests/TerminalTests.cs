using System.Text.RegularExpressions;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Chat.Tests;

/// <summary>The chat in a real terminal, driven through tmux.</summary>
public sealed class TerminalTests : IDisposable
{
    private readonly Tmux terminal = new();

    public void Dispose() => terminal.Dispose();

    [Fact]
    public void AConversation()
    {
        terminal.Open();
        terminal.Type($"'{WdRun.Path}' '{WdRun.Model}' --plain -n 12 --seed 1 -t 1");
        terminal.Await("Type a message, /help for help, Ctrl-D to leave.\n>>> $");

        terminal.Type("hello there");
        terminal.Await(">>> hello there\n[^>]+\n>>> $"); // the answer, and the next prompt on a line of its own
        terminal.Type("/help");
        terminal.Await("/clear .*\n(.*\n)*>>> $");
        terminal.Type("/nonsense");
        terminal.Await("There is no command /nonsense");
        terminal.Type("/stats");
        terminal.Await("Timings are shown.\n>>> $");
        terminal.Type("one more\\");
        terminal.Await("\n\\.\\.\\. $");
        terminal.Type("line");
        terminal.Await("kept\\), first token after (.*\n)+>>> $");
        terminal.Type("/clear");
        terminal.Await("A new conversation.\n>>> $");
        terminal.Keys("C-d");
        terminal.Await(Regex.Escape(Tmux.Shell) + "$");
        terminal.Finish(0);
    }

    [Fact]
    public void CtrlCStopsTheAnswerAndThenLeaves()
    {
        terminal.Open();
        terminal.Type($"'{WdRun.Path}' '{WdRun.Model}' --plain --backend reference --temp 0"); // minutes, if nobody stops it
        terminal.Await(">>> $");
        terminal.Type("go on");
        terminal.Await(">>> go on\n[^>]{20}");
        terminal.Keys("C-c");
        terminal.Await("\\(stopped\\)\n>>> $");
        terminal.Type("again");
        terminal.Await(">>> again\n[^>]{20}");
        terminal.Keys("C-c");
        terminal.Await("\\(stopped\\)\n(.*\n)+.*\\(stopped\\)\n>>> $");
        terminal.Keys("C-c");
        terminal.Await(Regex.Escape(Tmux.Shell) + "$");
        terminal.Finish(130);
    }

    [Fact]
    public void CtrlCTwiceLeaves()
    {
        terminal.Open();
        terminal.Type($"'{WdRun.Path}' '{WdRun.Model}' --plain --backend reference --temp 0");
        terminal.Await(">>> $");
        terminal.Type("go on");
        terminal.Await(">>> go on\n[^>]{20}");
        terminal.Keys("C-c");
        Thread.Sleep(300); // as a hand does
        terminal.Keys("C-c");
        // Of two signals that find the process not yet running on a busy machine, the kernel keeps one: then the prompt stays, and
        // one is still to come. Not sooner, for a key that finds the shell instead takes a letter of what is typed there next.
        if (!terminal.Shows(Regex.Escape(Tmux.Shell) + "$", TimeSpan.FromSeconds(10))) terminal.Keys("C-c");
        terminal.Await(Regex.Escape(Tmux.Shell) + "$");
        terminal.Finish(130);
    }

    [Fact]
    public void CtrlCInterruptsAOneShotCleanly()
    {
        terminal.Open();
        terminal.Type($"'{WdRun.Path}' '{WdRun.Model}' --backend reference --temp 0 -p hi");
        terminal.Await("-p hi\n.{20}");
        terminal.Keys("C-c");
        terminal.Await("\n" + Regex.Escape(Tmux.Shell) + "$");
        terminal.Finish(130);
    }

    [Fact]
    public void PerplexityShowsHowFarItIs()
    {
        terminal.Open();
        var text = Path.Combine(TestData.Root, "models", "eval", "heldout.txt");
        terminal.Type($"'{WdRun.Path}' perplexity '{WdRun.Model}' -f '{text}' -c 64 --backend reference");
        terminal.Await("\n\\[1/\\d+\\] PPL = (.*\n)+\\[=* *\\] \\d+ %, window \\d+ of \\d+, [0-9,]+ tokens/s, about [\\d.]+ (s|min|h) left");
        terminal.Keys("C-c");
        terminal.Await("\n" + Regex.Escape(Tmux.Shell) + "$");
        Assert.DoesNotContain(" left", terminal.Screen(), StringComparison.Ordinal); // the bar goes
        terminal.Finish(130);
    }

    [Fact]
    public void AnEvaluationShowsHowFarItIs()
    {
        terminal.Open();
        var models = Path.Combine(TestData.Root, "models");
        terminal.Type($"'{WdRun.Path}' eval '{models}/{DefaultModelTests.Name}' --task '{models}/eval/exact_match.jsonl' --backend cpu -t 1 --out r");
        terminal.Await(@"\d+ of 801 items, \d+\.\d % right, about [\d.]+ (s|min|h) left");
        terminal.Keys("C-c");
        terminal.Await(@"note:  \d+ of 801 items are done; the same command goes on from them \(r\)\n" + Regex.Escape(Tmux.Shell) + "$");
        Assert.DoesNotContain(" left", terminal.Screen(), StringComparison.Ordinal);
        terminal.Finish(130);
    }
}
