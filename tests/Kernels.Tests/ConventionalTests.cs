using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using WarpDecode.Formats;
using WarpDecode.Kernels.Cpu;
using Xunit;

namespace WarpDecode.Kernels.Tests;

/// <summary>The conventional path against plain scalar implementations of the arithmetic that it is defined by.</summary>
public sealed unsafe class ConventionalTests : IDisposable
{
    private readonly List<IDisposable> owned = [];

    public static TheoryData<string, string> Kernels()
    {
        var cases = new TheoryData<string, string>();
        foreach (var type in Dispatch.Supported.Where(t => Dispatch.Rows(t).Integers is not null))
        {
            foreach (var width in Enum.GetValues<LaneWidth>().Where(w => w != LaneWidth.Neon && w >= Dispatch.Width)) cases.Add(type.ToString(), width.ToString());
        }
        return cases;
    }

    /// <summary>Type, form, T, E, K, H, F: experts with no token, with one, with many; one more than a tile and one less.</summary>
    public static TheoryData<WeightType, string, int, int, int, int, int> Experts()
    {
        var data = new TheoryData<WeightType, string, int, int, int, int, int>();
        foreach (var type in RandomWeights.Types)
        {
            foreach (var form in new[] { nameof(ExpertForm.Conventional), nameof(ExpertForm.ConventionalMxfp8), nameof(ExpertForm.WarpBF16) })
            {
                foreach (var (t, e, k) in new[] { (1, 8, 3), (2, 4, 4), (5, 6, 2), (13, 32, 2) })
                {
                    data.Add(type, form, t, e, k, t < 5 ? 512 : 256, 256);
                    if (type.BlockValues() == 1) data.Add(type, form, t, e, k, 40, 19);
                }
            }
        }
        return data;
    }

    public void Dispose()
    {
        foreach (var o in owned) o.Dispose();
    }

    [Fact]
    public void EveryQuantizedTypeHasIntegerProductsAndNoOther() =>
        Assert.All(Dispatch.Supported, type => Assert.Equal(type.BlockValues() > 1 && type.IsKnown(), Dispatch.Rows(type).Integers is not null));

    [Theory]
    [MemberData(nameof(Kernels))]
    public void IntegerProductsAreThoseOfTheDefinition(string type, string width)
    {
        var t = Enum.Parse<WeightType>(type);
        var kernel = Dispatch.Rows(t, Enum.Parse<LaneWidth>(width));
        foreach (var columns in new[] { 32, 96, 256, 512, 2048, 2304, 4352 }.Where(c => c % t.BlockValues() == 0))
        {
            var weights = Own(new RandomWeights(t, [3, columns], columns)).View;
            var x = Values(columns + 1, 4 * columns);
            var (bytes, rowBytes) = (kernel.Integers!.RowBytes(columns), (int)t.RowBytes(columns));
            var quantized = (byte*)NativeMemory.AlignedAlloc((nuint)(4 * bytes), 64);
            try
            {
                fixed (float* p = x)
                {
                    for (var i = 0; i < 4; i++) kernel.Integers.Quantize(p + (i * columns), columns, quantized + (i * bytes));
                }
                var (ya, yb) = (new float[4], new float[4]);
                fixed (float* a = ya, b = yb)
                {
                    kernel.Integers.Dot4(weights.Data, weights.Data + rowBytes, quantized, bytes, columns, a, b);
                    for (var i = 0; i < 4; i++)
                    {
                        // Exact: the definition in doubles, 2⁻⁵³ of error; ours rounds sums of FP32.
                        var (exactA, size) = Exact(kernel, weights.Data, x.AsSpan(i * columns, columns));
                        Assert.InRange(Math.Abs(ya[i] - exactA), 0, 1e-6 * size);
                        Assert.InRange(Math.Abs(yb[i] - Exact(kernel, weights.Data + rowBytes, x.AsSpan(i * columns, columns)).Value), 0, 1e-6 * size);
                        // One token alone, or rows in other company: the same bits.
                        float c, d;
                        kernel.Integers.Dot(weights.Data, weights.Data + (2 * rowBytes), quantized + (i * bytes), columns, &c, &d);
                        Assert.Equal(ya[i], c);
                        kernel.Integers.Dot(weights.Data + rowBytes, weights.Data, quantized + (i * bytes), columns, &c, &d);
                        Assert.Equal((yb[i], ya[i]), (c, d));
                    }
                }
            }
            finally
            {
                NativeMemory.AlignedFree(quantized);
            }
        }
    }

    [Fact]
    public void SumsOfByteProductsAreExactByEveryInstruction()
    {
        var random = new Random(3);
        var (w, x, corrections) = (new sbyte[32], new sbyte[32], new int[8]);
        for (var round = 0; round < 1000; round++)
        {
            var nibbles = round % 2 == 1;
            for (var i = 0; i < 32; i++)
            {
                // The extremes most of the time: they are where 16 bits overflow.
                w[i] = (sbyte)(nibbles ? random.Next(3) == 0 ? random.Next(16) : 15 : random.Next(3) switch { 0 => random.Next(-128, 128), 1 => -128, _ => 127 });
                x[i] = (sbyte)(random.Next(3) switch { 0 => random.Next(-127, 128), 1 => -127, _ => 127 });
            }
            var expected = new int[8];
            for (var i = 0; i < 32; i++) expected[i / 4] += w[i] * x[i];
            fixed (int* c = corrections)
            fixed (sbyte* pw = w, px = x)
            {
                var (w0, w1) = (Vector128.Load(pw), Vector128.Load(pw + 16));
                var portable = new int[8];
                Integers.DotPortable(w0, Vector128.Load(px)).CopyTo(portable, 0);
                Integers.DotPortable(w1, Vector128.Load(px + 16)).CopyTo(portable, 4);
                Assert.Equal(expected, portable);
                if (!Avx2.IsSupported) continue;
                var wide = new int[8];
                Integers.DotAvx2(Vector256.Load(pw), Vector256.Load(px), nibbles).CopyTo(wide);
                Assert.Equal(expected, wide);
                Integers.Corrections(px, c, 32);
                Integers.Dot(Integers.Join(w0, w1, nibbles), px, c, nibbles).CopyTo(wide);
                Assert.Equal(expected, wide);
            }
        }
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(1e-40f)]
    [InlineData(1e30f)]
    public void BlocksOfExtremeSizesAreQuantizedToFiniteNumbers(float size)
    {
        using var weights = new RandomWeights(WeightType.Q8_0, [1, 64], 5);
        var kernel = Dispatch.Rows(WeightType.Q8_0);
        var x = Values(9, 64).Select(v => v * size).ToArray();
        var y = Product(kernel, weights.View.Data, x);
        Assert.InRange(Math.Abs(y - Exact(kernel, weights.View.Data, x).Value), 0, 1e-6 * Exact(kernel, weights.View.Data, x).Size);
    }

    [Fact]
    public void NaNStaysVisible()
    {
        using var weights = new RandomWeights(WeightType.Q8_0, [1, 64], 5);
        var x = Values(9, 64);
        x[40] = float.NaN;
        Assert.True(float.IsNaN(Product(Dispatch.Rows(WeightType.Q8_0), weights.View.Data, x)));
    }

    /// <summary>Both operations over the whole path: routing, grouping, padding, products, combination.</summary>
    [Theory]
    [MemberData(nameof(Experts))]
    public void ExpertsAreThoseOfTheDefinition(WeightType type, string form, int tokens, int experts, int topK, int hidden, int ff)
    {
        var expertForm = Enum.Parse<ExpertForm>(form);
        using var ops = new CpuBackend(threads: 3, expertForm);
        var (gate, up) = (View(type, 2, experts, ff, hidden), View(type, 3, experts, ff, hidden));
        var down = View(ff % type.BlockValues() == 0 ? type : WeightType.F32, 4, experts, hidden, ff);
        var h = Values(5, tokens * hidden);
        float[] x = [.. Values(6, tokens * hidden).Select(v => v / 64)]; // small, so that what is added to it keeps its digits
        var routing = Routes(ops, tokens, topK, experts);
        var (midTensor, xTensor) = (ops.Allocate(tokens * topK * ff), ops.Upload(x));
        var step = StepOf(tokens);
        ops.MoeGateUp(step, ops.Upload(h), ops.Load(gate), ops.Load(up), routing, midTensor);
        var mid = ops.Read(midTensor, 0, tokens * topK * ff).ToArray();
        ops.MoeDown(step, midTensor, ops.Load(down), routing, xTensor);
        var result = ops.Read(xTensor, 0, tokens * hidden).ToArray();

        double error = 0, norm = 0;
        for (var pair = 0; pair < tokens * topK; pair++)
        {
            var e = routing.Expert(pair / topK, pair % topK);
            var input = Rounded(expertForm, type, h.AsSpan(pair / topK * hidden, hidden));
            for (var f = 0; f < ff; f++)
            {
                var g = Dot(gate, e, f, input);
                var exact = g / (1 + Math.Exp(-g)) * Dot(up, e, f, input);
                error += Math.Pow(mid[(pair * ff) + f] - exact, 2);
                norm += exact * exact;
            }
        }
        Assert.InRange(error / norm, 0, 1e-11);

        // The second operation from what the first gave: rounding is not continuous, so its own inputs are taken.
        (error, norm) = (0, 0);
        for (var t = 0; t < tokens; t++)
        {
            var inputs = Enumerable.Range(t * topK, topK).Select(pair => Rounded(expertForm, down.Type, mid.AsSpan(pair * ff, ff))).ToArray();
            for (var c = 0; c < hidden; c++)
            {
                var exact = 0.0;
                for (var k = 0; k < topK; k++) exact += routing.WeightOf(t, k) * Dot(down, routing.Expert(t, k), c, inputs[k]);
                error += Math.Pow(result[(t * hidden) + c] - x[(t * hidden) + c] - exact, 2);
                norm += exact * exact;
            }
        }
        Assert.InRange(error / norm, 0, 1e-10);
    }

    /// <summary>As every operation: a token's bits do not depend on its company, whatever the padding and the tiles.</summary>
    [Theory]
    [InlineData(WeightType.Q8_0, nameof(ExpertForm.Conventional))]
    [InlineData(WeightType.Q4_K, nameof(ExpertForm.Conventional))]
    [InlineData(WeightType.Q6_K, nameof(ExpertForm.Conventional))]
    [InlineData(WeightType.BF16, nameof(ExpertForm.Conventional))]
    [InlineData(WeightType.Q8_0, nameof(ExpertForm.ConventionalMxfp8))]
    [InlineData(WeightType.Q8_0, nameof(ExpertForm.WarpBF16))]
    public void ATokensBitsDoNotDependOnItsCompany(WeightType type, string form)
    {
        const int tokens = 19, experts = 4, topK = 2, hidden = 256, ff = 256;
        using var ops = new CpuBackend(threads: 2, Enum.Parse<ExpertForm>(form));
        var (gate, up, down) = (ops.Load(View(type, 2, experts, ff, hidden)), ops.Load(View(type, 3, experts, ff, hidden)), ops.Load(View(type, 4, experts, hidden, ff)));
        var h = Values(5, tokens * hidden);
        var routing = Routes(ops, tokens, topK, experts);
        var together = Run(h, routing, tokens);
        for (var t = 0; t < tokens; t++)
        {
            var one = (HostRouting)ops.AllocateRouting(1, topK, experts);
            for (var k = 0; k < topK; k++) (one.Ids[k], one.Weights[k]) = (routing.Expert(t, k), routing.WeightOf(t, k));
            one.GroupByExpert(1);
            Assert.Equal(together[(t * hidden)..((t + 1) * hidden)], Run(h[(t * hidden)..((t + 1) * hidden)], one, 1));
        }

        float[] Run(float[] input, HostRouting routes, int count)
        {
            var (mid, x) = (ops.Allocate(count * topK * ff), ops.Allocate(count * hidden));
            ops.MoeGateUp(StepOf(count), ops.Upload(input), gate, up, routes, mid);
            ops.MoeDown(StepOf(count), mid, down, routes, x);
            return ops.Read(x, 0, count * hidden).ToArray();
        }
    }

    private static double Dot(TensorView matrix, int expert, int row, double[] x)
    {
        var kernel = Dispatch.Rows(matrix.Type);
        var data = matrix.Data + ((((long)expert * matrix.Shape[1]) + row) * matrix.Type.RowBytes(x.Length));
        var wide = new float[x.Length];
        fixed (float* to = wide) kernel.Widen(data, to, x.Length); // exact: RowsTests
        var sum = 0.0;
        for (var i = 0; i < x.Length; i++) sum += wide[i] * x[i];
        return sum;
    }

    /// <summary>Activations as the form's definition has them, from formulas and in doubles.</summary>
    private static double[] Rounded(ExpertForm form, WeightType type, ReadOnlySpan<float> x) => form switch
    {
        ExpertForm.ConventionalMxfp8 => Mxfp8Tests.Definition(x),
        ExpertForm.WarpBF16 => [.. x.ToArray().Select(v => (double)BFloat16(v))],
        _ when !type.IsKnown() => Mxfp8Tests.Definition(x), // 8-bit floats
        _ when type.BlockValues() > 1 => Quantized(x),
        _ when type == WeightType.BF16 => [.. x.ToArray().Select(v => (double)BFloat16(v))],
        _ when type == WeightType.F16 => [.. x.ToArray().Select(v => (double)(Half)v)],
        _ => [.. x.ToArray().Select(v => (double)v)],
    };

    private static double[] Quantized(ReadOnlySpan<float> x)
    {
        var y = new double[x.Length];
        for (var from = 0; from < x.Length; from += 32)
        {
            var largest = 0f;
            foreach (var v in x.Slice(from, 32)) largest = Math.Max(largest, Math.Abs(v));
            var inverse = 127 / largest;
            if (float.IsInfinity(inverse)) continue;
            for (var i = from; i < from + 32; i++) y[i] = (double)(largest / 127) * (int)MathF.Round(x[i] * inverse, MidpointRounding.ToEven);
        }
        return y;
    }

    private static float BFloat16(float v)
    {
        // The nearer of the two neighbours; of equally near ones the one whose last bit is 0.
        var bits = BitConverter.SingleToUInt32Bits(v) & 0xFFFF0000;
        var (below, above) = (BitConverter.UInt32BitsToSingle(bits), BitConverter.UInt32BitsToSingle(bits + 0x10000));
        var (down, up) = (Math.Abs((double)v - below), Math.Abs((double)v - above));
        return down < up || (down == up && (bits & 0x10000) == 0) ? below : above;
    }

    /// <summary>The product by the definition, and the size of its terms.</summary>
    private static (double Value, double Size) Exact(RowKernel kernel, byte* row, ReadOnlySpan<float> x)
    {
        var quantized = Quantized(x);
        var (sum, size) = (0.0, 1e-30);
        for (var i = 0; i < quantized.Length; i++)
        {
            sum += kernel.At(row, i) * quantized[i];
            size += Math.Abs(kernel.At(row, i) * quantized[i]);
        }
        return (sum, size);
    }

    private static float Product(RowKernel kernel, byte* row, float[] x)
    {
        var quantized = (byte*)NativeMemory.AlignedAlloc((nuint)kernel.Integers!.RowBytes(x.Length), 64);
        float a, b;
        fixed (float* p = x) kernel.Integers.Quantize(p, x.Length, quantized);
        kernel.Integers.Dot(row, row, quantized, x.Length, &a, &b);
        NativeMemory.AlignedFree(quantized);
        Assert.Equal(a, b);
        return a;
    }

    /// <summary>Different experts for each token, favouring the first ones, so that some have many tokens and some none.</summary>
    private static HostRouting Routes(CpuBackend ops, int tokens, int topK, int experts)
    {
        var routing = (HostRouting)ops.AllocateRouting(tokens, topK, experts);
        var random = new Random(7);
        for (var t = 0; t < tokens; t++)
        {
            var chosen = Enumerable.Range(0, experts).OrderBy(e => e * random.NextSingle()).Take(topK).ToArray();
            for (var k = 0; k < topK; k++) (routing.Ids[(t * topK) + k], routing.Weights[(t * topK) + k]) = (chosen[k], random.NextSingle());
        }
        routing.GroupByExpert(tokens);
        return routing;
    }

    private T Own<T>(T thing)
        where T : IDisposable
    {
        owned.Add(thing);
        return thing;
    }

    private TensorView View(WeightType type, int seed, params long[] shape) => Own(new RandomWeights(type, shape, seed)).View;

    private static float[] Values(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2) - 1)];
    }

    private static Step StepOf(int tokens)
    {
        var step = new Step(tokens, 1, 1);
        step.AddSequence([0]);
        for (var t = 0; t < tokens; t++) step.AddToken(t, t);
        return step;
    }
}
