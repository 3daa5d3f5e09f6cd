using Terminal.Gui.App;
using Terminal.Gui.Drivers;
using Terminal.Gui.Input;
using Terminal.Gui.Testing;
using Terminal.Gui.ViewBase;
using Terminal.Gui.Views;
using Xunit;

namespace WarpDecode.Chat.Tests.Ui;

/// <summary>Tests with a screen run one after another: the library has settings that all its applications share.</summary>
[CollectionDefinition(nameof(Screens), DisableParallelization = true)]
public sealed class Screens;

/// <summary>A program of the library with one view on a screen without a terminal.</summary>
internal sealed class Screen : IDisposable
{
    private readonly IApplication app;
    private readonly Window window = new() { BorderStyle = Terminal.Gui.Drawing.LineStyle.None };
    private readonly SessionToken session;

    static Screen() => Environment.SetEnvironmentVariable("DisableRealDriverIO", "1");

    public Screen(View view, int width = 80, int height = 24)
    {
        app = Application.Create();
        app.Init(DriverRegistry.Names.ANSI);
        app.Driver!.SetScreenSize(width, height);
        (view.Width, view.Height) = (Dim.Fill(), Dim.Fill());
        window.Add(view);
        session = app.Begin(window)!;
        view.SetFocus();
        Draw();
    }

    public IDriver Driver => app.Driver!;

    /// <summary>What is on the screen, row by row, without spaces at the ends.</summary>
    public string[] Rows
    {
        get
        {
            Draw();
            return [.. app.ToString()!.ReplaceLineEndings("\n").Split('\n').Select(row => row.TrimEnd()).Take(Driver.Rows)];
        }
    }

    public string Text => string.Join('\n', Rows).TrimEnd();

    public void Draw() => app.LayoutAndDraw();

    public void Press(Key key) => app.InjectKey(key);

    public void Click(int x, int y) => app.InjectSequence(InputInjectionExtensions.LeftButtonClick(new(x, y)));

    public void Wheel(MouseFlags flags) => app.InjectMouse(new() { Flags = flags, ScreenPosition = new(5, 5) });

    public void RunTimers() => app.TimedEvents!.RunTimers();

    public void Resize(int width, int height)
    {
        Driver.SetScreenSize(width, height);
        Draw();
    }

    public void Dispose()
    {
        app.End(session);
        window.Dispose();
        app.Dispose();
    }
}
