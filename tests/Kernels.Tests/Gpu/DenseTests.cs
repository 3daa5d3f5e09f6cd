using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Reference;
using Xunit;

namespace WarpDecode.Kernels.Tests.Gpu;

/// <summary>
/// The several kernels of a product and of the router, on ILGPU's CPU accelerator: each against the reference backend, and all of
/// them bit for bit the same. Shapes as small as they can be: a shuffle takes about half a millisecond.
/// </summary>
public sealed class DenseTests : IDisposable
{
    private const float Epsilon = 1e-6f;
    private const double Bound = 1e-12;

    private readonly Random random = new(12);
    private readonly ReferenceBackend reference = new();
    private readonly CudaBackend gpu = new(TestDevice.Open(), records: false);

    public void Dispose()
    {
        gpu.Dispose();
        reference.Dispose();
    }

    [Theory]
    [InlineData(264, new[] { 3, 2 }, 17)] // a second group of eight columns, odd rows, three tiles of tokens
    [InlineData(2312, new[] { 3 }, 2)]    // sixteen warps
    [InlineData(4104, new[] { 2 }, 2)]    // two groups of columns for some of them
    public void EveryKernelOfAProductGivesTheSameBits(int columns, int[] rows, int tokens)
    {
        TestDevice.SkipSlow(columns == 2312);
        var weights = rows.Select(r => new RandomWeights(WeightType.BF16, [r, columns], random)).ToArray();
        var (host, device) = (weights.Select(w => reference.Load(w.View)).ToArray(), weights.Select(w => gpu.Load(w.View)).ToArray());
        var (norm, input, total) = (Values(columns), Values(tokens * columns), rows.Sum());
        var (factors, step) = (gpu.Upload(norm), TestDevice.Decode(tokens));
        var (x, y, z) = (reference.Upload(input), reference.Allocate(tokens * total), reference.Upload(Values(tokens * rows[0])));
        var residual = reference.Read(z, 0, tokens * rows[0]).ToArray();
        reference.NormProject(step, x, reference.Upload(norm), Epsilon, host, y);
        reference.ProjectAdd(step, x, host[0], z);

        var (normed, added) = Run(0, tokens, int.MaxValue);
        Agree(reference.Read(y, 0, tokens * total), normed);
        Agree(reference.Read(z, 0, tokens * rows[0]), added);
        foreach (var (first, count, whole) in tokens > 16 ? ((int, int, int)[])[(tokens - 1, 1, 0), (0, 2, 0), (0, tokens, 0)] : [(tokens - 1, 1, 0)])
        {
            var (some, others) = Run(first, count, whole);
            Assert.Equal(normed[(first * total)..((first + count) * total)], some);
            Assert.Equal(added[(first * rows[0])..((first + count) * rows[0])], others);
        }
        foreach (var weight in weights) weight.Dispose();

        (float[] Normed, float[] Added) Run(int first, int count, int whole)
        {
            gpu.WholeWarps = whole;
            var part = TestDevice.Decode(count);
            gpu.Begin(part);
            var from = gpu.Upload(input.AsSpan(first * columns, count * columns));
            var (to, sum) = (gpu.Allocate(count * total), gpu.Upload(residual.AsSpan(first * rows[0], count * rows[0])));
            gpu.NormProject(part, from, factors, Epsilon, device, to);
            gpu.ProjectAdd(part, from, device[0], sum);
            return (gpu.Read(to, 0, count * total).ToArray(), gpu.Read(sum, 0, count * rows[0]).ToArray());
        }
    }

    [Theory]
    [InlineData(1, 40, 32, false)]
    [InlineData(5, 34, 5, true)]
    public void TheRouterChoosesAmongEqualsTheLowerId(int tokens, int experts, int topK, bool normalize)
    {
        TestDevice.SkipSlow(tokens == 1);
        const int columns = 8;
        using var weight = new RandomWeights(WeightType.F32, [experts, columns], random);
        // Every third expert as the first one, some of the others as well.
        unsafe
        {
            var rows = new Span<float>(weight.View.Data, experts * columns);
            for (var e = 3; e < experts; e += 3) rows[..columns].CopyTo(rows[(e * columns)..]);
            for (var e = 4; e < experts; e += 7) rows[columns..(2 * columns)].CopyTo(rows[(e * columns)..]);
        }
        var (step, spec, input, norm) = (TestDevice.Decode(tokens), new RouterSpec(topK, normalize), Values(tokens * columns), Values(columns));
        var routing = (Host: reference.AllocateRouting(tokens, topK, experts), Device: gpu.AllocateRouting(tokens, topK, experts));
        var (g, h) = (reference.Allocate(tokens * columns), gpu.Allocate(tokens * columns));
        reference.Route(step, reference.Upload(input), reference.Upload(norm), Epsilon, reference.Load(weight.View), spec, g, routing.Host);
        gpu.Begin(step);
        var (router, x, factors) = (gpu.Load(weight.View), gpu.Upload(input), gpu.Upload(norm));
        gpu.Route(step, x, factors, Epsilon, router, spec, h, routing.Device);
        for (var t = 0; t < tokens; t++)
        {
            var chosen = Enumerable.Range(0, topK).Select(k => (Id: routing.Device.Expert(t, k), Weight: routing.Device.WeightOf(t, k))).ToArray();
            Assert.Equal(Enumerable.Range(0, topK).Select(k => routing.Host.Expert(t, k)), chosen.Select(c => c.Id));
            for (var k = 0; k < topK; k++) Assert.InRange(chosen[k].Weight / routing.Host.WeightOf(t, k), 0.99999f, 1.00001f);
        }
        Agree(reference.Read(g, 0, tokens * columns), gpu.Read(h, 0, tokens * columns));
    }

    [Fact]
    public void TooManyExpertsOfATokenAreRefused() => Assert.Throws<GpuException>(() => gpu.AllocateRouting(1, 33, 64));

    private static void Agree(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        double error = 0, norm = 0;
        for (var i = 0; i < expected.Length; i++)
        {
            error += Math.Pow((double)actual[i] - expected[i], 2);
            norm += Math.Pow(expected[i], 2);
        }
        Assert.InRange(error / norm, 0, Bound);
    }

    private float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (2 * random.NextSingle()) - 1)];
}
