using System.Runtime.InteropServices;
using Xunit;

namespace WarpDecode.Formats.Tests;

/// <summary>Files that shrink while they are mapped.</summary>
public sealed class MapGuardTests
{
    private static int handedOn;

    [Fact]
    public void IsWhatThisSystemHas() =>
        Assert.Equal(OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64, MapGuard.Works);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4096)]
    [InlineData(99_999)]
    [InlineData(100_001)]
    [InlineData((1 << 20) - 2)]
    public unsafe void AReadBehindTheNewEndGivesZerosAndThenAnError(int left)
    {
        Assert.SkipUnless(MapGuard.Works, "reads of maps are guarded on Linux, x64 and arm64");
        var bytes = new byte[1 << 20];
        new Random(1).NextBytes(bytes);
        bytes.AsSpan().Replace((byte)0, (byte)1);
        using var file = new TempFile(bytes);
        using var map = new MappedFile(file.Path);
        map.CheckWhole();
        using (var stream = new FileStream(file.Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) stream.SetLength(left);

        for (var i = bytes.Length - 1; i >= 0; i -= 997) Assert.Equal(i < left ? bytes[i] : 0, map.Start[i]); // downwards: each page faults
        Assert.True(map.Span(left, bytes.Length - left).IndexOfAnyExcept((byte)0) < 0);
        if (left % 3 == 0)
        {
            // Grown again before anybody looked: what was read in between is lost all the same.
            using var stream = new FileStream(file.Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            stream.SetLength(bytes.Length);
            var lost = Assert.Throws<ModelFileException>(map.CheckWhole);
            Assert.Contains("could not be read at offset ", lost.Message, StringComparison.Ordinal);
            Assert.InRange(lost.Offset!.Value, left, bytes.Length);
            return;
        }
        for (var i = 0; i < 2; i++) // seen once, it stays an error, grown again or not
        {
            var error = Assert.Throws<ModelFileException>(map.CheckWhole);
            Assert.Equal($"{file.Path}: shrank from 1048576 to {left} bytes while it was open", error.Message);
            using var stream = new FileStream(file.Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            stream.SetLength(bytes.Length);
        }
    }

    [Fact]
    public async Task ManyThreadsMayFaultAtOnce()
    {
        Assert.SkipUnless(MapGuard.Works, "reads of maps are guarded on Linux, x64 and arm64");
        using var file = new TempFile(new byte[64 << 20]);
        using var map = new MappedFile(file.Path);
        using (var stream = new FileStream(file.Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) stream.SetLength(1);
        var sums = await Task.WhenAll(Enumerable.Range(0, 8).Select(t => Task.Run(() =>
        {
            var sum = 0;
            for (var i = 0L; i < 16_384; i++) sum += map.Span(((i * (t + 1) * 2_654_435_761L) & 0x3FFF) << 12, 1)[0];
            GC.Collect(); // suspends threads, some of them in the handler
            return sum;
        }, TestContext.Current.CancellationToken)));
        Assert.All(sums, sum => Assert.Equal(0, sum));
        Assert.Throws<ModelFileException>(map.CheckWhole);
    }

    [Fact]
    public unsafe void AClosedMapIsGuardedNoMore()
    {
        Assert.SkipUnless(MapGuard.Works, "reads of maps are guarded on Linux, x64 and arm64");
        using var file = new TempFile(new byte[5000]);
        for (var i = 0; i < 5000; i++) // more than the guard holds at once
        {
            using var map = new MappedFile(file.Path);
            Assert.Equal(0, map.Start[4999]);
            map.CheckWhole();
        }
    }

    [Fact]
    public unsafe void OtherFaultsAreHandedOn() // the handler called as the kernel calls it
    {
        Assert.SkipUnless(MapGuard.Works, "reads of maps are guarded on Linux, x64 and arm64");
        var page = Environment.SystemPageSize;
        var memory = (byte*)NativeMemory.AlignedAlloc((nuint)(4 * page), (nuint)page);
        var ranges = stackalloc MapGuard.Range[3];
        for (var i = 0; i < 3; i++) ranges[i] = default;
        ranges[1] = new() { Start = (nuint)(memory + page), End = (nuint)(memory + (2 * page)) }; // never hit successfully here
        var code = MapGuard.MakeExecutable(MapGuard.Handler(RuntimeInformation.ProcessArchitecture, ranges, 3, (nint)(delegate* unmanaged<int, byte*, nint, void>)&Previous, page));
        Assert.NotEqual(0, code);
        var handler = (delegate* unmanaged<int, byte*, nint, void>)code;
        var info = stackalloc byte[128];
        handedOn = 0;
        foreach (var (signalCode, address) in new (int, nint)[]
        {
            (2, (nint)memory), // before the range
            (2, (nint)(memory + page - 1)),
            (2, (nint)(memory + (2 * page))), // behind it
            (2, 0),
            (2, -1),
            (1, (nint)(memory + page)), // misaligned, not missing
            (4, (nint)(memory + page)), // broken memory
            (0, (nint)(memory + page)), // sent by a process: the address is none
            (-6, (nint)(memory + page)),
        })
        {
            new Span<byte>(info, 128).Clear();
            *(int*)(info + 8) = signalCode;
            *(nint*)(info + 16) = address;
            var before = handedOn;
            handler(7, info, 0x1234);
            Assert.Equal(before + 1, handedOn);
        }
        Assert.Equal((nuint)0, ranges[1].Fault);
        NativeMemory.AlignedFree(memory);

        // What it maps over must be a map: here an anonymous one of the test's own, made by a view of memory.
        using var view = System.IO.MemoryMappedFiles.MemoryMappedFile.CreateNew(null, 3 * page);
        using var accessor = view.CreateViewAccessor();
        byte* start = null;
        accessor.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        new Span<byte>(start, 3 * page).Fill(7);
        ranges[2] = new() { Start = (nuint)start, End = (nuint)(start + (2 * page)) };
        new Span<byte>(info, 128).Clear();
        *(int*)(info + 8) = 2;
        *(nint*)(info + 16) = (nint)(start + page + 5);
        var unchanged = handedOn;
        handler(7, info, 0x1234);
        Assert.Equal(unchanged, handedOn);
        Assert.Equal((nuint)(start + page + 5), ranges[2].Fault);
        Assert.Equal((7, 0, 0, 7), (start[page - 1], start[page], start[(2 * page) - 1], start[2 * page])); // only from the page to the range's end
        accessor.SafeMemoryMappedViewHandle.ReleasePointer();
    }

    [Fact]
    public void CheckingAllocatesNothing()
    {
        using var file = new TempFile(SmallGguf.Bytes);
        using var model = ModelFile.Open(file.Path);
        model.CheckWhole();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++) model.CheckWhole();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [UnmanagedCallersOnly]
    private static unsafe void Previous(int signal, byte* info, nint context)
    {
        if (signal == 7 && info != null && context == 0x1234) handedOn++; // all three arrive as they were
    }
}
