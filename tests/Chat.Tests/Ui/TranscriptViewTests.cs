using System.Text;
using Terminal.Gui.Input;
using WarpDecode.Chat.Ui;
using Xunit;

namespace WarpDecode.Chat.Tests.Ui;

[Collection(nameof(Screens))]
public class TranscriptViewTests
{
    private static (TranscriptView View, Screen Screen) Show(int width = 80, int height = 24, params TranscriptEntry[] entries)
    {
        var view = new TranscriptView { Theme = Theme.Dark };
        var screen = new Screen(view, width, height);
        foreach (var entry in entries) view.Add(entry);
        return (view, screen);
    }

    private static TranscriptEntry Answer(string text, bool isComplete = true)
    {
        var entry = new TranscriptEntry(EntryKind.Assistant);
        entry.Append(text);
        if (isComplete) entry.Complete();
        return entry;
    }

    private static TranscriptEntry Numbers(int count) => Answer(string.Join('\n', Enumerable.Range(1, count).Select(i => $"line {i}")));

    [Fact]
    public void EntriesAreShownWithTheirSpeakers()
    {
        var (view, screen) = Show(entries: [new(EntryKind.User, "# hi\n**there**"), Answer("# Hello\nsome **bold** text\n\n```sh\nls -l\n```"), new(EntryKind.Notice, "stopped")]);
        using (screen)
        using (view)
        {
            Assert.Equal("  You\n  # hi\n  **there**\n\n  Assistant\n  Hello\n  some bold text\n\n  sh\n    ls -l\n\n  stopped", screen.Text);
        }
    }

    [Fact]
    public void AnotherSizeLaysOutAnew()
    {
        var (view, screen) = Show(80, 24, Answer("alpha beta gamma delta epsilon zeta eta theta\n\n| one | two |\n|---|---|\n| a cell with words | b |"));
        using (screen)
        using (view)
        {
            Assert.Equal("  Assistant\n  alpha beta gamma delta epsilon zeta eta theta\n\n  one               │ two\n  ──────────────────┼────\n  a cell with words │ b", screen.Text);
            screen.Resize(22, 12);
            Assert.All(screen.Rows, row => Assert.True(row.Length <= 22));
            Assert.Contains("  delta epsilon zeta", screen.Rows);
            screen.Resize(80, 24);
            Assert.StartsWith("  Assistant\n  alpha beta gamma delta epsilon zeta eta theta\n", screen.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void EscapeSequencesOfAModelNeverReachTheTerminal()
    {
        var (view, screen) = Show(60, 20, new(EntryKind.User, "\u001b]0;title\a \u009b31m"), Answer("**\u001b[31mred\u001b[0m** `\u001b]52;c;eA==\a` [x](http://a\u001b[2J.b)\n```\u001b[1m\n\u001b[5m\n```\n&#27;[2J \u202etxt"));
        using (screen)
        using (view)
        {
            Assert.Contains("␛[31mred␛[0m", screen.Text, StringComparison.Ordinal);
            foreach (var cell in screen.Driver.Contents!) Assert.DoesNotContain(cell.Grapheme, char.IsControl);
            var sent = screen.Driver.ToAnsi();
            Assert.DoesNotContain("\u001b[31m", sent, StringComparison.Ordinal);
            Assert.DoesNotContain("\u001b]52", sent, StringComparison.Ordinal);
            Assert.DoesNotContain("\u001b[2J", sent, StringComparison.Ordinal);
            Assert.DoesNotContain("\u001b]0", sent, StringComparison.Ordinal);
            Assert.DoesNotContain('\u202e', sent);
        }
    }

    [Fact]
    public void WideTextStaysInItsColumns()
    {
        var (view, screen) = Show(20, 10, Answer("漢字漢字漢字漢字漢字漢\n👩‍👩‍👧x e\u0301\u0301 שלום\n\u0301alone"));
        using (screen)
        using (view)
        {
            Assert.Equal(["  Assistant", "  漢字漢字漢字漢字漢", "  字漢", "  👩‍👩‍👧x e\u0301\u0301 שלום", "  \u25cc\u0301alone"], screen.Rows[..5]);
            Assert.Equal("x", screen.Driver.Contents![3, 4].Grapheme); // after two columns of a family
        }
    }

    [Fact]
    public void TheEndIsFollowedUntilSomebodyScrollsUp()
    {
        var entry = Answer("start\n", isComplete: false);
        var (view, screen) = Show(40, 10, Numbers(50), entry);
        using (screen)
        using (view)
        {
            Assert.True(view.FollowsTail);
            Assert.Contains("  start", screen.Rows);
            screen.Press(Key.PageUp);
            Assert.False(view.FollowsTail);
            var rows = screen.Rows;
            Assert.Matches(@"↓ 9 more$", rows[^1]);
            entry.Append(string.Concat(Enumerable.Repeat("more\n", 100)));
            view.Drain();
            Assert.Equal(rows[..9], screen.Rows[..9]); // not pulled down
            Assert.Matches(@"↓ 109 more$", screen.Rows[^1]);
            screen.Press(Key.End);
            Assert.True(view.FollowsTail);
            entry.Append("the end");
            view.Drain();
            Assert.Contains("  the end", screen.Rows);
            screen.Press(Key.Home);
            Assert.Equal("  Assistant", screen.Rows[0]);
            Assert.Equal("  line 1", screen.Rows[1]);
            screen.Press(Key.CursorDown.WithCtrl);
            Assert.Equal("  line 1", screen.Rows[0]);
            screen.Press(Key.CursorUp.WithCtrl);
            screen.Wheel(MouseFlags.WheeledDown);
            Assert.Equal("  line 3", screen.Rows[0]);
            screen.Wheel(MouseFlags.WheeledUp);
            Assert.Equal("  Assistant", screen.Rows[0]);
        }
    }

    [Fact]
    public void ReasoningIsFoldedAndOpens()
    {
        var clock = new Clock();
        var entry = new TranscriptEntry(EntryKind.Assistant, clock: clock);
        var (view, screen) = Show(60, 12, entry);
        using (screen)
        using (view)
        {
            Assert.Equal("  Assistant\n  …", screen.Text);
            entry.AppendReasoning("one two th");
            entry.AppendReasoning("ree");
            clock.Advance(2);
            view.Drain();
            Assert.Equal("  Assistant\n  ▸ thinking… 2 s, 3 words", screen.Text);
            clock.Advance(1.2);
            entry.Append("\n\n"); // nothing said yet
            entry.Append("answer");
            view.Drain();
            Assert.Equal("  Assistant\n  ▸ thought for 3.2 s, 3 words\n  answer", screen.Text);
            screen.Press(Key.O.WithCtrl);
            Assert.Equal("  Assistant\n  ▾ thought for 3.2 s, 3 words\n  one two three\n\n  answer", screen.Text);
            screen.Click(5, 1);
            Assert.DoesNotContain("one two three", screen.Text, StringComparison.Ordinal);
            screen.Press(Key.Enter);
            Assert.Contains("one two three", screen.Text, StringComparison.Ordinal);
            entry.AddToolCall("weather({\"city\": \"Oslo\"})");
            entry.Complete();
            view.Drain();
            Assert.EndsWith("  answer\n  ⚙ weather({\"city\": \"Oslo\"})", screen.Text, StringComparison.Ordinal);
            Assert.Throws<InvalidOperationException>(() => entry.Append("late"));
            Assert.Equal("\n\nanswer", entry.Text);
        }
    }

    [Fact]
    public void CodeAndMessagesAreCopied()
    {
        var (view, screen) = Show(60, 20, new(EntryKind.User, "question"), Answer("text\n```\n\tfirst\n```\nand\n```c\nint x;\n\n  y\n```\nend"), Answer("no code"));
        using (screen)
        using (view)
        {
            var sent = new List<string>();
            var said = new List<string>();
            view.ClipboardSequence = sent.Add;
            view.Notified = said.Add;
            Assert.Equal("int x;\n\n  y", view.CopySelected());
            Assert.Equal($"\u001b]52;c;{Convert.ToBase64String("int x;\n\n  y"u8)}\a", Assert.Single(sent));
            screen.Press(Key.CursorUp.WithAlt); // the last message
            screen.Press(Key.Y.WithCtrl);
            screen.Press(Key.CursorUp.WithAlt); // the second code block
            screen.Press(Key.CursorUp.WithAlt);
            screen.Press(Key.Y.WithCtrl);
            Assert.Contains("▌       first", screen.Rows);
            Assert.Equal(["int x;\n\n  y", "no code", "\tfirst"], sent.Select(s => Encoding.UTF8.GetString(Convert.FromBase64String(s[7..^1]))));
            screen.Press(Key.Esc);
            Assert.Null(view.Selected);
            Assert.DoesNotContain("▌", screen.Text, StringComparison.Ordinal);
            view.Add(Answer("```\n" + new string('x', 80_000) + "\n```"));
            Assert.Equal("", view.CopySelected());
            Assert.Contains("too long", said[^1], StringComparison.Ordinal);
            Assert.Equal(3, sent.Count);
        }
    }

    [Fact]
    public void WithoutAListenerTheTerminalIsWrittenTo()
    {
        var (view, screen) = Show(60, 20, Answer("hi"));
        using (screen)
        using (view)
        {
            Assert.Equal("hi", view.CopySelected());
            Assert.Contains("\u001b]52;c;aGk=\a", screen.Driver.GetOutput().GetLastOutput(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void EntriesGoAgain()
    {
        var (view, screen) = Show(60, 20, new(EntryKind.User, "one"), Answer("two"), new(EntryKind.User, "three"));
        using (screen)
        using (view)
        {
            view.RemoveLast();
            Assert.Equal("  You\n  one\n\n  Assistant\n  two", screen.Text);
            view.Truncate(1);
            Assert.Equal("  You\n  one", screen.Text);
            view.Clear();
            Assert.Equal("", screen.Text);
            Assert.Equal(0, view.LineCount);
        }
    }

    [Fact]
    public async Task AThreadMayAddWhileTheScreenIsDrawn()
    {
        var entry = new TranscriptEntry(EntryKind.Assistant);
        var (view, screen) = Show(60, 20, entry);
        using (screen)
        using (view)
        {
            var writer = Task.Run(() =>
            {
                for (var i = 0; i < 20_000; i++)
                {
                    if (i < 10_000) entry.AppendReasoning($"r{i} ");
                    else entry.Append($"w{i} **b** ");
                }
                entry.Complete();
            });
            while (!writer.IsCompleted || !entry.IsSettled)
            {
                view.Drain();
                screen.Draw();
            }
            await writer;
            Assert.Contains("w19999 b", screen.Text, StringComparison.Ordinal);
            view.Home();
            Assert.Contains(", 10000 words", screen.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void TheViewLooksForNewsItself()
    {
        var entry = new TranscriptEntry(EntryKind.Assistant);
        var (view, screen) = Show(60, 20, entry);
        using (screen)
        using (view)
        {
            entry.Append("news");
            for (var i = 0; i < 200 && !screen.Text.Contains("news", StringComparison.Ordinal); i++)
            {
                screen.RunTimers();
                Thread.Sleep(10);
            }
            Assert.Contains("  news", screen.Rows);
        }
    }

    [Fact]
    public void OnlyWhatDiffersIsDrawn()
    {
        var entry = Answer("first line\nsecond", isComplete: false);
        var (view, screen) = Show(60, 20, entry);
        using (screen)
        using (view)
        {
            screen.Draw();
            entry.Append(" more");
            view.Drain();
            screen.Draw();
            var sent = screen.Driver.GetOutput().GetLastOutput();
            Assert.Contains("more", sent, StringComparison.Ordinal);
            Assert.DoesNotContain("first", sent, StringComparison.Ordinal);
            Assert.DoesNotContain("second", sent, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void ThemesFitTheTerminal()
    {
        Theme Choose(string? name, params (string, string)[] variables) => Theme.Choose(name, key => variables.FirstOrDefault(v => v.Item1 == key).Item2);
        Assert.Same(Theme.Light, Choose("LIGHT"));
        Assert.Same(Theme.None, Choose(null, ("NO_COLOR", "1"), ("COLORTERM", "truecolor")));
        Assert.Same(Theme.Sixteen, Choose(null));
        Assert.Same(Theme.Dark, Choose(null, ("COLORTERM", "truecolor")));
        Assert.Same(Theme.Light, Choose(null, ("COLORTERM", "24bit"), ("COLORFGBG", "0;15")));
        Assert.Contains("dark, light, 16, none", Assert.Throws<UsageException>(() => Choose("pink")).Advice, StringComparison.Ordinal);
        foreach (var ink in Enumerable.Range(0, 8192))
        {
            var attribute = Theme.None[(WarpDecode.Chat.Ui.Markdown.Ink)ink];
            Assert.Equal(Terminal.Gui.Drawing.Color.None, attribute.Foreground);
            Assert.Equal(Terminal.Gui.Drawing.Color.None, attribute.Background);
        }
    }

    private sealed class Clock : TimeProvider
    {
        private long now;

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => now;

        public void Advance(double seconds) => now += (long)(seconds * 1000);
    }
}
