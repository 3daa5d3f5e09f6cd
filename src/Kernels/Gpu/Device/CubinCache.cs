using System.Security.Cryptography;
using System.Text;

namespace WarpDecode.Kernels.Gpu.Device;

/// <summary>
/// Compiled kernels on disk: ILGPU and the driver take tens of milliseconds for one. An entry is named by a hash of what it was
/// made from (the programs' module versions, the method and its type arguments, the launch bounds), the device and the driver; a
/// damaged one is as good as none. The cache is a convenience: where it cannot be read or written, nothing else is lost.
/// </summary>
/// <param name="folder">Where the entries are.</param>
/// <param name="device">Name and capability of the device, and version of the driver.</param>
internal sealed class CubinCache(string folder, string device)
{
    // A file is this, the SHA-256 of the rest, and the rest: the entry's name, a zero, and the machine code.
    private static readonly byte[] Magic = "WDCUBIN1"u8.ToArray();

    /// <summary>The user's cache folder: $XDG_CACHE_HOME/warpdecode/cubin, or the system's equivalent.</summary>
    public static string DefaultFolder
    {
        get
        {
            var root = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
            if (string.IsNullOrEmpty(root) || !Path.IsPathRooted(root))
            {
                root = OperatingSystem.IsWindows()
                    ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
                    : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
            }
            return Path.Combine(root, "warpdecode", "cubin");
        }
    }

    /// <summary>Takes what was compiled from <paramref name="key"/> from the cache, or compiles it and puts it there.</summary>
    public (string Entry, byte[] Cubin) GetOrAdd(string key, Func<(string Entry, byte[] Cubin)> compile)
    {
        var path = Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(device + "\n" + key))) + ".cubin");
        if (TryRead(path) is { } cached) return cached;
        var compiled = compile();
        TryWrite(path, [.. Encoding.UTF8.GetBytes(compiled.Entry), 0, .. compiled.Cubin]);
        return compiled;
    }

    private static (string Entry, byte[] Cubin)? TryRead(string path)
    {
        try
        {
            if (!File.Exists(path)) return null;
            var file = File.ReadAllBytes(path).AsSpan();
            var head = Magic.Length + SHA256.HashSizeInBytes;
            if (file.Length <= head || !file.StartsWith(Magic)) return null;
            var content = file[head..];
            if (!SHA256.HashData(content).AsSpan().SequenceEqual(file[Magic.Length..head])) return null;
            var end = content.IndexOf((byte)0);
            return (Encoding.UTF8.GetString(content[..end]), content[(end + 1)..].ToArray());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private void TryWrite(string path, byte[] content)
    {
        try
        {
            Directory.CreateDirectory(folder);
            // Written beside and renamed: no reader sees half an entry, whatever happens to this process.
            var temporary = $"{path}.{Environment.ProcessId}.{Environment.CurrentManagedThreadId}.tmp";
            File.WriteAllBytes(temporary, [.. Magic, .. SHA256.HashData(content), .. content]);
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next process compiles again.
        }
    }
}
