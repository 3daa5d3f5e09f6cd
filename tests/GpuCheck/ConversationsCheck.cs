using WarpDecode.Bench;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Benchmarking;

namespace WarpDecode.GpuCheck;

/// <summary>Several conversations at once on a synthetic Qwen3-30B-A3B: tokens/s together, and whether each has the bits it has alone.</summary>
internal static class ConversationsCheck
{
    public static void Run(Report report)
    {
        foreach (var mix in (string[])["Q4_K_M", "BF16"])
        {
            if (report.OutOfTime) return;
            using var file = SyntheticModel.Parse($"qwen3-30b-a3b:{mix}").MakeHollow();
            using var engine = Engine.Open(
                file.Path, new EngineOptions { Backend = BackendKind.Cuda, Sessions = 16, ContextLength = 192 }, () => CudaDevice.Open(), file, device => new SyntheticFill(device).Filler);
            var rows = Conversations.Measure(engine, [1, 4, 8, 16], promptTokens: 32, tokens: 96, repeats: 5);
            report.Line($"\n### Qwen3-30B-A3B, {mix}: conversations at once, 32 tokens of prompt, 96 decoded by each\n");
            foreach (var line in Conversations.Table(rows).TrimEnd().Split('\n')) report.Line(line);
            report.Check($"{mix}: each conversation has the bits that it has alone", rows.TrueForAll(r => r.Equal), string.Join(", ", rows.Select(r => $"{r.Count}: {r.Equal}")));
            foreach (var row in rows) report.Value($"conversations {mix} {row.Count} tokens/s", row.TokensPerSecond.Median);
        }
    }
}
