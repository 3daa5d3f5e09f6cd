using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using Xunit;

namespace WarpDecode.Chat.Tests;

/// <summary>A shell in a real terminal, driven through tmux, with a home of its own.</summary>
/// <param name="trims">Whether spaces at the ends of lines are left out.</param>
internal sealed class Tmux(bool trims = false) : IDisposable
{
    public const string Shell = "shell$ ";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private readonly string socket = $"wd-{Guid.NewGuid():N}";
    private readonly string folder = Directory.CreateTempSubdirectory("wd-tmux-").FullName;

    /// <summary>Where the shell is at home.</summary>
    public string Folder => folder;

    public void Dispose()
    {
        try
        {
            Run("kill-server");
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // No tmux: the test was skipped.
        }
        // What ran there may still be closing its files.
        for (var tries = 0; ; tries++)
        {
            try
            {
                Directory.Delete(folder, recursive: true);
                return;
            }
            catch (IOException) when (tries < 100)
            {
                Thread.Sleep(50);
            }
        }
    }

    /// <summary>Opens a shell in a terminal, or skips the test where there is no tmux.</summary>
    /// <param name="width">Columns.</param>
    /// <param name="height">Rows.</param>
    public void Open(int width = 100, int height = 40)
    {
        try
        {
            Run("-V");
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("tmux is not installed");
        }
        var config = Path.Combine(folder, "tmux.conf");
        File.WriteAllText(config, "set -g default-terminal screen-256color\n");
        Run("-f", config, "new-session", "-d", "-x", $"{width}", "-y", $"{height}", "-c", folder,
            $"env -u NO_COLOR -u COLORTERM HOME='{folder}' XDG_DATA_HOME='{folder}/data' LC_ALL=C.UTF-8 PS1='{Shell}' bash --norc --noprofile");
        Await(Regex.Escape(Shell) + "$");
    }

    /// <summary>Asserts the exit code, and a terminal as it was before.</summary>
    public void Finish(int code)
    {
        Type("echo code=$? && stty -a");
        Await("code=\\d+\n(.*\n)+" + Regex.Escape(Shell) + "$");
        var screen = Screen();
        Assert.Contains($"code={code}\n", screen, StringComparison.Ordinal);
        foreach (var setting in new[] { "echo", "icanon", "isig", "icrnl", "opost", "onlcr" }) Assert.Matches($@"[\s;]{setting}[\s;]", screen);
    }

    /// <summary>
    /// Types a line, once the program reads single keys as shells and prompts do: what comes before that, between a prompt's text
    /// and its reading, the terminal echoes too.
    /// </summary>
    public void Type(string line)
    {
        if (!Until(ReadsKeys, Patience)) Assert.Fail($"waited a minute to type '{line}'; the screen shows:\n{Screen()}");
        Run("send-keys", "-l", line);
        Keys("Enter");
    }

    /// <summary>Presses a key, as tmux names it.</summary>
    public void Keys(string key) => Run("send-keys", key);

    /// <summary>Waits until the screen shows something.</summary>
    public void Await(string pattern)
    {
        if (!Shows(pattern, Patience))
            Assert.Fail($"waited a minute for {pattern.Replace("\0", @"\0", StringComparison.Ordinal)}; the screen shows:\n{Screen()}");
    }

    /// <summary>Waits for some time until the screen shows something; false when it does not.</summary>
    public bool Shows(string pattern, TimeSpan patience) => Until(() => Regex.IsMatch(Screen(), pattern), patience);

    /// <summary>The screen without empty lines at its end; the space after a prompt, which tmux cuts off, is put back.</summary>
    public string Screen()
    {
        var text = Run("capture-pane", "-p", "-J").TrimEnd('\n', ' ');
        if (trims) text = string.Join('\n', text.Split('\n').Select(line => line.TrimEnd()));
        var at = text.LastIndexOf('\n') + 1;
        return text[at..] is ">>>" or "..." || text.EndsWith(Shell.TrimEnd(), StringComparison.Ordinal) ? text + " " : text;
    }

    /// <summary>Runs a command of tmux.</summary>
    public string Run(params string[] arguments) => Output("tmux", ["-L", socket, .. arguments]);

    private static bool Until(Func<bool> condition, TimeSpan patience)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            if (clock.Elapsed > patience) return false;
            Thread.Sleep(20);
        }
        return true;
    }

    private bool ReadsKeys() => Output("stty", OperatingSystem.IsMacOS() ? "-f" : "-F", Run("list-panes", "-F", "#{pane_tty}").Trim(), "-a").Contains("-icanon", StringComparison.Ordinal);

    private static string Output(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        start.Environment.Remove("TMUX");
        start.Environment.Remove("DisableRealDriverIO"); // which tests without a terminal set for this whole process
        using var process = Process.Start(start)!;
        var text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return text;
    }
}
