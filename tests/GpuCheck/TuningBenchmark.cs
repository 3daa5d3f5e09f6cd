using System.Diagnostics;
using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.GpuCheck;

/// <summary>
/// Up to how many tokens each goes alone through the experts of Qwen3-30B-A3B's layer: what the backend measures when it opens such a model, what it
/// chooses, how long that takes, and how much slower than the faster way its choice is at the numbers of tokens measured.
/// </summary>
internal static unsafe class TuningBenchmark
{
    private const int Hidden = 2048, Ff = 768, Experts = 128, TopK = 8, Copies = 4, MostTokens = 512;

    private static readonly (WeightType GateUp, WeightType Down)[] Types =
        [(WeightType.Q4_K, WeightType.Q4_K), (WeightType.Q4_K, WeightType.Q6_K), (WeightType.Q8_0, WeightType.Q8_0), (WeightType.BF16, WeightType.BF16), (WeightType.F16, WeightType.F16)];

    public static void Run(Report report)
    {
        var folder = Path.Combine(Path.GetTempPath(), $"wd-tuning-{Environment.ProcessId}");
        try
        {
            foreach (var (gateUp, down) in Types)
            {
                if (!report.OutOfTime) Tune(report, gateUp, down, folder);
            }
        }
        finally
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
    }

    private static void Tune(Report report, WeightType gateUp, WeightType down, string folder)
    {
        var device = CudaDevice.Open();
        using var backend = new CudaBackend(device, new SyntheticFill(device).Filler, options: new CudaOptions(MeasuredFolder: folder));
        Weight Make(WeightType type, params long[] shape) =>
            backend.Load(new TensorView("synthetic", type, shape, 0, type.RowBytes(shape.Aggregate(1L, (a, b) => a * b)), (byte*)null));
        ExpertWeights[] layers = [.. Enumerable.Range(0, Copies).Select(_ =>
            new ExpertWeights(Make(gateUp, Experts, Ff, Hidden), Make(gateUp, Experts, Ff, Hidden), Make(down, Experts, Hidden, Ff)))];
        var (h, mid, x) = (backend.Allocate(MostTokens * Hidden), backend.Allocate((long)MostTokens * TopK * Ff), backend.Allocate(MostTokens * Hidden));
        device.Synchronize();

        var measurements = 0;
        double Milliseconds()
        {
            var begun = Stopwatch.GetTimestamp();
            backend.TuneExperts(layers, TopK, h, mid, x, () => measurements++, CancellationToken.None);
            return Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
        }
        var first = Milliseconds();
        var kept = Milliseconds();
        var shape = CudaBackend.ShapeOf((DeviceWeight)layers[0].Gate, (DeviceWeight)layers[0].Up, (DeviceWeight)layers[0].Down, TopK);
        var chosen = ((DeviceWeight)layers[0].Gate).Dispatch!;
        report.Line(Report.Text($"\n{shape.Types}: {backend.Experts}, the kernel for prompts from {chosen.GateUpPrompt} (default: {ExpertDispatch.Default(shape)}, {ExpertDispatch.Default(shape).GateUpPrompt})"));

        // Again, with all kernels loaded; this time's numbers judge the choice made before.
        var begun = Stopwatch.GetTimestamp();
        var (again, timings) = backend.MeasureExperts(shape, layers, h, mid, x, CancellationToken.None);
        var measuring = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
        report.Line(Report.Text($"{first:F0} ms with the loading of kernels, {measuring:F0} ms without, {kept:F1} ms from the cache; measured again: {again}, {again.GateUpPrompt}\n"));
        report.Header("tokens", "gate/up alone µs", "together µs", "down alone µs", "together µs", "gate/up together µs", "prompt µs");
        foreach (var tokens in timings.GateUp.Concat(timings.Down).Concat(timings.Prompt).Select(t => t.Tokens).Distinct().Order())
            report.Table([$"{tokens}", .. Cells(timings.GateUp, tokens), .. Cells(timings.Down, tokens), .. Cells(timings.Prompt, tokens)]);
        var loss = Loss(timings.GateUp, t => t <= chosen.GateUpAlone).Concat(Loss(timings.Down, t => t <= chosen.DownAlone)).Concat(Loss(timings.Prompt, t => t < chosen.GateUpPrompt))
            .Append(0).Max();
        report.Value($"tuning {shape.Types} ms", measuring);
        report.Value($"tuning {shape.Types} gate/up alone", chosen.GateUpAlone);
        report.Value($"tuning {shape.Types} down alone", chosen.DownAlone);
        report.Check($"{shape.Types}: measured once, then from the cache", measurements == 1, $"{measurements} of 2 times");
        report.Check($"{shape.Types}: the way chosen is at most 15 % slower than the other", loss <= 0.15, Report.Text($"{100 * loss:F1} %"));
    }

    private static string[] Cells(IReadOnlyList<WayTiming> timings, int tokens)
    {
        foreach (var timing in timings)
        {
            if (timing.Tokens == tokens) return [Report.Text($"{timing.First:F1}"), Report.Text($"{timing.Second:F1}")];
        }
        return ["–", "–"];
    }

    private static IEnumerable<double> Loss(IReadOnlyList<WayTiming> timings, Func<int, bool> isFirst) =>
        timings.Select(t => ((isFirst(t.Tokens) ? t.First : t.Second) / Math.Min(t.First, t.Second)) - 1);
}
