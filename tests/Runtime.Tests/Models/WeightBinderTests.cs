using WarpDecode.Formats;
using WarpDecode.Runtime.Tests.Evaluation;
using Xunit;

namespace WarpDecode.Runtime.Tests.Models;

public sealed class WeightBinderTests : IDisposable
{
    private const string Gate = "blk.1.ffn_gate_exps.weight";
    private const string Up = "blk.1.ffn_up_exps.weight";
    private readonly string path = Path.Combine(Path.GetTempPath(), $"wd-{Guid.NewGuid():N}.gguf");

    public void Dispose() => File.Delete(path);

    /// <summary>They are read together by one kernel: up read as gate's type would be other weights, without a sign.</summary>
    [Theory]
    [InlineData(Gate, "F32", "BF16", BackendKind.Cpu)]
    [InlineData(Up, "BF16", "F32", BackendKind.Cpu)]
    [InlineData(Up, "BF16", "F32", BackendKind.Reference)]
    public void GateAndUpOfTwoTypesAreRefused(string widened, string gateType, string upType, BackendKind backend)
    {
        TinyModel.Write(path, widen: widened);
        var e = Assert.Throws<ModelFileException>(() => Engine.Open(path, new EngineOptions { Backend = backend }));
        Assert.Equal(Up, e.Item);
        Assert.Contains($"type of tensor '{Up}'", e.Message, StringComparison.Ordinal);
        Assert.EndsWith($": expected {gateType}, as '{Gate}' is, found {upType}", e.Message, StringComparison.Ordinal);
        Assert.Contains("same type for both", e.Advice, StringComparison.Ordinal);
    }

    [Fact]
    public void OtherWeightsMayBeOfAnyType()
    {
        TinyModel.Write(path, widen: "blk.1.ffn_down_exps.weight");
        int[] ids = TinyModel.Prompt(1);
        Assert.Equal(Logits(TinyModel.Path), Logits(path)); // widening is exact, and sums are added in one order
        float[] Logits(string model)
        {
            using var engine = Engine.Open(model, new EngineOptions { Backend = BackendKind.Reference });
            using var session = engine.CreateSession();
            session.Append(ids);
            return session.Logits.ToArray();
        }
    }
}
