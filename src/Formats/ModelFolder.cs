namespace WarpDecode.Formats;

/// <summary>
/// The folder of a model of several files, and the rule for what belongs to it. Names of files come from names and indexes that
/// somebody else wrote, and so do symbolic links in a folder that was downloaded or unpacked: a file that is opened because the
/// model asks for it lies
/// <list type="bullet">
/// <item>under the folder itself, by a relative name without <c>..</c>, and</item>
/// <item>also when all symbolic links of that name are followed: under the folder, or, where the folder is a snapshot in a cache of
/// the Hugging Face hub (<c>models--…/snapshots/REVISION</c>, whose files are links to <c>../../blobs/…</c>), in that model's own
/// <c>blobs</c>.</item>
/// </list>
/// The path that the user gave is not judged: it may lead through any links. The rule is meant for hostile files, not for a hostile process
/// on the same machine, which could exchange a link after it was followed.
/// </summary>
internal sealed class ModelFolder
{
    private const int MostLinks = 40; // on the way to one file: Linux's own limit

    private readonly string folder;
    private readonly List<string> allowed = []; // real paths, each with a separator at its end

    /// <param name="folder">Path of the folder, as the user gave it or as it follows from the path of a file.</param>
    public ModelFolder(string folder)
    {
        this.folder = folder;
        var real = RealPath(Path.GetFullPath(folder));
        allowed.Add(Path.TrimEndingDirectorySeparator(real) + Path.DirectorySeparatorChar);
        var snapshots = Path.GetDirectoryName(real);
        if (Path.GetFileName(snapshots) == "snapshots" && Path.GetDirectoryName(snapshots) is { } model)
            allowed.Add(Path.Combine(model, "blobs") + Path.DirectorySeparatorChar);
    }

    /// <summary>Whether there is a file of that name, wherever it leads.</summary>
    public bool Contains(string name) => File.Exists(Path.Combine(folder, name));

    /// <summary>The path of a file of the model.</summary>
    /// <param name="name">Its name within the folder, from an untrusted source.</param>
    /// <exception cref="ModelFileException">The name leads out of the folder, by itself or through a symbolic link.</exception>
    public string Resolve(string name)
    {
        var path = Path.Combine(folder, name);
        if (name.Length == 0 || name.Contains('\0', StringComparison.Ordinal) || Path.IsPathRooted(name) || name.Split('/', '\\').Any(part => part is "" or "." or ".."))
        {
            ModelFileException.Throw("name of a file of the model", folder, name, null, "a name within the model's folder", "another",
                "A model's files lie in its own folder. This one names files elsewhere: do not trust it.");
        }
        var real = RealPath(Path.GetFullPath(path));
        if (!allowed.Exists(root => real.StartsWith(root, StringComparison.Ordinal)))
        {
            ModelFileException.Throw("is a symbolic link that leads out of the model's folder", path, null, null, $"a file under {string.Join(" or ", allowed)}", real,
                "A model's files lie in its own folder: copy the file there if you trust it.");
        }
        return path;
    }

    // A path with every symbolic link in it followed, folders' too. What does not exist stays as it is: opening it will say so.
    private static string RealPath(string path)
    {
        var root = Path.GetPathRoot(path)!;
        var left = new Stack<string>(Parts(path[root.Length..]));
        var (real, links) = (root, 0);
        while (left.TryPop(out var part))
        {
            if (part == "..")
            {
                real = Path.GetDirectoryName(real) ?? root;
                continue;
            }
            var next = Path.Combine(real, part);
            var target = new FileInfo(next).LinkTarget; // of folders too
            if (target is null)
            {
                real = next;
                continue;
            }
            if (++links > MostLinks)
                ModelFileException.Throw("cannot be opened", path, null, null, $"at most {MostLinks} symbolic links on the way", "more", "Give a path with fewer links.");
            if (Path.IsPathRooted(target))
            {
                real = Path.GetPathRoot(target)!;
                target = target[real.Length..];
            }
            foreach (var step in Parts(target)) left.Push(step);
        }
        return real;

        // The last first, as a stack wants them.
        static IEnumerable<string> Parts(string text) => text.Split(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar).Where(p => p is not ("" or ".")).Reverse();
    }
}
