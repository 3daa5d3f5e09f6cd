using WarpDecode.Kernels.Gpu.Device;
using Xunit;

namespace WarpDecode.Kernels.Tests.Gpu;

public sealed class CubinCacheTests : IDisposable
{
    private readonly string folder = Path.Combine(Path.GetTempPath(), "wd-cubin-" + Guid.NewGuid().ToString("N"));
    private int compiled;

    public void Dispose()
    {
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void AnEntryIsCompiledOnceForEachTextAndDevice()
    {
        var cache = new CubinCache(folder, "a GPU");
        Check(cache.GetOrAdd("text", Compile));
        Check(cache.GetOrAdd("text", Compile));
        Check(new CubinCache(folder, "a GPU").GetOrAdd("text", Compile));
        Assert.Equal(1, compiled);
        cache.GetOrAdd("other text", Compile);
        new CubinCache(folder, "another GPU").GetOrAdd("text", Compile);
        Assert.Equal(3, compiled);
        Assert.Empty(Directory.GetFiles(folder, "*.tmp"));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10)]
    [InlineData(42)]
    public void ADamagedEntryIsCompiledAgain(int length)
    {
        var cache = new CubinCache(folder, "a GPU");
        cache.GetOrAdd("text", Compile);
        var entry = Directory.GetFiles(folder).Single();
        var bytes = File.ReadAllBytes(entry);
        File.WriteAllBytes(entry, bytes[..length]);
        Check(cache.GetOrAdd("text", Compile));
        bytes[^1] ^= 1;
        File.WriteAllBytes(entry, bytes);
        Check(cache.GetOrAdd("text", Compile));
        Assert.Equal(3, compiled);
        cache.GetOrAdd("text", Compile);
        Assert.Equal(3, compiled);
    }

    [Fact]
    public void AFolderThatCannotBeMadeCostsOnlyTime()
    {
        var file = Path.GetTempFileName();
        var cache = new CubinCache(Path.Combine(file, "below"), "a GPU");
        Check(cache.GetOrAdd("text", Compile));
        Check(cache.GetOrAdd("text", Compile));
        Assert.Equal(2, compiled);
        File.Delete(file);
    }

    private static void Check((string Entry, byte[] Cubin) found)
    {
        Assert.Equal("entry", found.Entry);
        Assert.Equal([1, 2, 3], found.Cubin);
    }

    private (string Entry, byte[] Cubin) Compile()
    {
        compiled++;
        return ("entry", [1, 2, 3]);
    }
}
