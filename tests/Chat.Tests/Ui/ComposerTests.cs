using Terminal.Gui.App;
using Terminal.Gui.Drivers;
using Terminal.Gui.Input;
using Terminal.Gui.Testing;
using Terminal.Gui.ViewBase;
using Terminal.Gui.Views;
using WarpDecode.Chat.Conversations;
using WarpDecode.Chat.Ui;
using Xunit;

namespace WarpDecode.Chat.Tests.Ui;

/// <summary>The input on a screen without a terminal: keys go in at the driver, what is drawn comes out of it.</summary>
[Collection("Terminal.Gui")]
public sealed class ComposerTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("wd-composer-").FullName;
    private readonly IApplication app;
    private readonly Runnable window;
    private readonly SessionToken session;
    private readonly Composer composer;
    private readonly InputHistory history = new();
    private readonly List<string> submitted = [];
    private readonly List<string> failed = [];

    public ComposerTests()
    {
        Environment.SetEnvironmentVariable("DisableRealDriverIO", "1");
        app = Application.Create();
        app.Init(DriverRegistry.Names.ANSI);
        app.Driver!.SetScreenSize(30, 14);
        composer = new Composer(history, new SlashCommands { Branches = () => ["main", "maybe"] }) { Y = Pos.AnchorEnd(), MaxRows = 4 };
        composer.Submitted += submitted.Add;
        composer.Failed += (what, toDo) => failed.Add($"{what}. {toDo}");
        window = new Runnable();
        window.Add(composer);
        session = app.Begin(window)!;
        composer.SetFocus();
        Draw();
    }

    public void Dispose()
    {
        app.End(session);
        window.Dispose();
        app.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void TypedTextIsDrawnAndSubmitted()
    {
        Type("hello Wörld");
        Assert.Equal(["> hello Wörld"], Rows());
        Assert.Equal((13, 13), CursorAt());
        Press(Key.Enter);
        Assert.Equal(["hello Wörld"], submitted);
        Assert.Equal([">"], Rows());
        Press(Key.Enter);
        Assert.Single(submitted);
    }

    [Fact]
    public void LinesGrowAndScroll()
    {
        Type("1");
        foreach (var key in new[] { Key.Enter.WithAlt, Key.Enter.WithShift })
        {
            Press(key);
            Type("x");
        }
        Type("\\");
        Press(Key.Enter);
        Type("4");
        Assert.Equal(["> 1", "  x", "  x", "  4"], Rows());
        Assert.Equal(4, composer.Frame.Height);
        Press(Key.Enter.WithAlt);
        Type("5");
        Assert.Equal(["  x", "  x", "  4", "  5"], Rows());
        Press(Key.Home.WithCtrl);
        Assert.Equal(["> 1", "  x", "  x", "  4"], Rows());
        Assert.Equal((2, 10), CursorAt());
        Press(Key.Enter);
        Assert.Equal(["1\nx\nx\n4\n5"], submitted);
        Assert.Equal(1, composer.Frame.Height);
    }

    [Fact]
    public void CtrlJIsANewLine()
    {
        Type("a");
        Press(Key.J.WithCtrl);
        Type("b");
        Assert.Equal("a\nb", composer.Text);
        Assert.Empty(submitted);
    }

    [Fact]
    public void WideCharactersMoveTheCursorByTheirWidth()
    {
        Type("日本👩‍👧e\u0301");
        Assert.Equal((2 + 2 + 2 + 2 + 1, 13), CursorAt());
        Press(Key.CursorLeft, Key.CursorLeft);
        Assert.Equal((2 + 4, 13), CursorAt());
        Press(Key.Backspace);
        Assert.Equal("日👩‍👧e\u0301", composer.Text);
        Press(Key.Delete);
        Assert.Equal("日e\u0301", composer.Text);
        Assert.Equal((4, 13), CursorAt());
    }

    [Fact]
    public void KeysOfShells()
    {
        Type("one two three");
        Press(Key.W.WithCtrl);
        Assert.Equal("one two ", composer.Text);
        Press(Key.CursorLeft.WithCtrl);
        Press(Key.K.WithCtrl);
        Assert.Equal("one ", composer.Text);
        Press(Key.Z.WithCtrl);
        Assert.Equal("one two ", composer.Text);
        Press(Key.Y.WithCtrl);
        Assert.Equal("one ", composer.Text);
        Press(Key.U.WithCtrl);
        Assert.Equal("", composer.Text);
        Type("ac");
        Press(Key.CursorLeft);
        Type("b");
        Press(Key.A.WithCtrl);
        Type(">");
        Press(Key.E.WithCtrl);
        Type("<");
        Assert.Equal(">abc<", composer.Text);
    }

    [Fact]
    public void UpGoesThroughLinesThenTheHistory()
    {
        history.Add("first");
        history.Add("second\nline");
        Type("draft");
        Press(Key.Enter.WithAlt);
        Type("more");
        Press(Key.CursorUp);
        Assert.Equal((6, 12), CursorAt());
        Press(Key.CursorUp);
        Assert.Equal("second\nline", composer.Text);
        Press(Key.CursorUp, Key.CursorUp);
        Assert.Equal("first", composer.Text);
        Press(Key.CursorDown);
        Assert.Equal("second\nline", composer.Text);
        Press(Key.CursorDown);
        Assert.Equal("draft\nmore", composer.Text);
        composer.Text = "fi";
        Press(Key.CursorUp.WithAlt);
        Assert.Equal("first", composer.Text);
        Press(Key.CursorUp.WithAlt);
        Assert.Equal("first", composer.Text);
        Press(Key.CursorDown.WithAlt);
        Assert.Equal("fi", composer.Text);
    }

    [Fact]
    public void ALongPasteIsOnePiece()
    {
        Type("see: ");
        var pasted = string.Concat(Enumerable.Range(0, 214).Select(i => $"line {i}\r\n"));
        app.RaisePasteEvent(pasted);
        Draw();
        Assert.Equal(["> see: [pasted 214 lines]"], Rows());
        Type("!");
        Press(Key.Backspace, Key.Backspace);
        Assert.Equal(["> see:"], Rows());
        app.RaisePasteEvent(pasted);
        Press(Key.Enter);
        Assert.Equal("see: " + pasted.ReplaceLineEndings("\n"), Assert.Single(submitted));
        app.RaisePasteEvent("two\rlines \u001b[31mred");
        Draw();
        Assert.Equal("two\nlines [31mred", composer.Text);
        Assert.Equal(["> two", "  lines [31mred"], Rows());
    }

    [Fact]
    public void APieceCanBeOpenedAndIsNoCommand()
    {
        app.RaisePasteEvent("/usr\n" + new string('\n', 12));
        Assert.StartsWith("//usr", composer.Text, StringComparison.Ordinal);
        Assert.Null(SlashCommands.Parse(composer.Text, out var message));
        Assert.StartsWith("/usr", message, StringComparison.Ordinal);
        Press(Key.O.WithCtrl);
        Assert.StartsWith("/usr", composer.Text, StringComparison.Ordinal);
        Assert.Equal(4, composer.Frame.Height);
        Press(Key.O.WithCtrl);
        Assert.Contains("no piece here", Assert.Single(failed), StringComparison.Ordinal);
    }

    [Fact]
    public void BracketedPasteComesFromTheTerminalItself()
    {
        var bytes = "\u001b[200~a\nb\u001b[201~";
        var processor = (app.Driver!.GetInputProcessor() as InputProcessorImpl<char>)!;
        foreach (var c in bytes) processor.InputQueue!.Enqueue(c);
        processor.ProcessQueue();
        Draw();
        Assert.Equal("a\nb", composer.Text);
        Assert.Empty(submitted);
    }

    [Fact]
    public void AFileBecomesAPiece()
    {
        var path = Path.Combine(folder, "my notes.txt");
        File.WriteAllText(path, "some text\n");
        Type("/file " + Path.Combine(folder, "my"));
        Press(Key.Tab);
        Assert.Equal("/file " + path, composer.Text);
        Press(Key.Enter);
        Assert.Empty(submitted);
        Assert.StartsWith("> [my notes.txt, 10 bytes]", Rows()[0], StringComparison.Ordinal);
        Type("Sum up.");
        Press(Key.Enter);
        Assert.Equal("my notes.txt:\n```txt\nsome text\n```\n\nSum up.", Assert.Single(submitted));
        Type("/file absent.txt");
        Press(Key.Enter);
        Assert.Contains("there is no file 'absent.txt'", Assert.Single(failed), StringComparison.Ordinal);
        Assert.Equal("/file absent.txt", composer.Text);
    }

    [Fact]
    public void CommandsAreListedAndCompleted()
    {
        Type("/br");
        Assert.Equal(3, composer.Frame.Height);
        Assert.Contains(Rows(), r => r.Contains("/branches", StringComparison.Ordinal));
        Assert.Equal("> /br", Rows()[^1]);
        Press(Key.Tab);
        Assert.Equal("/branch", composer.Text);
        Press(Key.Tab, Key.Tab, Key.Enter);
        Assert.Equal("/branches", composer.Text);
        Assert.False(composer.IsCompleting);
        Assert.Equal(1, composer.Frame.Height);
        Press(Key.Enter);
        Assert.Equal(["/branches"], submitted);
        Type("/branch m");
        Press(Key.Tab);
        Assert.Equal("/branch ma", composer.Text);
        Assert.True(composer.IsCompleting);
        Press(Key.Esc);
        Assert.False(composer.IsCompleting);
        Press(Key.Enter);
        Assert.Equal("/branch ma", submitted[^1]);
        Type("/");
        Assert.Equal(Composer.MaxCandidates + 1, composer.Frame.Height);
    }

    [Fact]
    public void ANarrowScreenStillShowsTheCursor()
    {
        Type("a long line that is broken");
        app.Driver!.SetScreenSize(12, 3);
        Draw();
        Draw(); // the height is known after the width
        Assert.True(composer.Frame.Height > 2);
        var (x, y) = CursorAt();
        Assert.InRange(x, 0, 11);
        Assert.InRange(y, 0, 2);
    }

    private void Type(string text)
    {
        foreach (var rune in text.EnumerateRunes()) app.InjectKey(new Key(rune.Value));
        Draw();
    }

    private void Press(params Key[] keys)
    {
        foreach (var key in keys)
        {
            app.InjectKey(key);
            Draw();
        }
    }

    private void Draw() => app.LayoutAndDraw(true);

    private string[] Rows() => [.. app.ToString()!.ReplaceLineEndings("\n").Split('\n').Select(r => r.TrimEnd()).Where(r => r.Length > 0)];

    private (int X, int Y) CursorAt() => composer.Cursor.Position is { } p ? (p.X, p.Y) : (-1, -1);
}
