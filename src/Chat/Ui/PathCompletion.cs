using WarpDecode.Chat.Conversations;

namespace WarpDecode.Chat.Ui;

/// <summary>Completes paths, as shells do: folders first, what begins with a dot only if a dot was typed.</summary>
internal sealed class PathCompletion
{
    private const int MostEntries = 20_000; // looked at: a network folder of a million files must not stop the typing
    private const int MostCandidates = 200;

    /// <summary>How a path may go on.</summary>
    /// <param name="typed">What was typed of it, perhaps with a quote before it.</param>
    /// <param name="start">Where it begins in the text.</param>
    /// <param name="wanted">Which files are shown; folders always are.</param>
    public IReadOnlyList<Completion> Complete(string typed, int start, Func<string, bool> wanted)
    {
        var quote = typed.Length > 0 && typed[0] is '"' or '\'';
        var path = quote ? typed[1..] : typed;
        if (path.Contains('\0', StringComparison.Ordinal)) return [];
        if (path == "~") return [new Completion(start, "~/", "~/", "home", Continues: true)];
        var slash = path.LastIndexOfAny(Path.DirectorySeparatorChar == '\\' ? ['/', '\\'] : ['/']);
        var (shownFolder, beginning) = (path[..(slash + 1)], path[(slash + 1)..]);
        try
        {
            var folder = new DirectoryInfo(shownFolder.Length == 0 ? "." : DataFolder.Expand(shownFolder));
            if (!folder.Exists) return [];
            return
            [
                .. folder.EnumerateFileSystemInfos().Take(MostEntries)
                    .Where(f => f.Name.StartsWith(beginning, StringComparison.Ordinal) && (beginning.Length > 0 || f.Name[0] != '.') && !f.Name.Any(char.IsControl))
                    .Select(f => (f.Name, Folder: IsFolder(f), Info: f))
                    .Where(f => f.Folder || wanted(f.Name))
                    .OrderByDescending(f => f.Folder).ThenBy(f => f.Name, StringComparer.Ordinal)
                    .Take(MostCandidates)
                    .Select(f => new Completion(
                        start, (quote ? typed[..1] : "") + shownFolder + f.Name + (f.Folder ? "/" : quote ? typed[..1] : ""),
                        f.Name + (f.Folder ? "/" : ""), f.Folder ? "" : Size(f.Info), Continues: f.Folder)),
            ];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or System.Security.SecurityException)
        {
            return []; // a folder that cannot be read has nothing to offer
        }
    }

    private static bool IsFolder(FileSystemInfo info) => info is DirectoryInfo || (info.Attributes & FileAttributes.Directory) != FileAttributes.None;

    private static string Size(FileSystemInfo info) => info is FileInfo { Exists: true } file ? Attachment.InWords(file.Length) : "";
}
