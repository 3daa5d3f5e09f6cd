using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.GpuCheck;

/// <summary>
/// Everything of a layer of Qwen3-30B-A3B that is neither attention nor the experts: error against FP64, the same bits in every
/// batch, and microseconds of each operation, twelve launches in a row over the weights of six layers (more than the second-level cache).
/// </summary>
internal static unsafe class DenseBenchmark
{
    private const int Hidden = 2048, Heads = 4096, Kv = 512, Experts = 128, TopK = 8, Vocabulary = 151_936, Layers = 6, Launches = 12;
    private const float Epsilon = 1e-6f;

    public static void Run(Report report, bool brief)
    {
        using (var backend = new CudaBackend(CudaDevice.Open()))
        {
            foreach (var type in (WeightType[])[WeightType.BF16, WeightType.F16, WeightType.F32]) Accuracy(report, backend, type);
        }
        foreach (var type in brief ? (WeightType[])[WeightType.BF16] : [WeightType.BF16, WeightType.F16, WeightType.Q4_K])
        {
            if (report.OutOfTime) return;
            Times(report, type, brief ? [1, 8, 32] : type == WeightType.BF16 ? [1, 2, 4, 8, 16, 32, 64, 128, 512] : [1, 8, 32]);
        }
    }

    /// <summary>Random weights and activations: normalized mean squared error against FP64, and each token alone as in the batch.</summary>
    private static void Accuracy(Report report, CudaBackend backend, WeightType type)
    {
        const int rows = 72, tokens = 33, alone = 6;
        foreach (var columns in (int[])[Hidden, Heads, 5000])
        {
            var random = new Random(3);
            var bytes = type.RowBytes((long)rows * columns);
            var data = new byte[bytes];
            var weights = new double[rows * columns];
            for (var i = 0; i < weights.Length; i++) weights[i] = Put(data, i, type, (float)Gauss(random));
            var x = new float[tokens * columns];
            for (var i = 0; i < x.Length; i++) x[i] = (float)(Gauss(random) * Math.Exp(Gauss(random)));
            var norm = Enumerable.Range(0, columns).Select(_ => 0.5f + random.NextSingle()).ToArray();
            fixed (byte* pointer = data)
            {
                var weight = backend.Load(new TensorView("random", type, [rows, columns], 0, bytes, pointer));
                var factors = backend.Upload(norm);
                var (normed, added) = Project(x, tokens);
                double error = 0, size = 0, addedError = 0, addedSize = 0;
                for (var t = 0; t < tokens; t++)
                {
                    var squares = 0.0;
                    for (var c = 0; c < columns; c++) squares += (double)x[(t * columns) + c] * x[(t * columns) + c];
                    var scale = 1 / Math.Sqrt((squares / columns) + Epsilon);
                    for (var r = 0; r < rows; r++)
                    {
                        double plain = 0, scaled = 0;
                        for (var c = 0; c < columns; c++)
                        {
                            var product = weights[(r * columns) + c] * x[(t * columns) + c];
                            plain += product;
                            scaled += product * norm[c];
                        }
                        scaled *= scale;
                        error += Math.Pow(normed[(t * rows) + r] - scaled, 2);
                        size += scaled * scaled;
                        addedError += Math.Pow(added[(t * rows) + r] - plain, 2);
                        addedSize += plain * plain;
                    }
                }
                var worst = Math.Max(error / size, addedError / addedSize);
                report.Check($"{type}, rows of {columns}: products within 1e-12 of FP64", worst <= 1e-12, Report.Text($"normalized mean squared errors {error / size:E1} and {addedError / addedSize:E1}"));
                var same = true;
                var usual = backend.WholeWarps;
                foreach (var (count, warps) in ((int, int)[])[(1, usual), (2, usual), (8, usual), (17, usual), (5, 0), (27, 0)])
                {
                    backend.WholeWarps = warps;
                    var (some, others) = Project(x[(alone * columns)..((alone + count) * columns)], count);
                    same &= some.AsSpan().SequenceEqual(normed.AsSpan(alone * rows, count * rows)) && others.AsSpan().SequenceEqual(added.AsSpan(alone * rows, count * rows));
                }
                backend.WholeWarps = usual;
                report.Check($"{type}, rows of {columns}: the same bits in every batch and by every kernel", same, $"{rows} rows");

                (float[] Normed, float[] Added) Project(float[] input, int count)
                {
                    var step = Step(count);
                    backend.Begin(step);
                    var (from, to, sum) = (backend.Upload(input), backend.Allocate(count * rows), backend.Allocate(count * rows));
                    backend.NormProject(step, from, factors, Epsilon, [weight], to);
                    backend.ProjectAdd(step, from, weight, sum);
                    return (backend.Read(to, 0, count * rows).ToArray(), backend.Read(sum, 0, count * rows).ToArray());
                }
            }
        }
    }

    private static void Times(Report report, WeightType type, int[] batches)
    {
        var device = CudaDevice.Open();
        using var backend = new CudaBackend(device, new SyntheticFill(device).Filler);
        var timing = new Timing(device);
        Weight[] Of(WeightType t, int rows, int columns) =>
            [.. Enumerable.Range(0, Layers).Select(_ => backend.Load(new TensorView("synthetic", t, [rows, columns], 0, t.RowBytes((long)rows * columns), (byte*)null)))];
        var (q, k, v, o) = (Of(type, Heads, Hidden), Of(type, Kv, Hidden), Of(type, Kv, Hidden), Of(type, Hidden, Heads));
        var router = Of(WeightType.F32, Experts, Hidden);
        var output = backend.Load(new TensorView("output", type, [Vocabulary, Hidden], 0, type.RowBytes((long)Vocabulary * Hidden), (byte*)null));
        var most = batches[^1];
        var random = new Random(4);
        Tensor Activations(int count) => backend.Upload([.. Enumerable.Range(0, count).Select(_ => (2 * random.NextSingle()) - 1)]);
        var (x, h, qkv, attended) = (Activations(most * Hidden), Activations(most * Hidden), Activations(most * (Heads + (2 * Kv))), Activations(most * Heads));
        var norm = backend.Upload([.. Enumerable.Repeat(1f, Hidden)]);
        var logits = backend.Allocate((long)Math.Min(most, 32) * Vocabulary);
        var routing = backend.AllocateRouting(most, TopK, Experts);
        report.Line($"\n{type} (the router F32), µs\n");
        report.Header("B", "NormProject", "ProjectAdd", "Route", "these three in turn", "Head");
        foreach (var (batch, warps) in batches.SelectMany(b => b > 16 && type == WeightType.BF16 ? ((int, int)[])[(b, 0), (b, int.MaxValue)] : [(b, 1000)]))
        {
            backend.WholeWarps = warps;
            var step = Step(batch);
            step.SelectLogits([.. Enumerable.Range(0, Math.Min(batch, 32))]);
            backend.Begin(step);
            backend.End(step);
            var three = new Weight[3];
            void Project(int i)
            {
                (three[0], three[1], three[2]) = (q[i], k[i], v[i]);
                backend.NormProject(step, x, norm, Epsilon, three, qkv);
            }
            void Add(int i) => backend.ProjectAdd(step, attended, o[i], x);
            void Route(int i) => backend.Route(step, x, norm, Epsilon, router[i], new RouterSpec(TopK, true), h, routing);
            double Time(string name, Action<int> queue, int launches)
            {
                var time = timing.Microseconds(() =>
                {
                    for (var i = 0; i < launches; i++) queue(i % Layers);
                }, 9) / launches;
                report.Value($"dense {name} {type} B={batch} µs", time);
                return time;
            }

            var times = (double[])
            [
                Time("NormProject", Project, Launches), Time("ProjectAdd", Add, Launches), Time("Route", Route, Launches),
                Time("in turn", i =>
                {
                    Project(i);
                    Add(i);
                    Route(i);
                }, Launches),
                Time("Head", _ => backend.Head(step, x, norm, Epsilon, output, logits), 2),
            ];
            report.Table([$"{batch}{(warps == 0 ? " whole" : "")}", .. times.Select(t => Report.Text($"{t:F2}"))]);
        }
    }

    private static Step Step(int count)
    {
        var step = new Step(count, count, 1);
        for (var i = 0; i < count; i++)
        {
            step.AddSequence([i]);
            step.AddToken(0, 0);
        }
        return step;
    }

    private static double Gauss(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    /// <summary>Stores a weight; returns what it became.</summary>
    private static double Put(byte[] data, int index, WeightType type, float value)
    {
        switch (type)
        {
            case WeightType.F32:
                BitConverter.TryWriteBytes(data.AsSpan(index * 4), value);
                return value;
            case WeightType.F16:
                BitConverter.TryWriteBytes(data.AsSpan(index * 2), (System.Half)value);
                return (double)(System.Half)value;
            default:
                var bits = BitConverter.SingleToUInt32Bits(value) & 0xFFFF0000;
                BitConverter.TryWriteBytes(data.AsSpan(index * 2), (ushort)(bits >> 16));
                return BitConverter.UInt32BitsToSingle(bits);
        }
    }
}
