using WarpDecode.Bench;
using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Runtime.Benchmarking;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Benchmarking;

public class BenchmarkTests
{
    private static readonly BenchmarkOptions Tiny = new()
    {
        Model = TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"),
        Backends = [BackendKind.Cpu],
        PromptTokens = 8,
        DecodeTokens = 4,
        Batches = [2, 1],
        Depths = [0, 40],
        Repeats = 3,
        Threads = 1,
    };

    [Fact]
    public void RatesAreMedianAndSpread()
    {
        Assert.Equal(2, new Rates([9, 1, 2]).Median);
        Assert.Equal(3, new Rates([9, 1, 2, 4]).Median);
        Assert.Equal("2.000 (1.000..9.000)", new Rates([9, 1, 2]).ToString());
        Assert.Equal("2000 (1000..9000)", new Rates([9, 1, 2]).Scaled(1000).ToString());
        Assert.Equal("50 % (best 90 %)", new Rates([9, 1, 2]).Of(new Rates([4, 3, 10])));
        Assert.True(double.IsNaN(new Rates().Median));
        Assert.Equal("123.5", Rates.Digits(123.46));
    }

    [Fact]
    public void EachSettingIsARow()
    {
        var report = Benchmark.Run(Tiny);
        Assert.Equal(
            [("prefill", 0, 1), ("decode", 0, 1), ("decode", 0, 2), ("prefill", 40, 1), ("decode", 40, 1), ("decode", 40, 2)],
            report.Rows.Select(r => (r.Test, r.Depth, r.Batch)));
        Assert.Empty(report.Notes);
        Assert.All(report.Rows, row =>
        {
            Assert.Equal(3, row.TokensPerSecond.Values.Count);
            Assert.True(row.TokensPerSecond.Min > 0 && row.TokensPerSecond.Min <= row.TokensPerSecond.Median && row.TokensPerSecond.Median <= row.TokensPerSecond.Max);
            Assert.True(row.ReadBandwidth.Median > 0);
            Assert.Equal(row.Effective.Median / row.ReadBandwidth.Median, row.Share, 9);
            Assert.Equal(row.BoundMilliseconds / row.Milliseconds, row.Share, 9); // two ways to the same share
            Assert.Equal(("cpu", "auto", "F32"), (row.Backend, row.Moe, row.KvType));
            Assert.StartsWith("1 threads", row.Device, StringComparison.Ordinal);
        });
        // A sequence that decodes 4 tokens looks at 1, 2, 3 and 4 positions; K and V of 2 layers with 2 heads of 32.
        var alone = report.Rows[1];
        Assert.Equal(2, alone.DistinctExperts);
        Assert.Equal(report.ActiveBytes + (2.5 * 1024), alone.Bytes, 3);
        Assert.Equal(report.ActiveBytes + (42.5 * 1024), report.Rows[4].Bytes, 3);
        Assert.InRange(report.Rows[2].DistinctExperts, 2, 4);
    }

    [Fact]
    public void TheResultIsTheSameAfterJson()
    {
        var report = Benchmark.Run(Tiny with { Depths = [0], Repeats = 1 });
        var read = BenchmarkReport.FromJson(report.ToJson());
        Assert.Equal(report.ToJson(), read.ToJson());
        Assert.Equal(BenchmarkTable.ToText(report), BenchmarkTable.ToText(read));

        var markdown = BenchmarkTable.ToMarkdown(report).Split('\n').Where(l => l.StartsWith('|')).ToArray();
        Assert.Equal(2 + report.Rows.Count, markdown.Length);
        Assert.All(markdown, l => Assert.Equal(13, l.Count(c => c == '|')));
        Assert.Contains($"| cpu | auto | decode 4 | 0 | 2 | {report.Rows[2].TokensPerSecond} |", markdown[^1], StringComparison.Ordinal);
        Assert.Contains("read bandwidth", BenchmarkTable.ToText(report), StringComparison.Ordinal);
    }

    [Fact]
    public void WhatCannotBeMeasuredIsNotedOrThrown()
    {
        var report = Benchmark.Run(Tiny with { Depths = [0, 4090], Backends = [BackendKind.Cpu, BackendKind.Reference], MoeForms = [MoeForm.Auto, MoeForm.BF16], Repeats = 1, DecodeTokens = 0 });
        Assert.Equal([("cpu", "auto"), ("cpu", "bf16"), ("reference", "auto")], report.Rows.Select(r => (r.Backend, r.Moe)));
        Assert.Contains("backend cpu, moe auto, depth 4090: not measured: 4098 tokens are needed, but the model was trained for 4096", report.Notes);
        Assert.Contains(report.Notes, n => n.StartsWith("backend reference, moe bf16, depth 0: not measured: ", StringComparison.Ordinal));

        Assert.Throws<ArgumentException>(() => Benchmark.Run(Tiny with { Depths = [4090] }));
        Assert.Throws<ArgumentException>(() => Benchmark.Run(Tiny with { Synthetic = "small" }));
        Assert.Throws<ArgumentException>(() => Benchmark.Run(Tiny with { PromptTokens = 0, DecodeTokens = 0 }));
        Assert.Throws<ArgumentException>(() => Benchmark.Run(Tiny with { Batches = [0] }));
        Assert.Throws<ModelFileException>(() => Benchmark.Run(Tiny with { Model = "nowhere.gguf" }));
        var gpu = Assert.Throws<GpuException>(() => Benchmark.Run(Tiny with { Backends = [BackendKind.Cuda] }, () => throw new GpuException("no device here"), CancellationToken.None));
        Assert.Equal("no device here", gpu.Message);
    }

    [Fact]
    public void WhatDoesNotFitIsRefusedWithThePlan()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "hundreds of gigabytes that are never touched");
        var e = Assert.Throws<MemoryPlanException>(() => Benchmark.Run(Tiny with { Model = null, Synthetic = "qwen3-235b-a22b:F32" }));
        Assert.Contains("it does not fit in memory: weights 940.", e.Message, StringComparison.Ordinal);
        Assert.Contains("GB available", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ItCanBeCancelled()
    {
        using var source = new CancellationTokenSource();
        var progress = new Canceller(source);
        Assert.ThrowsAny<OperationCanceledException>(() => Benchmark.Run(Tiny with { Repeats = 1000, Progress = progress }, source.Token));
        Assert.Equal(3, progress.Reports);
    }

    [Fact]
    public void LlamaBenchStandsBeside()
    {
        var report = Benchmark.Run(Tiny with { Depths = [0], Repeats = 1 });
        var compared = LlamaBench.Compare(report, $"[{Result(8, 0, "10.0, 20.0, 15.0")}, {Result(0, 4, "5.0")}]", "llama.json");
        Assert.Equal(15, compared.Rows[0].Other!.Median);
        Assert.Equal(compared.Rows[0].TokensPerSecond.Median / 15, compared.Rows[0].Ratio);
        Assert.Equal(5, compared.Rows[1].Other!.Median);
        Assert.Null(compared.Rows[2].Other); // two sequences
        Assert.Contains("compared with llama.cpp, build 7 (abc), CPU, 2 threads, f16 keys (llama.json)", compared.Notes);
        Assert.Contains("llama.json is of the model other.gguf, not of qwen3_moe-bf16.gguf", compared.Notes);
        Assert.Contains("llama.cpp tokens/s", BenchmarkTable.ToText(compared), StringComparison.Ordinal);

        foreach (var (json, why) in new[]
        {
            ("", "not what llama-bench -o json writes"), ("{}", "not what llama-bench -o json writes"), ("[{}]", "not what llama-bench -o json writes"), ("[]", "no result"),
            ($"[{Result(512, 0, "1")}]", "prefill 512 at depth 0 on the cpu"), ($"[{Result(8, 0, "1", backend: "CUDA")}]", "prefill 8 at depth 0 on the gpu"),
        })
        {
            var e = Assert.Throws<FormatException>(() => LlamaBench.Compare(report, json, "llama.json"));
            Assert.StartsWith("llama.json: ", e.Message, StringComparison.Ordinal);
            Assert.Contains(why, e.Message, StringComparison.Ordinal);
        }

        static string Result(int prompt, int generated, string samples, string backend = "CPU") =>
            $$"""{"build_commit": "abc", "build_number": 7, "backends": "{{backend}}", "model_filename": "/models/other.gguf", "n_threads": 2, "n_gpu_layers": -1, "type_k": "f16", "n_prompt": {{prompt}}, "n_gen": {{generated}}, "n_depth": 0, "samples_ts": [{{samples}}]}""";
    }

    [Fact]
    public void TheTablesOfTheReadmeAreThoseOfTheResultFiles()
    {
        var readme = File.ReadAllText(Path.Combine(TestData.Root, "README.md"));
        Assert.Contains("<!-- results: cpu -->", readme, StringComparison.Ordinal);
        Assert.True(
            Readme.Apply(readme, new Results(Path.Combine(TestData.Root, "tests", "Bench", "results"))) == readme,
            "README.md differs from tests/Bench/results: dotnet run -c Release --project tests/Bench -- readme --write");
    }

    [Fact]
    public void AnotherNumberMakesAnotherTable()
    {
        var folder = Directory.CreateTempSubdirectory("wd-results-").FullName;
        try
        {
            var from = Path.Combine(TestData.Root, "tests", "Bench", "results");
            foreach (var file in Directory.EnumerateFiles(from, "*.json", SearchOption.AllDirectories))
            {
                var to = Path.Combine(folder, Path.GetRelativePath(from, file));
                Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                File.Copy(file, to);
            }
            const string text = "a\n<!-- results: cpu -->\nold\n<!-- end -->\nb";
            var before = Readme.Apply(text, new Results(folder));
            Assert.StartsWith("a\n<!-- results: cpu -->\n| model |", before, StringComparison.Ordinal);
            Assert.EndsWith("|\n<!-- end -->\nb", before, StringComparison.Ordinal);
            Assert.Equal(before, Readme.Apply(before, new Results(folder)));

            var path = Path.Combine(folder, "epyc-2-cores", "default.json");
            var report = BenchmarkReport.FromJson(File.ReadAllText(path));
            File.WriteAllText(path, (report with { Rows = [.. report.Rows.Select(r => r with { TokensPerSecond = new Rates([123_456]) })] }).ToJson());
            Assert.Contains("| 123,456 |", Readme.Apply(text, new Results(folder)), StringComparison.Ordinal);
            Assert.Contains("line 2: no '<!-- end -->'", Assert.Throws<InvalidDataException>(() => Readme.Apply("a\n<!-- results: cpu -->\n", new Results(folder))).Message, StringComparison.Ordinal);
            Assert.Contains("line 1: there is no table 'x'", Assert.Throws<InvalidDataException>(() => Readme.Apply("<!-- results: x -->\n<!-- end -->", new Results(folder))).Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private sealed class Canceller(CancellationTokenSource source) : IProgress<BenchmarkProgress>
    {
        public int Reports { get; private set; }

        public void Report(BenchmarkProgress value)
        {
            if (++Reports == 3) source.Cancel();
        }
    }
}
