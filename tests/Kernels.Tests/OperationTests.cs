using WarpDecode.Formats;
using WarpDecode.Kernels.Cpu;
using WarpDecode.Kernels.Reference;
using Xunit;

namespace WarpDecode.Kernels.Tests;

/// <summary>Every operation of the cpu backend against the reference, over types and shapes, odd ones too.</summary>
public sealed unsafe class OperationTests : IDisposable
{
    private const double Bound = 1e-10; // NMSE: FP32 rounding of sums of some hundred terms, that may cancel, against FP64
    private const float Epsilon = 1e-6f;

    private readonly CpuBackend cpu = new(threads: 3);
    private readonly ReferenceBackend reference = new();
    private readonly List<RandomWeights> weights = [];
    private readonly List<float[]> outputs = [];
    private readonly List<List<(int Expert, float Weight)>> routes = [];

    /// <summary>Type, tokens T, rows, columns. Rows not a multiple of two or sixteen, tokens around the tile of four.</summary>
    public static TheoryData<WeightType, int, int, int> Matrices()
    {
        var data = new TheoryData<WeightType, int, int, int>();
        foreach (var type in RandomWeights.Types)
        {
            foreach (var (tokens, rows) in new[] { (1, 1), (1, 33), (2, 16), (3, 7), (4, 17), (5, 50), (9, 31) })
            {
                data.Add(type, tokens, rows, 256);
                data.Add(type, tokens, rows, 768);
                if (type.BlockValues() <= 32) data.Add(type, tokens, rows, 96);
                if (type.BlockValues() == 1) data.Add(type, tokens, rows, 37);
            }
        }
        return data;
    }

    /// <summary>Type, T, E, K, H, F.</summary>
    public static TheoryData<WeightType, int, int, int, int, int> Experts()
    {
        var data = new TheoryData<WeightType, int, int, int, int, int>();
        foreach (var type in RandomWeights.Types)
        {
            foreach (var (t, e, k) in new[] { (1, 1, 1), (1, 8, 3), (2, 4, 4), (5, 6, 2), (23, 5, 3), (64, 4, 1) })
            {
                data.Add(type, t, e, k, 256, 256);
                data.Add(type, t, e, k, 512, 256);
                if (type.BlockValues() == 1) data.Add(type, t, e, k, 40, 19);
            }
        }
        return data;
    }

    public void Dispose()
    {
        cpu.Dispose();
        reference.Dispose();
        foreach (var weight in weights) weight.Dispose();
    }

    [Theory]
    [MemberData(nameof(Matrices))]
    public void NormProject(WeightType type, int tokens, int rows, int columns)
    {
        // Three matrices of one input, the middle one of another type where its rows allow.
        var views = new[] { View(type, 1, rows, columns), View(WeightType.F32, 2, rows + 3, columns), View(type, 3, 5, columns) };
        var total = rows + rows + 3 + 5;
        Same(tokens * total, (ops, y) =>
        {
            var x = ops.Upload(Values(4, tokens * columns));
            ops.NormProject(StepOf(tokens), x, ops.Upload(Values(5, columns)), Epsilon, [.. views.Select(ops.Load)], y);
        });
    }

    [Theory]
    [MemberData(nameof(Matrices))]
    public void ProjectAdd(WeightType type, int tokens, int rows, int columns)
    {
        var view = View(type, 1, rows, columns);
        foreach (var ops in Backends())
        {
            var x = ops.Upload(Values(3, tokens * rows));
            ops.ProjectAdd(StepOf(tokens), ops.Upload(Values(2, tokens * columns)), ops.Load(view), x);
            Collect(ops, x, tokens * rows);
        }
        Compare();
    }

    [Theory]
    [MemberData(nameof(Matrices))]
    public void Embed(WeightType type, int tokens, int rows, int columns)
    {
        var view = View(type, 1, rows, columns);
        var step = StepOf(tokens, t => t % rows);
        Same(tokens * columns, (ops, y) => ops.Embed(step, ops.Load(view), y));
    }

    [Theory]
    [MemberData(nameof(Matrices))]
    public void Head(WeightType type, int tokens, int rows, int columns)
    {
        var view = View(type, 1, rows, columns);
        var step = StepOf(tokens);
        int[] selected = [.. Enumerable.Range(0, tokens).Where(t => t % 3 != 1)];
        step.SelectLogits(selected);
        Same(selected.Length * rows, (ops, y) =>
            ops.Head(step, ops.Upload(Values(2, tokens * columns)), ops.Upload(Values(3, columns)), Epsilon, ops.Load(view), y));
    }

    [Theory]
    [MemberData(nameof(Experts))]
    public void RouteGateUpAndDown(WeightType type, int tokens, int experts, int topK, int hidden, int ff)
    {
        var router = View(WeightType.F32, 1, experts, hidden);
        var (gate, up) = (View(type, 2, experts, ff, hidden), View(type, 3, experts, ff, hidden));
        // The down rows are as long as ff, which may be no whole number of the type's blocks.
        var down = View(ff % type.BlockValues() == 0 ? type : WeightType.F32, 4, experts, hidden, ff);
        foreach (var normalize in tokens > 20 ? [true] : new[] { true, false }) // the weights differ, and nothing else
        {
            outputs.Clear();
            foreach (var ops in Backends())
            {
                var step = StepOf(tokens);
                var (h, mid) = (ops.Allocate(tokens * hidden), ops.Allocate(tokens * topK * ff));
                var x = ops.Upload(Values(5, tokens * hidden));
                var routing = ops.AllocateRouting(tokens, topK, experts);
                ops.Route(step, x, ops.Upload(Values(6, hidden)), Epsilon, ops.Load(router), new RouterSpec(topK, normalize), h, routing);
                ops.MoeGateUp(step, h, ops.Load(gate), ops.Load(up), routing, mid);
                ops.MoeDown(step, mid, ops.Load(down), routing, x);
                Collect(ops, x, tokens * hidden);
                routes.Add([.. from t in Enumerable.Range(0, tokens) from k in Enumerable.Range(0, topK) select (routing.Expert(t, k), routing.WeightOf(t, k))]);
            }
            var sums = routes[^1].Chunk(topK).Select(r => r.Sum(p => p.Weight));
            Assert.All(sums, sum => Assert.True(normalize ? Math.Abs(sum - 1) < 1e-5 : sum <= 1 + 1e-5));
            Assert.Equal(routes[^2].Select(r => r.Expert), routes[^1].Select(r => r.Expert));
            Compare();
        }
    }

    [Theory]
    [InlineData(4, 2, 32, 1)]
    [InlineData(8, 1, 64, 3)]
    [InlineData(6, 6, 48, 2)]
    [InlineData(3, 1, 10, 2)]
    [InlineData(16, 2, 128, 1)]
    public void RopeAndAttentionOverPages(int heads, int kvHeads, int headDim, int sequences)
    {
        const int pageTokens = 4;
        var shape = new AttentionShape(heads, kvHeads, headDim, 1 / MathF.Sqrt(headDim));
        foreach (var normed in new[] { true, false })
        {
            outputs.Clear();
            foreach (var ops in Backends())
            {
                var cache = ops.AllocateKvCache(new KvShape(2, 16, pageTokens, kvHeads, headDim));
                // First some tokens of each sequence, then one more of each: lengths 5, 6, 7… over pages in a mixed order.
                for (var round = 0; round < 2; round++)
                {
                    var step = new Step(32, sequences, 4);
                    for (var s = 0; s < sequences; s++)
                    {
                        step.AddSequence([15 - s, s, 7 + s]);
                        var (from, to) = round == 0 ? (0, 5 + s) : (5 + s, 6 + s);
                        for (var p = from; p < to; p++) step.AddToken(0, p);
                    }
                    var qkv = ops.Upload(Values(10 + round, step.Count * shape.QkvSize));
                    var angles = ops.Allocate(step.Count * headDim);
                    ops.Angles(step, ops.Upload(Values(3, headDim / 2)), angles);
                    var (qNorm, kNorm) = (ops.Upload(Values(4, headDim)), ops.Upload(Values(5, headDim)));
                    ops.RopeAndStore(step, qkv, normed ? qNorm : null, normed ? kNorm : null, Epsilon, angles, shape, cache, layer: 1);
                    var y = ops.Allocate(step.Count * heads * headDim);
                    ops.Attention(step, qkv, shape, cache, layer: 1, y);
                    Collect(ops, y, step.Count * heads * headDim);
                }
            }
            Compare();
        }
    }

    [Fact]
    public void CopiedPagesHoldTheSameInEveryLayer()
    {
        var cache = (HostKvCache)cpu.AllocateKvCache(new KvShape(3, 4, 2, 2, 8));
        var random = new Random(1);
        for (var layer = 0; layer < 3; layer++)
        {
            for (var head = 0; head < 2; head++)
            {
                for (var i = 0; i < 2 * 8; i++)
                {
                    cache.Key(layer, 1, head, 0)[i] = random.NextSingle();
                    cache.Value(layer, 1, head, 0)[i] = random.NextSingle();
                }
            }
        }
        cpu.CopyPage(cache, 1, 3);
        for (var layer = 0; layer < 3; layer++)
        {
            for (var head = 0; head < 2; head++)
            {
                Assert.Equal(new Span<float>(cache.Key(layer, 1, head, 0), 16).ToArray(), new Span<float>(cache.Key(layer, 3, head, 0), 16).ToArray());
                Assert.Equal(new Span<float>(cache.Value(layer, 1, head, 0), 16).ToArray(), new Span<float>(cache.Value(layer, 3, head, 0), 16).ToArray());
                Assert.Equal(0, cache.Key(layer, 2, head, 0)[0]);
            }
        }
    }

    private IEnumerable<IBackend> Backends() => [reference, cpu];

    private void Same(int length, Action<IBackend, Tensor> run)
    {
        outputs.Clear();
        foreach (var ops in Backends())
        {
            var y = ops.Upload(Enumerable.Repeat(float.NaN, length).ToArray()); // what is not written is found
            run(ops, y);
            Collect(ops, y, length);
        }
        Compare();
    }

    private void Collect(IBackend ops, Tensor tensor, int length) => outputs.Add(ops.Read(tensor, 0, length).ToArray());

    /// <summary>The second half of what was collected, the cpu's, against the first.</summary>
    private void Compare()
    {
        var half = outputs.Count / 2;
        for (var i = 0; i < half; i++)
        {
            double error = 0, norm = 0;
            for (var j = 0; j < outputs[i].Length; j++)
            {
                error += Math.Pow((double)outputs[i][j] - outputs[half + i][j], 2);
                norm += Math.Pow(outputs[i][j], 2);
            }
            Assert.InRange(error / norm, 0, Bound);
        }
    }

    private TensorView View(WeightType type, int seed, params long[] shape)
    {
        weights.Add(new RandomWeights(type, shape, seed));
        return weights[^1].View;
    }

    private static float[] Values(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2) - 1)];
    }

    private static Step StepOf(int tokens, Func<int, int>? token = null)
    {
        var step = new Step(tokens, 1, 1);
        step.AddSequence([0]);
        for (var t = 0; t < tokens; t++) step.AddToken(token?.Invoke(t) ?? t, t);
        return step;
    }
}
