using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Reference;
using Xunit;

namespace WarpDecode.Kernels.Tests.Gpu;

/// <summary>
/// The exact tensor-core kernels on ILGPU's CPU accelerator, against the reference backend's FP64 sums and against themselves: a
/// token alone, among a few, and among many must have the same bits.
/// </summary>
public sealed class ExactTests : IDisposable
{
    private const float Epsilon = 1e-6f;
    private const double Bound = 1e-11; // normalized mean squared error

    private readonly Random random = new(12);
    private readonly ReferenceBackend reference = new();
    private readonly CudaBackend gpu = new(TestDevice.Open(), records: false);
    private readonly List<RandomWeights> weights = [];

    public void Dispose()
    {
        gpu.Dispose();
        reference.Dispose();
        foreach (var weight in weights) weight.Dispose();
    }

    [Theory]
    [InlineData(WeightType.Q4_K)]
    [InlineData(WeightType.Q6_K)]
    [InlineData(WeightType.Q8_0)]
    public void EmbedGivesTheExactWeights(WeightType type)
    {
        var (host, device) = Load(type, [48, 512]);
        Assert.NotNull(((DeviceWeight)device).Tiles);
        int[] tokens = [4, 47, 25];
        var step = Decode(tokens);
        var (x, y) = (reference.Allocate(3 * 512), gpu.Allocate(3 * 512));
        gpu.Begin(step);
        reference.Embed(step, host, x);
        gpu.Embed(step, device, y);
        Assert.Equal(reference.Read(x, 0, 3 * 512), gpu.Read(y, 0, 3 * 512));
    }

    /// <summary>Format, T, columns, rows of up to three matrices.</summary>
    [Theory]
    [InlineData(WeightType.Q4_K, 1, 256, 16, 0)]
    [InlineData(WeightType.Q4_K, 3, 512, 32, 16)]
    [InlineData(WeightType.Q4_K, 1, 2560, 16, 0)]
    [InlineData(WeightType.Q6_K, 2, 512, 16, 16)]
    [InlineData(WeightType.Q8_0, 3, 256, 16, 32)]
    public void ProductsAgree(WeightType type, int tokens, int columns, int rows0, int rows1)
    {
        var pairs = new[] { rows0, rows1 }.Where(r => r > 0).Select(r => Load(type, [r, columns])).ToArray();
        var step = Decode(new int[tokens]);
        gpu.Begin(step);
        var (x, norm) = (Values(tokens * columns), Values(columns));
        var total = rows0 + rows1;
        var (y, z) = (Both(Values(tokens * total)), Both(x));
        reference.NormProject(step, z.Host, reference.Upload(norm), Epsilon, [.. pairs.Select(p => p.Host)], y.Host);
        gpu.NormProject(step, z.Device, gpu.Upload(norm), Epsilon, [.. pairs.Select(p => p.Device)], y.Device);
        Agree(y, tokens * total);

        var sum = Both(Values(tokens * rows0));
        reference.ProjectAdd(step, z.Host, pairs[0].Host, sum.Host);
        gpu.ProjectAdd(step, z.Device, pairs[0].Device, sum.Device);
        Agree(sum, tokens * rows0);

        foreach (var selected in tokens == 1 ? [[0]] : (int[][])[[tokens - 1], [tokens - 1, 0]])
        {
            step.SelectLogits(selected);
            var logits = Both(new float[selected.Length * rows0]);
            reference.Head(step, z.Host, reference.Upload(norm), Epsilon, pairs[0].Host, logits.Host);
            gpu.Head(step, z.Device, gpu.Upload(norm), Epsilon, pairs[0].Device, logits.Device);
            Agree(logits, selected.Length * rows0);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void MatricesInTilesAndInRowsShareOneOutput(int tokens)
    {
        var pairs = new[] { Load(WeightType.Q4_K, [16, 256]), Load(WeightType.Q8_0, [16, 256]), Load(WeightType.Q6_K, [16, 256]), Load(WeightType.Q6_K, [3, 256]) };
        var step = Decode(new int[tokens]);
        gpu.Begin(step);
        var (x, norm, y) = (Both(Values(tokens * 256)), Values(256), Both(new float[tokens * 51]));
        reference.NormProject(step, x.Host, reference.Upload(norm), Epsilon, [.. pairs.Select(p => p.Host)], y.Host);
        gpu.NormProject(step, x.Device, gpu.Upload(norm), Epsilon, [.. pairs.Select(p => p.Device)], y.Device);
        Agree(y, tokens * 51);
    }

    /// <summary>Format, T, E, K, columns and rows of gate and up, columns and rows of down.</summary>
    [Theory]
    [InlineData(WeightType.Q4_K, 1, 3, 2, 512, 32, 256, 16)]
    [InlineData(WeightType.Q4_K, 9, 3, 1, 256, 48, 256, 32)] // experts with a few tokens
    [InlineData(WeightType.Q4_K, 9, 2, 1, 768, 16, 768, 48)] // with many
    [InlineData(WeightType.Q4_K, 9, 1, 1, 2304, 16, 2304, 16)]
    [InlineData(WeightType.Q4_K, 2, 2, 2, 2304, 16, 2304, 16)]
    [InlineData(WeightType.Q4_K, 9, 2, 1, 2048, 16, 256, 16)] // rows of eight records
    [InlineData(WeightType.Q6_K, 9, 3, 1, 512, 16, 512, 16)]
    [InlineData(WeightType.Q6_K, 1, 3, 2, 256, 16, 768, 16)]
    [InlineData(WeightType.Q8_0, 9, 2, 1, 256, 16, 256, 16)]
    public void ExpertsAgree(WeightType type, int tokens, int experts, int topK, int columns, int rows, int downColumns, int downRows)
    {
        TestDevice.SkipSlow((tokens > 2 && columns >= 2048) || rows == 48);
        var router = Load(WeightType.F32, [experts, columns]);
        var (gate, up, down) = (Load(type, [experts, rows, columns]), Load(type, [experts, rows, columns]), Load(type, [experts, downRows, downColumns]));
        var (step, x, h) = (Decode(new int[tokens]), Both(Values(tokens * columns)), Both(new float[tokens * columns]));
        gpu.Begin(step);
        var routing = (Host: reference.AllocateRouting(tokens, topK, experts), Device: gpu.AllocateRouting(tokens, topK, experts));
        var ones = Enumerable.Repeat(1f, columns).ToArray();
        reference.Route(step, x.Host, reference.Upload(ones), Epsilon, router.Host, new RouterSpec(topK, true), h.Host, routing.Host);
        gpu.Route(step, x.Device, gpu.Upload(ones), Epsilon, router.Device, new RouterSpec(topK, true), h.Device, routing.Device);
        var mid = Both(new float[tokens * topK * rows]);
        reference.MoeGateUp(step, h.Host, gate.Host, up.Host, routing.Host, mid.Host);
        gpu.MoeGateUp(step, h.Device, gate.Device, up.Device, routing.Device, mid.Device);
        Agree(mid, tokens * topK * rows);
        var (wide, y) = (Both(Values(tokens * topK * downColumns)), Both(Values(tokens * downRows)));
        reference.MoeDown(step, wide.Host, down.Host, routing.Host, y.Host);
        gpu.MoeDown(step, wide.Device, down.Device, routing.Device, y.Device);
        Agree(y, tokens * downRows);
    }

    [Fact]
    public void WhatIsNoNumberStaysNoNumber()
    {
        var (_, device) = Load(WeightType.Q4_K, [16, 256]);
        var values = Values(256);
        values[7] = float.PositiveInfinity;
        var step = Decode([0]);
        gpu.Begin(step);
        var y = gpu.Allocate(16);
        gpu.ProjectAdd(step, gpu.Upload(values), device, y);
        foreach (var value in gpu.Read(y, 0, 16)) Assert.False(float.IsFinite(value));
        var zero = gpu.Upload(new float[256]);
        var none = gpu.Allocate(16);
        gpu.ProjectAdd(step, zero, device, none);
        Assert.Equal(new float[16], gpu.Read(none, 0, 16));
    }

    /// <summary>A token alone, among few and among many: the three ways through the kernels.</summary>
    [Theory]
    [InlineData(WeightType.Q4_K, 5, 768)]
    [InlineData(WeightType.Q4_K, 3, 256)] // experts with many tokens
    [InlineData(WeightType.Q6_K, 5, 256)]
    [InlineData(WeightType.Q8_0, 3, 768)]
    public void ATokensBitsDoNotDependOnItsBatch(WeightType type, int experts, int ff)
    {
        TestDevice.SkipSlow(type != WeightType.Q4_K || experts == 5);
        const int hidden = 512, rows = 16, topK = 2, tokens = 9;
        var (_, matrix) = Load(type, [16, hidden]);
        var (_, router) = Load(WeightType.F32, [experts, hidden]);
        var (_, gate) = Load(type, [experts, rows, hidden]);
        var (_, up) = Load(type, [experts, rows, hidden]);
        var (_, down) = Load(type, [experts, 32, ff]);
        var (norm, values, wide) = (gpu.Upload(Values(hidden)), Values(tokens * hidden), Values(tokens * topK * ff));
        var batch = Run(0, tokens);
        foreach (var (t, count) in ((int, int)[])[(4, 1), (2, 2)])
        {
            var alone = Run(t, count);
            for (var i = 0; i < alone.Length; i++)
            {
                var size = alone[i].Length / count;
                Assert.Equal(alone[i], batch[i][(t * size)..((t + count) * size)]);
            }
        }

        float[][] Run(int first, int count)
        {
            var step = Decode(new int[count]);
            gpu.Begin(step);
            var (x, y, z) = (gpu.Upload(values.AsSpan(first * hidden, count * hidden)), gpu.Allocate(count * 16), gpu.Allocate(count * 16));
            var (h, mid, routing) = (gpu.Allocate(count * hidden), gpu.Allocate(count * topK * rows), gpu.AllocateRouting(count, topK, experts));
            gpu.NormProject(step, x, norm, Epsilon, [matrix], y);
            gpu.ProjectAdd(step, x, matrix, z);
            gpu.Route(step, x, norm, Epsilon, router, new RouterSpec(topK, true), h, routing);
            gpu.MoeGateUp(step, h, gate, up, routing, mid);
            var output = gpu.Allocate(count * 32);
            gpu.MoeDown(step, gpu.Upload(wide.AsSpan(first * topK * ff, count * topK * ff)), down, routing, output);
            return [All(y), All(z), All(mid), All(output)];
        }

        float[] All(Tensor tensor) => gpu.Read(tensor, 0, (int)tensor.Length).ToArray();
    }

    private static Step Decode(int[] tokens)
    {
        var step = new Step(tokens.Length, tokens.Length, 1);
        for (var i = 0; i < tokens.Length; i++)
        {
            step.AddSequence([i]);
            step.AddToken(tokens[i], 0);
        }
        return step;
    }

    private (Weight Host, Weight Device) Load(WeightType type, long[] shape)
    {
        var weight = new RandomWeights(type, shape, random);
        weights.Add(weight);
        return (reference.Load(weight.View), gpu.Load(weight.View));
    }

    private float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (2 * random.NextSingle()) - 1)];

    private (Tensor Host, Tensor Device) Both(float[] values) => (reference.Upload(values), gpu.Upload(values));

    private void Agree((Tensor Host, Tensor Device) pair, int count)
    {
        var expected = reference.Read(pair.Host, 0, count);
        var actual = gpu.Read(pair.Device, 0, count);
        double error = 0, norm = 0;
        for (var i = 0; i < count; i++)
        {
            error += Math.Pow((double)actual[i] - expected[i], 2);
            norm += Math.Pow(expected[i], 2);
        }
        Assert.InRange(error / norm, 0, Bound);
    }
}
