using System.Runtime.InteropServices;
using WarpDecode.Formats;
using WarpDecode.Formats.Quantization;
using WarpDecode.Runtime.Quantization;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Quantization;

public sealed class QuantizerTests : IDisposable
{
    private static readonly string Tiny = TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf");
    private static readonly string Default = Path.Combine(TestData.Root, "models", "warpdecode-tiny-moe-q8_0.gguf");

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("wd-quantize-");

    public static TheoryData<string> Targets => [.. QuantizeTarget.All.Select(target => target.Name)];

    public void Dispose() => folder.Delete(recursive: true);

    [Theory]
    [MemberData(nameof(Targets))]
    public void BytesDoNotDependOnThreads(string target)
    {
        var one = Run(Tiny, "1.gguf", Options(target) with { Threads = 1 });
        foreach (var threads in (int[])[3]) Assert.Equal(File.ReadAllBytes(one), File.ReadAllBytes(Run(Tiny, "n.gguf", Options(target) with { Threads = threads, Overwrite = true })));
        Assert.Equal(["1.gguf", "n.gguf"], folder.GetFiles().Select(file => file.Name).Order(StringComparer.Ordinal));
        using var file = ModelFile.Open(one);
        using var input = ModelFile.Open(Tiny);
        Assert.Equal(QuantizeTarget.Find(target)!.FileType, file.Metadata.GetInteger("general.file_type"));
        Assert.Equal(2, file.Metadata.GetInteger("general.quantization_version"));
        foreach (var key in input.Metadata.Keys.Where(key => key is not ("general.file_type" or "general.quantization_version")))
            Assert.True(input.Metadata.Encoded(key).SequenceEqual(file.Metadata.Encoded(key)), key);
        Assert.Equal(input.Tensors.Select(t => (t.Name, string.Join(",", t.Shape))), file.Tensors.Select(t => (t.Name, string.Join(",", t.Shape))));
        Assert.All(file.Tensors.Where(t => t.Name.Contains("norm", StringComparison.Ordinal) || t.Name.Contains("gate_inp", StringComparison.Ordinal)), t => Assert.Equal(WeightType.F32, t.Type));
    }

    [Fact]
    public void Q8_0ThroughF32IsTheSameFileAgain()
    {
        var f32 = Run(Default, "f32.gguf", Options("F32") with { AllowRequantize = true });
        Assert.True(File.ReadAllBytes(Run(f32, "q8_0.gguf", Options("Q8_0"))).AsSpan().SequenceEqual(File.ReadAllBytes(Default)));
    }

    /// <summary>What llama-quantize (b10573) chose for the default model, whose eight experts and 7 layers it has rules for.</summary>
    [Theory]
    [InlineData("Q8_0", "F32 36, Q8_0 50")]
    [InlineData("Q5_K_M", "F32 36, Q5_K 32, Q6_K 4, Q8_0 14")]
    [InlineData("Q4_K_M", "F32 36, Q4_K 25, Q5_K 7, Q6_K 4, Q8_0 14")]
    [InlineData("Q4_0", "F32 36, Q4_0 35, Q6_K 1, Q8_0 14")]
    [InlineData("IQ4_XS", "F32 36, IQ4_XS 28, Q5_K 7, Q6_K 1, Q8_0 14")]
    [InlineData("MXFP4", "F32 36, MXFP4 21, Q8_0 29")]
    [InlineData("Q3_K", "F32 36, Q3_K 21, Q4_K 7, Q5_K 7, Q6_K 1, Q8_0 14")]
    [InlineData("q2_k", "F32 36, Q2_K 21, Q3_K 7, Q5_K 7, Q6_K 1, Q8_0 14")]
    public void TheMixIsLlamaCpps(string target, string types)
    {
        var plan = Quantizer.Plan(Default, Options(target) with { AllowRequantize = true });
        Assert.Equal(types, Types(plan));
        Assert.Empty(plan.Notes);
    }

    /// <summary>A model of 16 layers with four queries a key, and without output.weight; expected by the rules of llama-quant.cpp.</summary>
    [Theory]
    [InlineData("Q4_K_M", "token_embd Q6_K, v Q6_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q6_K Q6_K, down as v, out Q4_K, up Q4_K")]
    [InlineData("Q4_K_S", "token_embd Q6_K, v Q5_K Q5_K Q5_K Q5_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K, down Q5_K Q5_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K, out Q4_K, up Q4_K")]
    [InlineData("Q3_K_L", "token_embd Q6_K, v Q5_K Q5_K Q5_K Q5_K Q5_K Q5_K Q5_K Q5_K Q5_K Q5_K Q5_K Q5_K Q5_K Q5_K Q5_K Q5_K, down as v, out Q5_K, up Q3_K")]
    [InlineData("Q2_K", "token_embd Q6_K, v Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K Q4_K, down Q3_K Q3_K Q3_K Q3_K Q3_K Q3_K Q3_K Q3_K Q3_K Q3_K Q3_K Q3_K Q3_K Q3_K Q3_K Q3_K, out Q3_K, up Q2_K")]
    public void LayersGetTheirBits(string target, string expected)
    {
        var plan = Quantizer.Plan(Layers(16), Options(target));
        var v = Of("attn_v");
        var down = Of("ffn_down");
        Assert.Equal(expected, $"token_embd {plan.Tensors[0].To}, v {v}, down {(down == v ? "as v" : down)}, out {Only("attn_output")}, up {Only("ffn_up")}");

        string Of(string name) => string.Join(" ", plan.Tensors.Where(t => t.Name.Contains(name, StringComparison.Ordinal)).Select(t => t.To));
        WeightType Only(string name) => Assert.Single(plan.Tensors.Where(t => t.Name.Contains(name, StringComparison.Ordinal)).Select(t => t.To).Distinct());
    }

    [Fact]
    public void OptionsSetTypes()
    {
        var options = Options("Q4_K_M") with { AllowRequantize = true };
        Assert.Equal("F32 36, Q4_K 50", Types(Quantizer.Plan(Default, options with { Pure = true })));
        var plan = Quantizer.Plan(Default, options with { OutputType = WeightType.F16, TokenEmbeddingType = WeightType.Q5_0 });
        Assert.Contains(plan.Tensors, t => t.To == WeightType.Q5_0 && t.Name == "token_embd.weight");
    }

    [Fact]
    public void RowsThatAreNoWholeNumberOfBlocksFallBack()
    {
        var random = new Random(1);
        var path = Model(w => w
            .Tensor("blk.0.attn_q.weight", [4, 96], Numbers(random, 384))
            .Tensor("blk.0.attn_k.weight", [4, 40], Numbers(random, 160)));
        foreach (var (target, type) in ((string, WeightType)[])[("Q2_K", WeightType.Q4_0), ("Q3_K_S", WeightType.Q4_0), ("Q4_K_S", WeightType.Q5_0), ("Q5_K_S", WeightType.Q5_1), ("Q6_K", WeightType.Q8_0), ("IQ4_XS", WeightType.IQ4_NL), ("Q8_0", WeightType.Q8_0)])
        {
            var plan = Quantizer.Plan(path, Options(target));
            Assert.Equal([type, WeightType.F16], plan.Tensors.Select(t => t.To));
            Assert.Contains(plan.Notes, note => note.StartsWith("blk.0.attn_k.weight becomes F16: its rows of 40 weights", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void LongRowsAreCutAndComeOutWhole()
    {
        const int Columns = (2 * 65_536) + 512;
        var x = Numbers(new Random(2), 3 * Columns);
        var path = Model(w => w.Tensor("blk.0.attn_q.weight", [3, Columns], x));
        foreach (var target in (string[])["Q4_K_S", "F16"])
        {
            using var file = ModelFile.Open(Run(path, "long.gguf", Options(target) with { Overwrite = true, Threads = 2 }));
            var tensor = Assert.Single(file.Tensors);
            var expected = new byte[tensor.Bytes];
            RowEncoder.Of(tensor.Type).Encode(x, default, expected);
            Assert.True(expected.AsSpan().SequenceEqual(Bytes(tensor)));
        }
    }

    [Fact]
    public void ImportanceGuidesEachExpert()
    {
        var random = new Random(3);
        var x = Numbers(random, 2 * 64 * 256);
        var path = Model(w => w.Tensor("blk.0.ffn_up_exps.weight", [2, 64, 256], x).Tensor("blk.0.attn_q.weight", [8, 256], Numbers(random, 2048)));
        var sums = Numbers(random, 512).Select(v => (float)Math.Exp(4 * v)).ToArray();
        var matrix = Matrix([("blk.0.ffn_up_exps.weight", [2, 256], sums, [10, 0])]);
        var options = Options("Q4_K_S") with { ImportancePath = matrix };
        using var with = ModelFile.Open(Run(path, "with.gguf", options));
        using var without = ModelFile.Open(Run(path, "without.gguf", Options("Q4_K_S")));
        var (a, b) = (Bytes(with.Tensors[0]), Bytes(without.Tensors[0]));
        Assert.False(a.AsSpan(0, a.Length / 2).SequenceEqual(b.AsSpan(0, a.Length / 2)));
        Assert.True(a.AsSpan(a.Length / 2).SequenceEqual(b.AsSpan(a.Length / 2))); // no token was routed to the second expert
        Assert.True(Bytes(with.Tensors[1]).SequenceEqual(Bytes(without.Tensors[1])));
        var (ea, eb) = (Weighted(with.Tensors[0]), Weighted(without.Tensors[0]));
        Assert.InRange(ea / eb, 0.1, 0.95);
        Assert.Equal((matrix, "text.txt", 1, 7), (with.Metadata.GetString("quantize.imatrix.file"), with.Metadata.GetString("quantize.imatrix.dataset"),
            with.Metadata.GetInt32("quantize.imatrix.entries_count"), with.Metadata.GetInt32("quantize.imatrix.chunks_count")));
        Assert.Equal("the importance matrix has no entry for blk.0.attn_q.weight: their weights count all alike", Assert.Single(Quantizer.Plan(path, options).Notes));

        double Weighted(TensorView tensor)
        {
            var (rows, y, room, sum) = (new SourceRows("", tensor), new float[256], (byte[]?)null, 0.0);
            for (var row = 0; row < 64; row++)
            {
                rows.Read(row, 0, y, ref room);
                for (var i = 0; i < 256; i++) sum += sums[i] * Math.Pow(y[i] - x[(row * 256) + i], 2);
            }
            return sum;
        }
    }

    [Fact]
    public void WrongImportanceIsRefused()
    {
        var path = Model(w => w.Tensor("blk.0.attn_q.weight", [8, 256], Numbers(new Random(4), 2048)));
        Refused<ModelFileException>(Matrix([("blk.0.attn_q.weight", [1, 128], new float[128], [1])]), "1 × 256 sums and 1 counts", "128");
        Refused<ModelFileException>(Matrix([("blk.0.attn_q.weight", [1, 256], [float.NaN, .. new float[255]], [1])]), "finite sum", "NaN");
        Refused<ModelFileException>(Matrix([("blk.0.attn_q.weight", [1, 256], [-1, .. new float[255]], [1])]), "finite sum", "-1");
        Refused<ModelFileException>(Path.GetFullPath(Tiny), "general.type", "imatrix");
        var old = Path.Combine(folder.FullName, "old.dat");
        File.WriteAllBytes(old, [1, 0, 0, 0, 5, 0, 0, 0, .. "a.b.c"u8]);
        Refused<QuantizeException>(old, "is no GGUF file", "");

        void Refused<T>(string matrix, string what, string found)
            where T : Exception
        {
            var e = Assert.ThrowsAny<T>(() => Run(path, "refused.gguf", Options("Q4_K_S") with { ImportancePath = matrix }));
            Assert.Contains(what, e.Message, StringComparison.Ordinal);
            Assert.Contains(found, e.Message, StringComparison.Ordinal);
            Assert.False(File.Exists(Path.Combine(folder.FullName, "refused.gguf")));
        }
    }

    [Fact]
    public void BadWeightsAreLocated()
    {
        var x = Numbers(new Random(5), 2048);
        x[700] = float.PositiveInfinity;
        var e = Assert.Throws<ModelFileException>(() => Run(Model(w => w.Tensor("blk.0.attn_q.weight", [8, 256], x)), "bad.gguf", Options("Q8_0")));
        Assert.Contains("'blk.0.attn_q.weight'", e.Message, StringComparison.Ordinal);
        Assert.Contains("row 2, column 188", e.Message, StringComparison.Ordinal);
        x[700] = 1e9f;
        e = Assert.Throws<ModelFileException>(() => Run(Model(w => w.Tensor("blk.0.attn_q.weight", [8, 256], x)), "bad.gguf", Options("Q4_0")));
        Assert.Contains("cannot be stored as Q4_0, because a scale of", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(folder.GetFiles(), file => file.Name.StartsWith("bad", StringComparison.Ordinal));
    }

    [Fact]
    public void WhatIsQuantizedIsRefusedUnlessAllowed()
    {
        var e = Assert.Throws<QuantizeException>(() => Quantizer.Plan(Default, Options("Q4_0")));
        Assert.Contains("is quantized already", e.Message, StringComparison.Ordinal);
        Assert.All(Quantizer.Plan(Default, Options("Q8_0")).Tensors, t => Assert.Equal(t.From, t.To)); // nothing is to be done
    }

    [Fact]
    public void AnOutputIsNeverTheInputAndNoOtherFileUnlessForced()
    {
        var input = Path.Combine(folder.FullName, "in.gguf");
        File.Copy(Tiny, input);
        var link = Path.Combine(folder.FullName, "link.gguf");
        File.CreateSymbolicLink(link, "in.gguf");
        var linkedFolder = Path.Combine(folder.FullName, "linked");
        Directory.CreateSymbolicLink(linkedFolder, folder.FullName);
        foreach (var output in (string[])[input, link, Path.Combine(linkedFolder, "in.gguf"), Path.Combine(folder.FullName, ".", "in.gguf")])
            Assert.Contains("is the input itself", Assert.Throws<QuantizeException>(() => Quantizer.Run(input, output, Options("F16") with { Overwrite = true })).Message, StringComparison.Ordinal);
        Assert.Contains("is a folder", Assert.Throws<QuantizeException>(() => Quantizer.Run(input, folder.FullName, Options("F16"))).Message, StringComparison.Ordinal);
        var other = Path.Combine(folder.FullName, "other.gguf");
        File.WriteAllText(other, "mine");
        Assert.Contains("exists", Assert.Throws<QuantizeException>(() => Quantizer.Run(input, other, Options("F16"))).Message, StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(other));
        Assert.Equal(File.ReadAllBytes(Tiny), File.ReadAllBytes(input));
        Run(input, "other.gguf", Options("F16") with { Overwrite = true });
        Assert.Equal("GGUF"u8, File.ReadAllBytes(other).AsSpan(0, 4));
    }

    [Fact]
    public void WhatIsCancelledLeavesNothingAndWhatWasThere()
    {
        var output = Path.Combine(folder.FullName, "out.gguf");
        File.WriteAllText(output, "mine");
        using var source = new CancellationTokenSource();
        var reports = new List<QuantizeProgress>();
        var options = Options("Q4_K_M") with { Overwrite = true, Progress = new Now(value => { reports.Add(value); if (reports.Count == 3) source.Cancel(); }) };
        Assert.ThrowsAny<OperationCanceledException>(() => Quantizer.Run(Tiny, output, options, source.Token));
        Assert.Equal("out.gguf", Assert.Single(folder.GetFiles()).Name);
        Assert.Equal("mine", File.ReadAllText(output));
        reports.Clear();
        Run(Tiny, "out.gguf", options with { Progress = new Now(reports.Add) });
        Assert.Equal((reports[^1].Total, reports[^1].Total), (reports[^1].Done, reports.Max(r => r.Done)));
    }

    /// <summary>A checkpoint as Hugging Face lays it out, and the GGUF file that llama.cpp's converter made of it: the same tensors.</summary>
    [Fact]
    public void AFolderGivesWhatItsConvertedFileGives()
    {
        var config = TestData.Shared("golden/checkpoints/qwen3_moe/config.json");
        foreach (var target in (string[])["F32", "Q4_K_M"])
        {
            using var ours = ModelFile.Open(Run(Path.GetDirectoryName(config)!, "folder.gguf", Options(target) with { Overwrite = true }));
            using var theirs = ModelFile.Open(Run(Tiny, "file.gguf", Options(target) with { Overwrite = true }));
            Assert.Equal(theirs.Tensors.Select(t => t.ToString()).Order(StringComparer.Ordinal), ours.Tensors.Select(t => t.ToString()).Order(StringComparer.Ordinal));
            foreach (var tensor in theirs.Tensors) Assert.True(Bytes(tensor).SequenceEqual(Bytes(ours.Find(tensor.Name)!)), tensor.Name);
        }
    }

    /// <summary>GGUF has no FP8: such weights are the best there are, and are taken without being asked twice.</summary>
    [Fact]
    public void Fp8IsTaken()
    {
        var config = TestData.Shared("golden/checkpoints/qwen3_moe_fp8/config.json");
        using var file = ModelFile.Open(Run(Path.GetDirectoryName(config)!, "fp8.gguf", Options("Q8_0")));
        Assert.All(file.Tensors, t => Assert.True(t.Type is WeightType.F32 or WeightType.Q8_0, t.ToString()));
        using var folderFile = ModelFile.Open(Path.GetDirectoryName(config)!);
        Assert.Contains(folderFile.Tensors, t => t.Type == WeightType.FP8_E4M3);
    }

    private static QuantizeOptions Options(string target) => new() { Target = QuantizeTarget.Find(target)! };

    private static string Types(QuantizePlan plan) =>
        string.Join(", ", plan.Tensors.GroupBy(t => t.To.ToString()).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => $"{g.Key} {g.Count()}"));

    private static float[] Numbers(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() - random.NextDouble()))];

    private static unsafe byte[] Bytes(TensorView tensor) => new ReadOnlySpan<byte>(tensor.Data, (int)tensor.Bytes).ToArray();

    private string Run(string input, string output, QuantizeOptions options)
    {
        var path = Path.Combine(folder.FullName, output);
        var plan = Quantizer.Run(input, path, options);
        Assert.Equal(plan.FileBytes, new FileInfo(path).Length);
        return path;
    }

    private string Save(GgufWriter writer)
    {
        var path = Path.Combine(folder.FullName, $"{Guid.NewGuid():N}.gguf");
        writer.Save(path, overwrite: false, CancellationToken.None);
        return path;
    }

    private string Model(Action<GgufWriter> add)
    {
        var writer = new GgufWriter("test");
        add(writer);
        return Save(writer);
    }

    private string Layers(int count) => Model(w =>
    {
        w.Add("test.block_count", (uint)count).Add("test.attention.head_count", 8u).Add("test.attention.head_count_kv", 2u).Add("test.expert_count", 4u);
        var row = new float[512];
        w.Tensor("token_embd.weight", [2, 256], row);
        for (var i = count - 1; i >= 0; i--) // the order in the file does not matter
        {
            foreach (var name in (string[])["attn_output", "ffn_up_exps"]) w.Tensor($"blk.{i}.{name}.weight", [2, 256], row);
        }
        for (var i = 0; i < count; i++)
        {
            foreach (var name in (string[])["attn_v", "ffn_down_exps"]) w.Tensor($"blk.{i}.{name}.weight", [2, 256], row);
        }
    });

    private string Matrix((string Name, long[] Shape, float[] Sums, float[] Counts)[] entries)
    {
        var writer = new GgufWriter(null).Add("general.type", "imatrix").Add("imatrix.datasets", (string[])["text.txt"]).Add("imatrix.chunk_count", 7u).Add("imatrix.chunk_size", 512u);
        foreach (var (name, shape, sums, counts) in entries) writer.Tensor(name + ".in_sum2", shape, sums).Tensor(name + ".counts", [counts.Length, 1], counts);
        return Save(writer);
    }

    private sealed class Now(Action<QuantizeProgress> report) : IProgress<QuantizeProgress>
    {
        public void Report(QuantizeProgress value) => report(value);
    }
}

file static class WriterExtensions
{
    public static GgufWriter Tensor(this GgufWriter writer, string name, long[] shape, float[] weights) =>
        writer.Add(name, WeightType.F32, shape, stream => stream.Write(MemoryMarshal.AsBytes<float>(weights)));
}
