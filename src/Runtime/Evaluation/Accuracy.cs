using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Cpu;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Reference;
using WarpDecode.Runtime.Models;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>
/// Compares ways of computing the experts with FP64 on the same weights and texts, layer by layer and at the logits, in two readings:
/// isolated, each layer's experts fed with the reference's own input and routes, so that the error of that layer alone shows; and
/// accumulated, each path running the whole model by itself. The isolated reading is against FP64 throughout; the accumulated one
/// against the reference backend, which adds in FP64 but stores FP32 between operations: below some 10⁻⁷ it says nothing.
/// </summary>
internal static class Accuracy
{
    /// <summary>Measures the paths of the cpu and, if there is a GPU, of the cuda backend.</summary>
    /// <param name="path">A model file with a tokenizer.</param>
    /// <param name="texts">Texts; each is cut into windows.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellation">Stops between tokens.</param>
    /// <exception cref="ModelFileException">The file cannot be used.</exception>
    /// <exception cref="ArgumentException">The texts give no window of at least two tokens, or an option is out of range.</exception>
    public static AccuracyReport Measure(string path, IReadOnlyList<string> texts, AccuracyOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(options);
        using var file = ModelFile.Open(path);
        var tokenizer = Text.Tokenizer.FromMetadata(file);
        return MeasureTokens(path, [.. texts.Select(text => tokenizer.Encode(text, addSpecial: true, parseSpecial: false))], options, () => CudaDevice.Open(), cancellation);
    }

    /// <summary>The same for token ids, with a device of the caller's choice in the place of the GPU.</summary>
    internal static AccuracyReport MeasureTokens(
        string path, IReadOnlyList<int[]> texts, AccuracyOptions options, Func<GpuDevice> device, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.WindowTokens, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MostTokens, 2);
        ModelConfig config;
        using (var file = ModelFile.Open(path)) config = Architectures.Of(file).ReadConfig(file);
        var windows = Cut(texts, Math.Min(options.WindowTokens, config.ContextLength), options.MostTokens);
        if (windows.Count == 0) throw new ArgumentException("the texts have less than two tokens");
        var engineOptions = new EngineOptions { ContextLength = windows.Max(w => w.Length), Cancellation = cancellation };

        var notes = new List<string>();
        // A token a step, so that waiting for the reference can be stopped between them; results do not depend on it.
        using var reference = new Path("reference", "reference", path, new ReferenceBackend(), config, engineOptions with { PrefillTokens = 1 });
        var paths = new List<Path>();
        try
        {
            var integers = Dispatch.Rows(ExpertType(reference.Engine.File)).Integers is not null;
            (string Key, string Name, ExpertForm Form)[] forms =
            [
                ("warp", "warp decode (FP32 activations)", ExpertForm.Warp),
                ("bf16", "BF16 activations", ExpertForm.WarpBF16),
                ("conventional", integers ? "conventional (Q8_1 activations)" : $"conventional ({ExpertType(reference.Engine.File)} activations)", ExpertForm.Conventional),
                ("conventional-mxfp8", "conventional (MXFP8 activations)", ExpertForm.ConventionalMxfp8),
            ];
            foreach (var (key, name, form) in forms) paths.Add(new Path(key, name, path, new CpuBackend(options.Threads, form), config, engineOptions));
            if (options.UseGpu)
            {
                foreach (var (key, name, form) in forms)
                {
                    if (OnGpu($"cuda-{key}", $"GPU: {name}", form, path, config, engineOptions, device, notes) is { } gpu) paths.Add(gpu);
                }
            }
            return Compare(path, windows, config, reference, paths, notes, options, cancellation);
        }
        finally
        {
            foreach (var p in paths) p.Dispose();
        }
    }

    private static AccuracyReport Compare(
        string model, List<int[]> windows, ModelConfig config, Path reference, List<Path> paths, List<string> notes, AccuracyOptions options, CancellationToken cancellation)
    {
        var total = windows.Sum(w => w.Length);
        var done = 0;
        foreach (var window in windows)
        {
            var logits = new float[window.Length * (long)config.Vocabulary];
            var trace = reference.Run(window, null, (position, values) =>
            {
                values.CopyTo(logits.AsSpan(position * config.Vocabulary));
                options.Progress?.Report(new AccuracyProgress(++done, total));
            }, cancellation);
            var exact = new double[config.Layers][];
            for (var layer = 0; layer < config.Layers; layer++)
                exact[layer] = AccuracyOracle.Experts(trace[layer], window.Length, reference.Tap.Weights[layer], options.Threads == 0 ? -1 : options.Threads, cancellation);
            foreach (var path in paths)
            {
                var own = path.Run(window, null, (position, values) =>
                    path.Logits.Add(values, logits.AsSpan(position * config.Vocabulary, config.Vocabulary)), cancellation);
                var fed = path.Run(window, trace, null, cancellation);
                for (var layer = 0; layer < config.Layers; layer++)
                {
                    path.Accumulated[layer].Add(own[layer].After, trace[layer].After);
                    for (var t = 0; t < window.Length; t++)
                    {
                        var row = t * config.Hidden;
                        if (fed[layer].SameExperts[t]) path.Isolated[layer].Add(fed[layer].After.AsSpan(row, config.Hidden), exact[layer].AsSpan(row, config.Hidden));
                        else path.Excluded++;
                    }
                }
            }
        }
        var types = string.Join(", ", reference.Engine.File.Tensors.Where(t => t.Shape.Count == 3).Select(t => t.Type).Distinct());
        return new AccuracyReport(model, types, total, windows.Count, [.. paths.Select(p => p.Result())], notes);
    }

    private static Path? OnGpu(
        string key, string name, ExpertForm form, string path, ModelConfig config, EngineOptions options, Func<GpuDevice> device, List<string> notes)
    {
        try
        {
            // A token a step: decode's own kernels, which are what is to be measured.
            var backend = new CudaBackend(device(), records: false, options: new CudaOptions(Experts: form));
            return new Path(key, name, path, backend, config, options with { PrefillTokens = 1 });
        }
        catch (Exception e) when (e is GpuException or NotSupportedException)
        {
            var note = $"not on a GPU: {e.Message}";
            if (!notes.Contains(note)) notes.Add(note);
            return null;
        }
    }

    private static WeightType ExpertType(ModelFile file) => file.Tensors.First(t => t.Shape.Count == 3).Type;

    private static List<int[]> Cut(IReadOnlyList<int[]> texts, int window, int most)
    {
        var windows = new List<int[]>();
        foreach (var text in texts)
        {
            for (var from = 0; from < text.Length && most >= 2; from += window)
            {
                var length = Math.Min(Math.Min(window, text.Length - from), most);
                if (length < 2) continue;
                windows.Add(text[from..(from + length)]);
                most -= length;
            }
        }
        return windows;
    }

    /// <summary>A model on one backend, with a tap, and what has been found about it.</summary>
    private sealed class Path : IDisposable
    {
        private readonly string key;
        private readonly string name;
        private readonly ModelConfig config;

        public Path(string key, string name, string model, IBackend backend, ModelConfig config, EngineOptions options)
        {
            (this.key, this.name, this.config) = (key, name, config);
            Tap = new LayerTap(backend, config);
            Engine = Engine.Open(model, options, Tap);
            Isolated = [.. Enumerable.Range(0, config.Layers).Select(_ => new DeviationSum())];
            Accumulated = [.. Enumerable.Range(0, config.Layers).Select(_ => new DeviationSum())];
        }

        public Engine Engine { get; }

        public LayerTap Tap { get; }

        public DeviationSum[] Isolated { get; }

        public DeviationSum[] Accumulated { get; }

        public LogitsSum Logits { get; } = new();

        public int Excluded { get; set; }

        public LayerTrace[] Run(int[] tokens, LayerTrace[]? feed, LogitsReader? reader, CancellationToken cancellation)
        {
            var trace = Enumerable.Range(0, config.Layers).Select(_ => new LayerTrace(tokens.Length, config.Hidden, config.TopK)).ToArray();
            (Tap.Record, Tap.Feed) = (trace, feed);
            using var session = Engine.CreateSession();
            session.Append(tokens, reader, cancellation);
            return trace;
        }

        public PathAccuracy Result() =>
            new(key, name, [.. Isolated.Select(d => d.Result())], [.. Accumulated.Select(d => d.Result())], Logits.Result(), Excluded);

        public void Dispose() => Engine.Dispose();
    }
}
