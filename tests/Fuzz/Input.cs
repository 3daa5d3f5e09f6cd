using System.Runtime.InteropServices;
using WarpDecode.Formats;

namespace WarpDecode.Fuzz;

/// <summary>Memory for inputs whose end lies at a page that cannot be read: one byte too far ends the process at once (on Linux).</summary>
internal sealed unsafe partial class Input : IDisposable
{
    private const int Page = 1 << 16; // of any system
    private readonly byte* memory;
    private readonly nuint bytes;

    public Input(int capacity)
    {
        bytes = ((nuint)capacity + Page - 1) / Page * Page;
        memory = (byte*)NativeMemory.AlignedAlloc(bytes + Page, Page);
        if (OperatingSystem.IsLinux() && Mprotect((nint)(memory + bytes), Page, 0) != 0) throw new InvalidOperationException("mprotect failed");
    }

    /// <summary>Largest input.</summary>
    public int Capacity => (int)bytes;

    /// <summary>A file of these bytes; valid until the next call.</summary>
    public MappedFile Map(ReadOnlySpan<byte> content)
    {
        var start = memory + bytes - content.Length;
        content.CopyTo(new Span<byte>(start, content.Length));
        return new MappedFile("input", start, content.Length);
    }

    public void Dispose()
    {
        if (OperatingSystem.IsLinux()) _ = Mprotect((nint)(memory + bytes), Page, 3);
        NativeMemory.AlignedFree(memory);
    }

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int Mprotect(nint address, nuint length, int protection);
}
