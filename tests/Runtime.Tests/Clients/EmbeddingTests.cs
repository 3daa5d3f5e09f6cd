using WarpDecode.Kernels;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime.Tests.Evaluation;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Clients;

/// <summary>Last hidden states and their means, on every backend.</summary>
public class EmbeddingTests
{
    private static readonly string DefaultModel = Path.Combine(TestData.Root, "models", "warpdecode-tiny-moe-q8_0.gguf");
    private static readonly EngineOptions Options = new() { Backend = BackendKind.Cpu, Threads = 2, ContextLength = 160, Sessions = 4, PrefillTokens = 24 };

    public static TheoryData<string, BackendKind> Models => new()
    {
        { TinyModel.Path, BackendKind.Cpu },
        { TinyModel.Path, BackendKind.Reference },
        { TestData.Golden("qwen3_moe/qwen3_moe-Q4_K_M-mix.gguf"), BackendKind.Cpu },
        { TestData.Golden("mixtral/model.safetensors"), BackendKind.Cpu },
        { DefaultModel, BackendKind.Cpu },
    };

    /// <summary>A matrix with more rows than columns: no other state has these logits, which other tests compare with those of transformers.</summary>
    [Theory]
    [MemberData(nameof(Models))]
    public void TheOutputMatrixMakesTheLogitsOfThem(string path, BackendKind backend)
    {
        using var engine = Engine.Open(path, Options with { Backend = backend });
        var ids = Ids(engine, count: 33);
        var states = States(engine, ids)[0];
        var output = Output(engine);
        Assert.True(engine.Vocabulary > engine.HiddenSize);
        using var session = engine.CreateSession();
        var worst = 0.0;
        session.Append(ids, (position, logits) =>
        {
            for (var v = 0; v < logits.Length; v++)
            {
                var sum = 0.0;
                for (var i = 0; i < engine.HiddenSize; i++) sum += (double)output[(v * engine.HiddenSize) + i] * states[position][i];
                worst = Math.Max(worst, Math.Abs(sum - logits[v]));
            }
        });
        TestContext.Current.SendDiagnosticMessage($"{Path.GetFileName(path)}, {backend}: max |Δlogit| {worst:E2}");
        Assert.InRange(worst, 0, 1e-4);
    }

    /// <summary>Their squares have the mean of the norm's own, when its weights are divided out: the norm is in them, once.</summary>
    [Fact]
    public void TheFinalNormIsInThem()
    {
        using var engine = Engine.Open(TinyModel.Path, Options);
        var norm = Floats(engine, "output_norm.weight");
        foreach (var state in States(engine, TinyModel.Prompt(1))[0])
        {
            var squares = state.Zip(norm, (x, w) => Math.Pow(x / w, 2)).Average();
            Assert.InRange(squares, 0.99, 1.0001); // ε makes it less than 1
        }
    }

    /// <summary>Texts of all lengths in steps that cut them, alone and with others, and in steps of another size.</summary>
    [Theory]
    [InlineData(24)]
    [InlineData(7)]
    [InlineData(128)]
    public void TheyAreTheSameBitsInAnyCompanyAndInStepsOfAnySize(int stepTokens)
    {
        using var engine = Engine.Open(TinyModel.Path, Options);
        using var other = Engine.Open(TinyModel.Path, Options with { PrefillTokens = stepTokens });
        int[][] texts = [TinyModel.Prompt(1), TinyModel.Long[..50], [3], TinyModel.Prompt(2)];
        var together = States(other, texts);
        for (var i = 0; i < texts.Length; i++)
        {
            var alone = States(engine, texts[i])[0];
            Assert.Equal(texts[i].Length, alone.Count);
            for (var position = 0; position < alone.Count; position++) Assert.Equal(Bits(alone[position]), Bits(together[i][position]));
        }
    }

    [Fact]
    public void TheMeanIsThatOverAllPositions()
    {
        using var engine = Engine.Open(TinyModel.Path, Options);
        int[][] texts = [TinyModel.Long[..50], TinyModel.Prompt(1)];
        var means = Means(engine, texts);
        var states = States(engine, texts);
        for (var text = 0; text < texts.Length; text++)
        {
            for (var i = 0; i < engine.HiddenSize; i++)
                Assert.Equal((float)(states[text].Sum(state => (double)state[i]) / texts[text].Length), means[text][i]);
        }
    }

    [Theory]
    [InlineData(0, 0, 3)] // the states are the host's
    [InlineData(1, 2, 1)]
    [InlineData(null, 0, 3)] // they are the device's
    [InlineData(null, 1, 3)]
    public void ADeviceAndAModelDividedAgreeWithTheReference(int? gpuLayers, int cpuMoe, int tokens)
    {
        SlowTests.Skip(gpuLayers != 0);
        var options = Options with { Backend = BackendKind.Cuda, ContextLength = 32, Sessions = 2, GpuLayers = gpuLayers, CpuMoe = cpuMoe };
        using var device = Engine.Open(TinyModel.Path, options, () => new EmulatedDevice());
        using var reference = Engine.Open(TinyModel.Path, options with { Backend = BackendKind.Reference, GpuLayers = null, CpuMoe = 0 });
        int[][] texts = tokens == 1 ? [[7]] : [TinyModel.Prompt(1)[..(tokens - 1)], [7]];
        var (expected, found) = (Means(reference, texts), Means(device, texts));
        for (var text = 0; text < texts.Length; text++)
        {
            for (var i = 0; i < expected[text].Length; i++) Assert.InRange(Math.Abs(expected[text][i] - found[text][i]), 0, 1e-4);
        }
    }

    /// <summary>A step for hidden states has no logits: those of a conversation that waits are not lost.</summary>
    [Fact]
    public void ConversationsKeepTheirLogits()
    {
        using var engine = Engine.Open(TinyModel.Path, Options);
        using var session = engine.CreateSession();
        session.Append(TinyModel.Prompt(1));
        var expected = session.Logits.ToArray();
        session.Rewind(0);
        session.Append(TinyModel.Prompt(1));
        Means(engine, TinyModel.Prompt(2)); // before the logits are read
        Assert.Equal(Bits(expected), Bits(session.Logits.ToArray()));
    }

    [Fact]
    public void ASessionThatOnlyHasHiddenStatesHasNoLogits()
    {
        using var engine = Engine.Open(TinyModel.Path, Options);
        using var session = engine.CreateSession();
        engine.MeanHiddenStates([new Piece(session, TinyModel.Prompt(1))], TestContext.Current.CancellationToken);
        Assert.Equal(TinyModel.Prompt(1), session.Tokens.ToArray());
        Assert.Throws<InvalidOperationException>(() => session.Logits.Length);
    }

    private static float[][] Means(Engine engine, params int[][] texts)
    {
        var pieces = Array.ConvertAll(texts, text => new Piece(engine.CreateSession(), text));
        var means = engine.MeanHiddenStates(pieces, TestContext.Current.CancellationToken);
        foreach (var piece in pieces) piece.Session.Dispose();
        return means;
    }

    private static List<float[]>[] States(Engine engine, params int[][] texts)
    {
        var pieces = Array.ConvertAll(texts, text => new Piece(engine.CreateSession(), text));
        var states = Array.ConvertAll(texts, _ => new List<float[]>());
        engine.AppendForHiddenStates(pieces, (piece, position, state) =>
        {
            Assert.Equal(states[piece].Count, position);
            states[piece].Add(state.ToArray());
        }, TestContext.Current.CancellationToken);
        foreach (var piece in pieces) piece.Session.Dispose();
        return states;
    }

    private static int[] Ids(Engine engine, int count) => [.. Enumerable.Range(0, count).Select(i => ((i * 7919) + 13) % engine.Vocabulary)];

    private static float[] Output(Engine engine) => Floats(engine, engine.File.Find("output.weight") is null ? "token_embd.weight" : "output.weight");

    private static unsafe float[] Floats(Engine engine, string name)
    {
        var tensor = engine.File.Find(name)!;
        var values = new float[tensor.Count];
        fixed (float* to = values) Dispatch.Rows(tensor.Type).Widen(tensor.Data, to, values.Length);
        return values;
    }

    private static uint[] Bits(float[] values) => Array.ConvertAll(values, BitConverter.SingleToUInt32Bits);
}
