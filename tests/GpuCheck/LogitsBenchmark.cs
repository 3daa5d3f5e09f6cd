using System.Diagnostics;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime.Sampling;

namespace WarpDecode.GpuCheck;

/// <summary>From logits to tokens: the best few chosen on the device, against all logits read and looked through by the host.</summary>
internal static unsafe class LogitsBenchmark
{
    private const int Vocabulary = 151_936, Largest = 32, Launches = 20;

    public static void Run(Report report)
    {
        var device = CudaDevice.Open();
        using var backend = new CudaBackend(device);
        var timing = new Timing(device);
        var random = new Random(2);
        var values = new float[Largest * Vocabulary];
        for (var i = 0; i < values.Length; i++) values[i] = 20 * random.NextSingle();
        var logits = backend.Upload(values);
        var kernel = device.Compile<TopLogitsArgs>(TopLogits.Run);
        var (partials, arrived, best) = (device.Allocate(64 << 20, "best logits"), device.Allocate(Largest * sizeof(int), "best logits"), (long)device.AllocatePinned(1 << 20));
        report.Line($"Vocabulary {Vocabulary}, microseconds\n");
        report.Header("rows", "best", "kernel", "with the way to the host", "all to the host", "all to the host and sampled");
        foreach (var rows in (int[])[1, 8, 32])
        {
            var sampler = new Sampler(new SamplerOptions { Seed = 1 }, Vocabulary);
            var row = new float[Vocabulary];
            var (copied, sampled) = (Wall(() => backend.Read(logits, 0, rows * Vocabulary), 5), Wall(() =>
            {
                var all = backend.Read(logits, 0, rows * Vocabulary);
                for (var r = 0; r < rows; r++)
                {
                    all.Slice(r * Vocabulary, Vocabulary).CopyTo(row); // as a session keeps them
                    _ = sampler.Sample(row);
                }
            }, 5));
            foreach (var count in (int[])[1, 8, 40, 128])
            {
                var parts = TopLogits.Parts(rows);
                var args = new TopLogitsArgs
                {
                    Logits = DeviceTensor.Of(logits),
                    Partials = partials,
                    Arrived = arrived,
                    Best = best,
                    Vocabulary = Vocabulary,
                    Count = count,
                    Parts = parts,
                };
                var alone = timing.Microseconds(() =>
                {
                    for (var i = 0; i < Launches; i++) kernel.Launch(args, (Vocabulary + (parts * TopLogits.Part) - 1) / (parts * TopLogits.Part), rows);
                }) / Launches;
                var top = new TopLogit[rows * count];
                var whole = Wall(() => backend.TopLogits(logits, rows, Vocabulary, count, top), 20);
                report.Table($"{rows}", $"{count}", Report.Text($"{alone:F1}"), Report.Text($"{whole:F1}"), Report.Text($"{copied:F0}"), Report.Text($"{sampled:F0}"));
                report.Value($"best {count} of {rows} rows, µs", whole);
            }
        }
        device.FreePinned((byte*)best);
    }

    /// <summary>Median microseconds by the host's clock.</summary>
    private static double Wall(Action act, int times)
    {
        act();
        var all = new List<double>();
        for (var i = 0; i < times; i++)
        {
            var begun = Stopwatch.GetTimestamp();
            act();
            all.Add(Stopwatch.GetElapsedTime(begun).TotalMicroseconds);
        }
        return all.Order().ElementAt(times / 2);
    }
}
