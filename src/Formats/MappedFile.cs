using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;

namespace WarpDecode.Formats;

/// <summary>A file mapped read-only into memory: nothing is read until it is touched, nothing is copied. Or memory made like one.</summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private const string ChangedAdvice = "Something wrote to the file, or cut it, while it was open: check its size, and open it again once that is done.";

    private readonly SafeFileHandle? file;
    private readonly MemoryMappedFile? map;
    private readonly MemoryMappedViewAccessor? view;
    private int guard = -1;
    private byte* start;
    private long shortest; // length that the file was seen to have since
    private bool disposed;

    public MappedFile(string path)
    {
        Path = path;
        try
        {
            // An empty file cannot be mapped: the reader's own checks will say what is missing. Nor is it opened, because a
            // pipe, whose length is 0 too, would block here until somebody writes to it.
            if (new FileInfo(path) is { Exists: true, Length: 0 }) return;
            file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            Length = RandomAccess.GetLength(file);
            if (Length == 0) return;
            map = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            view = map.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            start += view.PointerOffset;
            guard = MapGuard.Add(start, Length);
            shortest = Length;
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

    /// <summary>
    /// Checks that the file is still as long as when it was mapped, and that no read of it failed since: what was read before
    /// is then what the file held. (A file that is written to while its length stays the same is not noticed.) Allocates nothing.
    /// </summary>
    /// <exception cref="ModelFileException">It shrank, or could not be read.</exception>
    public void CheckWhole()
    {
        if (file is null || start is null) return;
        shortest = Math.Min(shortest, RandomAccess.GetLength(file));
        if (shortest < Length)
            ModelFileException.Throw($"shrank from {Length} to {shortest} bytes while it was open", Path, advice: ChangedAdvice);
        if (MapGuard.Fault(guard) is >= 0 and var fault)
            ModelFileException.Throw("could not be read", Path, null, fault, "the bytes that the file had when it was opened", "none: it was cut for a while, or its disk failed", ChangedAdvice);
    }

    public void Dispose()
    {
        disposed = true;
        MapGuard.Remove(guard);
        guard = -1;
        if (start is not null) view!.SafeMemoryMappedViewHandle.ReleasePointer();
        start = null;
        view?.Dispose();
        map?.Dispose();
        file?.Dispose();
    }
}
