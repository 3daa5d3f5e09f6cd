using System.Diagnostics;
using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Benchmarking;
using WarpDecode.Runtime.Models;
using WarpDecode.Runtime.Sampling;

namespace WarpDecode.GpuCheck;

/// <summary>
/// Whole decode steps of a synthetic Qwen3-30B-A3B, weights made on the device. A context is not computed but stands empty in the
/// cache: the time is the same. Then the time of a step by operation.
/// </summary>
internal static class StepBenchmark
{
    private const int PageTokens = 32;
    private static readonly int[] Batches = [1, 2, 4, 8, 16, 32];

    public static void Run(Report report)
    {
        foreach (var type in (WeightType[])[WeightType.BF16, WeightType.Q4_K])
        {
            if (report.OutOfTime) return;
            var model = SyntheticModel.Parse($"qwen3-30b-a3b:{(type == WeightType.Q4_K ? "Q4_K_M" : type)}");
            using var file = model.MakeHollow();
            foreach (var cached in (WeightType[])[WeightType.F32, WeightType.F16])
            {
                if (!report.OutOfTime) Measure(report, file, type == WeightType.Q4_K ? "Q4_K_M mix" : $"{type}", cached);
            }
        }
    }

    private static void Measure(Report report, ModelFile file, string name, WeightType cached)
    {
        var watch = Stopwatch.StartNew();
        var device = CudaDevice.Open();
        using var backend = new CudaBackend(device, new SyntheticFill(device).Filler);
        var architecture = Architectures.Of(file);
        var config = architecture.ReadConfig(file);
        var model = architecture.Bind(config, new WeightBinder(file, backend));
        var work = new Workspace(backend, config, 512, Batches[^1]);
        var perPage = new KvShape(config.Layers, 1, PageTokens, config.KvHeads, config.HeadDim, cached).PageBytes;
        var pages = (int)Math.Min((backend.FreeBytes!.Value - (8L << 30)) / perPage, 32L * 16_448 / PageTokens);
        var cache = backend.AllocateKvCache(new KvShape(config.Layers, pages, PageTokens, config.KvHeads, config.HeadDim, cached));
        backend.TuneExperts([.. model.Experts], config.TopK, work.H, work.Mid, work.X, () => { }, CancellationToken.None);
        device.Synchronize();
        report.Line(Report.Text($"\n### Qwen3-30B-A3B, {name}: {file.Tensors.Sum(t => t.Bytes) / 1e9:F1} GB of weights, {cached} cache for {pages * (long)PageTokens} tokens, made in {watch.Elapsed.TotalSeconds:F1} s\n"));
        report.Line($"Experts {backend.Experts}\n");
        report.Header("context", "B", "ms a step", "ms if the host chooses", "tokens/s", "experts of the last layer");
        var (logits, row, sampler) = (0f, new float[config.Vocabulary], new Sampler(new SamplerOptions { Temperature = 0 }, config.Vocabulary));
        foreach (var depth in (int[])[128, 4096, 16_384])
        {
            foreach (var batch in Batches)
            {
                var perSequence = (depth + 64) / PageTokens;
                if (report.OutOfTime) return;
                if ((long)perSequence * batch > pages)
                {
                    report.Table($"{depth}", $"{batch}", "the cache does not fit", "–", "–", "–");
                    continue;
                }
                var step = new Step(batch, batch, perSequence);
                Span<int> list = new int[perSequence];
                var random = new Random(6);
                int[] selected = [.. Enumerable.Range(0, batch)];
                var best = new TopLogit[batch];
                double greedy = 0, whole = 0;
                const int warm = 4, timed = 12, byHost = 3; // of the last, one more first
                for (var i = 0; i < warm + timed + 1 + byHost; i++)
                {
                    step.Clear();
                    for (var b = 0; b < batch; b++)
                    {
                        for (var p = 0; p < perSequence; p++) list[p] = (b * perSequence) + p;
                        step.AddSequence(list);
                        step.AddToken(random.Next(config.Vocabulary), depth + i);
                    }
                    step.SelectLogits(selected);
                    var begun = Stopwatch.GetTimestamp();
                    if (backend.Begin(step))
                    {
                        model.Forward(backend, step, work, cache);
                        model.Head(backend, step, work);
                    }
                    backend.End(step);
                    if (i < warm + timed) backend.TopLogits(work.Logits, batch, config.Vocabulary, 1, best);
                    else
                    {
                        for (var b = 0; b < batch; b++)
                        {
                            backend.Read(work.Logits, (long)b * config.Vocabulary, config.Vocabulary).CopyTo(row);
                            logits += sampler.Sample(row);
                        }
                    }
                    var milliseconds = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
                    if (i > warm + timed) whole += milliseconds / byHost;
                    else if (i >= warm && i < warm + timed) greedy += milliseconds / timed;
                }
                var experts = Enumerable.Range(0, batch).SelectMany(t => Enumerable.Range(0, config.TopK).Select(k => work.Routings[^1].Expert(t, k))).Distinct().Count();
                report.Table($"{depth}", $"{batch}", Report.Text($"{greedy:F3}"), Report.Text($"{whole:F3}"), Report.Text($"{1000 * batch / greedy:F0}"), $"{experts}");
                report.Value($"step {name} cache {cached} context {depth} B={batch} ms", greedy);
            }
        }
        report.Check($"{name}: logits are finite", float.IsFinite(logits), "the first of each step");
        report.Line($"Recorded steps replayed: {backend.ReplayedSteps}");
        foreach (var tokens in (int[])[512, 4096]) Prefill(report, device, backend, model, config, work, cache, name, tokens);
        if (cached == backend.KvTypes[0]) Operations(report, device, backend, file, config, work, cache, name);
    }

    /// <summary>Microseconds a layer of each operation, twelve launches in a row over the weights of four layers.</summary>
    private static void Operations(
        Report report, CudaDevice device, CudaBackend backend, ModelFile file, ModelConfig config, Workspace work, KvCache cache, string name)
    {
        const int layers = 4, launches = 12, depth = 4096, perSequence = (depth + 64) / PageTokens;
        var timing = new Timing(device);
        Weight[] Of(string tensor) => [.. Enumerable.Range(20, layers).Select(i => backend.Load(file.Find($"blk.{i}.{tensor}.weight")!))];
        var (q, k, v, o) = (Of("attn_q"), Of("attn_k"), Of("attn_v"), Of("attn_output"));
        var (router, gate, up, down) = (Of("ffn_gate_inp"), Of("ffn_gate_exps"), Of("ffn_up_exps"), Of("ffn_down_exps"));
        var output = backend.Load(file.Find("output.weight")!);
        var norm = backend.LoadVector(file.Find("blk.20.ffn_norm.weight")!);
        var headNorm = backend.LoadVector(file.Find("blk.20.attn_q_norm.weight")!);
        var shape = new AttentionShape(config.Heads, config.KvHeads, config.HeadDim, 1 / MathF.Sqrt(config.HeadDim));
        foreach (var batch in (int[])[1, 8, 32])
        {
            if (report.OutOfTime || (long)perSequence * batch > cache.Shape.Pages) return;
            var step = new Step(batch, batch, perSequence);
            var list = new int[perSequence];
            for (var b = 0; b < batch; b++)
            {
                for (var p = 0; p < perSequence; p++) list[p] = (b * perSequence) + p;
                step.AddSequence(list);
                step.AddToken(b, depth);
            }
            step.SelectLogits([.. Enumerable.Range(0, batch)]);
            backend.Begin(step);
            backend.End(step);
            report.Line(Report.Text($"\nMicroseconds of an operation in one layer, {name}, B = {batch}, context {depth}\n"));
            report.Header("operation", "µs");
            var spec = new RouterSpec(config.TopK, true);
            void Time(string operation, Action<int> queue, int count)
            {
                var time = timing.Microseconds(() =>
                {
                    for (var i = 0; i < count; i++) queue(i % layers);
                }, 9) / count;
                report.Table(operation, Report.Text($"{time:F2}"));
                report.Value($"operation {operation} {name} B={batch} µs", time);
            }

            var three = new Weight[3];
            Time("NormProject", i =>
            {
                (three[0], three[1], three[2]) = (q[i], k[i], v[i]);
                backend.NormProject(step, work.X, norm, config.Epsilon, three, work.Qkv);
            }, launches);
            Time("RopeAndStore + Attention", i =>
            {
                backend.RopeAndStore(step, work.Qkv, headNorm, headNorm, config.Epsilon, work.Angles, shape, cache, i);
                backend.Attention(step, work.Qkv, shape, cache, i, work.Attended);
            }, launches);
            Time("ProjectAdd", i => backend.ProjectAdd(step, work.Attended, o[i], work.X), launches);
            Time("Route", i => backend.Route(step, work.X, norm, config.Epsilon, router[i], spec, work.H, work.Routings[0]), launches);
            Time("MoeGateUp", i => backend.MoeGateUp(step, work.H, gate[i], up[i], work.Routings[0], work.Mid), launches);
            Time("MoeDown", i => backend.MoeDown(step, work.Mid, down[i], work.Routings[0], work.X), launches);
            Time("Head (once a step)", _ => backend.Head(step, work.X, norm, config.Epsilon, output, work.Logits), 2);
            foreach (var count in (int[])[1, 40])
            {
                var best = new TopLogit[batch * count];
                var watch = new Stopwatch();
                for (var i = 0; i < 24; i++)
                {
                    if (i == 4) watch.Start();
                    backend.TopLogits(work.Logits, batch, config.Vocabulary, count, best);
                }
                report.Table($"the best {count} of the logits, with the way to the host", Report.Text($"{watch.Elapsed.TotalMicroseconds / 20:F2}"));
            }
        }
    }

    private static void Prefill(Report report, CudaDevice device, CudaBackend backend, IModel model, ModelConfig config, Workspace work, KvCache cache, string name, int tokens)
    {
        if (report.OutOfTime) return;
        const int chunk = 512;
        var step = new Step(chunk, 1, tokens / PageTokens);
        var list = Enumerable.Range(0, tokens / PageTokens).ToArray();
        var best = double.MaxValue;
        for (var pass = 0; pass < 2; pass++)
        {
            var watch = Stopwatch.StartNew();
            for (var first = 0; first < tokens; first += chunk)
            {
                step.Clear();
                step.AddSequence(list);
                for (var i = 0; i < chunk; i++) step.AddToken((first + i) * 7 % config.Vocabulary, first + i);
                if (backend.Begin(step)) model.Forward(backend, step, work, cache);
                backend.End(step);
            }
            device.Synchronize();
            best = Math.Min(best, watch.Elapsed.TotalSeconds);
        }
        report.Line(Report.Text($"\nPrefill of {tokens} tokens in chunks of {chunk}, {name}: {tokens / best:F0} tokens/s"));
        report.Value($"prefill {name} {tokens} tokens/s", tokens / best);
    }
}
