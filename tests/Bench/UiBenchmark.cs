using System.CommandLine;
using System.Diagnostics;
using System.Text;
using Terminal.Gui.App;
using Terminal.Gui.Drivers;
using Terminal.Gui.ViewBase;
using Terminal.Gui.Views;
using WarpDecode.Chat.Ui;
using WarpDecode.Runtime.Benchmarking;

namespace WarpDecode.Bench;

/// <summary>
/// What the transcript costs: the share of a core that drawing takes while a fake engine gives tokens, and the time for one more token in transcripts
/// of several sizes. The screen is a driver without a terminal, which makes all that it would send.
/// </summary>
internal static class UiBenchmark
{
    // An answer as models give them: every kind of block, in usual proportions.
    private const string Sample =
        "## Sorting a list\n\nThere are **three** common ways to sort a list in Python, and each has its place. The first uses `sorted()`, which returns a new list "
        + "and leaves the old one alone; the second sorts in place.\n\n1. Use `sorted(items)` for a copy.\n2. Use `items.sort()` in place:\n   - it returns *nothing*,\n"
        + "   - it is a little faster.\n3. Use `heapq` for the first few.\n\n```python\nitems = [3, 1, 2]\nfor item in sorted(items, key=lambda x: -x):\n    print(item)\n```\n\n"
        + "| way | copies | stable |\n|-----|:------:|-------:|\n| sorted | yes | yes |\n| sort | no | yes |\n| heapq | no | no |\n\n> Mind that keys are computed once.\n\n"
        + "See [the documentation](https://docs.python.org/3/howto/sorting.html) for more about keys, and about what happens when two items compare equal.\n\n";

    public static Command Command()
    {
        var rate = new Option<int>("--rate") { Description = "Tokens per second.", DefaultValueFactory = _ => 200 };
        var seconds = new Option<int>("--seconds") { Description = "Seconds of the conversation that drawing is measured over.", DefaultValueFactory = _ => 20 };
        var command = new Command("ui", "Cost of the transcript: drawing while tokens come, and one more token at several sizes.") { rate, seconds };
        command.SetAction(parsed =>
        {
            Environment.SetEnvironmentVariable("DisableRealDriverIO", "1");
            Console.WriteLine(HostMachine.Description);
            foreach (var (width, height) in ((int, int)[])[(80, 24), (200, 60)]) Drawing(parsed.GetValue(rate), parsed.GetValue(seconds), width, height);
            foreach (var size in (int[])[1_000, 100_000, 1_000_000])
            {
                Tokens(size, isOneAnswer: true);
                Tokens(size, isOneAnswer: false);
            }
        });
        return command;
    }

    /// <summary>Frames as fast as they go: what they take against the time that the engine would have taken for their tokens.</summary>
    private static void Drawing(int rate, int seconds, int width, int height)
    {
        using var app = Application.Create();
        app.Init(DriverRegistry.Names.ANSI);
        app.Driver!.SetScreenSize(width, height);
        using var window = new Window { BorderStyle = Terminal.Gui.Drawing.LineStyle.None };
        using var view = new TranscriptView { Width = Dim.Fill(), Height = Dim.Fill() };
        window.Add(view);
        var session = app.Begin(window)!;
        app.LayoutAndDraw();
        var frames = view.FramesPerSecond;
        var (tokens, next, sent) = (Split(Sample), 0, 0L);
        TimeSpan drawing = default, cpu = default, layout = default;
        for (var run = 0; run < 2; run++) // the first warms up
        {
            var entry = new TranscriptEntry(EntryKind.Assistant);
            view.Add(entry);
            (drawing, layout, sent) = (default, default, 0);
            var before = Environment.CpuUsage.TotalTime;
            for (var frame = 0; frame < seconds * frames; frame++)
            {
                var due = (int)((long)(frame + 1) * rate / frames) - (int)((long)frame * rate / frames);
                for (var i = 0; i < due; i++) entry.Append(tokens[next++ % tokens.Count]);
                var start = Stopwatch.GetTimestamp();
                view.Drain();
                layout += Stopwatch.GetElapsedTime(start);
                app.LayoutAndDraw();
                drawing += Stopwatch.GetElapsedTime(start);
                sent += app.Driver.GetOutput().GetLastOutput().Length;
            }
            cpu = Environment.CpuUsage.TotalTime - before;
            entry.Complete();
        }
        Console.WriteLine(
            $"drawing {width}x{height}, {rate} tokens/s, {frames} frames/s: {100 * drawing.TotalSeconds / seconds:F2} % of a core by the clock, {100 * cpu.TotalSeconds / seconds:F2} % by CPU time of the whole process, "
            + $"{drawing.TotalMilliseconds / (seconds * frames):F3} ms a frame ({layout.TotalMilliseconds / (seconds * frames):F3} of it parsing and layout), {sent / (double)seconds / 1000:F1} kB/s to the terminal");
        app.End(session);
    }

    private static void Tokens(int size, bool isOneAnswer)
    {
        using var view = new TranscriptView();
        var text = new StringBuilder();
        while (text.Length < size) text.Append(Sample);
        text.Length = size;
        var start = Stopwatch.GetTimestamp();
        var entry = new TranscriptEntry(EntryKind.Assistant);
        if (isOneAnswer)
        {
            entry.Append(text.ToString());
        }
        else
        {
            for (var i = 0; i < size; i += 2000)
            {
                view.Add(new(EntryKind.User, "And what about this?"));
                var answer = new TranscriptEntry(EntryKind.Assistant, text.ToString(i, Math.Min(2000, size - i)));
                answer.Complete();
                view.Add(answer);
            }
        }
        view.Add(entry);
        var filled = Stopwatch.GetElapsedTime(start);
        var tokens = Split(Sample);
        var times = new double[2000];
        for (var run = 0; run < 2; run++)
            for (var i = 0; i < times.Length; i++)
            {
                start = Stopwatch.GetTimestamp();
                entry.Append(tokens[i % tokens.Count]);
                view.Drain();
                times[i] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
            }
        Array.Sort(times);
        start = Stopwatch.GetTimestamp();
        foreach (var each in view.Entries)
        {
            each.Width = 60;
            _ = each.LineCount;
        }
        var resized = Stopwatch.GetElapsedTime(start);
        Console.WriteLine(
            $"{size / 1000} kB {(isOneAnswer ? "in one answer" : "in messages")} ({view.LineCount} lines): {times[times.Length / 2]:F1} us a token (median; mean {times.Average():F1}, 99 % under {times[times.Length * 99 / 100]:F1}), "
            + $"opened in {filled.TotalMilliseconds:F1} ms, laid out for another width in {resized.TotalMilliseconds:F1} ms");
    }

    /// <summary>Pieces of about the size of tokens.</summary>
    private static List<string> Split(string text)
    {
        var tokens = new List<string>();
        for (var i = 0; i < text.Length;)
        {
            var length = Math.Min(text.Length - i, 1 + (((i * 7) + 3) % 6));
            tokens.Add(text.Substring(i, length));
            i += length;
        }
        return tokens;
    }
}
