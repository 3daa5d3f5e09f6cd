using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Reference;
using Xunit;

namespace WarpDecode.Kernels.Tests.Gpu;

/// <summary>
/// Attention of the GPU backend on ILGPU's CPU accelerator, against the reference backend. Where keys and values are numbers
/// that every type of cache holds exactly, what remains is the rounding of FP32 sums, and the bound is that of FP32 in all types.
/// </summary>
public sealed class AttentionTests : IDisposable
{
    private const float Epsilon = 1e-6f;
    private const double Bound = 1e-11; // normalized mean squared error

    private readonly Random random = new(12);
    private readonly ReferenceBackend reference = new();
    private readonly CudaBackend gpu = new(TestDevice.Open(), records: false);

    public void Dispose()
    {
        gpu.Dispose();
        reference.Dispose();
    }

    /// <summary>A decode step of two sequences, whose norms and rope are done by attention itself, or before it.</summary>
    [Theory]
    [InlineData(WeightType.F32, 8, 1, 32, 70, true)]
    [InlineData(WeightType.F32, 1, 1, 128, 20, true)]
    [InlineData(WeightType.F16, 8, 1, 128, 130, true)]
    [InlineData(WeightType.F16, 4, 1, 64, 40, false)]
    [InlineData(WeightType.F16, 4, 1, 96, 33, true)]
    [InlineData(WeightType.F16, 1, 1, 256, 9, true)]
    [InlineData(WeightType.F16, 12, 1, 32, 259, true)]
    [InlineData(WeightType.BF16, 4, 2, 40, 129, true)]
    [InlineData(WeightType.BF16, 2, 2, 80, 100, false)]
    public void DecodeAgrees(WeightType type, int heads, int kvHeads, int headDim, int length, bool fused)
    {
        TestDevice.SkipSlow(length > 128);
        using var model = new Model(this, type, heads, kvHeads, headDim, exact: true);
        int[] pages = [7, 2, 9, 4, 11, 5, 8, 10, 6];
        model.Store(pages, length - 1);
        model.CopyPage(7, 1);
        var step = new Step(2, 2, pages.Length);
        step.AddSequence(pages);
        step.AddToken(0, length - 1);
        step.AddSequence([1, 3]);
        step.AddToken(0, 4);
        model.Run(step, fused ? When.Within : When.Before);
        model.Run(step, fused ? When.Within : When.Before); // the counters are as before after a launch
    }

    /// <summary>Many tokens of one sequence, some of them in the cache before.</summary>
    [Theory]
    [InlineData(WeightType.F16, 8, 1, 32, 33, 9)]
    [InlineData(WeightType.F16, 3, 1, 64, 0, 7)]
    [InlineData(WeightType.F16, 2, 1, 96, 30, 3)]
    [InlineData(WeightType.BF16, 1, 1, 128, 60, 6)]
    [InlineData(WeightType.F32, 2, 1, 32, 30, 4)]
    [InlineData(WeightType.F16, 2, 1, 40, 31, 3)]
    public void PrefillAgrees(WeightType type, int heads, int kvHeads, int headDim, int before, int tokens)
    {
        TestDevice.SkipSlow(headDim is 40 or 96);
        using var model = new Model(this, type, heads, kvHeads, headDim, exact: true);
        int[] pages = [3, 1, 2];
        if (before > 0) model.Store(pages, before);
        var step = new Step(tokens, 1, pages.Length);
        step.AddSequence(pages);
        for (var i = 0; i < tokens; i++) step.AddToken(0, before + i);
        model.Run(step, When.Before);
    }

    /// <summary>Keys and values as they come, with norms and rope: the cache rounds them.</summary>
    [Theory]
    [InlineData(WeightType.F32, 128, 1e-11)]
    [InlineData(WeightType.F16, 64, 1e-6)]
    [InlineData(WeightType.BF16, 32, 1e-4)]
    public void RoundingIsThatOfTheCache(WeightType type, int headDim, double bound)
    {
        TestDevice.SkipSlow(type == WeightType.F32);
        using var model = new Model(this, type, 4, 1, headDim, exact: false, bound);
        int[] pages = [0, 2];
        model.Store(pages, 36);
        var step = new Step(3, 3, pages.Length);
        step.AddSequence(pages);
        step.AddToken(0, 36);
        model.Run(step, When.Within);
        step.Clear();
        step.AddSequence(pages);
        for (var i = 0; i < 3; i++) step.AddToken(0, 37 + i);
        model.Run(step, When.Before);
    }

    /// <summary>A token alone and the same among others, and a prompt in one chunk and in two: not one bit differs.</summary>
    [Fact]
    public void BitsDoNotDependOnTheBatchOrTheChunks()
    {
        TestDevice.SkipSlow(true); // OperationTests has a token alone and among others
        const int heads = 8, headDim = 32, length = 140;
        using var model = new Model(this, WeightType.F16, heads, 1, headDim, exact: false);
        int[][] pages = [[7, 2, 9, 4, 11], [1, 3, 0, 0, 0]];
        model.Store(pages[0], length - 1);
        model.Store(pages[1], 40);
        var values = Values(3 * model.Shape.QkvSize);
        var row = model.Shape.QkvSize;
        var batch = Tokens([(0, length - 1), (1, 40)], values[..(2 * row)]);
        Assert.Equal(Tokens([(0, length - 1)], values[..row]), batch[..(heads * headDim)]);
        Assert.Equal(Tokens([(1, 40)], values[row..(2 * row)]), batch[(heads * headDim)..]);

        int[] fresh = [10, 8, 5, 6, 0];
        model.Store(fresh, 30);
        var whole = Chunk(30, values);
        var first = Chunk(30, values[..(2 * row)]);
        Assert.Equal(whole[..(2 * heads * headDim)], first);

        float[] Tokens((int Sequence, int Position)[] tokens, float[] qkv)
        {
            var step = new Step(2, 2, 5);
            foreach (var (sequence, position) in tokens)
            {
                step.AddSequence(pages[sequence]);
                step.AddToken(0, position);
            }
            return model.Gpu(step, qkv, When.Within);
        }

        float[] Chunk(int position, float[] qkv)
        {
            var step = new Step(3, 1, 5);
            step.AddSequence(fresh);
            for (var i = 0; i < qkv.Length / row; i++) step.AddToken(0, position + i);
            return model.Gpu(step, qkv, When.Before);
        }
    }

    /// <summary>How the work is divided changes no bit, and neither what comes in one pass; five splits are more than a chunk.</summary>
    [Theory]
    [InlineData(false, WeightType.F16, 1, 8, 520)]
    [InlineData(true, WeightType.F32, 1, 72, 129)]  // a second split, of the newest alone; two passes
    [InlineData(true, WeightType.F16, 2, 64, 600)]
    [InlineData(true, WeightType.F32, 8, 128, 130)]
    [InlineData(true, WeightType.F32, 3, 96, 129)]
    [InlineData(true, WeightType.F32, 1, 256, 129)]
    [InlineData(true, WeightType.F32, 2, 72, 128)]   // one split, full
    [InlineData(true, WeightType.BF16, 1, 256, 140)]
    [InlineData(true, WeightType.F16, 1, 8, 1300)]   // more blocks than are combined without shared memory
    public void BitsDoNotDependOnTheDivision(bool large, WeightType type, int heads, int headDim, int length)
    {
        TestDevice.SkipSlow(large || length == 520);
        using var model = new Model(this, type, heads, 1, headDim, exact: true);
        int[] pages = [.. Enumerable.Range(0, (length + 31) / 32).Reverse()];
        model.Store(pages, length - 1);
        var step = new Step(1, 1, pages.Length);
        step.AddSequence(pages);
        step.AddToken(0, length - 1);
        gpu.AttentionBlocks = 0;
        var values = Values(model.Shape.QkvSize);
        var four = model.Gpu(step, values, When.Within);
        gpu.AttentionWholeChunks = true;
        Assert.Equal(four, model.Gpu(step, values, When.Within));
        gpu.AttentionBlocks = 1000;
        foreach (var whole in (int[])[0, 1000])
        {
            gpu.AttentionWhole = whole;
            gpu.AttentionWaiting = 0;
            Assert.Equal(four, model.Gpu(step, values, When.Within));
            gpu.AttentionWaiting = 1000;
            Assert.Equal(four, model.Gpu(step, values, When.Within));
            Assert.Equal(four, model.Gpu(step, values, When.Before)); // what was waited for is zero again
        }
        model.Run(step, When.Within);
    }

    [Fact]
    public void OtherTypesAreRefused()
    {
        Assert.Throws<NotSupportedException>(() => reference.AllocateKvCache(new KvShape(1, 1, 32, 1, 32, WeightType.F16)));
        Assert.Throws<NotSupportedException>(() => gpu.AllocateKvCache(new KvShape(1, 1, 32, 1, 32, WeightType.Q8_0)));
    }

    private float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (2 * random.NextSingle()) - 1)];

    /// <summary>Whether norms, rope and store are launched before attention or done within it.</summary>
    private enum When
    {
        Before,
        Within,
    }

    /// <summary>Weights and caches of one attention block on both backends.</summary>
    private sealed class Model : IDisposable
    {
        private readonly AttentionTests test;
        private readonly bool exact;
        private readonly double bound;
        private readonly KvCache host;
        private readonly KvCache device;
        private readonly (Tensor Host, Tensor Device) frequencies;
        private readonly (Tensor? Host, Tensor? Device) qNorm;
        private readonly (Tensor? Host, Tensor? Device) kNorm;

        /// <param name="test">Where backends come from.</param>
        /// <param name="type">Of the cache on the device.</param>
        /// <param name="heads">Query heads.</param>
        /// <param name="kvHeads">Key/value heads.</param>
        /// <param name="headDim">Their size.</param>
        /// <param name="exact">Without norms and rotation, with keys and values of few bits.</param>
        /// <param name="bound">Normalized mean squared error that is allowed.</param>
        public Model(AttentionTests test, WeightType type, int heads, int kvHeads, int headDim, bool exact, double bound = Bound)
        {
            (this.test, this.exact, this.bound) = (test, exact, bound);
            Shape = new AttentionShape(heads, kvHeads, headDim, 1 / MathF.Sqrt(headDim));
            var kv = new KvShape(Layers: 2, Pages: 48, PageTokens: 32, kvHeads, headDim);
            (host, device) = (test.reference.AllocateKvCache(kv), test.gpu.AllocateKvCache(kv with { Type = type }));
            frequencies = Both([.. Enumerable.Range(0, headDim / 2).Select(i => exact ? 0 : MathF.Pow(1000, -2f * i / headDim))]);
            if (!exact) (qNorm, kNorm) = (Both(test.Values(headDim)), Both(test.Values(headDim)));
        }

        public AttentionShape Shape { get; }

        public void Dispose()
        {
            host.Dispose();
            device.Dispose();
        }

        public void CopyPage(int from, int to)
        {
            test.reference.CopyPage(host, from, to);
            test.gpu.CopyPage(device, from, to);
        }

        /// <summary>Fills the cache of a sequence.</summary>
        public void Store(int[] pages, int count)
        {
            var step = new Step(count + 1, 2, pages.Length);
            step.AddSequence(pages);
            for (var p = 0; p < count; p++) step.AddToken(0, p);
            var qkv = Values(step);
            test.gpu.Begin(step);
            var angles = Angles(step);
            Rope(step, (test.reference.Upload(qkv), test.gpu.Upload(qkv)), angles);
            test.gpu.End(step);
        }

        public void Run(Step step, When when)
        {
            var qkv = Values(step);
            var actual = Gpu(step, qkv, when);
            var (x, y) = (test.reference.Upload(qkv), test.reference.Allocate(actual.Length));
            var angles = test.reference.Allocate(step.Count * Shape.HeadDim);
            test.reference.Angles(step, frequencies.Host, angles);
            test.reference.RopeAndStore(step, x, qNorm.Host, kNorm.Host, Epsilon, angles, Shape, host, 1);
            test.reference.Attention(step, x, Shape, host, 1, y);
            var expected = test.reference.Read(y, 0, actual.Length);
            double error = 0, norm = 0;
            for (var i = 0; i < actual.Length; i++)
            {
                error += Math.Pow((double)actual[i] - expected[i], 2);
                norm += Math.Pow(expected[i], 2);
            }
            Assert.InRange(error / norm, 0, bound);
        }

        public float[] Gpu(Step step, float[] values, When when)
        {
            var gpu = test.gpu;
            gpu.Begin(step);
            var (qkv, angles, y) = (gpu.Upload(values), gpu.Allocate(step.Count * Shape.HeadDim), gpu.Allocate(step.Count * Shape.Heads * Shape.HeadDim));
            gpu.Angles(step, frequencies.Device, angles);
            gpu.RopeAndStore(step, qkv, qNorm.Device, kNorm.Device, Epsilon, angles, Shape, device, 1);
            if (when == When.Before) gpu.Read(qkv, 0, 1);
            gpu.Attention(step, qkv, Shape, device, 1, y);
            gpu.End(step);
            return gpu.Read(y, 0, (int)y.Length).ToArray();
        }

        private (Tensor Host, Tensor Device) Angles(Step step)
        {
            var angles = (Host: test.reference.Allocate(step.Count * Shape.HeadDim), Device: test.gpu.Allocate(step.Count * Shape.HeadDim));
            test.reference.Angles(step, frequencies.Host, angles.Host);
            test.gpu.Angles(step, frequencies.Device, angles.Device);
            return angles;
        }

        private void Rope(Step step, (Tensor Host, Tensor Device) qkv, (Tensor Host, Tensor Device) angles)
        {
            test.reference.RopeAndStore(step, qkv.Host, qNorm.Host, kNorm.Host, Epsilon, angles.Host, Shape, host, 1);
            test.gpu.RopeAndStore(step, qkv.Device, qNorm.Device, kNorm.Device, Epsilon, angles.Device, Shape, device, 1);
        }

        /// <summary>Joint projections; where they are to be exact keys and values are multiples of 1/128, but queries are not.</summary>
        private float[] Values(Step step)
        {
            var values = test.Values(step.Count * Shape.QkvSize);
            if (!exact) return values;
            for (var i = 0; i < values.Length; i++)
            {
                if (i % Shape.QkvSize >= Shape.Heads * Shape.HeadDim) values[i] = MathF.Round(values[i] * 128) / 128;
                else values[i] *= 3;
            }
            return values;
        }

        private (Tensor Host, Tensor Device) Both(float[] values) => (test.reference.Upload(values), test.gpu.Upload(values));
    }
}
