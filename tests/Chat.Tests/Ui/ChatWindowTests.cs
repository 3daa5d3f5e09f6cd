using System.Diagnostics;
using Terminal.Gui.App;
using Terminal.Gui.Drivers;
using Terminal.Gui.Input;
using Terminal.Gui.Testing;
using WarpDecode.Chat.Conversations;
using WarpDecode.Chat.Ui;
using WarpDecode.Runtime;
using Xunit;

namespace WarpDecode.Chat.Tests.Ui;

/// <summary>The whole window on a screen without a terminal, with the default model.</summary>
[Collection(nameof(Screens))]
public sealed class ChatWindowTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("wd-window-").FullName;
    private IApplication app = null!; // once it is open
    private ChatWindow? window;
    private SessionToken? session;
    private bool HasLeft => window!.StopRequested;

    static ChatWindowTests() => Environment.SetEnvironmentVariable("DisableRealDriverIO", "1");

    public void Dispose()
    {
        if (session is not null) app.End(session);
        window?.Dispose();
        window?.Controller.Dispose();
        if (window is not null) app.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData(80, 24)]
    [InlineData(40, 10)]
    [InlineData(160, 50)]
    public void AConversation(int width, int height)
    {
        Open(width, height);
        Type("Hello");
        Await(s => s.Contains("Assistant\n  Hello", StringComparison.Ordinal) || s.Contains("Assistant\n  Hi", StringComparison.Ordinal));
        var rows = Rows();
        Assert.Equal(height, rows.Length);
        Assert.All(rows, row => Assert.True(row.Length <= width, row));
        Assert.Matches("^─+$", rows[^3]);
        Assert.StartsWith("> Type a message", rows[^2], StringComparison.Ordinal);
        Assert.Matches(@"\d+/512", rows[^1]);
        Assert.Contains(rows, r => r == "  You");
    }

    [Fact]
    public void TheScreenFollowsAnotherSize()
    {
        Open(80, 24);
        Type("Hello");
        Await(s => s.Contains("\n  Assistant\n", StringComparison.Ordinal));
        Await(_ => !window!.Controller.IsAnswering);
        foreach (var (width, height) in new[] { (40, 12), (120, 40), (20, 6), (80, 24) })
        {
            app.Driver!.SetScreenSize(width, height);
            var rows = Rows();
            Assert.Equal(height, rows.Length);
            Assert.Matches("^─+$", rows[^3]);
            Assert.Equal(width, rows[^3].Length);
            Assert.StartsWith("> Type", rows[^2], StringComparison.Ordinal);
        }
        Assert.Contains("  You", Rows());
    }

    [Fact]
    public void SeveralRowsOfInputPushTheTranscriptUp()
    {
        Open(80, 24);
        Press("one");
        app.InjectKey(Key.Enter.WithAlt);
        Press("two");
        var rows = Rows();
        Assert.Equal(["> one", "  two"], rows[^3..^1]);
        Assert.Matches("^─+$", rows[^4]);
        app.InjectKey(Key.Enter);
        Await(s => s.Contains("You\n  one\n  two\n", StringComparison.Ordinal));
        Assert.Matches("^─+$", Rows()[^3]);
    }

    [Fact]
    public void CommandsAreListedAsTheyAreTyped()
    {
        Open(80, 24);
        Press("/re");
        Assert.Contains(Rows(), r => r.Contains("/regen", StringComparison.Ordinal));
        app.InjectKey(Key.Esc);
        Assert.DoesNotContain(Rows(), r => r.Contains("/regen", StringComparison.Ordinal));
        Assert.Equal("> /re", Rows()[^2]);
    }

    [Fact]
    public void KeysStopAndLeave()
    {
        Open(80, 24, endless: true);
        Type("Hello");
        Await(s => s.Contains("Esc stops", StringComparison.Ordinal));
        app.InjectKey(Key.Esc);
        Await(s => s.Contains("(stopped)", StringComparison.Ordinal));
        Assert.False(HasLeft);

        Type("Hello");
        Await(_ => window!.Controller.Status.Activity == ChatActivity.Answering);
        app.InjectKey(Key.C.WithCtrl);
        Await(s => s.Contains("stopped; Ctrl-C again leaves", StringComparison.Ordinal));
        Await(_ => !window!.Controller.IsAnswering);
        Assert.False(HasLeft);
        app.InjectKey(Key.C.WithCtrl);
        Assert.True(HasLeft);
    }

    [Fact]
    public void CtrlDLeavesOnlyWhereNothingIsTyped()
    {
        Open(80, 24);
        Press("x");
        app.InjectKey(Key.D.WithCtrl);
        Assert.False(HasLeft);
        app.InjectKey(Key.Backspace);
        app.InjectKey(Key.D.WithCtrl);
        Assert.True(HasLeft);
    }

    [Fact]
    public void TheTranscriptScrollsWhileSomethingIsTyped()
    {
        Open(80, 12);
        Type("/help");
        Await(s => s.Contains("Esc or Ctrl-C stops an answer", StringComparison.Ordinal));
        Press("draft");
        app.InjectKey(Key.PageUp);
        Await(s => s.Contains(" more", StringComparison.Ordinal));
        Assert.False(window!.Transcript.FollowsTail);
        Assert.Equal("> draft", Rows()[^2]);
        app.InjectKey(Key.PageDown);
        app.InjectKey(Key.PageDown);
        app.InjectKey(Key.PageDown);
        app.InjectKey(Key.PageDown);
        app.InjectKey(Key.PageDown);
        Assert.True(window.Transcript.FollowsTail);
    }

    [Fact]
    public void HowFarLoadingIsCanBeSeen()
    {
        var go = new SemaphoreSlim(0);
        Open(80, 24, wait: (path, progress) =>
        {
            progress.Report(new LoadState(LoadStage.Weights, 3_000_000_000, 12_000_000_000));
            go.Wait(TestContext.Current.CancellationToken);
        });
        Await(s => s.Contains("weights", StringComparison.Ordinal) && s.Contains("25 % of 12.0 GB", StringComparison.Ordinal));
        Assert.Contains(Rows(), r => r.Contains("map", StringComparison.Ordinal) && r.EndsWith("done", StringComparison.Ordinal));
        Press("typed meanwhile");
        Assert.Equal("> typed meanwhile", Rows()[^2]);
        go.Release();
        Await(s => !s.Contains("weights", StringComparison.Ordinal));
        Assert.Equal("> typed meanwhile", Rows()[^2]);
    }

    private void Open(int width, int height, bool endless = false, Action<string, IProgress<LoadState>>? wait = null)
    {
        var store = new ConversationStore(folder, TimeProvider.System);
        var options = new GenerationOptions { MaxTokens = endless ? null : 24, Sampling = new() { Temperature = 0, IgnoreEndOfTurn = endless } };
        var opener = ChatHarness.Opener(options, new EngineOptions { Backend = endless ? BackendKind.Reference : BackendKind.Cpu, Threads = 1, Sessions = 2, ContextLength = 512 });
        var setup = new ChatSetup(ChatHarness.DefaultModel, (path, progress, cancellation) =>
        {
            wait?.Invoke(path, progress);
            return opener(path, progress, cancellation);
        });
        app = Application.Create();
        app.Init(DriverRegistry.Names.ANSI);
        app.Keyboard.KeyBindings.Clear();
        app.Driver!.SetScreenSize(width, height);
        window = new ChatWindow(setup, store, store.Create(null), new InputHistory(), Theme.Dark, TimeProvider.System);
        app.Keyboard.KeyDown += (_, key) => key.Handled |= window.HandleFirst(key);
        session = app.Begin(window)!;
        if (wait is null) Await(_ => window.Controller.Loading is null);
    }

    private void Type(string line)
    {
        Press(line);
        app.InjectKey(Key.Enter);
    }

    private void Press(string keys)
    {
        foreach (var c in keys) app.InjectKey(new Key(c));
    }

    private void Await(Func<string, bool> condition)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            app.TimedEvents!.RunTimers();
            window!.Update();
            window.Transcript.Drain();
            var screen = string.Join('\n', Rows());
            if (condition(screen)) return;
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60), $"waited a minute; the screen shows:\n{screen}");
            Thread.Sleep(5);
        }
    }

    private string[] Rows()
    {
        app.LayoutAndDraw();
        app.LayoutAndDraw(); // the height of the input for another width
        return [.. app.ToString()!.ReplaceLineEndings("\n").Split('\n').Select(row => row.TrimEnd()).Take(app.Driver!.Rows)];
    }
}
