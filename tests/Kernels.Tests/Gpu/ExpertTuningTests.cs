using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using Xunit;

namespace WarpDecode.Kernels.Tests.Gpu;

/// <summary>The backend's choice of kernels for the experts, on ILGPU's CPU accelerator with a clock made by hand.</summary>
public sealed class ExpertTuningTests : IDisposable
{
    private const int Experts = 2, TopK = 1, Hidden = 16, Ff = 8, Tokens = 2;

    private readonly string folder = Path.Combine(Path.GetTempPath(), "wd-experts-" + Guid.NewGuid().ToString("N"));
    private readonly Random random = new(4);
    private readonly List<RandomWeights> weights = [];

    public void Dispose()
    {
        foreach (var weight in weights) weight.Dispose();
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
    }

    /// <summary>Type, rows and columns of all matrices, and the kernels that only the one choice or only the other takes.</summary>
    [Theory]
    [InlineData(WeightType.Q4_K, 16, 256, new[] { "TileGateUp.Few", "TileDown.FewByOne" }, new[] { "TileGateUp.Many", "TileDown.Many", "TileDown.Combine", "Groups.Run" })]
    [InlineData(WeightType.BF16, 8, 40, new[] { "MoeGateUp.Alone", "MoeDown.Few" }, new[] { "MoeGateUp.Shared", "MoeDown.Shared", "MoeDown.Combine", "Groups.Run" })]
    public void TheUsersChoiceChangesTheKernelsAndNotTheBits(WeightType type, int rows, int columns, string[] onlyAlone, string[] onlyTogether)
    {
        TestDevice.SkipSlow(type == WeightType.BF16);
        var views = Layer(type, [Experts, rows, columns], [Experts, rows, columns]);
        var (h, wide, x) = (Values(Tokens * columns), Values(Tokens * TopK * columns), Values(Tokens * rows));
        var (alone, together) = (Run((Tokens, Tokens)), Run((1, 1)));
        Assert.Equal(alone.Mid, together.Mid);
        Assert.Equal(alone.X, together.X);
        Assert.Contains(alone.X, value => value != 0);
        foreach (var kernel in onlyAlone) Assert.True(alone.Kernels.Contains(kernel) && !together.Kernels.Contains(kernel), kernel);
        foreach (var kernel in onlyTogether) Assert.True(together.Kernels.Contains(kernel) && !alone.Kernels.Contains(kernel), kernel);

        (float[] Mid, float[] X, HashSet<string> Kernels) Run((int GateUp, int Down) choice)
        {
            var device = new WatchedDevice();
            using var gpu = new CudaBackend(device, records: false, options: new CudaOptions(Alone: choice));
            var layer = Load(gpu, views);
            var step = new Step(Tokens, Tokens, 1);
            for (var t = 0; t < Tokens; t++)
            {
                step.AddSequence([t]);
                step.AddToken(0, 0);
            }
            gpu.Begin(step);
            var routes = (DeviceRouting)gpu.AllocateRouting(Tokens, TopK, Experts);
            Put(device, routes, [1, 1], [0.5f, 2]);
            var (mid, y) = (gpu.Allocate(Tokens * TopK * rows), gpu.Upload(x));
            gpu.MoeGateUp(step, gpu.Upload(h), layer.Gate, layer.Up, routes, mid);
            gpu.MoeDown(step, gpu.Upload(wide), layer.Down, routes, y);
            return (gpu.Read(mid, 0, (int)mid.Length).ToArray(), gpu.Read(y, 0, (int)y.Length).ToArray(), device.Kernels);
        }
    }

    [Fact]
    public void AShapeIsMeasuredOnceForADevice()
    {
        // Alone and together, of gate and up until two are hopeless, then of down.
        double[] times = [2, 7, 3, 7, 4, 7, 6, 7, 8, 7, 12, 7, 16, 7, /* down */ 6, 7, 9, 7, 12, 7];
        const string result = "alone up to 6 tokens (gate/up) and 2 (down), measured on a clock";
        var views = Layer();
        Assert.Equal("not measured yet", Info());
        Assert.Equal(1, Open(new CudaOptions(MeasuredFolder: folder), new WatchedDevice(times), result));
        Assert.Equal(0, Open(new CudaOptions(MeasuredFolder: folder), new WatchedDevice([]), result));
        Assert.Equal(result, Info());
        Assert.Equal(0, Open(new CudaOptions(MeasuredFolder: folder, Alone: (5, 6)), new WatchedDevice([]), "alone up to 5 tokens (gate/up) and 6 (down), as asked for"));
        Assert.Single(Directory.GetFiles(folder));

        // What a step of two tokens can tell is not kept for larger ones.
        var other = Path.Combine(folder, "other");
        for (var i = 0; i < 2; i++)
            Assert.Equal(1, Open(new CudaOptions(MeasuredFolder: other), new WatchedDevice([1, 2, 4, 3]), "alone up to 2 tokens (gate/up) and 1 (down), measured on a clock", Tokens));
        Assert.False(Directory.Exists(other));

        // Where times mean nothing, nothing is measured.
        Assert.Equal(0, Open(new CudaOptions(MeasuredFolder: folder), new WatchedDevice(), "not measured yet"));

        int Open(CudaOptions options, WatchedDevice device, string expected, int capacity = 32)
        {
            using var gpu = new CudaBackend(device, records: false, options: options);
            Assert.Null(gpu.Experts);
            var layers = new[] { Load(gpu, views), Load(gpu, views) };
            var asked = 0;
            gpu.TuneExperts(layers, TopK, gpu.Allocate(capacity * Hidden), gpu.Allocate(capacity * TopK * Ff), gpu.Allocate(capacity * Hidden), () => asked++, CancellationToken.None);
            Assert.Equal(expected, gpu.Experts);
            Assert.Equal(0, device.TimesLeft);
            foreach (var layer in layers)
            {
                Assert.NotNull(((DeviceWeight)layer.Gate).Dispatch);
                Assert.Same(((DeviceWeight)layer.Gate).Dispatch, ((DeviceWeight)layer.Down).Dispatch);
            }
            return asked;
        }

        string Info()
        {
            using var gpu = new CudaBackend(new WatchedDevice([]), records: false, options: new CudaOptions(MeasuredFolder: folder));
            return gpu.ExpertsOf([(views[0].View, views[2].View), (views[0].View, views[2].View)], TopK);
        }
    }

    [Fact]
    public void ACancelledMeasurementLeavesNothing()
    {
        var views = Layer();
        using var gpu = new CudaBackend(new WatchedDevice([1, 2, 3, 4]), records: false, options: new CudaOptions(MeasuredFolder: folder));
        var layer = Load(gpu, views);
        Assert.Throws<OperationCanceledException>(() => gpu.TuneExperts(
            [layer], TopK, gpu.Allocate(Tokens * Hidden), gpu.Allocate(Tokens * TopK * Ff), gpu.Allocate(Tokens * Hidden), () => { }, new CancellationToken(canceled: true)));
        Assert.Null(((DeviceWeight)layer.Gate).Dispatch);
        Assert.False(Directory.Exists(folder));
    }

    private static ExpertWeights Load(CudaBackend gpu, RandomWeights[] views) => new(gpu.Load(views[0].View), gpu.Load(views[1].View), gpu.Load(views[2].View));

    private static unsafe void Put(GpuDevice device, DeviceRouting routes, int[] ids, float[] routeWeights)
    {
        fixed (int* from = ids) device.Upload(routes.Ids, from, ids.Length * sizeof(int));
        fixed (float* from = routeWeights) device.Upload(routes.Weights, from, ids.Length * sizeof(float));
    }

    private RandomWeights[] Layer() => Layer(WeightType.BF16, [Experts, Ff, Hidden], [Experts, Hidden, Ff]);

    private RandomWeights[] Layer(WeightType type, long[] gateUp, long[] down)
    {
        RandomWeights[] layer = [new(type, gateUp, random), new(type, gateUp, random), new(type, down, random)];
        weights.AddRange(layer);
        return layer;
    }

    private float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (2 * random.NextSingle()) - 1)];

    /// <summary>Knows which kernels were asked for; with times, it has a clock that shows those and runs nothing.</summary>
    private sealed class WatchedDevice(double[]? times = null) : EmulatedDevice
    {
        private int read;

        public HashSet<string> Kernels { get; } = [];

        public int TimesLeft => (times?.Length ?? 0) - read;

        public override string Name => "a clock";

        public override string? TimedAs => times is null ? null : Name;

        public override double Microseconds(Action queue, int repeats, int warm) => times![read++];

        public override Kernel<TArgs> Compile<TArgs>(Action<TArgs> method)
        {
            Kernels.Add($"{method.Method.DeclaringType!.Name}.{method.Method.Name}");
            return base.Compile(method);
        }
    }
}
