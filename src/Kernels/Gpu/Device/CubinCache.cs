using System.Security.Cryptography;
using System.Text;

namespace WarpDecode.Kernels.Gpu.Device;

/// <summary>
/// Compiled kernels on disk: ILGPU and the driver take tens of milliseconds for one. An entry is named by a hash of what it was
/// made from (the programs' module versions, the method and its type arguments, the launch bounds), the device and the driver; a
/// damaged one is as good as none.
/// </summary>
/// <param name="folder">Where the entries are.</param>
/// <param name="device">Name and capability of the device, and version of the driver.</param>
internal sealed class CubinCache(string folder, string device)
{
    // A file is this, the SHA-256 of the rest, and the rest: the entry's name, a zero, and the machine code.
    private static readonly byte[] Magic = "WDCUBIN1"u8.ToArray();

    /// <summary>$XDG_CACHE_HOME/warpdecode/cubin, or the system's equivalent.</summary>
    public static string DefaultFolder => CacheFolder.Of("cubin");

    /// <summary>Takes what was compiled from <paramref name="key"/> from the cache, or compiles it and puts it there.</summary>
    public (string Entry, byte[] Cubin) GetOrAdd(string key, Func<(string Entry, byte[] Cubin)> compile)
    {
        var path = Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(device + "\n" + key))) + ".cubin");
        if (TryRead(path) is { } cached) return cached;
        var compiled = compile();
        byte[] content = [.. Encoding.UTF8.GetBytes(compiled.Entry), 0, .. compiled.Cubin];
        CacheFolder.TryWrite(path, [.. Magic, .. SHA256.HashData(content), .. content]);
        return compiled;
    }

    private static (string Entry, byte[] Cubin)? TryRead(string path)
    {
        if (CacheFolder.TryRead(path) is not { } bytes) return null;
        var file = bytes.AsSpan();
        var head = Magic.Length + SHA256.HashSizeInBytes;
        if (file.Length <= head || !file.StartsWith(Magic)) return null;
        var content = file[head..];
        if (!SHA256.HashData(content).AsSpan().SequenceEqual(file[Magic.Length..head])) return null;
        var end = content.IndexOf((byte)0);
        return (Encoding.UTF8.GetString(content[..end]), content[(end + 1)..].ToArray());
    }
}
