using System.Text.RegularExpressions;
using Xunit;

namespace WarpDecode.Chat.Tests.Ui;

/// <summary>The full-screen chat as a person has it: the real program with the default model in a terminal.</summary>
public sealed class FullScreenTests : IDisposable
{
    private const string Input = "\n─{80}\n> Type a message[^\n]*\n[^\n]*";
    private readonly Tmux terminal = new(trims: true);

    public void Dispose() => terminal.Dispose();

    [Fact]
    public void AnEvening()
    {
        terminal.Open(80, 24);
        Start("");
        terminal.Type("What is 12 + 7?");
        terminal.Await(@"You\n  What is 12 \+ 7\?\n\n  Assistant\n  [^\n]*19[^\n]*\n(.*\n)*[^\n●]*\d+/1024 [^\n]*tok/s[^\n]*$");

        // An answer is stopped, made again, and the first one gone back to.
        terminal.Type("/clear");
        terminal.Type("Tell me a story");
        terminal.Await(@"You\n  Tell me a story\n\n  Assistant\n  \w+ \w+(.*\n)*.*Esc stops");
        terminal.Keys("Escape");
        terminal.Await(@"\(stopped\)");
        var stopped = Regex.Match(terminal.Screen(), @"Assistant\n  (\w+ \w+)").Groups[1].Value;
        terminal.Type("/set temp 1.3");
        terminal.Await("temp is 1.3 from the next answer on");
        terminal.Type("/set max-tokens 8");
        terminal.Await("max-tokens is 8 from the next answer on");
        terminal.Type("/set seed 5");
        terminal.Await("seed is 5 from the next answer on");
        terminal.Type("/regen");
        terminal.Await(@"Assistant\n  [^\n]+\n\n(  [^\n]*\n)*  \(cut at 8 tokens");
        terminal.Type("/branches");
        terminal.Await(@"\* #3 +2 messages  ready[^\n]*\n    #2 +2 messages  ready");
        terminal.Type("/branch #2");
        terminal.Await($@"You\n  Tell me a story\n\n  Assistant\n  {stopped}[^\0]*on branch #2: 2 messages, nothing of them has to be read again");
        terminal.Type("/branch other");
        terminal.Await("Branch other begins here");
        terminal.Type("/save evening");
        terminal.Await("Saved as evening");

        // Another size of the screen.
        terminal.Run("resize-window", "-x", "60", "-y", "15");
        terminal.Await("\n─{60}\n> Type a message[^\n]*\n[^\n]*$");
        terminal.Run("resize-window", "-x", "80", "-y", "24");
        terminal.Await(Input + "$");

        // Killed without a word: everything is there again, and the terminal can be used.
        Kill("-KILL");
        terminal.Await("Killed");
        terminal.Type("stty sane; tput rmcup; clear"); // what kill -9 leaves to the person
        terminal.Await(Regex.Escape(Tmux.Shell) + "$");
        Start("--continue", "cpu -t 1");
        terminal.Await($@"Assistant\n  {stopped}[^\0]*goes on");
        terminal.Type("/set temp");
        terminal.Await("temp is 1.3:");
        terminal.Type("/branches");
        terminal.Await(@"\* other +2 messages  ready");
        terminal.Type("What is 12 + 7?");
        terminal.Await(@"You\n  What is 12 \+ 7\?\n\n  Assistant\n  \S");
        terminal.Await(@"\n[^\n●]*\d+/1024 [^\n]*tok/s[^\n]*$");
        terminal.Keys("C-d");
        terminal.Await(Regex.Escape(Tmux.Shell) + "$");
        terminal.Finish(0);
    }

    [Fact]
    public void CtrlCTwiceLeavesWithinAnAnswer()
    {
        terminal.Open(80, 24);
        Start("");
        terminal.Type("Tell me a story");
        terminal.Await("Esc stops");
        terminal.Keys("C-c");
        terminal.Await("Ctrl-C again leaves");
        terminal.Keys("C-c");
        terminal.Await(Regex.Escape(Tmux.Shell) + "$");
        terminal.Finish(0);
    }

    [Fact]
    public void SigtermRestoresTheTerminal()
    {
        terminal.Open(80, 24);
        Start("");
        terminal.Type("Tell me a story");
        terminal.Await("Esc stops");
        Kill("-TERM");
        terminal.Await(Regex.Escape(Tmux.Shell) + "$");
        terminal.Finish(143);
    }

    [Fact]
    public void WhatCannotBeLoadedIsSaidWhereThePersonIs()
    {
        terminal.Open(80, 24);
        File.WriteAllText(Path.Combine(terminal.Folder, "no.gguf"), "this is no model");
        terminal.Type($"clear; '{WdRun.Path}' no.gguf");
        terminal.Await(@"error: .*no\.gguf.*\n(.*\n)?hint:  .*\n(.*\n)?" + Regex.Escape(Tmux.Shell) + "$");
        terminal.Finish(1);
    }

    // The child of the shell.
    private void Kill(string signal)
    {
        var shell = Regex.Match(terminal.Run("list-panes", "-F", "#{pane_pid}"), @"\d+").Value;
        var child = File.ReadAllText($"/proc/{shell}/task/{shell}/children").Trim();
        using var kill = System.Diagnostics.Process.Start("kill", [signal, child]);
        kill.WaitForExit();
    }

    // The reference backend is slow enough to be stopped.
    private void Start(string more, string backend = "reference")
    {
        terminal.Type($"clear; '{WdRun.Path}' --backend {backend} --temp 0 {more}");
        terminal.Await("> Type a message[^\0]*\n (?!loading)[^\n]+$");
    }
}
