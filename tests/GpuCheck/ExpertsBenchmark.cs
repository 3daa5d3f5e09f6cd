using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.GpuCheck;

/// <summary>
/// MoeGateUp and MoeDown at Qwen3-30B-A3B's layer, random routing: a graph of twenty pairs, each of another layer copy and another
/// routing, so that weights come from memory. GB/s are over the bytes of the distinct experts.
/// </summary>
internal static unsafe class ExpertsBenchmark
{
    private const int Hidden = 2048, Ff = 768, Experts = 128, TopK = 8, Pairs = 20, Copies = 4, Largest = 32;

    public static void Run(Report report)
    {
        using var device = CudaDevice.Open();
        var timing = new Timing(device);
        var bandwidth = Bandwidth.Read(report, device);
        var synthetic = new Synthetic(device);
        var random = new Random(5);
        var routes = new int[Pairs][];
        var (ids, weights) = (new long[Pairs], new long[Pairs]);
        for (var r = 0; r < Pairs; r++)
        {
            routes[r] = [.. Enumerable.Range(0, Largest).SelectMany(_ => Enumerable.Range(0, Experts).OrderBy(_ => random.Next()).Take(TopK))];
            ids[r] = Put(device, routes[r]);
            weights[r] = Put(device, [.. Enumerable.Repeat(1f / TopK, Largest * TopK)]);
        }
        var x = Put(device, [.. Enumerable.Range(0, Largest * Hidden).Select(_ => (2 * random.NextSingle()) - 1)]);
        var mid = device.Allocate(Largest * TopK * Ff * sizeof(float), "activations");
        var y = device.Allocate(Largest * Hidden * sizeof(float), "activations");

        foreach (var type in (WeightType[])[WeightType.BF16, WeightType.Q8_0, WeightType.Q4_K])
        {
            if (report.OutOfTime) return;
            var kernels = Dispatch.Gpu(type, device);
            var (wide, narrow) = (kernels.RowBytes(Hidden), kernels.RowBytes(Ff));
            var (gates, ups, downs) = (new long[Copies], new long[Copies], new long[Copies]);
            for (var c = 0; c < Copies; c++)
            {
                gates[c] = Matrix(Ff, Hidden, wide);
                ups[c] = Matrix(Ff, Hidden, wide);
                downs[c] = Matrix(Hidden, Ff, narrow);
            }
            var bytes = (2.0 * Ff * wide) + (Hidden * narrow); // of one expert
            report.Line($"\n{type}\n");
            report.Header("B", "gate/up µs", "down µs", "both µs", "distinct experts", "GB/s", "of read bandwidth");
            foreach (var batch in (int[])[1, 2, 4, 8, 16, 32])
            {
                var distinct = routes.Average(r => r.Take(batch * TopK).Distinct().Count());
                var gateUp = timing.Microseconds(() => Queue(batch, true, false)) / Pairs;
                var down = timing.Microseconds(() => Queue(batch, false, true)) / Pairs;
                var both = timing.Microseconds(() => Queue(batch, true, true)) / Pairs;
                var rate = distinct * bytes / both / 1000;
                report.Table($"{batch}", Report.Text($"{gateUp:F1}"), Report.Text($"{down:F1}"), Report.Text($"{both:F1}"), Report.Text($"{distinct:F1}"),
                    Report.Text($"{rate:F0}"), Report.Text($"{100 * rate / bandwidth:F0} %"));
                report.Value($"experts {type} B={batch} µs", both);
                report.Value($"experts {type} B={batch} GB/s", rate);
            }
            for (var c = 0; c < Copies; c++)
            {
                device.Free(gates[c]);
                device.Free(ups[c]);
                device.Free(downs[c]);
            }

            long Matrix(int rows, int columns, long rowBytes)
            {
                var address = device.Allocate(Experts * rows * rowBytes, "weights");
                synthetic.Weights(type, address, Experts * rows, rowBytes, columns, -6);
                return address;
            }

            void Queue(int batch, bool first, bool second)
            {
                for (var p = 0; p < Pairs; p++)
                {
                    if (first)
                    {
                        kernels.GateUp.Launch(new MoeGateUpArgs
                        {
                            Gate = gates[p % Copies],
                            Up = ups[p % Copies],
                            X = x,
                            Ids = ids[p],
                            Mid = mid,
                            RowBytes = wide,
                            Columns = Hidden,
                            Ff = Ff,
                            TopK = TopK,
                        }, batch * TopK, Ff / Rows.Warps);
                    }
                    if (!second) continue;
                    kernels.Down.Launch(new MoeDownArgs
                    {
                        Down = downs[p % Copies],
                        Mid = mid,
                        Ids = ids[p],
                        Weights = weights[p],
                        X = y,
                        RowBytes = narrow,
                        Magic = ((1L << 32) / (Ff / kernels.UnitValues)) + 1,
                        Columns = Ff,
                        Rows = Hidden,
                        TopK = TopK,
                    }, batch, Hidden / Rows.Warps);
                }
            }
        }
    }

    private static long Put<T>(CudaDevice device, T[] values)
        where T : unmanaged
    {
        var address = device.Allocate(values.Length * (long)sizeof(T), "activations");
        fixed (T* from = values) device.Upload(address, from, values.Length * (long)sizeof(T));
        return address;
    }
}
