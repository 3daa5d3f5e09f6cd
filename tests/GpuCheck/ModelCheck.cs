using System.Diagnostics;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Sampling;

namespace WarpDecode.GpuCheck;

/// <summary>Real models: logits against the cpu backend, time to the first token, decode speed through the whole engine.</summary>
internal static class ModelCheck
{
    public static void Run(Report report, Func<GpuDevice> open, string[] paths)
    {
        if (paths.Length == 0) report.Line("No model was given (--model).");
        foreach (var path in paths)
        {
            var name = Path.GetFileNameWithoutExtension(path);
            int[] prompt;
            float[] cpu;
            int[] expected;
            float[] mean;
            var options = new EngineOptions { Backend = BackendKind.Cpu, ContextLength = 512 };
            using (var engine = Engine.Open(path, options))
            {
                var random = new Random(8);
                prompt = [.. Enumerable.Range(0, 24).Select(_ => random.Next(engine.Vocabulary))];
                using var session = engine.CreateSession();
                session.Append(prompt);
                cpu = session.Logits.ToArray();
                expected = GoldenCheck.Continue(session, 32);
                session.Rewind(0);
                mean = engine.MeanHiddenStates([new Piece(session, prompt)], CancellationToken.None)[0];
            }
            for (var pass = 0; pass < 2; pass++)
            {
                var watch = Stopwatch.StartNew();
                using var engine = Engine.Open(path, options, new CudaBackend(open()));
                var opened = watch.Elapsed.TotalMilliseconds;
                using var session = engine.CreateSession();
                session.Append(prompt);
                report.Line(Report.Text($"{name}: opened in {opened:F0} ms, first token after {watch.Elapsed.TotalMilliseconds:F0} ms"));
                report.Value($"{name} first token ms", watch.Elapsed.TotalMilliseconds);
                if (pass == 0) continue;
                var worst = session.Logits.ToArray().Zip(cpu, (a, b) => GoldenCheck.Distance(a, b)).Max();
                report.Check($"{name}: logits within 2e-3 of cpu", worst <= 2e-3, GoldenCheck.Number(worst));
                var found = GoldenCheck.Continue(session, 32);
                report.Check($"{name}: 32 greedy tokens as on cpu", found.SequenceEqual(expected), $"{found.Zip(expected).TakeWhile(p => p.First == p.Second).Count()} equal");
                session.Rewind(0);
                var embedding = engine.MeanHiddenStates([new Piece(session, prompt)], CancellationToken.None)[0];
                var apart = Math.Sqrt(embedding.Zip(mean, (a, b) => Math.Pow(a - b, 2)).Sum() / mean.Sum(v => (double)v * v));
                report.Check($"{name}: the embedding of a text as on cpu, relative L2 below 1e-4", apart <= 1e-4, Report.Text($"{apart:E1}"));
            }

            report.Header("sequences", "greedy tokens/s", "ms a step");
            foreach (var batch in (int[])[1, 2, 4, 8, 16, 32])
            {
                using var engine = Engine.Open(path, options with { Sessions = batch, ContextLength = 256 }, new CudaBackend(open()));
                var sessions = Enumerable.Range(0, batch).Select(_ => engine.CreateSession()).ToArray();
                var tokens = new int[batch];
                foreach (var session in sessions) session.Append(prompt);
                var greedy = new Sampler(new SamplerOptions { Temperature = 0 }, engine.Vocabulary);
                const int steps = 40;
                var watch = new Stopwatch();
                for (var i = -10; i < steps; i++)
                {
                    if (i == 0) watch.Start();
                    for (var s = 0; s < batch; s++) tokens[s] = greedy.Sample(sessions[s]);
                    engine.Decode(sessions, tokens);
                }
                _ = greedy.Sample(sessions[0]); // waits for the last step
                var seconds = watch.Elapsed.TotalSeconds / steps;
                report.Table($"{batch}", Report.Text($"{batch / seconds:F0}"), Report.Text($"{seconds * 1000:F3}"));
                report.Value($"{name} tokens/s at {batch}", batch / seconds);
                foreach (var session in sessions) session.Dispose();
                if (report.OutOfTime) break;
            }
        }
    }
}
