namespace WarpDecode.Chat.Conversations;

/// <summary>Where what a person said is kept: under the data folder of the system, readable by that person alone.</summary>
internal static class DataFolder
{
    /// <summary>
    /// The folder: $XDG_DATA_HOME/wd-run if that is set, else ~/.local/share/wd-run on Linux, ~/Library/Application Support/wd-run on macOS, %LOCALAPPDATA%\wd-run on Windows.
    /// </summary>
    /// <exception cref="ConversationException">The system knows no home.</exception>
    public static string Path
    {
        get
        {
            // The specification says that a path that is not absolute is to be ignored.
            if (Environment.GetEnvironmentVariable("XDG_DATA_HOME") is { } xdg && System.IO.Path.IsPathFullyQualified(xdg)) return System.IO.Path.Combine(xdg, "wd-run");
            var folder = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
            if (folder.Length == 0) throw new ConversationException("there is no folder to keep conversations in: the system names no home", "Set XDG_DATA_HOME to a folder.");
            return System.IO.Path.Combine(folder, "wd-run");
        }
    }

    /// <summary>Where conversations are.</summary>
    public static string Conversations => System.IO.Path.Combine(Path, "conversations");

    /// <summary>The history of inputs.</summary>
    public static string History => System.IO.Path.Combine(Path, "history.jsonl");

    /// <summary>Makes a folder that only its owner reads (0700), with those above it.</summary>
    public static void Create(string folder)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder); // a profile's folders are private already
        else Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>How a file is made that only its owner reads (0600).</summary>
    public static FileStreamOptions Private(FileMode mode, FileAccess access, FileShare share)
    {
        var options = new FileStreamOptions { Mode = mode, Access = access, Share = share, BufferSize = 0 };
        if (!OperatingSystem.IsWindows() && mode is not (FileMode.Open or FileMode.Truncate)) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return options;
    }

    /// <summary>A path as a person writes it: <c>~</c> is the home.</summary>
    public static string Expand(string path)
    {
        if (path != "~" && !path.StartsWith("~/", StringComparison.Ordinal)) return path;
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        return home.Length == 0 ? path : path.Length == 1 ? home : System.IO.Path.Combine(home, path[2..]);
    }
}
