using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime.Evaluation;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Embedding;

/// <summary>An engine may be disposed at any time: what others do then is refused by name, and what it held is free.</summary>
public class DisposalTests
{
    private static readonly string Model = TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf");

    [Fact]
    public void WhoeverUsesTheEngineMeanwhileIsTold()
    {
        for (var round = 0; round < 12; round++)
        {
            var engine = Open(sessions: 32);
            var wait = TimeSpan.FromMilliseconds(4 * round);
            Threads.Run(thread =>
            {
                if (thread == 0)
                {
                    Thread.Sleep(wait);
                    engine.Dispose();
                    return;
                }
                Assert.Throws<ObjectDisposedException>((Action)(() =>
                {
                    while (true) Use(engine, thread);
                }));
            });
            Assert.Throws<ObjectDisposedException>(engine.CreateSession);
        }

        static void Use(Engine engine, int how)
        {
            using var session = engine.CreateSession();
            switch (how)
            {
                case 1 or 2: // token after token, together with the other
                    for (var i = 0; i < 40; i++) session.Append([i]);
                    break;
                case 3: // a prompt
                    session.Append(Enumerable.Range(0, 100).ToArray());
                    break;
                case 4: // logits of all positions, forks, ways back
                    session.Append([1, 2, 3], (_, logits) => Assert.Equal(512, logits.Length));
                    using (var fork = session.Fork()) fork.Append([4]);
                    session.Rewind(1);
                    session.Append([5]);
                    Assert.Equal(512, session.Logits.Length);
                    break;
                case 5:
                    engine.Decode([session], [7]);
                    session.TryReadRouting(new Runtime.Monitoring.RoutingSnapshot(engine));
                    break;
                case 6: // the file
                    Assert.NotNull(AnswerFormat.Of(engine));
                    Assert.NotEmpty(engine.Template.Text + engine.Tokenizer.Kind);
                    break;
                default:
                    Assert.Single(Scoring.Score(engine, "The license", [" is free"]));
                    break;
            }
        }
    }

    [Fact]
    public void WhoeverComesLaterIsTold()
    {
        var engine = Open(sessions: 4);
        var session = engine.CreateSession();
        session.Append([1, 2, 3]);
        var last = engine.CreateSession();
        last.Append([4]);
        Assert.Equal(512, session.Logits.Length);
        engine.Dispose();
        engine.Dispose();
        Assert.Throws<ObjectDisposedException>(() => session.Append([1]));
        Assert.Throws<ObjectDisposedException>(() => session.Append([1, 2], (_, _) => Assert.Fail("there are no logits")));
        Assert.Throws<ObjectDisposedException>(() => session.Rewind(1));
        Assert.Throws<ObjectDisposedException>(session.Fork);
        Assert.Throws<ObjectDisposedException>(() => last.Logits.Length); // they lay in the engine's memory
        Assert.Throws<ObjectDisposedException>(() => engine.Decode([session], [1]));
        Assert.Throws<ObjectDisposedException>(() => engine.Tokenizer);
        Assert.Throws<ObjectDisposedException>(() => engine.Template);
        Assert.Throws<ObjectDisposedException>(() => AnswerFormat.Of(engine));
        Assert.Throws<ObjectDisposedException>(() => Scoring.Score(engine, "a", [" b"]));
        Assert.Throws<ObjectDisposedException>(() => engine.File.Metadata.GetString("general.architecture"));
        Assert.Throws<ObjectDisposedException>(() => engine.File.Tensors[0].CopyRows(0, 1, new byte[engine.File.Tensors[0].RowBytes]));
        session.Dispose();
        last.Dispose();
    }

    [Fact]
    public void ManyMayDisposeItAndEachFindsItFree()
    {
        for (var round = 0; round < 5; round++)
        {
            using var device = new CountingDevice();
            var engine = Open(device);
            Assert.True(device.Held > 0);
            Threads.Run(_ =>
            {
                engine.Dispose();
                Assert.Equal((0, true), (device.Held, device.IsDisposed));
            });
        }
    }

    [Fact]
    public async Task DisposingOnAnotherThreadIsTheSame()
    {
        using var device = new CountingDevice();
        await using (var engine = Open(device)) Assert.True(device.Held > 0);
        Assert.Equal((0, true), (device.Held, device.IsDisposed));
    }

    [Fact]
    public void NotInTheMiddleOfAStep()
    {
        using var engine = Open(sessions: 1);
        using var session = engine.CreateSession();
        var read = 0;
        session.Append([1, 2], (_, _) =>
        {
            read++;
            Assert.Throws<InvalidOperationException>(engine.Dispose);
        });
        Assert.Equal(2, read);
        session.Append([3]);
        Assert.Equal(3, session.Length);
    }

    private static Engine Open(int sessions) =>
        Engine.Open(Model, new EngineOptions { Backend = BackendKind.Cpu, Threads = 1, Sessions = sessions, ContextLength = 128, PrefillTokens = 24 });

    private static Engine Open(GpuDevice device) =>
        Engine.Open(Model, new EngineOptions { Backend = BackendKind.Cuda, ContextLength = 64, PrefillTokens = 32 }, new CudaBackend(device, records: false));

    /// <summary>A device that knows what is allocated on it.</summary>
    private sealed class CountingDevice : EmulatedDevice
    {
        private readonly HashSet<long> held = [];

        public int Held => held.Count;

        public bool IsDisposed { get; private set; }

        public override long Allocate(long bytes, string purpose)
        {
            var address = base.Allocate(bytes, purpose);
            held.Add(address);
            return address;
        }

        public override void Free(long address)
        {
            held.Remove(address);
            base.Free(address);
        }

        public override void Dispose()
        {
            if (IsDisposed) return;
            IsDisposed = true;
            base.Dispose();
            held.Clear(); // what is left goes with the device
        }
    }
}

/// <summary>Looks at the memory of the process, so it runs when no other test does.</summary>
[Collection(nameof(Alone))]
public class DisposalMemoryTests
{
    [Fact]
    public void MapAndCacheAreFreeAtOnce()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads /proc/self");
        var path = Path.Combine(Path.GetTempPath(), $"wd-disposal-{Guid.NewGuid():N}.gguf");
        File.Copy(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), path);
        try
        {
            var before = Size();
            var options = new EngineOptions { Backend = BackendKind.Cpu, Threads = 1, ContextLength = 4096, Sessions = 64 };
            for (var round = 0; round < 3; round++)
            {
                var engine = Engine.Open(path, options);
                var cache = new Kernels.KvShape(engine.Config.Layers, 1, Engine.PageTokens, engine.Config.KvHeads, engine.Config.HeadDim, engine.KvType).PageBytes * engine.FreePages;
                Assert.True(cache > 64 << 20, $"a cache of {cache} bytes is too small to be seen");
                Assert.Contains(path, File.ReadAllText("/proc/self/maps"), StringComparison.Ordinal);
                Assert.True(Size() - before > cache);
                engine.Dispose();
                Assert.DoesNotContain(path, File.ReadAllText("/proc/self/maps"), StringComparison.Ordinal);
                Assert.DoesNotContain(Directory.GetFiles("/proc/self/fd"), fd => new FileInfo(fd).LinkTarget == path);
                Assert.InRange(Size() - before, long.MinValue, cache / 2);
            }
        }
        finally
        {
            File.Delete(path);
        }

        static long Size() => 1024 * long.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmSize:", StringComparison.Ordinal))[7..^2].Trim());
    }
}
