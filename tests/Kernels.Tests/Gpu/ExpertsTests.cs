using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using Xunit;

namespace WarpDecode.Kernels.Tests.Gpu;

/// <summary>
/// The float experts in all of their forms, on ILGPU's CPU accelerator: tokens alone, tokens that share rows, prompts on tensor cores.
/// </summary>
public sealed unsafe class ExpertsTests : IDisposable
{
    private readonly Random random = new(3);
    private readonly GpuDevice device = TestDevice.Open();
    private readonly CudaBackend gpu;
    private readonly List<RandomWeights> weights = [];

    public ExpertsTests() => gpu = new CudaBackend(device, records: false);

    public void Dispose()
    {
        gpu.Dispose();
        foreach (var weight in weights) weight.Dispose();
    }

    /// <summary>A token alone, among others, and among so many that they share rows: not one bit differs.</summary>
    [Theory]
    [InlineData(WeightType.BF16, 17, 2, 40, 9)] // so many experts that nobody shares
    [InlineData(WeightType.BF16, 17, 2, 768, 3)]
    [InlineData(WeightType.BF16, 5, 2, 40, 9)]
    [InlineData(WeightType.BF16, 5, 1, 8, 1)]
    [InlineData(WeightType.BF16, 5, 5, 24, 3)]
    [InlineData(WeightType.BF16, 5, 3, 1024, 2)] // a set of four units
    [InlineData(WeightType.BF16, 5, 2, 512, 3)]  // of two
    [InlineData(WeightType.F16, 5, 4, 768, 3)]   // of three
    [InlineData(WeightType.F32, 5, 3, 56, 5)]
    [InlineData(WeightType.BF16, 9, 3, 296, 8)]  // a token alone has its slots side by side, in units that end within a row
    [InlineData(WeightType.F16, 17, 8, 768, 12)]
    public void ATokensBitsDoNotDependOnWhoSharesItsRows(WeightType type, int experts, int topK, int wide, int narrow)
    {
        TestDevice.SkipSlow((topK >= 4 && wide >= 768) || (topK == 5 && wide == 24) || (experts == 17 && wide == 768));
        const int tokens = 6;
        var (gate, up, down) = (Load(type, experts, narrow, wide), Load(type, experts, narrow, wide), Load(type, experts, narrow, wide));
        var ids = Ids(tokens, topK, experts);
        float[] routeWeights = [.. ids.Select(_ => random.NextSingle())];
        var (h, middle, x) = (Values(tokens * wide), Values(tokens * topK * wide), Values(tokens * narrow));
        var together = Run(0, tokens);
        for (var t = 0; t < tokens; t += 5)
        {
            var alone = Run(t, 1);
            Assert.Equal(alone.Mid, together.Mid[(t * topK * narrow)..((t + 1) * topK * narrow)]);
            Assert.Equal(alone.X, together.X[(t * narrow)..((t + 1) * narrow)]);
        }

        (float[] Mid, float[] X) Run(int first, int count)
        {
            var step = TestDevice.Decode(count);
            gpu.Begin(step);
            var routes = Route(step, ids[(first * topK)..((first + count) * topK)], routeWeights[(first * topK)..((first + count) * topK)], topK, experts);
            var mid = gpu.Allocate(count * topK * narrow);
            gpu.MoeGateUp(step, gpu.Upload(h.AsSpan(first * wide, count * wide)), gate.Device, up.Device, routes, mid);
            var y = gpu.Upload(x.AsSpan(first * narrow, count * narrow));
            gpu.MoeDown(step, gpu.Upload(middle.AsSpan(first * topK * wide, count * topK * wide)), down.Device, routes, y);
            return (gpu.Read(mid, 0, (int)mid.Length).ToArray(), gpu.Read(y, 0, (int)y.Length).ToArray());
        }
    }

    /// <summary>A prompt on tensor cores; of its experts one has no token, one a few, one more than a warp takes at once.</summary>
    [Theory]
    [InlineData(WeightType.BF16, 41, 2, 72, 40, 4e-11)] // bfloat16 in two terms has 16 bits, not 24
    [InlineData(WeightType.BF16, 3, 3, 200, 8, 4e-11)]
    [InlineData(WeightType.F16, 5, 2, 40, 16, 1e-11)] // without tensor cores
    public void PromptsAgree(WeightType type, int tokens, int topK, int hidden, int ff, double bound)
    {
        const int experts = 4;
        var (gate, up, down) = (Load(type, experts, ff, hidden), Load(type, experts, ff, hidden), Load(type, experts, hidden, ff));
        int[] ids = [.. Enumerable.Range(0, tokens).SelectMany(t => (t < tokens * 3 / 4 ? (int[])[3, 1, 0] : [0, 3, 1]).Take(topK))];
        var step = new Step(tokens, 1, 2);
        step.AddSequence([0, 1]);
        for (var t = 0; t < tokens; t++) step.AddToken(0, t);
        gpu.Begin(step);
        var (h, x) = (Values(tokens * hidden), Values(tokens * hidden));
        float[] routeWeights = [.. ids.Select(_ => random.NextSingle())];
        var routes = Route(step, ids, routeWeights, topK, experts);
        var (mid, y) = (gpu.Allocate(tokens * topK * ff), gpu.Upload(x));
        gpu.MoeGateUp(step, gpu.Upload(h), gate.Device, up.Device, routes, mid);
        gpu.MoeDown(step, mid, down.Device, routes, y);

        var (expectedMid, expectedX) = (new double[tokens * topK * ff], Array.ConvertAll(x, v => (double)v));
        for (var slot = 0; slot < ids.Length; slot++)
        {
            var vector = h.AsSpan(slot / topK * hidden, hidden);
            for (var f = 0; f < ff; f++)
            {
                var g = gate.Host.Dot((ids[slot] * ff) + f, vector);
                expectedMid[(slot * ff) + f] = g / (1 + Math.Exp(-g)) * up.Host.Dot((ids[slot] * ff) + f, vector);
            }
            var middle = Array.ConvertAll(expectedMid[(slot * ff)..((slot + 1) * ff)], v => (float)v);
            for (var row = 0; row < hidden; row++) expectedX[(slot / topK * hidden) + row] += routeWeights[slot] * down.Host.Dot((ids[slot] * hidden) + row, middle);
        }
        Assert.InRange(Error(expectedMid, gpu.Read(mid, 0, expectedMid.Length)), 0, bound);
        Assert.InRange(Error(expectedX, gpu.Read(y, 0, expectedX.Length)), 0, bound);
    }

    private static double Error(double[] expected, ReadOnlySpan<float> found)
    {
        double error = 0, norm = 0;
        for (var i = 0; i < expected.Length; i++)
        {
            error += (found[i] - expected[i]) * (found[i] - expected[i]);
            norm += expected[i] * expected[i];
        }
        return error / norm;
    }

    private DeviceRouting Route(Step step, int[] ids, float[] routeWeights, int topK, int experts)
    {
        var routes = new DeviceRouting(device, step.Count, topK, experts);
        fixed (int* from = ids) device.Upload(routes.Ids, from, ids.Length * sizeof(int));
        fixed (float* from = routeWeights) device.Upload(routes.Weights, from, ids.Length * sizeof(float));
        return routes;
    }

    private int[] Ids(int tokens, int topK, int experts) =>
        [.. Enumerable.Range(0, tokens).SelectMany(_ => Enumerable.Range(0, experts).OrderBy(_ => random.Next()).Take(topK))];

    private (Matrix Host, Weight Device) Load(WeightType type, int experts, int rows, int columns)
    {
        var weight = new RandomWeights(type, [experts, rows, columns], random);
        weights.Add(weight);
        return (new Matrix(weight.View), gpu.Load(weight.View));
    }

    private float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (2 * random.NextSingle()) - 1)];

    /// <summary>Rows of a weight in FP32, multiplied in FP64.</summary>
    private sealed class Matrix(TensorView view)
    {
        private readonly float[] values = Widen(view);
        private readonly int columns = (int)view.Shape[^1];

        public double Dot(int row, ReadOnlySpan<float> vector)
        {
            var sum = 0.0;
            for (var k = 0; k < columns; k++) sum += (double)values[(row * columns) + k] * vector[k];
            return sum;
        }

        private static float[] Widen(TensorView view)
        {
            var values = new float[view.Count];
            fixed (float* to = values) Dispatch.Rows(view.Type).Widen(view.Data, to, values.Length);
            return values;
        }
    }
}
