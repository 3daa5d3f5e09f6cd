namespace WarpDecode.Formats.Tests;

/// <summary>A file with the given bytes, deleted at the end of the test.</summary>
internal sealed class TempFile : IDisposable
{
    public TempFile(ReadOnlySpan<byte> bytes)
    {
        Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"wd-test-{Guid.NewGuid():N}.gguf");
        using var stream = new FileStream(Path, FileMode.CreateNew, FileAccess.Write);
        stream.Write(bytes);
    }

    public TempFile(GgufWriter writer)
        : this(Bytes(writer))
    {
    }

    public string Path { get; }

    public static byte[] Bytes(GgufWriter writer)
    {
        using var memory = new MemoryStream();
        writer.Write(memory);
        return memory.ToArray();
    }

    public void Dispose() => File.Delete(Path);
}
