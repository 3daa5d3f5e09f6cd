using System.Diagnostics;
using Xunit;

namespace WarpDecode.Chat.Tests;

/// <summary>Ctrl-C and its like, sent as signals.</summary>
public class SignalTests
{
    // Against minutes; the machine may be busy.
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    // The reference backend: an answer that fills the context takes it minutes.
    private static readonly string[] Long = [WdRun.Model, "--backend", "reference", "--temp", "0"];

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public void EndALongAnswer(string signal, int code)
    {
        SkipOnWindows();
        using var run = WdRun.Start([.. Long, "-p", "hi"]);
        run.Await(() => run.OutputLength > 20, "the answer began");
        var outcome = SignalAndWait(run, signal);
        Assert.Equal(code, outcome.Code);
        Assert.Equal("", outcome.Errors);
        var whole = WdRun.Complete("-p", "hi", "--temp", "0", "-n", "25").Text;
        var common = Math.Min(whole.Length, outcome.Text.Length);
        Assert.Equal(whole[..common], outcome.Text[..common]); // that the end is no half character, Text has checked
    }

    [Fact]
    public void EndALongPrompt()
    {
        SkipOnWindows();
        using var run = WdRun.Start([.. Long, "-p", "-", "-v"]);
        run.Send([.. Enumerable.Repeat("word "u8.ToArray(), 700).SelectMany(bytes => bytes)]);
        run.CloseInput();
        run.Await(() => run.ErrorLength > 0, "the model was loaded"); // the line of -v
        Assert.Equal(130, SignalAndWait(run, "INT").Code);
    }

    [Fact]
    public void EndAPipedChatAndDoNotGoOnToTheNextLine()
    {
        SkipOnWindows();
        using var run = WdRun.Start(Long);
        run.Send([.. "first\nsecond\n"u8]);
        run.Await(() => run.OutputLength > 20, "the answer began");
        Assert.Equal(130, SignalAndWait(run, "INT").Code);
    }

    [Fact]
    public void EndAWaitForALine()
    {
        SkipOnWindows();
        using var run = WdRun.Start(WdRun.Model, "-n", "3", "--stop", "\n");
        run.Send([.. "hello\n"u8]);
        run.Await(() => run.OutputLength > 0, "the first answer");
        Assert.Equal(130, SignalAndWait(run, "INT").Code);
    }

    [Fact]
    public void EndAWaitForAPrompt()
    {
        SkipOnWindows();
        using var run = WdRun.Start(WdRun.Model, "-p", "-");
        run.Send([.. "the beginning"u8]);
        Assert.Equal(130, SignalAndWait(run, "INT").Code);
    }

    private static Outcome SignalAndWait(Running run, string signal)
    {
        var clock = Stopwatch.StartNew();
        run.Signal(signal);
        var outcome = run.Wait(TimeSpan.FromSeconds(60));
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, Soon);
        return outcome;
    }

    private static void SkipOnWindows() => Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are sent with kill");
}
