using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.GpuCheck;

/// <summary>
/// MoeGateUp and MoeDown with float weights at Qwen3-30B-A3B's layer as the backend runs them, random routing: a graph of twenty pairs, each
/// of another layer copy and another routing, so that weights come from memory. GB/s are over the bytes of the distinct experts.
/// </summary>
internal static unsafe class ExpertsBenchmark
{
    public const int Hidden = 2048, Ff = 768, Experts = 128, TopK = 8, Pairs = 20, Copies = 4, MostTokens = 512;

    private static readonly WeightType[] Types = [WeightType.BF16, WeightType.F16];

    public static void Run(Report report)
    {
        using (var device = CudaDevice.Open()) _ = Bandwidth.Read(report, device);
        foreach (var type in Types)
        {
            if (report.OutOfTime) return;
            var device = CudaDevice.Open();
            using var layers = new Layers(device, type);
            var bandwidth = Bandwidth.Read(report, device);
            report.Line($"\n{type}\n");
            report.Header("B", "gate/up µs", "down µs", "both µs", "distinct experts", "GB/s", "of read bandwidth");
            foreach (var batch in (int[])[1, 2, 3, 4, 6, 8, 12, 16, 24, 32])
            {
                var step = Layers.Decode(batch);
                layers.Forget();
                var distinct = layers.Distinct(batch);
                var gateUp = layers.Microseconds(p => layers.GateUp(step, p));
                var down = layers.Microseconds(p => layers.Down(step, p));
                var both = layers.Microseconds(p =>
                {
                    layers.GateUp(step, p);
                    layers.Down(step, p);
                });
                var rate = distinct * layers.ExpertBytes / both / 1000;
                report.Table($"{batch}", Report.Text($"{gateUp:F1}"), Report.Text($"{down:F1}"), Report.Text($"{both:F1}"), Report.Text($"{distinct:F1}"),
                    Report.Text($"{rate:F0}"), Report.Text($"{100 * rate / bandwidth:F1} %"));
                report.Value($"experts {type} B={batch} µs", both);
                report.Value($"experts {type} B={batch} GB/s", rate);
            }
            if (type == WeightType.BF16) ConventionalBenchmark.Run(report, device, layers);
            Prompts(report, layers, type);
        }
    }

    private static void Prompts(Report report, Layers layers, WeightType type)
    {
        report.Line($"\n{type}, prompts\n");
        report.Header("tokens", "gate/up µs", "down µs", "both µs", "TFLOP/s");
        foreach (var tokens in (int[])[32, 128, MostTokens])
        {
            if (report.OutOfTime) return;
            var step = new Step(tokens, 1, 1);
            step.AddSequence([0]);
            for (var t = 0; t < tokens; t++) step.AddToken(0, t);
            layers.Forget();
            var gateUp = layers.Microseconds(p => layers.GateUp(step, p), Copies);
            var down = layers.Microseconds(p => layers.Down(step, p), Copies);
            var all = layers.Microseconds(p =>
            {
                layers.GateUp(step, p);
                layers.Down(step, p);
            }, Copies);
            report.Table($"{tokens}", Report.Text($"{gateUp:F1}"), Report.Text($"{down:F1}"), Report.Text($"{all:F1}"),
                Report.Text($"{6.0 * tokens * TopK * Hidden * Ff / all / 1e6:F0}"));
            report.Value($"experts {type} prompt of {tokens} µs", all);
        }
    }

    /// <summary>The weights of a few layers and the routes of many steps on the device.</summary>
    internal sealed class Layers : IDisposable
    {
        private readonly Timing timing;
        private readonly Weight[] gates;
        private readonly Weight[] ups;
        private readonly Weight[] downs;
        private readonly int[][] ids;

        public Layers(CudaDevice device, WeightType type)
        {
            timing = new Timing(device);
            Backend = new CudaBackend(device, new SyntheticFill(device).Filler);
            var random = new Random(5);
            ids = [.. Enumerable.Range(0, Pairs).Select(_ => Random(random, MostTokens))];
            Routes = [.. ids.Select(list => Put(device, list))];
            gates = Load(Ff, Hidden);
            ups = Load(Ff, Hidden);
            downs = Load(Hidden, Ff);
            ExpertBytes = type.RowBytes(3L * Ff * Hidden);
            H = Backend.Upload([.. Enumerable.Range(0, MostTokens * Hidden).Select(_ => (2 * random.NextSingle()) - 1)]);
            Mid = Backend.Allocate(MostTokens * TopK * Ff);
            X = Backend.Allocate(MostTokens * Hidden);

            Weight[] Load(int rows, int columns) =>
                [.. Enumerable.Range(0, Copies).Select(_ => Backend.Load(new TensorView("ffn", type, [Experts, rows, columns], 0, type.RowBytes((long)Experts * rows * columns), (byte*)null)))];
        }

        public CudaBackend Backend { get; }

        public DeviceRouting[] Routes { get; }

        public Tensor H { get; }

        public Tensor Mid { get; }

        public Tensor X { get; }

        /// <summary>Bytes of one expert in the file.</summary>
        public double ExpertBytes { get; }

        /// <summary>A step of so many sequences of one token each.</summary>
        public static Step Decode(int batch)
        {
            var step = new Step(batch, batch, 1);
            for (var b = 0; b < batch; b++)
            {
                step.AddSequence([b]);
                step.AddToken(0, 0);
            }
            return step;
        }

        /// <summary>Where the gate, up and down weights of a pair lie.</summary>
        public (long Gate, long Up, long Down) Addresses(int p) =>
            (((DeviceWeight)gates[p % Copies]).Address, ((DeviceWeight)ups[p % Copies]).Address, ((DeviceWeight)downs[p % Copies]).Address);

        public double Distinct(int batch) => ids.Average(list => list.Take(batch * TopK).Distinct().Count());

        /// <summary>Slots are to be found by expert anew, once, before what is timed: in a step the router's launch does it.</summary>
        public void Forget()
        {
            foreach (var routes in Routes) routes.Grouped = false;
        }

        public void GateUp(Step step, int p) => Backend.MoeGateUp(step, H, gates[p % Copies], ups[p % Copies], Routes[p], Mid);

        public void Down(Step step, int p) => Backend.MoeDown(step, Mid, downs[p % Copies], Routes[p], X);

        /// <summary>Microseconds of what is queued for one pair; all of the pairs are in one graph.</summary>
        public double Microseconds(Action<int> queue, int pairs = Pairs) => timing.Microseconds(() =>
        {
            for (var p = 0; p < pairs; p++) queue(p);
        }) / pairs;

        public void Dispose() => Backend.Dispose();

        private static int[] Random(Random random, int tokens) =>
            [.. Enumerable.Range(0, tokens).SelectMany(_ => Enumerable.Range(0, Experts).OrderBy(_ => random.Next()).Take(TopK))];

        private static DeviceRouting Put(CudaDevice device, int[] ids)
        {
            var routes = new DeviceRouting(device, ids.Length / TopK, TopK, Experts);
            fixed (int* from = ids) device.Upload(routes.Ids, from, ids.Length * sizeof(int));
            var weights = Enumerable.Repeat(1f / TopK, ids.Length).ToArray();
            fixed (float* from = weights) device.Upload(routes.Weights, from, weights.Length * sizeof(float));
            return routes;
        }
    }
}
