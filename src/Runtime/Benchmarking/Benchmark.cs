using System.Diagnostics;
using System.Globalization;
using System.Runtime.ExceptionServices;
using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime.Models;
using WarpDecode.Runtime.Sampling;

namespace WarpDecode.Runtime.Benchmarking;

/// <summary>
/// The speed of a model: prompts and decoding apart, at several batch sizes and depths, against the read bandwidth of the device.
/// A decode step includes the greedy choice of each sequence's next token, but what is decoded are random tokens: a model of
/// random weights would repeat itself, and repeated tokens go to the same experts.
/// </summary>
internal static class Benchmark
{
    private const int CountedSteps = 2; // in each repeat, beside those that are timed
    private const int SettlingSteps = 40; // as many calls as the runtime counts before it compiles again, and more
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(1);

    /// <summary>Measures all that the options ask for; what cannot be is told in <see cref="BenchmarkReport.Notes"/>.</summary>
    /// <exception cref="ArgumentException">Options that fit no model or no machine.</exception>
    /// <exception cref="ModelFileException">The file cannot be used; the message says where and why.</exception>
    /// <exception cref="MemoryPlanException">It does not fit in the host's memory; the message has the plan.</exception>
    /// <exception cref="GpuException">Only the GPU was asked for, and it cannot be used.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public static BenchmarkReport Run(BenchmarkOptions options, CancellationToken cancellation = default) =>
        Run(options, () => CudaDevice.Open(), cancellation);

    /// <summary>With a device of the caller's choice in the place of the GPU.</summary>
    internal static BenchmarkReport Run(BenchmarkOptions options, Func<GpuDevice> device, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check(options);
        var synthetic = options.Synthetic is null ? null : SyntheticModel.Parse(options.Synthetic);
        using var source = new Source(options, synthetic, device, cancellation);
        var (rows, notes) = (new List<BenchmarkRow>(), new List<string>());
        var settings =
            from backend in options.Backends
            from moe in options.MoeForms
            from depth in options.Depths
            select new Setting(source.Resolve(backend), moe, depth);
        Exception? first = null;
        foreach (var setting in settings.Distinct().ToList())
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                Measure(source, options, setting, rows, notes, cancellation);
            }
            catch (Exception e) when (e is GpuException or NotSupportedException or ArgumentException or MemoryPlanException)
            {
                first ??= e;
                notes.Add($"{setting}: not measured: {e.Message}");
            }
        }
        if (rows.Count == 0) ExceptionDispatchInfo.Throw(first!);
        var summary = ModelSummary.Of(source.File);
        return new BenchmarkReport
        {
            Model = synthetic is null ? Path.GetFileName(options.Model!) : $"synthetic {synthetic.Name}",
            Parameters = summary.Parameters,
            WeightBytes = source.File.Tensors.Sum(t => t.Bytes),
            ActiveBytes = summary.ActiveBytes!.Value,
            Machine = HostMachine.Description,
            Version = HostMachine.Version,
            Repeats = options.Repeats,
            Notes = [.. notes.Distinct(StringComparer.Ordinal)],
            Rows = rows,
        };
    }

    private static void Check(BenchmarkOptions options)
    {
        if (options.Model is null == options.Synthetic is null) throw new ArgumentException("a benchmark takes either a model file or a synthetic model");
        ArgumentOutOfRangeException.ThrowIfNegative(options.PromptTokens);
        ArgumentOutOfRangeException.ThrowIfNegative(options.DecodeTokens);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.Repeats);
        if (options.PromptTokens == 0 && options.DecodeTokens == 0) throw new ArgumentException("there is nothing to measure: neither a prompt nor tokens to decode");
        if (options.Batches.Count == 0 || options.Batches.Any(b => b < 1)) throw new ArgumentException("a batch has at least one sequence");
        if (options.Depths.Count == 0 || options.Depths.Any(d => d < 0)) throw new ArgumentException("a depth is 0 or more tokens");
    }

    /// <summary>One backend, form and depth: an engine of its own, with room for the largest batch that fits.</summary>
    private static void Measure(Source source, BenchmarkOptions options, Setting setting, List<BenchmarkRow> rows, List<string> notes, CancellationToken cancellation)
    {
        var batches = options.DecodeTokens == 0 ? [] : options.Batches.Distinct().Order().ToList();
        Rates? deviceBandwidth = null;
        Engine? engine = null;
        var tooLarge = new List<string>();
        while (engine is null)
        {
            try
            {
                engine = source.Open(setting, batches.Count == 0 ? 1 : batches[^1], options, ref deviceBandwidth);
            }
            catch (Exception e) when (e is GpuException or MemoryPlanException && batches.Count > 1)
            {
                tooLarge.Add($"{setting}, batch {batches[^1]}: not measured: {e.Message}");
                batches.RemoveAt(batches.Count - 1);
            }
        }
        using (engine)
        {
            notes.AddRange([.. tooLarge, .. engine.Notes.Where(n => n.StartsWith("on the cpu", StringComparison.Ordinal))]);
            using var host = deviceBandwidth is null ? new HostBandwidth(options.Threads) : null;
            var read = deviceBandwidth ?? new Rates();
            var bytes = new StepBytes(engine.File, engine.Config, engine.KvType);
            var sessions = Stand(engine, batches.Count == 0 ? 1 : batches[^1], setting.Depth, cancellation);
            var tests = new List<Test>();
            if (options.PromptTokens > 0) tests.Add(new PrefillTest(engine, bytes, sessions[0], options.PromptTokens));
            tests.AddRange(batches.Select(batch => new DecodeTest(engine, bytes, sessions[..batch], options.DecodeTokens)));

            // Everything is measured in turn, so that a disturbance of the machine meets all of it alike; first all is done once unmeasured.
            var (done, total) = (0, tests.Count * (options.Repeats + 1));
            for (var repeat = -1; repeat < options.Repeats; repeat++)
            {
                if (repeat >= 0 && host is not null) read.Add(host.Measure());
                foreach (var test in tests)
                {
                    options.Progress?.Report(new BenchmarkProgress($"{setting}: {test.Name}{(repeat < 0 ? ", warming up" : "")}", done++, total));
                    test.Run(measured: repeat >= 0, cancellation);
                }
            }
            var device = engine.Backend[(engine.BackendName.Length + 2)..^1];
            rows.AddRange(tests.Select(test => test.Row(engine.BackendName, device, MoeForms.NameOf(setting.Moe), $"{engine.KvType}", read)));
        }
    }

    /// <summary>Sessions that stand at the depth; every measurement leaves them so.</summary>
    private static Session[] Stand(Engine engine, int count, int depth, CancellationToken cancellation)
    {
        var random = new Random(4);
        var sessions = new Session[count];
        for (var i = 0; i < count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            sessions[i] = engine.CreateSession();
            engine.Stand(sessions[i], depth, [.. Enumerable.Range(0, Engine.PageTokens).Select(_ => random.Next(engine.Vocabulary))]);
        }
        return sessions;
    }

    private sealed record Setting(BackendKind Backend, MoeForm Moe, int Depth)
    {
        public override string ToString() => $"backend {Backend.ToString().ToLowerInvariant()}, moe {MoeForms.NameOf(Moe)}, depth {Depth}";
    }

    /// <summary>Where the engines of a run come from: a file, opened anew for each, or one synthetic model in memory.</summary>
    private sealed class Source : IDisposable
    {
        private readonly SyntheticModel? synthetic;
        private readonly Func<GpuDevice> open;
        private readonly CancellationToken cancellation;
        private bool filled;

        public Source(BenchmarkOptions options, SyntheticModel? synthetic, Func<GpuDevice> open, CancellationToken cancellation)
        {
            (this.synthetic, this.open, this.cancellation) = (synthetic, open, cancellation);
            File = synthetic?.MakeHollow() ?? ModelFile.Open(options.Model!);
        }

        public ModelFile File { get; }

        /// <summary>For a synthetic model auto is decided first, because only the CPU needs its weights in the host's memory.</summary>
        public BackendKind Resolve(BackendKind backend) =>
            backend != BackendKind.Auto || synthetic is null ? backend : CudaDevice.IsPresent ? BackendKind.Cuda : BackendKind.Cpu;

        public Engine Open(Setting setting, int sessions, BenchmarkOptions options, ref Rates? deviceBandwidth)
        {
            var config = Architectures.Of(File).ReadConfig(File);
            var context = setting.Depth + Math.Max(options.PromptTokens, Math.Max(options.DecodeTokens, CountedSteps));
            if (context > config.ContextLength)
                throw new ArgumentException($"{context} tokens are needed, but the model was trained for {config.ContextLength}");
            var engine = new EngineOptions
            {
                Backend = setting.Backend,
                Moe = setting.Moe,
                Threads = options.Threads,
                KvType = options.KvType,
                ContextLength = context,
                Sessions = sessions,
                Progress = options.Loading,
                Cancellation = cancellation,
            };
            var onHost = setting.Backend is BackendKind.Cpu or BackendKind.Reference;
            if (onHost)
            {
                CheckMemory(config, engine, context);
                Fill(options.Loading);
            }
            var bandwidth = deviceBandwidth;
            GpuDevice Device()
            {
                var device = open();
                bandwidth ??= new Rates(ReadBandwidth.Measure(device, options.Repeats)); // before the weights, while all memory is free
                return device;
            }
            try
            {
                var opened = Engine.Open(File.Path, engine, Device, File, synthetic is null || onHost ? null : device => new SyntheticFill(device).Filler);
                deviceBandwidth = opened.BackendName == "cuda" ? bandwidth : null;
                return opened;
            }
            catch (GpuException)
            {
                deviceBandwidth = bandwidth;
                throw;
            }
        }

        public void Dispose() => File.Dispose();

        private void CheckMemory(ModelConfig config, EngineOptions engine, int context)
        {
            var available = HostMachine.AvailableBytes;
            const int prefill = 128; // of the backends in the host's memory
            var weights = synthetic is null || filled ? 0 : File.Length; // a file's pages can be dropped and read again
            var cache = new KvShape(config.Layers, 1, Engine.PageTokens, config.KvHeads, config.HeadDim).PageBytes
                * ((context + Engine.PageTokens - 1L) / Engine.PageTokens) * engine.Sessions;
            var rows = Math.Max(prefill, engine.Sessions);
            var work = Workspace.Bytes(config, rows, Math.Min(Engine.LogitRows, rows)) + HostBandwidth.BytesNeeded(available);
            if (weights + cache + work <= available) return;
            throw new MemoryPlanException(string.Create(
                CultureInfo.InvariantCulture,
                $"it does not fit in memory: weights {weights / 1e9:F2} GB + cache {cache / 1e9:F2} GB ({engine.Sessions} × {context} tokens) + buffers {work / 1e9:F2} GB = {(weights + cache + work) / 1e9:F2} GB of {available / 1e9:F2} GB available"));
        }

        private void Fill(IProgress<LoadProgress>? progress)
        {
            if (synthetic is null || filled) return;
            SyntheticModel.Fill(File, progress, cancellation);
            filled = true;
        }
    }

    /// <summary>One row of the result, measured a repeat at a time.</summary>
    private abstract class Test(Engine engine)
    {
        private readonly Random random = new(5);

        public abstract string Name { get; }

        protected Rates Rates { get; } = new();

        protected List<double> Bytes { get; } = [];

        protected List<double> Experts { get; } = [];

        protected long ManagedBytes { get; set; } = long.MaxValue;

        protected abstract (string Test, int Tokens, int Depth, int Batch) Measured { get; }

        public abstract void Run(bool measured, CancellationToken cancellation);

        public BenchmarkRow Row(string backend, string device, string moe, string kvType, Rates read) => new()
        {
            Backend = backend,
            Device = device,
            Moe = moe,
            KvType = kvType,
            Test = Measured.Test,
            Tokens = Measured.Tokens,
            Depth = Measured.Depth,
            Batch = Measured.Batch,
            TokensPerSecond = Rates,
            Bytes = Bytes.Average(),
            DistinctExperts = Experts.Average(),
            ReadBandwidth = read,
            ManagedBytes = ManagedBytes,
        };

        protected int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(engine.Vocabulary))];
    }

    private sealed class PrefillTest(Engine engine, StepBytes bytes, Session session, int tokens) : Test(engine)
    {
        private readonly Engine engine = engine;
        private readonly int depth = session.Length;

        public override string Name => $"prefill {tokens}";

        protected override (string Test, int Tokens, int Depth, int Batch) Measured => (BenchmarkRow.Prefill, tokens, depth, 1);

        public override void Run(bool measured, CancellationToken cancellation)
        {
            if (!measured)
            {
                var begun = Stopwatch.GetTimestamp();
                for (var i = 0; i < 3 && Stopwatch.GetElapsedTime(begun) < Settling; i++) Time(cancellation);
                var steps = engine.CountExperts(session, Tokens(tokens));
                var (sum, at) = (0L, depth);
                for (var i = 0; i < steps.Count; i++)
                {
                    var count = Math.Min(tokens - (at - depth), engine.StepTokens);
                    at += count;
                    sum += bytes.Of(count, steps[i], at, logits: i == steps.Count - 1);
                }
                Bytes.Add(sum);
                Experts.Add(steps.Average(layers => layers.Average()));
                session.Rewind(depth);
                return;
            }
            var before = GC.GetTotalAllocatedBytes(precise: true);
            Rates.Add(tokens / Time(cancellation));
            ManagedBytes = Math.Min(ManagedBytes, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        private double Time(CancellationToken cancellation)
        {
            var prompt = Tokens(tokens);
            var best = new TopLogit[1];
            var begun = Stopwatch.GetTimestamp();
            session.Append(prompt, cancellation);
            if (!session.TryTop(best)) _ = session.Logits; // waits for the device
            var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
            session.Rewind(depth);
            return seconds;
        }
    }

    private sealed class DecodeTest(Engine engine, StepBytes bytes, Session[] sessions, int tokens) : Test(engine)
    {
        private readonly Engine engine = engine;
        private readonly int depth = sessions[0].Length;
        private readonly int batch = sessions.Length;
        private readonly Sampler greedy = new(new SamplerOptions { Temperature = 0 }, engine.Vocabulary);

        public override string Name => $"decode {tokens} × {batch}";

        protected override (string Test, int Tokens, int Depth, int Batch) Measured => (BenchmarkRow.Decode, tokens, depth, batch);

        public override void Run(bool measured, CancellationToken cancellation)
        {
            if (!measured)
            {
                Settle(cancellation);
                return;
            }
            Count();
            var (seconds, allocated) = Time(cancellation);
            Rates.Add(batch * tokens / seconds);
            ManagedBytes = Math.Min(ManagedBytes, allocated / tokens);
        }

        // The whole window once, for a GPU records the steps of each shape in it; and until the compiler has settled.
        private void Settle(CancellationToken cancellation)
        {
            var begun = Stopwatch.GetTimestamp();
            for (var steps = 0; steps == 0 || (steps < SettlingSteps && Stopwatch.GetElapsedTime(begun) < Settling); steps += tokens) Time(cancellation);
        }

        private void Count()
        {
            for (var i = 0; i < CountedSteps; i++)
            {
                var experts = engine.CountExperts(sessions, Tokens(batch));
                // In the middle of the window that is timed, a sequence looks at (tokens − 1) / 2 tokens more than in its first step.
                Bytes.Add(bytes.Of(batch, experts, 0, logits: true) + (batch * (depth + ((tokens + 1) / 2.0)) * bytes.CachePerToken));
                Experts.Add(experts.Average());
            }
            foreach (var session in sessions) session.Rewind(depth);
        }

        private (double Seconds, long Allocated) Time(CancellationToken cancellation)
        {
            var all = Tokens(batch * tokens);
            var before = GC.GetTotalAllocatedBytes(precise: true);
            var begun = Stopwatch.GetTimestamp();
            for (var i = 0; i < tokens; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                engine.Decode(sessions, all.AsSpan(i * batch, batch));
                foreach (var session in sessions) _ = greedy.Sample(session);
            }
            var (seconds, allocated) = (Stopwatch.GetElapsedTime(begun).TotalSeconds, GC.GetTotalAllocatedBytes(precise: true) - before);
            foreach (var session in sessions) session.Rewind(depth);
            return (seconds, allocated);
        }
    }
}
