using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime.Benchmarking;
using Xunit;

namespace WarpDecode.Runtime.Tests.Benchmarking;

public unsafe class SyntheticModelTests
{
    public static TheoryData<WeightType> Types => [.. SyntheticWeights.Types];

    [Theory]
    [InlineData("small", "small:Q4_K_M")]
    [InlineData("small:bf16", "small:BF16")]
    [InlineData("qwen3-30b-a3b:4", "qwen3-30b-a3b:Q4_K_M:4")]
    [InlineData("qwen3-30b-a3b:Q4_K:48", "qwen3-30b-a3b:Q4_K")]
    [InlineData("mixtral-8x7b:mxfp4_moe:2", "mixtral-8x7b:MXFP4_MOE:2")]
    public void NamesAreRead(string text, string name) => Assert.Equal(name, SyntheticModel.Parse(text).Name);

    [Theory]
    [InlineData("gpt-oss-20b", "architecture 'gpt-oss', which this runtime cannot run yet")]
    [InlineData("deepseek-v2-lite:Q4_K:2", "architecture 'deepseek2'")]
    [InlineData("nothing", "no synthetic model 'nothing', only small, qwen3-30b-a3b, qwen3-235b-a22b, mixtral-8x7b, mixtral-8x22b")]
    [InlineData("small:IQ1_S", "MXFP4, Q5_K_M, Q5_K_S, Q4_K_M, Q4_K_S, MXFP4_MOE, Q3_K_L, Q3_K_M, Q3_K_S, not 'IQ1_S'")]
    [InlineData("small:Q8_0:9", "has 1 to 8 layers, not '9'")]
    [InlineData("small:Q8_0:0", "has 1 to 8 layers, not '0'")]
    [InlineData("small:Q8_0:1:2", "NAME[:TYPE][:layers]")]
    [InlineData("", "no synthetic model ''")]
    public void OthersAreRefusedWithTheReason(string text, string why) =>
        Assert.Contains(why, Assert.Throws<ArgumentException>(() => SyntheticModel.Parse(text)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("qwen3-30b-a3b:BF16", 30_532_122_624)] // what their makers' files add up to
    [InlineData("qwen3-235b-a22b:Q4_K_M", 235_093_634_560)]
    [InlineData("mixtral-8x7b:BF16", 46_702_792_704)]
    [InlineData("mixtral-8x22b:Q4_K_M", 140_630_071_296)]
    public void ShapesAreThoseOfThePublishedModels(string name, long parameters)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "hundreds of gigabytes that are never touched");
        using var file = SyntheticModel.Parse(name).MakeHollow();
        Assert.Equal(parameters, file.Tensors.Sum(t => t.Count));
        Assert.Null(ModelSummary.Of(file).Problem);
    }

    [Fact]
    public void TheMixtureIsThatOfQ4KM()
    {
        using var file = SyntheticModel.Parse("small").MakeHollow();
        Assert.Equal(WeightType.Q4_K, file.Find("blk.3.ffn_gate_exps.weight")!.Type);
        Assert.Equal(
            [WeightType.Q6_K, WeightType.Q4_K, WeightType.Q4_K, WeightType.Q6_K, WeightType.Q4_K, WeightType.Q4_K, WeightType.Q6_K, WeightType.Q6_K],
            Enumerable.Range(0, 8).Select(i => file.Find($"blk.{i}.ffn_down_exps.weight")!.Type));
        Assert.Equal(WeightType.Q6_K, file.Find("output.weight")!.Type);
    }

    [Fact]
    public void AMixtralHasItsOwnMixture()
    {
        using var file = SyntheticModel.Parse("mixtral-8x7b:2").MakeHollow();
        WeightType Type(string name) => file.Find(name)!.Type;
        // With eight experts the attention is a small part.
        Assert.Equal(
            (WeightType.Q8_0, WeightType.Q8_0, WeightType.Q5_K, WeightType.Q4_K),
            (Type("blk.0.attn_k.weight"), Type("blk.0.attn_v.weight"), Type("blk.0.attn_output.weight"), Type("blk.0.attn_q.weight")));
        Assert.Equal((WeightType.Q4_K, WeightType.Q6_K), (Type("blk.0.ffn_gate_exps.weight"), Type("blk.1.ffn_down_exps.weight")));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void WeightsHaveTheDeviationThatTheyShould(WeightType type)
    {
        const int columns = 1024, rows = 256;
        using var memory = new HostMemory(type.RowBytes(columns * rows));
        var view = new TensorView("blk.0.attn_q.weight", type, [rows, columns], 0, type.RowBytes(columns * rows), memory.Start);
        SyntheticWeights.Fill(view, CancellationToken.None);
        var (mean, deviation) = Moments(view);
        Assert.InRange(deviation, 0.85 / Math.Sqrt(columns), 1.15 / Math.Sqrt(columns));
        Assert.InRange(mean, -0.02 * deviation, 0.02 * deviation);

        var once = new ReadOnlySpan<byte>(view.Data, (int)view.Bytes).ToArray();
        SyntheticWeights.Fill(view, CancellationToken.None);
        Assert.True(once.AsSpan().SequenceEqual(new ReadOnlySpan<byte>(view.Data, (int)view.Bytes)), "the same model twice");
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void ADeviceMakesThemOfTheSameSize(WeightType type)
    {
        const int columns = 1024, rows = 16;
        using var device = new EmulatedDevice();
        using var memory = new HostMemory(type.RowBytes(columns * rows));
        var view = new TensorView("blk.0.attn_q.weight", type, [rows, columns], 0, type.RowBytes(columns * rows), memory.Start);
        var address = device.Allocate(view.Bytes, "test");
        new SyntheticFill(device).Filler(view, address, rows, type.RowBytes(columns));
        device.Download(view.Data, address, view.Bytes);
        var (mean, deviation) = Moments(view);
        Assert.InRange(deviation, 0.6 / Math.Sqrt(columns), 1.8 / Math.Sqrt(columns)); // powers of two
        Assert.InRange(mean, -0.1 * deviation, 0.1 * deviation);
    }

    [Theory]
    [InlineData("small:Q8_0:2")]
    [InlineData("small:Q4_K:2")]
    [InlineData("small:MXFP4_MOE:2")]
    [InlineData("small:Q2_K:2", true)]
    public void ActivationsStayFiniteAndRoutingSpreads(string name, bool isMixtral = false)
    {
        var model = SyntheticModel.Parse(name);
        if (isMixtral) model = model with { Shape = model.Shape with { Architecture = SyntheticShape.Mixtral } };
        using var file = model.MakeHollow();
        SyntheticModel.Fill(file, null, CancellationToken.None);
        using var engine = Engine.Open(
            file.Path, new EngineOptions { Backend = BackendKind.Cpu, Threads = 2, ContextLength = 64, Sessions = 8 }, () => throw new InvalidOperationException("no device was asked for"), file);
        var sessions = Enumerable.Range(0, 8).Select(_ => engine.CreateSession()).ToArray();
        foreach (var session in sessions) session.Append([1, 2, 3]);
        int[] tokens = [.. Enumerable.Range(0, 8).Select(i => 1000 + (i * 3001))];
        // 8 tokens with 4 of 32 experts each: 21 different ones if they choose at random.
        Assert.All(engine.CountExperts(sessions, tokens), n => Assert.InRange(n, 14, 30));
        engine.Decode(sessions, tokens);
        Assert.All(sessions[7].Logits.ToArray(), l => Assert.InRange(l, -100f, 100f));
        Assert.True(sessions[7].Logits.ToArray().Max() > 1, "logits are spread");
        engine.Dispose();
        Assert.NotEqual(0, file.Find("output_norm.weight")!.Data[3]); // the file stays the caller's
    }

    private static (double Mean, double Deviation) Moments(TensorView view)
    {
        var values = new float[view.Count];
        fixed (float* to = values) Dispatch.Rows(view.Type).Widen(view.Data, to, values.Length);
        var mean = values.Average(v => (double)v);
        return (mean, Math.Sqrt(values.Average(v => (v - mean) * (v - mean))));
    }
}
