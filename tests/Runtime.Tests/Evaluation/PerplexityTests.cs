using System.Runtime.InteropServices;
using WarpDecode.Runtime.Evaluation;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Evaluation;

public sealed class PerplexityTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("wd-perplexity-").FullName;

    public static TheoryData<BackendKind> Backends => [BackendKind.Reference, BackendKind.Cpu];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    /// <summary>
    /// Two windows of 7 tokens, the prompts that transformers computed the logits of in FP64: from these the perplexity follows
    /// by plain arithmetic. The logits agree to 10⁻⁵, and so must the values.
    /// </summary>
    [Theory]
    [MemberData(nameof(Backends))]
    public void SideBySideAgreesWithTransformers(BackendKind backend)
    {
        int[] tokens = [.. TinyModel.Prompt(1), .. TinyModel.Prompt(2)[..7]];
        var nll = new List<double>();
        foreach (var (prompt, ids) in new[] { (1, tokens[..7]), (2, tokens[7..]) })
        {
            for (var position = 3; position < 6; position++) nll.Add(GoldenNll(TinyModel.Row(prompt) + position, ids[position + 1]));
        }
        using var engine = TinyModel.Open(backend);
        var result = Perplexity.Run(engine, tokens, new PerplexityOptions { Context = 7 });
        Assert.Equal((2, 6, 12), (result.Windows, result.Scored, result.Computed));
        AssertNll(nll, result.Nll, 2e-5);
        Assert.Equal(Math.Exp(nll.Average()), result.Perplexity.Value, 1e-4 * Math.Exp(nll.Average()));
        Assert.Null(result.Divergence);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void AtAStrideOneWindowScoresAllButTheFirst(BackendKind backend)
    {
        var tokens = TinyModel.Prompt(2);
        var nll = Enumerable.Range(0, 32).Select(position => GoldenNll(TinyModel.Row(2) + position, tokens[position + 1])).ToList();
        using var engine = TinyModel.Open(backend);
        var result = Perplexity.Run(engine, tokens, new PerplexityOptions { Context = 64, Stride = 8 });
        Assert.Equal((1, 32), (result.Windows, result.Scored));
        AssertNll(nll, result.Nll, 2e-5);
    }

    [Theory]
    [InlineData(64, null, 1)]
    [InlineData(64, null, 7)]
    [InlineData(48, 20, 64)]
    [InlineData(100, 1, 64)]
    public void WindowsAreThoseOfAPlainLoop(int context, int? stride, int prefill)
    {
        var tokens = TinyModel.Long;
        var nll = new List<double>();
        using var engine = TinyModel.Open(prefill: prefill);
        for (int start = 0, reached = 1; stride is null ? start + context <= tokens.Length : reached < tokens.Length; start += stride ?? context)
        {
            var window = tokens[start..Math.Min(tokens.Length, start + context)];
            var first = stride is null ? (context / 2) + 1 : reached - start; // the window's first token that is predicted
            using var session = engine.CreateSession();
            session.Append(window, (position, logits) =>
            {
                if (position + 1 >= first && position + 1 < window.Length) nll.Add(Nll([.. logits], window[position + 1]));
            });
            reached = start + window.Length;
        }
        Assert.Equal(stride is null ? 2 * 31 : 149, nll.Count);
        AssertNll(nll, Perplexity.Run(engine, tokens, new PerplexityOptions { Context = context, Stride = stride }).Nll, 1e-9);
    }

    [Fact]
    public void TheBeginningOfTextTakesTheFirstPlaceOfEachWindow()
    {
        var path = Path.Combine(folder, "bos.gguf");
        TinyModel.Write(path, key => key is not ("tokenizer.ggml.add_bos_token" or "tokenizer.ggml.bos_token_id"), writer =>
        {
            writer.Add("tokenizer.ggml.add_bos_token", true);
            writer.Add("tokenizer.ggml.bos_token_id", 5u);
        });
        using var engine = Engine.Open(path, new EngineOptions { Backend = BackendKind.Cpu, Threads = 1 });
        var text = Perplexity.Tokenize(engine.Tokenizer, "hello hello hello hello hello hello");
        Assert.Equal(5, text[0]);
        Assert.Equal(text[1..], engine.Tokenizer.Encode("hello hello hello hello hello hello", addSpecial: false, parseSpecial: false));

        var tokens = TinyModel.Long[..40];
        var nll = new List<double>();
        foreach (var start in new[] { 0, 20 })
        {
            int[] window = [5, .. tokens[(start + 1)..(start + 20)]];
            using var session = engine.CreateSession();
            session.Append(window, (position, logits) =>
            {
                if (position is >= 10 and < 19) nll.Add(Nll([.. logits], window[position + 1]));
            });
        }
        var result = Perplexity.Run(engine, tokens, new PerplexityOptions { Context = 20 });
        AssertNll(nll, result.Nll, 1e-9);

        // A base says what the windows began with.
        var saved = Path.Combine(folder, "base.logits");
        Perplexity.Run(engine, tokens, new PerplexityOptions { Context = 20, SaveTo = saved });
        using var basis = BaseFile.Open(saved);
        basis.CheckModel(engine);
        using var without = TinyModel.Open();
        Assert.NotEqual(result.Nll.Value, Perplexity.Run(without, tokens, new PerplexityOptions { Context = 20 }).Nll.Value);
        Assert.Contains("begin with token 5", Assert.Throws<EvaluationException>(() => basis.CheckModel(without)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TextIsOnePieceAndNoControlTokenIsReadInIt()
    {
        using var engine = TinyModel.Open();
        var ids = Perplexity.Tokenize(engine.Tokenizer, "a<|im_end|>b");
        Assert.DoesNotContain(ids, engine.Tokenizer.IsControl);
        Assert.Equal("a<|im_end|>b", engine.Tokenizer.Decode(ids));
    }

    [Fact]
    public void BitsDoNotDependOnThreadsOrSteps()
    {
        Estimate? first = null;
        foreach (var (threads, prefill) in new[] { (1, 64), (3, 64), (2, 5) })
        {
            using var engine = TinyModel.Open(prefill: prefill);
            var found = Perplexity.Run(engine, TinyModel.Long, new PerplexityOptions { Context = 50, Threads = threads }).Nll;
            Assert.Equal(first ??= found, found);
        }
    }

    [Fact]
    public void ProgressEndsWithTheResult()
    {
        using var engine = TinyModel.Open();
        var reports = new Reports();
        var result = Perplexity.Run(engine, TinyModel.Long, new PerplexityOptions { Context = 40, MostWindows = 2, Progress = reports });
        Assert.Equal([1, 2], reports.Select(r => r.Windows).Distinct());
        var last = reports[^1];
        Assert.Equal((2, 2, 78L, 78L), (last.Windows, last.OfWindows, last.Computed, last.OfComputed));
        Assert.Equal(result.Perplexity, last.Perplexity);
        Assert.Null(last.Divergence);
    }

    [Theory]
    [InlineData(99, 50, null, "99 tokens: two windows of 50 need 100")]
    [InlineData(1, 50, 10, "1 tokens: two are needed")]
    [InlineData(0, 50, 10, "0 tokens")]
    public void TextsThatAreTooShortAreRefused(int tokens, int context, int? stride, string message)
    {
        using var engine = TinyModel.Open();
        var e = Assert.Throws<EvaluationException>(() => Perplexity.Run(engine, TinyModel.Long.AsMemory(0, tokens), new PerplexityOptions { Context = context, Stride = stride }));
        Assert.Contains(message, e.Message, StringComparison.Ordinal);
        Assert.NotEqual("", e.Advice);
    }

    [Fact]
    public void WindowsThatTheEngineHasNoRoomForAreRefused()
    {
        using var engine = Engine.Open(TinyModel.Path, new EngineOptions { Backend = BackendKind.Cpu, Threads = 1, ContextLength = 32 });
        Assert.Throws<ArgumentOutOfRangeException>(() => Perplexity.Run(engine, TinyModel.Long, new PerplexityOptions { Context = 33 }));
    }

    [Fact]
    public void TwoBackendsAreNextToNothingApart()
    {
        var path = Path.Combine(folder, "base.logits");
        double basis;
        using (var reference = TinyModel.Open(BackendKind.Reference))
            basis = Perplexity.Run(reference, TinyModel.Long, new PerplexityOptions { Context = 64, SaveTo = path }).Perplexity.Value;
        using var file = BaseFile.Open(path);
        using var engine = TinyModel.Open();
        var result = Perplexity.Run(engine, file.Tokens, new PerplexityOptions { Context = file.Context, Base = file });
        var found = result.Divergence!;
        Assert.Equal(basis, found.BasePerplexity.Value, 1e-12 * basis);
        Assert.Equal(result.Perplexity.Value / basis, found.Ratio.Value, 1e-12);
        Assert.InRange(found.Maximum, 1e-18, 1e-9); // rounding differs, no more
        Assert.InRange(found.Median, 1e-18, found.P90);
        Assert.InRange(found.P999, found.P99, found.Maximum);
        Assert.Equal(1, found.SameTop.Value);
        Assert.InRange(found.DeltaRms.Value, 1e-12, 1e-4);
    }

    /// <summary>Against the plain formula, of logits that really differ: those of the same weights in Q4_K_M.</summary>
    [Fact]
    public void DivergencesAreThoseOfThePlainFormula()
    {
        var path = Path.Combine(folder, "base.logits");
        var tokens = TinyModel.Long[..64];
        using var engine = TinyModel.Open();
        using var quantized = Engine.Open(TestData.Golden("qwen3_moe/qwen3_moe-Q4_K_M-mix.gguf"), new EngineOptions { Backend = BackendKind.Cpu, Threads = 1 });
        Perplexity.Run(engine, tokens, new PerplexityOptions { Context = 64, Stride = 32, SaveTo = path });
        using var file = BaseFile.Open(path);
        var found = Perplexity.Run(quantized, tokens, new PerplexityOptions { Context = 64, Stride = 32, Base = file }).Divergence!;

        var (p, q) = (Probabilities(engine, tokens), Probabilities(quantized, tokens));
        var kl = p.Zip(q, (a, b) => a.Zip(b, (x, y) => x * Math.Log(x / y)).Sum()).Take(63).ToArray();
        Assert.Equal(kl.Average(), found.Mean.Value, 1e-9);
        Assert.Equal(kl.Max(), found.Maximum, 1e-9);
        Assert.Equal(kl.Order().ElementAt(31), found.Median, 1e-9);
        var delta = Enumerable.Range(0, 63).Select(i => q[i][tokens[i + 1]] - p[i][tokens[i + 1]]).ToArray();
        Assert.Equal(delta.Average(), found.DeltaMean.Value, 1e-9);
        Assert.Equal(Math.Sqrt(delta.Average(d => d * d)), found.DeltaRms.Value, 1e-9);
        var same = Enumerable.Range(0, 63).Count(i => Array.IndexOf(p[i], p[i].Max()) == Array.IndexOf(q[i], q[i].Max()));
        Assert.Equal(same / 63.0, found.SameTop.Value, 1e-12);
        Assert.InRange(found.Mean.Value, 1e-5, 1);
    }

    private static List<double[]> Probabilities(Engine engine, int[] tokens)
    {
        var all = new List<double[]>();
        using var session = engine.CreateSession();
        session.Append(tokens, (_, logits) =>
        {
            double[] row = [.. logits];
            var sum = LogSumExp(row);
            all.Add([.. row.Select(x => Math.Exp(x - sum))]);
        });
        return all;
    }

    private static double GoldenNll(int row, int target)
    {
        var all = MemoryMarshal.Cast<byte, double>(File.ReadAllBytes(TestData.Golden("qwen3_moe/logits.f64")));
        var logits = all.Slice(row * TinyModel.Vocabulary, TinyModel.Vocabulary).ToArray();
        return Nll(logits, target);
    }

    private static double Nll(double[] logits, int target) => LogSumExp(logits) - logits[target];

    private static double Nll(float[] logits, int target) => Nll([.. logits.Select(x => (double)x)], target);

    private static double LogSumExp(double[] logits) => logits.Max() + Math.Log(logits.Sum(x => Math.Exp(x - logits.Max())));

    private static void AssertNll(List<double> expected, Estimate found, double tolerance)
    {
        var mean = expected.Average();
        Assert.Equal(mean, found.Value, tolerance);
        Assert.Equal(Math.Sqrt((expected.Average(x => x * x) - (mean * mean)) / (expected.Count - 1)), found.Error, tolerance);
    }

    private sealed class Reports : List<PerplexityProgress>, IProgress<PerplexityProgress>
    {
        public void Report(PerplexityProgress value) => Add(value);
    }
}
