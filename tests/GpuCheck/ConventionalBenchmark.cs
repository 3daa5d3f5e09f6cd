using WarpDecode.Kernels;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.GpuCheck;

/// <summary>
/// The expert FFN of a decode step by <see cref="Conventional"/>, all of its stages in one graph, beside the same pair by warp decode, in
/// one run on the same weights and routes.
/// </summary>
internal static unsafe class ConventionalBenchmark
{
    public static void Run(Report report, CudaDevice device, ExpertsBenchmark.Layers layers)
    {
        const int hidden = ExpertsBenchmark.Hidden, ff = ExpertsBenchmark.Ff, experts = ExpertsBenchmark.Experts, topK = ExpertsBenchmark.TopK, most = 32;
        const int tiles = experts + (most * topK / Conventional.TileTokens), rows = tiles * Conventional.TileTokens;
        var groups = device.Compile<GroupsArgs>(Groups.Run);
        var (align, gather, activate) = (device.Compile<ConventionalArgs>(Conventional.Align), device.Compile<ConventionalArgs>(Conventional.Gather<Zero>), device.Compile<ConventionalArgs>(Conventional.Activate));
        var (gateUp, down, combine) = (device.Compile<ConventionalArgs>(Conventional.GateUp<Zero>), device.Compile<ConventionalArgs>(Conventional.Down<Zero>), device.Compile<ConventionalArgs>(Conventional.Combine<Zero>));
        var sum = layers.Backend.Allocate(most * hidden);
        var args = new ConventionalArgs
        {
            Input = DeviceTensor.Of(layers.H),
            X = DeviceTensor.Of(sum),
            Tiles = device.Allocate((1 + (3 * tiles)) * sizeof(int), "activations"),
            Places = device.Allocate(most * topK * sizeof(int), "activations"),
            Gathered = device.Allocate(rows * hidden * 2L, "activations"),
            Projected = device.Allocate(rows * 2 * ff * 2L, "activations"),
            Activated = device.Allocate(rows * ff * 2L, "activations"),
            Outputs = device.Allocate(rows * hidden * 2L, "activations"),
            Hidden = hidden,
            Ff = ff,
            TopK = topK,
        };

        report.Line("\nThe same by the expert-centric path (collect, pad, gather, two grouped products on tensor cores, activate, combine), BF16\n");
        report.Header("B", "expert-centric µs", "of it the products", "warp decode µs", "ratio", "difference of the outputs");
        foreach (var batch in (int[])[1, 2, 4, 8, 16, 32])
        {
            if (report.OutOfTime) return;
            var step = ExpertsBenchmark.Layers.Decode(batch);
            layers.Forget();
            var slots = batch * topK;
            var bound = Math.Min(slots, experts) + (slots / Conventional.TileTokens);
            void Queue(int p, bool all)
            {
                var r = layers.Routes[p];
                (args.Weights, args.Offsets, args.Active, args.Slots) = (r.Weights, r.Offsets, r.Active, r.Slots);
                (args.Gate, args.Up, args.Down) = layers.Addresses(p);
                if (all)
                {
                    groups.Launch(new GroupsArgs { Ids = r.Ids, Offsets = r.Offsets, Active = r.Active, Runs = r.Runs, Slots = r.Slots, Count = slots, Experts = experts }, experts / Rows.Warps);
                    align.Launch(args, 1);
                    gather.Launch(args, bound * Conventional.TileTokens, hidden / 2048);
                }
                gateUp.Launch(args, 2 * ff / Conventional.TileRows, bound);
                if (all) activate.Launch(args, ((bound * Conventional.TileTokens * ff / 2) + Rows.Threads - 1) / Rows.Threads);
                down.Launch(args, hidden / Conventional.TileRows, bound);
                if (all) combine.Launch(args, batch, hidden / Rows.Threads);
            }
            void Pair(int p)
            {
                layers.GateUp(step, p);
                layers.Down(step, p);
            }
            var error = Difference(() => Queue(1, all: true), () => Pair(1));
            var conventional = layers.Microseconds(p => Queue(p, all: true));
            var products = layers.Microseconds(p => Queue(p, all: false));
            var warp = layers.Microseconds(Pair);
            report.Table($"{batch}", Report.Text($"{conventional:F1}"), Report.Text($"{products:F1}"), Report.Text($"{warp:F1}"), Report.Text($"{conventional / warp:F2}"), Report.Text($"{error:E1}"));
            report.Value($"experts conventional B={batch} µs", conventional);

            // Root mean square of the difference, over that of warp decode's output.
            double Difference(Action first, Action second)
            {
                Clear(sum);
                Clear(layers.X);
                first();
                var expert = layers.Backend.Read(sum, 0, batch * hidden).ToArray();
                second();
                var own = layers.Backend.Read(layers.X, 0, batch * hidden).ToArray();
                return Math.Sqrt(expert.Zip(own, (a, b) => (double)(a - b) * (a - b)).Sum() / own.Sum(v => (double)v * v));
            }
        }

        void Clear(Tensor tensor)
        {
            var zeros = new float[tensor.Length];
            fixed (float* from = zeros) device.Upload(DeviceTensor.Of(tensor), from, tensor.Length * sizeof(float));
        }
    }
}
