namespace WarpDecode.Kernels.Gpu.Device;

/// <summary>The user's cache folder. What is kept there is a convenience: where it cannot be read or written, nothing else is lost.</summary>
internal static class CacheFolder
{
    /// <summary>$XDG_CACHE_HOME/warpdecode/<paramref name="name"/>, or the system's equivalent.</summary>
    public static string Of(string name)
    {
        var root = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        if (string.IsNullOrEmpty(root) || !Path.IsPathRooted(root))
        {
            root = OperatingSystem.IsWindows()
                ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
                : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        }
        return Path.Combine(root, "warpdecode", name);
    }

    /// <summary>The bytes of a file, or null if it is not there, cannot be read or is longer than that.</summary>
    public static byte[]? TryRead(string path, long mostBytes = int.MaxValue)
    {
        try
        {
            var file = new FileInfo(path);
            return file.Exists && file.Length <= mostBytes ? File.ReadAllBytes(path) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Writes a file, if that can be done.</summary>
    public static void TryWrite(string path, byte[] content)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            // Written beside and renamed: no reader sees half an entry, whatever happens to this process.
            var temporary = $"{path}.{Environment.ProcessId}.{Environment.CurrentManagedThreadId}.tmp";
            File.WriteAllBytes(temporary, content);
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next process makes it again.
        }
    }
}
