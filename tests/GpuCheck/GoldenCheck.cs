using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Sampling;

namespace WarpDecode.GpuCheck;

/// <summary>Logits of the golden model against transformers, against dequantized weights and against the cpu backend; batches; allocation.</summary>
internal static class GoldenCheck
{
    private const double Bound = 2e-3;

    public static void Run(Report report, Func<GpuDevice> open, string folder, string? more, bool brief)
    {
        var golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "golden.json"))).RootElement;
        var bf16 = Path.Combine(folder, "qwen3_moe-bf16.gguf");
        var expected = MemoryMarshal.Cast<byte, double>(File.ReadAllBytes(Path.Combine(folder, "logits.f64"))).ToArray();
        Engine Gpu(string path, EngineOptions options) => Engine.Open(path, options, new CudaBackend(open()));

        // A cache of 16 bits rounds: what that costs is shown, and bounded by what it was when it was first measured.
        foreach (var (kvType, bound) in ((WeightType, double)[])[(WeightType.F32, Bound), (WeightType.F16, 5e-3), (WeightType.BF16, 5e-2)])
        {
            using (var engine = Gpu(bf16, new EngineOptions { ContextLength = 512, KvType = kvType }))
            {
                var worst = 0.0;
                var greedy = true;
                foreach (var prompt in golden.GetProperty("prompts").EnumerateArray().Take(brief ? 1 : int.MaxValue))
                {
                    var row = prompt.GetProperty("logits_row").GetInt32();
                    using var session = engine.CreateSession();
                    session.Append(Ids(prompt, "ids"), (position, logits) =>
                    {
                        for (var v = 0; v < logits.Length; v++)
                            worst = Math.Max(worst, Distance(logits[v], expected[((row + position) * engine.Vocabulary) + v]));
                    });
                    if (!brief) greedy &= Continue(session, 16).SequenceEqual(Ids(prompt, "greedy16"));
                }
                report.Check($"bf16, cache {kvType}: logits within {bound} of transformers in FP64", worst <= bound, Number(worst));
                report.Value($"bf16, cache {kvType}, max difference", worst);
                if (brief) return;
                report.Check($"bf16, cache {kvType}: greedy continuations are those of transformers", greedy, $"{golden.GetProperty("prompts").GetArrayLength()} prompts of 16 tokens");
            }
        }

        using (var engine = Gpu(bf16, new EngineOptions { ContextLength = 512, PrefillTokens = 64 }))
        {
            var prompt = golden.GetProperty("long");
            var ids = Ids(prompt, "ids");
            var rows = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(Path.Combine(folder, "logits_long.f32"))).ToArray();
            var first = ids.Length - prompt.GetProperty("rows").GetInt32();
            var worst = 0.0;
            using var session = engine.CreateSession();
            session.Append(ids, (position, logits) =>
            {
                for (var v = 0; position >= first && v < logits.Length; v++)
                    worst = Math.Max(worst, Distance(logits[v], rows[((position - first) * engine.Vocabulary) + v]));
            });
            report.Check($"bf16: a prompt of {ids.Length} tokens within 2e-3", worst <= Bound, Number(worst));
        }

        var quantized = new List<string> { Path.Combine(folder, "qwen3_moe-Q4_K_M-mix.gguf") };
        if (more is not null && Directory.Exists(more)) quantized.AddRange(Directory.GetFiles(more, "qwen3_moe-*.gguf").Order(StringComparer.Ordinal));
        foreach (var path in quantized)
        {
            var name = Path.GetFileNameWithoutExtension(path);
            var ids = Ids(golden.GetProperty("prompts")[1], "ids");
            float[] cpu;
            try
            {
                cpu = Logits(Engine.Open(path, new EngineOptions { Backend = BackendKind.Cpu, ContextLength = 512 }), ids);
            }
            catch (Exception e) when (e.GetType().Name == "ModelFileException")
            {
                report.Line($"{name}: not a type that this runtime knows yet");
                continue;
            }
            var gpu = Logits(Gpu(path, new EngineOptions { ContextLength = 512 }), ids);
            var dequantized = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(Path.ChangeExtension(path, ".dequantised.f32"))).ToArray();
            var worst = gpu.Zip(dequantized, (a, b) => Distance(a, b)).Max();
            var apart = gpu.Zip(cpu, (a, b) => Distance(a, b)).Max();
            report.Check($"{name}: within 2e-3 of the dequantized weights", worst <= Bound && gpu.Length == dequantized.Length, $"{Number(worst)}; from cpu {Number(apart)}");
        }

        Divided(report, open, bf16, Ids(golden.GetProperty("prompts")[1], "ids"));
        Batches(report, Gpu, bf16, Ids(golden.GetProperty("prompts")[1], "ids"));
        Batches(report, Gpu, quantized[0], Ids(golden.GetProperty("prompts")[1], "ids"));
    }

    /// <summary>Auto takes the device; layers and experts on the cpu give the same logits.</summary>
    private static void Divided(Report report, Func<GpuDevice> open, string path, int[] ids)
    {
        var options = new EngineOptions { ContextLength = 512 };
        var engine = Engine.Open(path, options, open);
        report.Check("auto takes the device", engine.Backend.StartsWith("cuda (", StringComparison.Ordinal), engine.Backend);
        var whole = Logits(engine, ids);
        foreach (var (layers, moe) in ((int, int)[])[(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)])
        {
            engine = Engine.Open(path, options with { GpuLayers = layers, CpuMoe = moe }, open);
            var what = engine.Notes[^1];
            var apart = Logits(engine, ids).Zip(whole, (a, b) => Distance(a, b)).Max();
            report.Check($"{what}: within 1e-4 of the device alone", apart <= 1e-4, Number(apart));
        }
    }

    /// <summary>The same conversation alone and among 31 others; then what a steady step allocates.</summary>
    internal static void Batches(Report report, Func<string, EngineOptions, Engine> open, string path, int[] prompt)
    {
        const int batch = 32, steps = 24;
        var name = Path.GetFileNameWithoutExtension(path);
        using var engine = open(path, new EngineOptions { ContextLength = 256, Sessions = batch });
        var alone = new List<float[]>();
        using (var session = engine.CreateSession())
        {
            session.Append(prompt);
            for (var i = 0; i < steps; i++)
            {
                alone.Add(session.Logits.ToArray());
                engine.Decode([session], [ArgMax(session.Logits)]);
            }
        }
        var sessions = Enumerable.Range(0, batch).Select(_ => engine.CreateSession()).ToArray();
        var random = new Random(4);
        for (var i = 0; i < batch; i++)
            sessions[i].Append(i == 17 ? prompt : [.. Enumerable.Range(0, 1 + random.Next(60)).Select(_ => random.Next(engine.Vocabulary))]);
        var equal = true;
        var tokens = new int[batch];
        for (var i = 0; i < steps; i++)
        {
            equal &= sessions[17].Logits.SequenceEqual(alone[i]);
            for (var s = 0; s < batch; s++) tokens[s] = ArgMax(sessions[s].Logits);
            engine.Decode(sessions, tokens);
        }
        report.Check($"{name}: the same bits alone and in a batch of {batch}", equal, $"{steps} steps");
        // Steady steps with sampling: greedy, from the best few, and from all logits.
        var samplers = Enumerable.Range(0, batch)
            .Select(s => new Sampler(new SamplerOptions { Seed = 5, Temperature = s % 3 == 0 ? 0 : 0.8, TopK = s % 3 == 1 ? 40 : 0 }, engine.Vocabulary)).ToArray();
        var least = long.MaxValue;
        for (var window = 0; window < 5; window++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            for (var i = 0; i < 8; i++)
            {
                for (var s = 0; s < batch; s++) tokens[s] = samplers[s].Sample(sessions[s]);
                engine.Decode(sessions, tokens);
            }
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }
        report.Check($"{name}: no managed bytes in a steady step", least == 0, $"{least} bytes in 8 steps");
        SampledOnTheDevice(report, engine, name, sessions);
        foreach (var session in sessions) session.Dispose();
    }

    /// <summary>Tokens chosen from the best few, which the device finds, and from all logits on the host.</summary>
    private static void SampledOnTheDevice(Report report, Engine engine, string name, Session[] sessions)
    {
        var d = new SamplerOptions { Seed = 9 };
        SamplerOptions[] all = [d with { Temperature = 0 }, d, d with { TopK = 100, TopP = 1, MinP = 0 }, d with { TopK = 20, RepeatPenalty = 1.3, Temperature = 2 }];
        var (device, host) = (sessions.Select((_, i) => new Sampler(all[i % all.Length], engine.Vocabulary)).ToArray(), sessions.Select((_, i) => new Sampler(all[i % all.Length], engine.Vocabulary)).ToArray());
        var tokens = new int[sessions.Length];
        var equal = true;
        for (var i = 0; i < 16; i++)
        {
            for (var s = 0; s < sessions.Length; s++) device[s].Accept(tokens[s] = device[s].Sample(sessions[s]));
            for (var s = 0; s < sessions.Length; s++)
            {
                var token = host[s].Sample(sessions[s].Logits);
                host[s].Accept(token);
                equal &= token == tokens[s];
            }
            engine.Decode(sessions, tokens);
        }
        report.Check($"{name}: the same tokens from the best few and from all logits", equal, $"16 steps of {sessions.Length}");
    }

    internal static int[] Continue(Session session, int count)
    {
        var tokens = new int[count];
        for (var i = 0; i < count; i++)
        {
            tokens[i] = ArgMax(session.Logits);
            session.Append([tokens[i]]);
        }
        return tokens;
    }

    internal static int ArgMax(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best]) best = i;
        }
        return best;
    }

    internal static double Distance(double a, double b) => double.IsFinite(a) ? Math.Abs(a - b) : double.PositiveInfinity;

    internal static string Number(double value) => value.ToString("E2", CultureInfo.InvariantCulture);

    internal static float[] Logits(Engine engine, int[] ids)
    {
        using (engine)
        {
            using var session = engine.CreateSession();
            var all = new List<float>();
            session.Append(ids, (_, logits) => all.AddRange(logits));
            return [.. all];
        }
    }

    private static int[] Ids(JsonElement parent, string name) => [.. parent.GetProperty(name).EnumerateArray().Select(e => e.GetInt32())];
}
