using ILGPU;
using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.GpuCheck;

/// <summary>Parameters of the FP64 kernels below.</summary>
internal struct Fp64Args
{
    public long Gate;
    public long Up;
    public long Down;
    public long X;
    public long Mid;
    public long Ids;
    public long Weights;
    public long Y;
    public int Hidden;
    public int Ff;
    public int TopK;
    public int Count;
}

/// <summary>
/// The quantized types at Qwen3-30B-A3B's layer, exact on tensor cores beside FP32 lanes, through the backend: the expert pair over
/// twenty routings and four layer copies, its error against FP64 on the same weights, the bits of a token alone and in a batch; then
/// the projections.
/// </summary>
internal static unsafe class ExactBenchmark
{
    private const int Hidden = 2048, Ff = 768, Experts = 128, TopK = 8, Pairs = 20, Copies = 4, Largest = 32, Prompt = 512;
    private static readonly int[] Batches = [1, 2, 4, 8, 16, 32];

    public static void Run(Report report)
    {
        var lanes = new Dictionary<(WeightType, int), double>();
        foreach (var type in (WeightType[])[WeightType.Q4_K, WeightType.Q8_0, WeightType.Q6_K])
        {
            foreach (var exact in (bool[])[false, true])
            {
                if (report.OutOfTime) return;
                Pair(report, type, exact, lanes);
            }
        }
        Dense(report);
    }

    /// <summary>The pair at a few batch sizes, each kernel launched twice and nothing else: for a profiler.</summary>
    public static void Profile()
    {
        foreach (var type in (WeightType[])[WeightType.Q4_K, WeightType.Q8_0, WeightType.BF16])
        {
            var device = CudaDevice.Open();
            using var backend = new CudaBackend(device, new SyntheticFill(device).Filler);
            var random = new Random(5);
            Weight Make(params long[] shape) => backend.Load(new TensorView("synthetic", type, shape, 0, type.RowBytes(shape.Aggregate(1L, (a, b) => a * b)), (byte*)null));
            var (gate, up, down) = (Make(Experts, Ff, Hidden), Make(Experts, Ff, Hidden), Make(Experts, Hidden, Ff));
            var h = backend.Upload([.. Enumerable.Range(0, Largest * Hidden).Select(_ => (2 * random.NextSingle()) - 1)]);
            var (mid, y) = (backend.Allocate(Largest * TopK * Ff), backend.Allocate(Largest * Hidden));
            foreach (var batch in (int[])[1, 8, 32])
            {
                var step = Decode(batch);
                backend.Begin(step);
                for (var i = 0; i < 2; i++)
                {
                    var made = (DeviceRouting)backend.AllocateRouting(batch, TopK, Experts);
                    int[] ids = [.. Enumerable.Range(0, batch).SelectMany(_ => Enumerable.Range(0, Experts).OrderBy(_ => random.Next()).Take(TopK))];
                    fixed (int* from = ids) device.Upload(made.Ids, from, ids.Length * sizeof(int));
                    backend.MoeGateUp(step, h, gate, up, made, mid);
                    backend.MoeDown(step, mid, down, made, y);
                }
                device.Synchronize();
            }
        }
    }

    public static void Fp64GateUp<TTile>(Fp64Args a)
        where TTile : struct, ITileFormat
    {
        var index = (Grid.IdxX * Rows.Threads) + Group.IdxX;
        if (index >= a.Count) return;
        var slot = index / a.Ff;
        var row = ((long)Dev.LoadInt(a.Ids + (slot * 4L)) * a.Ff) + (index - (slot * a.Ff));
        var x = a.X + ((long)(slot / a.TopK) * a.Hidden * 4);
        var (g, u) = (0.0, 0.0);
        for (var i = 0; i < a.Hidden; i++)
        {
            var record = (((row >> 4) * (a.Hidden / 256)) + (i >> 8)) * TTile.RecordBytes;
            double value = Dev.LoadFloat(x + (i * 4L));
            g += value * TTile.Weight(a.Gate + record, (int)row & 15, i & 255);
            u += value * TTile.Weight(a.Up + record, (int)row & 15, i & 255);
        }
        *(double*)(a.Mid + (index * 8L)) = g / (1 + Exp(-g)) * u;
    }

    public static void Fp64Down<TTile>(Fp64Args a)
        where TTile : struct, ITileFormat
    {
        var index = (Grid.IdxX * Rows.Threads) + Group.IdxX;
        if (index >= a.Count) return;
        var token = index / a.Hidden;
        var total = 0.0;
        for (var k = 0; k < a.TopK; k++)
        {
            var slot = (token * a.TopK) + k;
            var row = ((long)Dev.LoadInt(a.Ids + (slot * 4L)) * a.Hidden) + (index - (token * a.Hidden));
            var sum = 0.0;
            for (var i = 0; i < a.Ff; i++)
            {
                var record = a.Down + ((((row >> 4) * (a.Ff / 256)) + (i >> 8)) * TTile.RecordBytes);
                sum += *(double*)(a.Mid + (((long)slot * a.Ff) + i) * 8) * TTile.Weight(record, (int)row & 15, i & 255);
            }
            total += sum * Dev.LoadFloat(a.Weights + (slot * 4L));
        }
        *(double*)(a.Y + (index * 8L)) = total;
    }

    // e^x = 2^n · e^r, |r| ≤ ln 2 / 2.
    private static double Exp(double x)
    {
        var n = (int)((x * 1.4426950408889634) + (x < 0 ? -0.5 : 0.5));
        var r = x - (n * 0.6931471805599453);
        var sum = 1.0;
        for (var i = 18; i > 0; i--) sum = 1 + (sum * r / i);
        return sum * Interop.IntAsFloat((ulong)(n + 1023) << 52);
    }

    private static void Pair(Report report, WeightType type, bool exact, Dictionary<(WeightType, int), double> lanes)
    {
        var device = CudaDevice.Open();
        using var backend = new CudaBackend(device, new SyntheticFill(device).Filler, options: new CudaOptions(ExactTiles: exact));
        var timing = new Timing(device);
        var random = new Random(5);
        var groups = device.Compile<GroupsArgs>(Groups.Run);
        Weight Make(params long[] shape) => backend.Load(new TensorView("synthetic", type, shape, 0, type.RowBytes(shape.Aggregate(1L, (a, b) => a * b)), (byte*)null));
        var (gates, ups, downs) = (new Weight[Copies], new Weight[Copies], new Weight[Copies]);
        for (var c = 0; c < Copies; c++) (gates[c], ups[c], downs[c]) = (Make(Experts, Ff, Hidden), Make(Experts, Ff, Hidden), Make(Experts, Hidden, Ff));
        var routes = new int[Pairs][];
        var weights = new float[Largest * TopK];
        for (var i = 0; i < weights.Length; i++) weights[i] = 0.05f + (0.15f * random.NextSingle());
        for (var r = 0; r < Pairs; r++) routes[r] = [.. Enumerable.Range(0, Largest).SelectMany(_ => Enumerable.Range(0, Experts).OrderBy(_ => random.Next()).Take(TopK))];
        float[] values = [.. Enumerable.Range(0, Largest * Hidden).Select(_ => MathF.Sqrt(-2 * MathF.Log(1 - random.NextSingle())) * MathF.Cos(6.2831853f * random.NextSingle()))];
        var h = backend.Upload(values);
        var (mid, y) = (backend.Allocate(Largest * TopK * Ff), backend.Allocate(Largest * Hidden));
        var bytes = 3.0 * Ff * type.RowBytes(Hidden); // of one expert, as in the file

        if (exact)
        {
            report.Line($"\n{type}\n");
            report.Header("B", "lanes µs", "gate/up µs", "down µs", "both µs", "distinct experts", "GB/s");
        }
        foreach (var batch in Batches)
        {
            var step = Decode(batch);
            backend.Begin(step);
            var routing = new DeviceRouting[Pairs];
            for (var p = 0; p < Pairs; p++) routing[p] = Routes(routes[p].AsSpan(0, batch * TopK), weights);
            void Queue(bool first, bool second)
            {
                for (var p = 0; p < Pairs; p++)
                {
                    if (first) backend.MoeGateUp(step, h, gates[p % Copies], ups[p % Copies], routing[p], mid);
                    if (second) backend.MoeDown(step, mid, downs[p % Copies], routing[p], y);
                }
            }
            var both = timing.Microseconds(() => Queue(true, true)) / Pairs;
            if (!exact)
            {
                lanes[(type, batch)] = both;
                continue;
            }
            var gateUp = timing.Microseconds(() => Queue(true, false)) / Pairs;
            var down = timing.Microseconds(() => Queue(false, true)) / Pairs;
            var distinct = routes.Average(r => r.Take(batch * TopK).Distinct().Count());
            report.Table($"{batch}", Report.Text($"{lanes[(type, batch)]:F1}"), Report.Text($"{gateUp:F1}"), Report.Text($"{down:F1}"), Report.Text($"{both:F1}"),
                Report.Text($"{distinct:F1}"), Report.Text($"{distinct * bytes / both / 1000:F0}"));
            report.Value($"exact {type} B={batch} µs", both);
        }
        if (!exact) return;

        // The pair's output for all 32 tokens, against FP64 and against a token alone or among four.
        float[] Outputs(int first, int count)
        {
            var step = Decode(count);
            backend.Begin(step);
            var routing = Routes(routes[0].AsSpan(first * TopK, count * TopK), weights.AsSpan(first * TopK));
            var (x, out_) = (backend.Upload(values.AsSpan(first * Hidden, count * Hidden)), backend.Allocate(count * Hidden));
            backend.MoeGateUp(step, x, gates[0], ups[0], routing, mid);
            backend.MoeDown(step, mid, downs[0], routing, out_);
            return backend.Read(out_, 0, count * Hidden).ToArray();
        }
        var all = Outputs(0, Largest);
        var equal = true;
        foreach (var (first, count) in ((int, int)[])[(0, 1), (5, 1), (31, 1), (8, 4), (3, 2), (16, 8), (1, 16)])
            equal &= Outputs(first, count).AsSpan().SequenceEqual(all.AsSpan(first * Hidden, count * Hidden));
        report.Check($"{type}: the same bits alone and in batches", equal, "7 batches of up to 16 against 32");
        var expected = Fp64(device, type, (DeviceWeight)gates[0], (DeviceWeight)ups[0], (DeviceWeight)downs[0], h, Routes(routes[0], weights));
        double error = 0, norm = 0;
        for (var i = 0; i < all.Length; i++)
        {
            error += Math.Pow(all[i] - expected[i], 2);
            norm += Math.Pow(expected[i], 2);
        }
        report.Check($"{type}: error of the pair at most 1e-11 of FP64", error / norm <= 1e-11, GoldenCheck.Number(error / norm));
        report.Value($"exact {type} NMSE", error / norm);

        DeviceRouting Routes(ReadOnlySpan<int> ids, ReadOnlySpan<float> slotWeights)
        {
            var tokens = ids.Length / TopK;
            var made = (DeviceRouting)backend.AllocateRouting(tokens, TopK, Experts);
            fixed (int* from = ids) device.Upload(made.Ids, from, ids.Length * sizeof(int));
            fixed (float* from = slotWeights) device.Upload(made.Weights, from, ids.Length * sizeof(float));
            groups.Launch(
                new GroupsArgs { Ids = made.Ids, Offsets = made.Offsets, Active = made.Active, Runs = made.Runs, Slots = made.Slots, Count = ids.Length, Experts = Experts }, Experts / Rows.Warps);
            made.Grouped = true; // in a step the router's launch does it
            return made;
        }
    }

    private static double[] Fp64(CudaDevice device, WeightType type, DeviceWeight gate, DeviceWeight up, DeviceWeight down, Tensor h, DeviceRouting routing)
    {
        var (first, second) = type switch
        {
            WeightType.Q4_K => (device.Compile<Fp64Args>(Fp64GateUp<Q4_KTile>), device.Compile<Fp64Args>(Fp64Down<Q4_KTile>)),
            WeightType.Q6_K => (device.Compile<Fp64Args>(Fp64GateUp<Q6_KTile>), device.Compile<Fp64Args>(Fp64Down<Q6_KTile>)),
            _ => (device.Compile<Fp64Args>(Fp64GateUp<Q8_0Tile>), device.Compile<Fp64Args>(Fp64Down<Q8_0Tile>)),
        };
        var (mid, y) = (device.Allocate(Largest * TopK * Ff * 8L, "reference"), device.Allocate(Largest * Hidden * 8L, "reference"));
        var args = new Fp64Args
        {
            Gate = gate.Address,
            Up = up.Address,
            Down = down.Address,
            X = DeviceTensor.Of(h),
            Mid = mid,
            Ids = routing.Ids,
            Weights = routing.Weights,
            Y = y,
            Hidden = Hidden,
            Ff = Ff,
            TopK = TopK,
            Count = Largest * TopK * Ff,
        };
        first.Launch(args, args.Count / Rows.Threads);
        args.Count = Largest * Hidden;
        second.Launch(args, args.Count / Rows.Threads);
        var outputs = new double[Largest * Hidden];
        fixed (double* to = outputs) device.Download(to, y, outputs.Length * 8L);
        return outputs;
    }

    /// <summary>The projections of a Q4_K_M file, and a prompt's experts.</summary>
    private static void Dense(Report report)
    {
        const int heads = 32 * 128, kvHeads = 4 * 128, vocabulary = 151_936, layers = 4, launches = 12;
        report.Line("\nProjections of a Q4_K_M file, µs\n");
        report.Header("B", "qkv Q4_K", "qkv Q4_K + Q6_K", "output", "head Q6_K", "gate/up of a prompt", "down of a prompt");
        var device = CudaDevice.Open();
        using var backend = new CudaBackend(device, new SyntheticFill(device).Filler);
        var timing = new Timing(device);
        Weight[] Make(WeightType type, params long[] shape) =>
            [.. Enumerable.Range(0, layers).Select(_ => backend.Load(new TensorView("synthetic", type, shape, 0, type.RowBytes(shape.Aggregate(1L, (a, b) => a * b)), (byte*)null)))];
        var (q, k, v, v6, o) = (Make(WeightType.Q4_K, heads, Hidden), Make(WeightType.Q4_K, kvHeads, Hidden), Make(WeightType.Q4_K, kvHeads, Hidden),
            Make(WeightType.Q6_K, kvHeads, Hidden), Make(WeightType.Q4_K, Hidden, heads));
        var output = backend.Load(new TensorView("synthetic", WeightType.Q6_K, [vocabulary, Hidden], 0, WeightType.Q6_K.RowBytes((long)vocabulary * Hidden), (byte*)null));
        var (gate, up, down) = (Make(WeightType.Q4_K, Experts, Ff, Hidden), Make(WeightType.Q4_K, Experts, Ff, Hidden), Make(WeightType.Q4_K, Experts, Hidden, Ff));
        var random = new Random(9);
        float[] values = [.. Enumerable.Range(0, Prompt * heads).Select(_ => (2 * random.NextSingle()) - 1)];
        var (x, norm) = (backend.Upload(values), backend.Upload([.. Enumerable.Repeat(1f, Hidden)]));
        var (y, logits) = (backend.Allocate(Prompt * 5120L), backend.Allocate(Largest * (long)vocabulary));
        var mid = backend.Allocate(Prompt * TopK * (long)Ff);
        foreach (var batch in (int[])[.. Batches, Prompt])
        {
            if (report.OutOfTime) return;
            var step = Decode(batch);
            step.SelectLogits([.. Enumerable.Range(0, Math.Min(batch, Largest))]);
            backend.Begin(step);
            var three = new Weight[3];
            string Time(Action<int> queue, int count) => Report.Text($"{timing.Microseconds(() =>
            {
                for (var i = 0; i < count; i++) queue(i % layers);
            }, 9) / count:F1}");
            string Qkv(Weight[] last) => Time(i =>
            {
                (three[0], three[1], three[2]) = (q[i], k[i], last[i]);
                backend.NormProject(step, x, norm, 1e-6f, three, y);
            }, launches);
            var (gateUp, downs) = ("–", "–");
            if (batch == Prompt)
            {
                var routing = (DeviceRouting)backend.AllocateRouting(Prompt, TopK, Experts);
                int[] ids = [.. Enumerable.Range(0, Prompt).SelectMany(_ => Enumerable.Range(0, Experts).OrderBy(_ => random.Next()).Take(TopK))];
                fixed (int* from = ids) device.Upload(routing.Ids, from, ids.Length * sizeof(int));
                device.Compile<GroupsArgs>(Groups.Run).Launch(
                    new GroupsArgs { Ids = routing.Ids, Offsets = routing.Offsets, Active = routing.Active, Runs = routing.Runs, Slots = routing.Slots, Count = ids.Length, Experts = Experts }, Experts / Rows.Warps);
                routing.Grouped = true;
                gateUp = Time(i => backend.MoeGateUp(step, x, gate[i], up[i], routing, mid), 4);
                downs = Time(i => backend.MoeDown(step, mid, down[i], routing, y), 4);
            }
            report.Table($"{batch}", Qkv(v), Qkv(v6), Time(i => backend.ProjectAdd(step, x, o[i], y), launches),
                batch == Prompt ? "–" : Time(_ => backend.Head(step, x, norm, 1e-6f, output, logits), 2), gateUp, downs);
        }
    }

    private static Step Decode(int count)
    {
        // One sequence too many: what is queued here is no whole step, and must not be recorded as one.
        var step = new Step(Prompt, Prompt + 1, 1);
        step.AddSequence([count]);
        for (var i = 0; i < count; i++)
        {
            step.AddSequence([i]);
            step.AddToken(0, 0);
        }
        return step;
    }
}
