using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.GpuCheck;

/// <summary>
/// Attention at Qwen3-30B-A3B's layer (32 heads over 4 of 128), with norms, rope and the store of the new key and value: a graph of many
/// layers in a row, whose caches together are larger than the second-level cache. GB/s are over the bytes of keys and values.
/// </summary>
internal static class AttentionBenchmark
{
    private const int Layers = 48;
    private static readonly AttentionShape Shape = new(32, 4, 128, 1 / MathF.Sqrt(128));

    public static void Run(Report report)
    {
        double bandwidth;
        using (var device = CudaDevice.Open()) bandwidth = Bandwidth.Read(report, device);
        foreach (var type in (WeightType[])[WeightType.F32, WeightType.F16, WeightType.BF16])
        {
            if (report.OutOfTime) return;
            Agree(report, type);
            report.Line($"\nDecode, {type}\n");
            report.Header("B", "context", "µs", "GB/s", "of read bandwidth");
            foreach (var batch in (int[])[1, 8, 32])
            {
                foreach (var depth in type == WeightType.BF16 ? (int[])[4096] : [64, 128, 384, 1024, 4096, 16_384])
                {
                    var time = Decode(type, batch, depth);
                    var bytes = 4.0 * (depth + 1) * batch * Shape.KvHeads * Shape.HeadDim * type.BlockBytes() / 2;
                    var rate = bytes / time / 1000;
                    report.Table($"{batch}", $"{depth}", Report.Text($"{time:F2}"), Report.Text($"{rate:F0}"), Report.Text($"{100 * rate / bandwidth:F0} %"));
                    report.Value($"attention {type} B={batch} context {depth} µs", time);
                }
            }
            report.Line($"\nPrefill of 512 tokens, {type}\n");
            report.Header("tokens before", "µs");
            foreach (var before in (int[])[0, 3584])
            {
                var time = Prefill(type, before, 512);
                report.Table($"{before}", Report.Text($"{time:F1}"));
                report.Value($"attention {type} prefill of 512 after {before} µs", time);
            }
        }
    }

    private static double Decode(WeightType type, int batch, int depth)
    {
        var perSequence = (depth + 64) / Pages.Size;
        var step = new Step(batch, batch, perSequence);
        for (var b = 0; b < batch; b++)
        {
            step.AddSequence([.. Enumerable.Range(b * perSequence, perSequence)]);
            step.AddToken(0, depth);
        }
        return Time(type, step, perSequence * batch);
    }

    private static double Prefill(WeightType type, int before, int tokens)
    {
        var pages = (before + tokens + Pages.Size - 1) / Pages.Size;
        var step = new Step(tokens, 1, pages);
        step.AddSequence([.. Enumerable.Range(0, pages)]);
        for (var t = 0; t < tokens; t++) step.AddToken(0, before + t);
        return Time(type, step, pages);
    }

    private static double Time(WeightType type, Step step, int pages)
    {
        var device = CudaDevice.Open();
        using var backend = new CudaBackend(device);
        var one = new KvShape(1, pages, Pages.Size, Shape.KvHeads, Shape.HeadDim, type);
        var layers = (int)Math.Clamp((4L << 30) / (one.PageBytes * pages), 4, Layers);
        using var cache = (DeviceKvCache)backend.AllocateKvCache(one with { Layers = layers });
        new SyntheticFill(device).Weights(type == WeightType.F32 ? WeightType.F32 : WeightType.BF16, cache.Keys(0), cache.PageBytes * pages * 2 * layers / 4096, 4096,
            type == WeightType.F32 ? 1024 : 2048, type == WeightType.F32 ? 0 : -6);
        var random = new Random(3);
        var qkv = backend.Upload(Values(random, step.Count * Shape.QkvSize));
        var (norm, frequencies) = (backend.Upload(Values(random, Shape.HeadDim)), backend.Upload(Values(random, Shape.HeadDim / 2)));
        var (angles, y) = (backend.Allocate(step.Count * Shape.HeadDim), backend.Allocate(step.Count * Shape.Heads * Shape.HeadDim));
        backend.Begin(step);
        backend.Angles(step, frequencies, angles);
        var count = Math.Max(12, layers);
        var time = new Timing(device).Microseconds(() =>
        {
            for (var i = 0; i < count; i++)
            {
                backend.RopeAndStore(step, qkv, norm, norm, 1e-6f, angles, Shape, cache, i % layers);
                backend.Attention(step, qkv, Shape, cache, i % layers, y);
            }
        }, 9) / count;
        backend.End(step);
        return time;
    }

    /// <summary>The last tokens of a prompt of several splits, as a prompt and one by one in a batch.</summary>
    private static void Agree(Report report, WeightType type)
    {
        const int length = 300, last = 3, pages = 10;
        var random = new Random(9);
        using var backend = new CudaBackend(CudaDevice.Open());
        using var cache = backend.AllocateKvCache(new KvShape(1, pages, Pages.Size, Shape.KvHeads, Shape.HeadDim, type));
        var values = Values(random, length * Shape.QkvSize);
        var (norm, frequencies) = (backend.Upload(Values(random, Shape.HeadDim)), backend.Upload([.. Values(random, Shape.HeadDim / 2).Select(Math.Abs)]));
        var prompt = new Step(length, 1, pages);
        int[] table = [.. Enumerable.Range(0, pages).Reverse()];
        prompt.AddSequence(table);
        for (var t = 0; t < length; t++) prompt.AddToken(0, t);
        var whole = Outputs(prompt, values)[^(last * Shape.Heads * Shape.HeadDim)..];
        var step = new Step(last, last, pages);
        for (var t = 0; t < last; t++)
        {
            step.AddSequence(table);
            step.AddToken(0, length - last + t);
        }
        var alone = Outputs(step, values[^(last * Shape.QkvSize)..]);
        double error = 0, size = 0;
        for (var i = 0; i < alone.Length; i++)
        {
            error += Math.Pow((double)alone[i] - whole[i], 2);
            size += Math.Pow(alone[i], 2);
        }
        report.Check($"attention {type}: the last tokens of {length} as a prompt and one by one", error / size < 1e-10, GoldenCheck.Number(error / size));

        float[] Outputs(Step step, float[] input)
        {
            backend.Begin(step);
            var (qkv, angles, y) = (backend.Upload(input), backend.Allocate(step.Count * Shape.HeadDim), backend.Allocate(step.Count * Shape.Heads * Shape.HeadDim));
            backend.Angles(step, frequencies, angles);
            backend.RopeAndStore(step, qkv, norm, norm, 1e-6f, angles, Shape, cache, 0);
            backend.Attention(step, qkv, Shape, cache, 0, y);
            backend.End(step);
            return backend.Read(y, 0, (int)y.Length).ToArray();
        }
    }

    private static float[] Values(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (2 * random.NextSingle()) - 1)];
}
