using System.IO.MemoryMappedFiles;

namespace WarpDecode.Formats;

/// <summary>A file mapped read-only into memory: nothing is read until it is touched, nothing is copied. Or memory made like one.</summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile? map;
    private readonly MemoryMappedViewAccessor? view;
    private byte* start;
    private bool disposed;

    public MappedFile(string path)
    {
        Path = path;
        try
        {
            // An empty file cannot be mapped: the reader's own checks will say what is missing. Nor is it opened, because a
            // pipe, whose length is 0 too, would block here until somebody writes to it.
            if (new FileInfo(path) is { Exists: true, Length: 0 }) return;
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            Length = stream.Length;
            if (Length == 0) return;
            map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            view = map.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            start += view.PointerOffset;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            Dispose();
            var (what, advice) = e switch
            {
                FileNotFoundException or DirectoryNotFoundException => ("no such file", "Check the path."),
                _ when Directory.Exists(path) => ("is a folder, not a model file", "Give the path of a .gguf file inside it."),
                UnauthorizedAccessException => ("may not be read", "Check the file's permissions."),
                _ => ("cannot be opened: " + e.Message, "Check the path, and that it is an ordinary file that you may read."),
            };
            throw new ModelFileException(what, path, advice: advice, inner: e);
        }
    }

    /// <summary>Memory in the place of a file: zeroed, writable, taken from the system as it is touched, and filled by <paramref name="write"/>.</summary>
    /// <exception cref="IOException">The system has no room for it.</exception>
    public MappedFile(string name, long bytes, Action<Stream> write)
    {
        Path = name;
        Length = bytes;
        try
        {
            map = MemoryMappedFile.CreateNew(null, bytes, MemoryMappedFileAccess.ReadWrite, MemoryMappedFileOptions.DelayAllocatePages, HandleInheritability.None);
            view = map.CreateViewAccessor(0, bytes, MemoryMappedFileAccess.ReadWrite);
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            start += view.PointerOffset;
            using var stream = new UnmanagedMemoryStream(start, bytes, bytes, FileAccess.ReadWrite);
            write(stream);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Path { get; }

    /// <summary>Bytes in the file when it was mapped.</summary>
    public long Length { get; }

    /// <summary>Address of the file's first byte; valid until <see cref="Dispose"/>.</summary>
    public byte* Start => start;

    /// <summary>Bytes of the file, checked against its end and against use after <see cref="Dispose"/>.</summary>
    public ReadOnlySpan<byte> Span(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(disposed, typeof(ModelFile));
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - length);
        return new ReadOnlySpan<byte>(start + offset, length);
    }

    public void Dispose()
    {
        disposed = true;
        if (start is not null) view!.SafeMemoryMappedViewHandle.ReleasePointer();
        start = null;
        view?.Dispose();
        map?.Dispose();
    }
}
