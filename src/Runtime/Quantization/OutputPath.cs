namespace WarpDecode.Runtime.Quantization;

/// <summary>Whether a file may be written to a place.</summary>
internal static class OutputPath
{
    private const int MostLinks = 40; // what Linux follows before it takes them for a circle

    /// <exception cref="QuantizeException">It may not.</exception>
    public static void Check(string input, string output, bool overwrite)
    {
        var (from, to) = (Resolve(input), Resolve(output));
        if (from == to) throw new QuantizeException($"{output} is the input itself", "Give another path for the output.");
        if (Directory.Exists(to)) throw new QuantizeException($"{output} is a folder", "Give the path of the file to write.");
        if (!File.Exists(to)) return;
        if (Directory.Exists(from) && to.StartsWith(from + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            throw new QuantizeException($"{output} is a file of the input", "Give a path outside the model's folder.");
        if (to.StartsWith("/dev/", StringComparison.Ordinal)) throw new QuantizeException($"{output} is no ordinary file", "Give the path of the file to write; --dry-run writes nothing.");
        if (!overwrite) throw new QuantizeException($"{output} exists", "Give another path, or --force to replace it when the new file is whole.");
    }

    // The path without links and dots: two paths of one file are then equal.
    private static string Resolve(string path)
    {
        var left = new Stack<string>(Path.GetFullPath(path).Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries).Reverse());
        var resolved = Path.GetPathRoot(Path.GetFullPath(path))!;
        for (var links = 0; left.TryPop(out var part);)
        {
            var next = Path.Combine(resolved, part);
            if (links < MostLinks && new FileInfo(next).LinkTarget is { } target)
            {
                links++;
                foreach (var piece in Path.GetFullPath(target, resolved).Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries).Reverse()) left.Push(piece);
                resolved = Path.GetPathRoot(next)!;
            }
            else
            {
                resolved = next;
            }
        }
        return resolved;
    }
}
