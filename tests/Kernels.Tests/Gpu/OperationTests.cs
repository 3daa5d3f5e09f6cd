using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Reference;
using Xunit;

namespace WarpDecode.Kernels.Tests.Gpu;

/// <summary>
/// Every operation of the GPU backend, on ILGPU's CPU accelerator, against the reference backend at small and odd shapes. The
/// accelerator takes about half a millisecond for a warp shuffle, so the shapes are as small as they can be.
/// </summary>
public sealed class OperationTests : IDisposable
{
    private const float Epsilon = 1e-6f;
    private const double Bound = 1e-11; // normalized mean squared error: about 3e-6 of the root mean square

    private readonly Random random = new(11);
    private readonly ReferenceBackend reference = new();
    private readonly CudaBackend gpu = new(TestDevice.Open(), records: false);
    private readonly List<RandomWeights> weights = [];

    /// <summary>Format, T, E, K, columns, rows; columns are multiples of what the format needs.</summary>
    public static TheoryData<WeightType, int, int, int, int, int> Experts => new()
    {
        { WeightType.F32, 2, 3, 2, 24, 5 },
        { WeightType.F32, 1, 5, 5, 1032, 3 },
        { WeightType.F16, 1, 4, 3, 40, 9 },
        { WeightType.F16, 1, 2, 1, 1288, 2 },
        { WeightType.BF16, 3, 5, 2, 48, 7 },
        { WeightType.BF16, 1, 2, 2, 2312, 3 },
        { WeightType.BF16, 1, 9, 8, 288, 4 },
        { WeightType.Q8_0, 2, 3, 2, 64, 3 },
        { WeightType.Q8_0, 1, 2, 2, 2080, 2 },
        { WeightType.Q5_0, 1, 3, 2, 96, 5 },
        { WeightType.Q5_0, 1, 2, 1, 2080, 2 },
        { WeightType.Q4_K, 1, 3, 2, 256, 5 },
        { WeightType.Q4_K, 1, 2, 2, 2304, 2 },
        { WeightType.Q6_K, 1, 3, 2, 256, 5 },
        { WeightType.Q6_K, 1, 2, 2, 2304, 2 },
        { WeightType.MXFP4, 1, 3, 2, 96, 3 },
        { WeightType.Q5_K, 1, 2, 2, 256, 2 },
        { WeightType.IQ1_M, 1, 2, 1, 256, 2 },
    };

    /// <summary>Format, T, columns, rows of up to three matrices.</summary>
    public static TheoryData<WeightType, int, int, int[]> Products => new()
    {
        { WeightType.F32, 1, 24, [3, 4, 1] },
        { WeightType.F16, 3, 40, [5] },
        { WeightType.BF16, 5, 328, [7, 2, 3] },
        { WeightType.BF16, 2, 1288, [9] },
        { WeightType.Q8_0, 2, 96, [4, 3] },
        { WeightType.Q8_0, 1, 2144, [3] },
        { WeightType.Q5_0, 2, 64, [5, 1, 2] },
        { WeightType.Q4_K, 2, 512, [5] },
        { WeightType.Q6_K, 1, 256, [6, 1] },
        { WeightType.Q6_K, 3, 2304, [3] },
        { WeightType.Q4_0, 2, 96, [3] },
        { WeightType.Q4_1, 1, 96, [3] },
        { WeightType.Q5_1, 1, 96, [3] },
        { WeightType.Q2_K, 1, 512, [3] },
        { WeightType.Q3_K, 1, 512, [3] },
        { WeightType.Q5_K, 2, 512, [3] },
        { WeightType.IQ4_NL, 1, 96, [3] },
        { WeightType.IQ4_XS, 1, 512, [3] },
        { WeightType.MXFP4, 2, 96, [3] },
        { WeightType.NVFP4, 1, 192, [3] },
        { WeightType.IQ2_XS, 2, 512, [3] },
        { WeightType.I8, 1, 40, [3] },
    };

    public static TheoryData<WeightType> Types => [.. Dispatch.Supported];

    public void Dispose()
    {
        gpu.Dispose();
        reference.Dispose();
        foreach (var weight in weights) weight.Dispose();
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void EmbedGivesTheExactWeights(WeightType type)
    {
        var columns = 2 * Math.Max(32, type.BlockValues());
        var (host, device) = Load(type, [5, columns]);
        var step = Decode([4, 0, 3], [0, 0, 0]);
        var (x, y) = (reference.Allocate(3 * columns), gpu.Allocate(3 * columns));
        gpu.Begin(step);
        reference.Embed(step, host, x);
        gpu.Embed(step, device, y);
        Assert.Equal(reference.Read(x, 0, 3 * columns), gpu.Read(y, 0, 3 * columns));
    }

    /// <summary>What has no lanes of its own takes more memory than in the file, and the plan of memory has to know.</summary>
    [Theory]
    [InlineData(WeightType.IQ2_XS, 512 + (512 / 16 * 4))]
    [InlineData(WeightType.TQ1_0, 512 + (512 / 16 * 4))]
    [InlineData(WeightType.I8, 512 * 4)]
    [InlineData(WeightType.F64, 512 * 4)]
    [InlineData(WeightType.Q5_K, 2 * 176)]
    public void BytesOfAWeightAreThoseOnTheDevice(WeightType type, long rowBytes)
    {
        using var matrix = new RandomWeights(type, [3, 512], 1);
        Assert.Equal(3 * rowBytes, gpu.BytesOf(matrix.View));
    }

    [Fact]
    public void AnglesAreThoseOfFp64()
    {
        var frequencies = Enumerable.Range(0, 48).Select(i => (float)Math.Pow(10_000, -i / 48.0)).ToArray();
        var step = Decode([0, 0, 0, 0], [0, 7, 4_095, 262_143]);
        var (x, y) = (reference.Allocate(4 * 96), gpu.Allocate(4 * 96));
        gpu.Begin(step);
        reference.Angles(step, reference.Upload(frequencies), x);
        gpu.Angles(step, gpu.Upload(frequencies), y);
        var expected = reference.Read(x, 0, 4 * 96);
        var actual = gpu.Read(y, 0, 4 * 96);
        for (var i = 0; i < expected.Length; i++) Assert.InRange(Math.Abs(expected[i] - actual[i]), 0, 1.2e-7);
    }

    [Theory]
    [MemberData(nameof(Products))]
    public void ProductsAgree(WeightType type, int tokens, int columns, int[] rows)
    {
        TestDevice.SkipSlow(TestDevice.IsOfMany(type));
        var pairs = rows.Select(r => Load(type, [r, columns])).ToArray();
        var step = Decode(new int[tokens], new int[tokens]);
        gpu.Begin(step);
        var (x, norm) = (Values(tokens * columns), Values(columns));
        var total = rows.Sum();
        var (y, z) = (Both(Values(tokens * total)), Both(x));
        reference.NormProject(step, z.Host, reference.Upload(norm), Epsilon, [.. pairs.Select(p => p.Host)], y.Host);
        gpu.NormProject(step, z.Device, gpu.Upload(norm), Epsilon, [.. pairs.Select(p => p.Device)], y.Device);
        Agree(y, tokens * total);

        var sum = Both(Values(tokens * rows[0]));
        reference.ProjectAdd(step, z.Host, pairs[0].Host, sum.Host);
        gpu.ProjectAdd(step, z.Device, pairs[0].Device, sum.Device);
        Agree(sum, tokens * rows[0]);

        // The head: of some rows of x, once in a sequence and once not.
        foreach (var selected in tokens == 1 ? [[0]] : (int[][])[[tokens - 1], [tokens - 1, 0]])
        {
            step.SelectLogits(selected);
            var logits = Both(new float[selected.Length * rows[0]]);
            reference.Head(step, z.Host, reference.Upload(norm), Epsilon, pairs[0].Host, logits.Host);
            gpu.Head(step, z.Device, gpu.Upload(norm), Epsilon, pairs[0].Device, logits.Device);
            Agree(logits, selected.Length * rows[0]);
            Assert.Equal(gpu.Read(logits.Device, 1, rows[0] - 1), gpu.Read(logits.Device, 0, rows[0])[1..]);
        }
    }

    [Fact]
    public void MatricesOfSeveralTypesShareOneOutput()
    {
        var pairs = new[] { Load(WeightType.BF16, [4, 256]), Load(WeightType.BF16, [3, 256]), Load(WeightType.Q6_K, [2, 256]) };
        var step = Decode([0, 0], [0, 0]);
        gpu.Begin(step);
        var (x, norm, y) = (Both(Values(512)), Values(256), Both(new float[18]));
        reference.NormProject(step, x.Host, reference.Upload(norm), Epsilon, [.. pairs.Select(p => p.Host)], y.Host);
        gpu.NormProject(step, x.Device, gpu.Upload(norm), Epsilon, [.. pairs.Select(p => p.Device)], y.Device);
        Agree(y, 18);
    }

    [Theory]
    [MemberData(nameof(Experts))]
    public void ExpertsAgree(WeightType type, int tokens, int experts, int topK, int columns, int rows)
    {
        // Rows that are longer than a warp takes at once: of one float type and one quantized one.
        TestDevice.SkipSlow(TestDevice.IsOfMany(type) || (columns > 1000 && type is not (WeightType.BF16 or WeightType.Q4_K)));
        var router = Load(WeightType.F32, [experts, 8]);
        var (gate, up, down) = (Load(type, [experts, rows, columns]), Load(type, [experts, rows, columns]), Load(type, [experts, rows, columns]));
        var step = Decode(new int[tokens], new int[tokens]);
        gpu.Begin(step);
        var (z, g, norm) = (Both(Values(tokens * 8)), Both(new float[tokens * 8]), Values(8));
        var routing = (Host: reference.AllocateRouting(tokens, topK, experts), Device: gpu.AllocateRouting(tokens, topK, experts));
        reference.Route(step, z.Host, reference.Upload(norm), Epsilon, router.Host, new RouterSpec(topK, true), g.Host, routing.Host);
        gpu.Route(step, z.Device, gpu.Upload(norm), Epsilon, router.Device, new RouterSpec(topK, true), g.Device, routing.Device);
        AgreeOnRoutes(routing, tokens);

        var (h, mid) = (Both(Values(tokens * columns)), Both(new float[tokens * topK * rows]));
        reference.MoeGateUp(step, h.Host, gate.Host, up.Host, routing.Host, mid.Host);
        gpu.MoeGateUp(step, h.Device, gate.Device, up.Device, routing.Device, mid.Device);
        Agree(mid, tokens * topK * rows);

        var (wide, x) = (Both(Values(tokens * topK * columns)), Both(Values(tokens * rows)));
        reference.MoeDown(step, wide.Host, down.Host, routing.Host, x.Host);
        gpu.MoeDown(step, wide.Device, down.Device, routing.Device, x.Device);
        Agree(x, tokens * rows);
    }

    [Theory]
    [InlineData(1, 37, 4, true)]
    [InlineData(2, 70, 3, false)]
    [InlineData(2, 8, 8, true)]
    public void RoutesAgree(int tokens, int experts, int topK, bool normalize)
    {
        TestDevice.SkipSlow(experts != 70); // fewer experts, and weights that are normalized, are in ExpertsAgree
        var router = Load(WeightType.BF16, [experts, 32]);
        var step = Decode(new int[tokens], new int[tokens]);
        gpu.Begin(step);
        var (x, h, norm) = (Both(Values(tokens * 32)), Both(new float[tokens * 32]), Values(32));
        var routing = (Host: reference.AllocateRouting(tokens, topK, experts), Device: gpu.AllocateRouting(tokens, topK, experts));
        var spec = new RouterSpec(topK, normalize);
        reference.Route(step, x.Host, reference.Upload(norm), Epsilon, router.Host, spec, h.Host, routing.Host);
        for (var again = 0; again < 2; again++) // the counters are as before after a launch
        {
            gpu.Route(step, x.Device, gpu.Upload(norm), Epsilon, router.Device, spec, h.Device, routing.Device);
            AgreeOnRoutes(routing, tokens);
        }
        Agree(h, tokens * 32);
    }

    [Theory]
    [InlineData(4, 2, 8, true, 70)]    // two splits, the second short
    [InlineData(3, 1, 24, true, 33)]   // an odd group, a head that is no power of two
    [InlineData(2, 2, 64, false, 5)]   // no group, no norms
    [InlineData(8, 1, 128, true, 130)] // the default model's head and group
    public void RopeAndAttentionAgreeOverPages(int heads, int kvHeads, int headDim, bool norms, int length)
    {
        TestDevice.SkipSlow(length > 128); // the head of 128 is in AttentionTests
        var shape = new AttentionShape(heads, kvHeads, headDim, 1 / MathF.Sqrt(headDim));
        var kv = new KvShape(Layers: 2, Pages: 12, PageTokens: 32, kvHeads, headDim, WeightType.F32);
        using var hostCache = reference.AllocateKvCache(kv);
        using var deviceCache = gpu.AllocateKvCache(kv);
        var frequencies = Enumerable.Range(0, headDim / 2).Select(i => MathF.Pow(1000, -2f * i / headDim)).ToArray();
        var (qNorm, kNorm) = (Values(headDim), Values(headDim));
        var (qn, kn) = ((reference.Upload(qNorm), reference.Upload(kNorm)), (gpu.Upload(qNorm), gpu.Upload(kNorm)));

        // A prompt fills the pages; its last token and one of another sequence then attend in one step.
        int[] pages = [7, 2, 9, 4, 11];
        var prompt = new Step(length, 2, pages.Length);
        prompt.AddSequence(pages);
        for (var p = 0; p < length - 1; p++) prompt.AddToken(0, p);
        Run(prompt, attend: false);
        reference.CopyPage(hostCache, 7, 1);
        gpu.CopyPage(deviceCache, 7, 1);
        var step = new Step(length, 2, pages.Length);
        step.AddSequence(pages);
        step.AddToken(0, length - 1);
        step.AddSequence([1, 3]);
        step.AddToken(0, 4);
        Run(step, attend: true);

        void Run(Step s, bool attend)
        {
            var qkv = Both(Values(s.Count * shape.QkvSize));
            var angles = (Host: reference.Allocate(s.Count * headDim), Device: gpu.Allocate(s.Count * headDim));
            var y = Both(new float[s.Count * heads * headDim]);
            gpu.Begin(s);
            reference.Angles(s, reference.Upload(frequencies), angles.Host);
            gpu.Angles(s, gpu.Upload(frequencies), angles.Device);
            reference.RopeAndStore(s, qkv.Host, norms ? qn.Item1 : null, norms ? qn.Item2 : null, Epsilon, angles.Host, shape, hostCache, 1);
            gpu.RopeAndStore(s, qkv.Device, norms ? kn.Item1 : null, norms ? kn.Item2 : null, Epsilon, angles.Device, shape, deviceCache, 1);
            if (s.Count != s.SequenceCount) Agree(qkv, s.Count * shape.QkvSize); // else attention does it
            if (!attend) return;
            reference.Attention(s, qkv.Host, shape, hostCache, 1, y.Host);
            gpu.Attention(s, qkv.Device, shape, deviceCache, 1, y.Device);
            Agree(y, s.Count * heads * headDim);
        }
    }

    /// <summary>A token alone and the same token among four others: not one bit differs.</summary>
    [Theory]
    [InlineData(WeightType.BF16)]
    [InlineData(WeightType.Q8_0)]
    [InlineData(WeightType.Q4_K)]
    public void ATokensBitsDoNotDependOnItsBatch(WeightType type)
    {
        TestDevice.SkipSlow(type == WeightType.Q8_0);
        const int hidden = 256, ff = 3, experts = 3, topK = 2, tokens = 5;
        var (_, matrix) = Load(type, [5, hidden]);
        var (_, router) = Load(WeightType.F32, [experts, hidden]);
        var (_, gate) = Load(type, [experts, ff, hidden]);
        var (_, up) = Load(type, [experts, ff, hidden]);
        var (_, down) = Load(type, [experts, 3, hidden]);
        var wide = Values(tokens * topK * hidden);
        var (norm, values) = (gpu.Upload(Values(hidden)), Values(tokens * hidden));
        var batch = Run(values, wide);
        for (var t = 1; t < tokens; t += 3)
        {
            var alone = Run(values[(t * hidden)..((t + 1) * hidden)], wide[(t * topK * hidden)..((t + 1) * topK * hidden)]);
            for (var i = 0; i < alone.Length; i++)
            {
                var size = alone[i].Length;
                Assert.Equal(alone[i], batch[i][(t * size)..((t + 1) * size)]);
            }
        }

        float[][] Run(float[] input, float[] middle)
        {
            var count = input.Length / hidden;
            var step = Decode(new int[count], new int[count]);
            gpu.Begin(step);
            var (x, y, z) = (gpu.Upload(input), gpu.Allocate(count * 5), gpu.Allocate(count * 5));
            var (h, mid, routing) = (gpu.Allocate(count * hidden), gpu.Allocate(count * topK * ff), gpu.AllocateRouting(count, topK, experts));
            gpu.NormProject(step, x, norm, Epsilon, [matrix], y);
            gpu.ProjectAdd(step, x, matrix, z);
            gpu.Route(step, x, norm, Epsilon, router, new RouterSpec(topK, true), h, routing);
            gpu.MoeGateUp(step, h, gate, up, routing, mid);
            var output = gpu.Allocate(count * 3);
            gpu.MoeDown(step, gpu.Upload(middle), down, routing, output);
            return [All(y), All(z), All(h), All(mid), All(output)];
        }

        float[] All(Tensor tensor) => gpu.Read(tensor, 0, (int)tensor.Length).ToArray();
    }

    [Fact]
    public void WhatIsNotSupportedSaysSo()
    {
        using var odd = new RandomWeights(WeightType.BF16, [2, 12], random);
        Assert.Contains("multiple of 8", Assert.Throws<GpuException>(() => gpu.Load(odd.View)).Message, StringComparison.Ordinal);
        Assert.Throws<GpuException>(() => gpu.AllocateRouting(1, 2, 2000));
        Assert.Throws<GpuException>(() => gpu.AllocateKvCache(new KvShape(1, 1, 16, 1, 8)));
        Assert.Throws<InvalidOperationException>(() => gpu.Angles(Decode([0], [0]), gpu.Allocate(4), gpu.Allocate(8)));
    }

    private static Step Decode(int[] tokens, int[] positions)
    {
        var step = new Step(tokens.Length, tokens.Length, 1);
        for (var i = 0; i < tokens.Length; i++)
        {
            step.AddSequence([i]);
            step.AddToken(tokens[i], positions[i]);
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

    private static void AgreeOnRoutes((Routing Host, Routing Device) routing, int tokens)
    {
        for (var t = 0; t < tokens; t++)
        {
            for (var k = 0; k < routing.Host.TopK; k++)
            {
                Assert.Equal(routing.Host.Expert(t, k), routing.Device.Expert(t, k));
                Assert.InRange(routing.Device.WeightOf(t, k) / routing.Host.WeightOf(t, k), 0.99999f, 1.00001f);
            }
        }
    }
}
