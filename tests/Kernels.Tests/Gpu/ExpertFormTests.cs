using WarpDecode.Formats;
using WarpDecode.Kernels.Cpu;
using WarpDecode.Kernels.Gpu;
using Xunit;

namespace WarpDecode.Kernels.Tests.Gpu;

/// <summary>
/// The forms of the expert FFN that warp decode is compared with, on ILGPU's CPU accelerator, against the same forms of the cpu backend,
/// which ConventionalTests checks against the definition: the activations are rounded to the same numbers, so only the order of additions differs.
/// </summary>
public sealed class ExpertFormTests : IDisposable
{
    private const float Epsilon = 1e-6f;
    private readonly Random random = new(21);
    private readonly List<RandomWeights> weights = [];

    /// <summary>Type, form, T, E, K, columns and rows of gate and up, columns and rows of down.</summary>
    public static TheoryData<WeightType, string, int, int, int, int, int, int, int> Cases()
    {
        var data = new TheoryData<WeightType, string, int, int, int, int, int, int, int>();
        foreach (var form in (string[])[nameof(ExpertForm.Conventional), nameof(ExpertForm.ConventionalMxfp8)])
        {
            foreach (var type in (WeightType[])[WeightType.Q4_K, WeightType.Q6_K, WeightType.Q8_0])
            {
                data.Add(type, form, 9, 2, 1, 256, 16, 512, 16);
            }
            data.Add(WeightType.Q4_K, form, 1, 2, 2, 256, 16, 256, 16);
            data.Add(WeightType.BF16, form, 9, 2, 2, 256, 64, 128, 64);
        }
        data.Add(WeightType.Q4_K, nameof(ExpertForm.Conventional), 18, 1, 1, 256, 16, 256, 16); // a second tile of tokens
        data.Add(WeightType.Q4_K, nameof(ExpertForm.Conventional), 2, 2, 1, 2304, 16, 768, 48); // more records than warps; rows that leave warps idle
        data.Add(WeightType.Q4_K, nameof(ExpertForm.WarpBF16), 2, 2, 1, 256, 16, 256, 16);
        data.Add(WeightType.BF16, nameof(ExpertForm.WarpBF16), 1, 2, 2, 256, 16, 256, 16);
        return data;
    }

    public void Dispose()
    {
        foreach (var weight in weights) weight.Dispose();
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void ExpertsAreThoseOfTheCpu(WeightType type, string form, int tokens, int experts, int topK, int columns, int rows, int downColumns, int downRows)
    {
        var expertForm = Enum.Parse<ExpertForm>(form);
        TestDevice.SkipSlow(columns > 2048 || type is WeightType.Q6_K or WeightType.Q8_0 || (type == WeightType.BF16 && expertForm == ExpertForm.ConventionalMxfp8));
        using var cpu = new CpuBackend(threads: 1, expertForm);
        using var gpu = Open(expertForm);
        (Weight Host, Weight Device) Load(WeightType t, params long[] shape)
        {
            var view = View(t, shape);
            return (cpu.Load(view), gpu.Load(view));
        }
        (Tensor Host, Tensor Device) Both(float[] values) => (cpu.Upload(values), gpu.Upload(values));

        var router = Load(WeightType.F32, experts, columns);
        var (gate, up, down) = (Load(type, experts, rows, columns), Load(type, experts, rows, columns), Load(type, experts, downRows, downColumns));
        var step = TestDevice.Decode(tokens);
        gpu.Begin(step);
        var routing = (Host: cpu.AllocateRouting(tokens, topK, experts), Device: gpu.AllocateRouting(tokens, topK, experts));
        var (x, normed, ones) = (Both(Values(tokens * columns)), Both(new float[tokens * columns]), Enumerable.Repeat(1f, columns).ToArray());
        cpu.Route(step, x.Host, cpu.Upload(ones), Epsilon, router.Host, new RouterSpec(topK, true), normed.Host, routing.Host);
        gpu.Route(step, x.Device, gpu.Upload(ones), Epsilon, router.Device, new RouterSpec(topK, true), normed.Device, routing.Device);

        // Not what the router left: its last bits differ, and rounding is not continuous.
        var (h, mid) = (Both(Values(tokens * columns)), Both(new float[tokens * topK * rows]));
        cpu.MoeGateUp(step, h.Host, gate.Host, up.Host, routing.Host, mid.Host);
        gpu.MoeGateUp(step, h.Device, gate.Device, up.Device, routing.Device, mid.Device);
        Agree(mid, tokens * topK * rows);
        var (wide, y) = (Both(Values(tokens * topK * downColumns)), Both(new float[tokens * downRows]));
        cpu.MoeDown(step, wide.Host, down.Host, routing.Host, y.Host);
        gpu.MoeDown(step, wide.Device, down.Device, routing.Device, y.Device);
        Agree(y, tokens * downRows);
        gpu.MoeDown(step, wide.Device, down.Device, routing.Device, y.Device); // adds, and finds the slots where they were
        cpu.MoeDown(step, wide.Host, down.Host, routing.Host, y.Host);
        Agree(y, tokens * downRows);

        void Agree((Tensor Host, Tensor Device) pair, int count)
        {
            var (expected, actual) = (cpu.Read(pair.Host, 0, count).ToArray(), gpu.Read(pair.Device, 0, count).ToArray());
            double error = 0, norm = 0;
            for (var i = 0; i < count; i++)
            {
                error += Math.Pow((double)actual[i] - expected[i], 2);
                norm += Math.Pow(expected[i], 2);
            }
            // Normalized mean squared error. Where FP32 sums are the tensor cores' own, a GPU cuts them off instead of rounding.
            Assert.InRange(error / norm, 0, type == WeightType.BF16 || expertForm == ExpertForm.ConventionalMxfp8 ? 1e-11 : 1e-12);
        }
    }

    [Theory]
    [InlineData(ExpertForm.Conventional, WeightType.Q4_K, 16)]
    [InlineData(ExpertForm.ConventionalMxfp8, WeightType.BF16, 64)]
    internal void ATokensBitsDoNotDependOnItsBatch(ExpertForm form, WeightType type, int rows)
    {
        TestDevice.SkipSlow(type == WeightType.BF16);
        const int columns = 256, tokens = 9;
        using var gpu = Open(form);
        var (gate, up, down) = (gpu.Load(View(type, 1, rows, columns)), gpu.Load(View(type, 1, rows, columns)), gpu.Load(View(type, 1, rows, columns)));
        var router = gpu.Load(View(WeightType.F32, 1, columns));
        var (h, wide, ones) = (Values(tokens * columns), Values(tokens * columns), gpu.Upload(Enumerable.Repeat(1f, columns).ToArray()));
        var (mids, outputs) = Run(0, tokens);
        foreach (var t in (int[])[0, 8])
        {
            var (mid, output) = Run(t, 1);
            Assert.Equal(mids[(t * rows)..((t + 1) * rows)], mid);
            Assert.Equal(outputs[(t * rows)..((t + 1) * rows)], output);
        }

        (float[] Mid, float[] Output) Run(int first, int count)
        {
            var step = TestDevice.Decode(count);
            gpu.Begin(step);
            var (x, normed, routing) = (gpu.Upload(h.AsSpan(first * columns, count * columns)), gpu.Allocate(count * columns), gpu.AllocateRouting(count, 1, 1));
            gpu.Route(step, x, ones, Epsilon, router, new RouterSpec(1, true), normed, routing);
            var (mid, output) = (gpu.Allocate(count * rows), gpu.Allocate(count * rows));
            gpu.MoeGateUp(step, x, gate, up, routing, mid);
            gpu.MoeDown(step, gpu.Upload(wide.AsSpan(first * columns, count * columns)), down, routing, output);
            return (gpu.Read(mid, 0, count * rows).ToArray(), gpu.Read(output, 0, count * rows).ToArray());
        }
    }

    /// <summary>Rounding to MXFP8 and to 8 bits at the edges: zeros, subnormal numbers, the largest, what is no number.</summary>
    [Theory]
    [InlineData(ExpertForm.Conventional, 0f)]
    [InlineData(ExpertForm.Conventional, 1e-38f)]
    [InlineData(ExpertForm.Conventional, 1e30f)]
    [InlineData(ExpertForm.Conventional, float.NaN)]
    [InlineData(ExpertForm.ConventionalMxfp8, 0f)]
    [InlineData(ExpertForm.ConventionalMxfp8, 1e-30f)]
    [InlineData(ExpertForm.ConventionalMxfp8, 1e30f)]
    [InlineData(ExpertForm.ConventionalMxfp8, float.PositiveInfinity)]
    internal void ExtremeActivationsAreRoundedAsByTheCpu(ExpertForm form, float size)
    {
        TestDevice.SkipSlow(size is 0f or 1e30f);
        const int columns = 256, rows = 16;
        using var cpu = new CpuBackend(threads: 1, form);
        using var gpu = Open(form);
        var view = View(WeightType.Q8_0, 1, rows, columns);
        var values = Values(columns);
        for (var i = 0; i < 32; i++) values[i] *= float.IsFinite(size) ? size : 1;
        if (!float.IsFinite(size)) values[9] = size;
        var step = TestDevice.Decode(1);
        gpu.Begin(step);
        var host = (HostRouting)cpu.AllocateRouting(1, 1, 1);
        unsafe
        {
            (host.Ids[0], host.Weights[0]) = (0, 1f);
        }
        host.GroupByExpert(1);
        var device = gpu.AllocateRouting(1, 1, 1);
        var ones = Enumerable.Repeat(1f, columns).ToArray();
        gpu.Route(step, gpu.Upload(ones), gpu.Upload(ones), Epsilon, gpu.Load(View(WeightType.F32, 1, columns)), new RouterSpec(1, true), gpu.Allocate(columns), device);
        var (x, y) = (cpu.Allocate(rows), gpu.Allocate(rows));
        cpu.MoeDown(step, cpu.Upload(values), cpu.Load(view), host, x);
        gpu.MoeDown(step, gpu.Upload(values), gpu.Load(view), device, y);
        var (expected, actual) = (cpu.Read(x, 0, rows).ToArray(), gpu.Read(y, 0, rows).ToArray());
        for (var i = 0; i < rows; i++)
        {
            if (float.IsFinite(size)) Assert.InRange(Math.Abs(actual[i] - expected[i]), 0, 1e-5 * expected.Max(Math.Abs));
            else Assert.Equal((false, false), (float.IsFinite(expected[i]), float.IsFinite(actual[i])));
        }
    }

    [Theory]
    [InlineData(WeightType.F16, 64, 128, "F16 of 64 × 128")]
    [InlineData(WeightType.Q5_0, 16, 256, "Q5_0 of 16 × 256")]
    [InlineData(WeightType.Q8_0, 16, 288, "rows a multiple of 16 and columns a multiple of 256")]
    [InlineData(WeightType.BF16, 48, 128, "needs multiples of 64 and 128")]
    public void WhatTheFormDoesNotHaveIsRefusedByName(WeightType type, int rows, int columns, string found)
    {
        using var gpu = Open(ExpertForm.Conventional);
        var error = Assert.Throws<GpuException>(() => gpu.Load(View(type, 2, rows, columns)));
        Assert.Contains("conventional form", error.Message, StringComparison.Ordinal);
        Assert.Contains(found, error.Message, StringComparison.Ordinal);
        Assert.Contains("--backend cpu", error.Advice, StringComparison.Ordinal);
    }

    private static CudaBackend Open(ExpertForm form) => new(TestDevice.Open(), records: false, options: new CudaOptions(Experts: form));

    private TensorView View(WeightType type, params long[] shape)
    {
        var weight = new RandomWeights(type, shape, random);
        weights.Add(weight);
        return weight.View;
    }

    private float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (2 * random.NextSingle()) - 1)];
}
