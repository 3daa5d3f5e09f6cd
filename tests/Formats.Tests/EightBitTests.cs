using System.Runtime.InteropServices;
using WarpDecode.Formats.Blocks;
using WarpDecode.Formats.HuggingFace;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Formats.Tests;

/// <summary>FP8 and MXFP8 weights of safetensors, put together with their scales.</summary>
public sealed unsafe class EightBitTests : IDisposable
{
    private readonly TempModel model = new();

    public void Dispose() => model.Dispose();

    [Fact]
    public void EveryCodeIsThatOfTorch()
    {
        using var golden = new Safetensors(TestData.Shared("golden/formats/formats.safetensors"));
        var (e4m3, e5m2) = (Floats(golden, "e4m3_codes.expected"), Floats(golden, "e5m2_codes.expected"));
        for (var code = 0; code < 256; code++)
        {
            Assert.Equal(e4m3[code], FP8_E4M3.ToSingle((byte)code));
            Assert.Equal(e5m2[code], FP8_E5M2.ToSingle((byte)code));
        }
    }

    /// <summary>160 × 192 in blocks of 128: those at the edges are shorter, and their scales in place.</summary>
    [Theory]
    [InlineData("fp8_block")]
    [InlineData("fp8_block_bf16scale")]
    public void PartialBlocksFollowTheRuleOfDeepSeek(string name)
    {
        using var golden = new Safetensors(TestData.Shared("golden/formats/formats.safetensors"));
        var scaled = new Scaled(Find(golden, "fp8_block.weight"), Find(golden, name + ".weight_scale_inv"), (128, 128));
        Assert.Equal(WeightType.F32, scaled.Type); // 192 columns are no whole blocks of 128
        var weights = new float[160 * 192];
        fixed (float* to = weights) scaled.CopyRows(0, 160, (byte*)to);
        Assert.Equal(Floats(golden, name + ".expected"), weights);
    }

    [Theory]
    [InlineData("F8_E4M3", "one", WeightType.FP8_E4M3)]
    [InlineData("F8_E4M3", "rows", WeightType.FP8_E4M3)]
    [InlineData("F8_E4M3", "blocks", WeightType.FP8_E4M3)]
    [InlineData("F8_E5M2", "one", WeightType.FP8_E5M2)]
    [InlineData("F8_E5M2", "blocks", WeightType.FP8_E5M2)]
    [InlineData("F8_E4M3", "none", WeightType.FP8_E4M3)]
    [InlineData("F8_E4M3", "powers", WeightType.MXFP8)]
    public void WeightsAreCodesTimesScales(string codes, string scales, WeightType type)
    {
        const int rows = 130, columns = 256;
        var bytes = new byte[rows * columns];
        new Random(3).NextBytes(bytes);
        foreach (ref var code in bytes.AsSpan()) code = (byte)(code & 0xBF); // no NaN
        var numbers = TempModel.Values(5, rows * 2);
        model.Tensors.Clear();
        model.Add("lm_head.weight", codes, [rows, columns], bytes);
        model.Config["quantization_config"] = "{\"quant_method\":\"fp8\",\"weight_block_size\":[128,128]}";
        Func<int, int, float> scaleAt = (_, _) => 1;
        switch (scales)
        {
            case "one":
                model.Add("lm_head.weight_scale", "F32", [], TempModel.Floats(numbers[..1]));
                scaleAt = (_, _) => numbers[0];
                break;
            case "rows":
                model.Add("lm_head.weight_scale", "F32", [rows, 1], TempModel.Floats(numbers[..rows]));
                scaleAt = (r, _) => numbers[r];
                break;
            case "blocks":
                model.Add("lm_head.weight_scale_inv", "F32", [2, 2], TempModel.Floats(numbers[..4]));
                scaleAt = (r, c) => numbers[(r / 128 * 2) + (c / 128)];
                break;
            case "powers":
                byte[] powers = [.. Enumerable.Range(0, rows * columns / 32).Select(i => (byte)(i % 255))];
                model.Add("lm_head.weight_scale", "U8", [rows, columns / 32], powers);
                scaleAt = (r, c) => MathF.ScaleB(1, powers[(r * columns / 32) + (c / 32)] - 127);
                break;
            default:
                model.Config.Remove("quantization_config");
                break;
        }
        using var file = model.Open();
        var view = file.Find("output.weight")!;
        Assert.Equal(type, view.Type);
        Assert.False(view.IsMapped);
        Assert.Equal(type.RowBytes(rows * columns), view.Bytes);
        var packed = new byte[view.Bytes];
        fixed (byte* to = packed)
        {
            view.CopyRows(0, 100, to);
            view.CopyRows(100, rows - 100, to + (100 * view.RowBytes));
            for (var i = 0; i < rows * columns; i++)
            {
                var code = codes == "F8_E4M3" ? FP8_E4M3.ToSingle(bytes[i]) : FP8_E5M2.ToSingle(bytes[i]);
                Assert.Equal(code * scaleAt(i / columns, i % columns), At(type, to, i));
            }
        }
    }

    /// <summary>Blocks and scales of gpt-oss's kind, [E, in, out] as transformers unpacks them; here as the fused experts of the small model.</summary>
    [Fact]
    public void FourBitFloatsAreThoseOfTransformers()
    {
        using var golden = new Safetensors(TestData.Shared("golden/formats/formats.safetensors"));
        var (blocks, scales) = (Find(golden, "mxfp4.gate_up_proj_blocks"), Find(golden, "mxfp4.gate_up_proj_scales"));
        var (experts, rows, columns) = (2, 64, 96);
        var expected = Floats(golden, "mxfp4.expected");
        model.Tensors.Clear();
        model.Config["hidden_size"] = $"{columns}";
        model.Config["quantization_config"] = "{\"quant_method\":\"mxfp4\"}";
        model.Add(TempModel.Layer + "mlp.experts.gate_up_proj_blocks", "U8", blocks.Shape, new ReadOnlySpan<byte>(blocks.Data, (int)blocks.Bytes).ToArray());
        model.Add(TempModel.Layer + "mlp.experts.gate_up_proj_scales", "U8", scales.Shape, new ReadOnlySpan<byte>(scales.Data, (int)scales.Bytes).ToArray());
        using var file = model.Open();
        Assert.Equal(2, file.Tensors.Count);
        foreach (var (name, first) in new[] { ("blk.0.ffn_gate_exps.weight", 0), ("blk.0.ffn_up_exps.weight", rows / 2) })
        {
            var view = file.Find(name)!;
            Assert.Equal(WeightType.MXFP4, view.Type);
            Assert.Equal([experts, rows / 2, columns], view.Shape);
            var packed = new byte[view.Bytes];
            fixed (byte* to = packed)
            {
                view.CopyRows(0, 40, to);
                view.CopyRows(40, experts * rows / 2 - 40, to + (40 * view.RowBytes));
                for (var e = 0; e < experts; e++)
                {
                    for (var r = 0; r < rows / 2; r++)
                    {
                        for (var c = 0; c < columns; c++)
                        {
                            var at = ((e * rows / 2) + r) * columns + c;
                            Assert.Equal(expected[(((e * columns) + c) * rows) + first + r], MXFP4.At(ref ((MXFP4*)to)[at / 32], at % 32));
                        }
                    }
                }
            }
        }
    }

    [Theory]
    [InlineData("F8_E4M3", 0x7F)]
    [InlineData("F8_E4M3", 0xFF)]
    [InlineData("F8_E5M2", 0x7C)]
    [InlineData("F8_E5M2", 0xFE)]
    public void RefusesCodesThatAreNoNumbers(string type, byte code)
    {
        var bytes = new byte[2 * 128];
        bytes[200] = code;
        model.Add("lm_head.weight", type, [2, 128], bytes);
        using var file = model.Open();
        var view = file.Find("output.weight")!;
        var to = new byte[view.Bytes];
        var error = Assert.Throws<ModelFileException>(() =>
        {
            fixed (byte* at = to) view.CopyRows(0, 2, at);
        });
        Assert.Equal("lm_head.weight", error.Item);
        Assert.Equal(view.Offset + 200, error.Offset);
        Assert.Contains($"code {code:X2}", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("F32", "[3, 2]")]
    [InlineData("F32", "[2]")]
    [InlineData("U8", "[2, 2]")]
    [InlineData("I32", "[]")]
    public void RefusesScalesThatDoNotFit(string type, string shape)
    {
        long[] sizes = [.. shape.Trim('[', ']').Split(',', StringSplitOptions.RemoveEmptyEntries).Select(s => long.Parse(s, System.Globalization.CultureInfo.InvariantCulture))];
        model.Config["quantization_config"] = "{\"quant_method\":\"fp8\",\"weight_block_size\":[128,128]}";
        model.Add("lm_head.weight", "F8_E4M3", [130, 256], new byte[130 * 256]);
        model.Add("lm_head.weight_scale_inv", type, sizes, new byte[sizes.Aggregate(1L, (a, b) => a * b) * (type == "U8" ? 1 : 4)]);
        var error = Assert.Throws<ModelFileException>(() => model.Open().Dispose());
        Assert.Equal("lm_head.weight_scale_inv", error.Item);
    }

    [Fact]
    public void VectorsGiveTheWeights()
    {
        var random = new Random(9);
        Check<FP8_E4M3>(block => BitConverter.TryWriteBytes(block, random.NextSingle()));
        Check<FP8_E5M2>(block => BitConverter.TryWriteBytes(block, random.NextSingle()));
        Check<MXFP8>(block => block[0] = (byte)random.Next(0, 255));

        void Check<T>(Action<byte[]> scale)
            where T : unmanaged, IWidenFormat<T>
        {
            var widened = stackalloc float[T.Values];
            for (var from = 0; from < 256; from += 16)
            {
                var bytes = new byte[sizeof(T)];
                for (var i = 0; i < T.Values; i++) bytes[bytes.Length - T.Values + i] = (byte)(from + i);
                scale(bytes);
                fixed (byte* at = bytes)
                {
                    T.Widen((T*)at, widened);
                    for (var i = 0; i < T.Values; i++)
                    {
                        var weight = T.At(ref *(T*)at, i);
                        if (float.IsFinite(weight)) Assert.Equal(BitConverter.SingleToInt32Bits(weight), BitConverter.SingleToInt32Bits(widened[i]));
                    }
                }
            }
        }
    }

    private static float At(WeightType type, byte* packed, int i) => type switch
    {
        WeightType.FP8_E4M3 => FP8_E4M3.At(ref ((FP8_E4M3*)packed)[i / 128], i % 128),
        WeightType.FP8_E5M2 => FP8_E5M2.At(ref ((FP8_E5M2*)packed)[i / 128], i % 128),
        _ => MXFP8.At(ref ((MXFP8*)packed)[i / 32], i % 32),
    };

    private static SafetensorsTensor Find(Safetensors file, string name) => file.Tensors.Single(t => t.Name == name);

    private static float[] Floats(Safetensors file, string name)
    {
        var tensor = Find(file, name);
        return MemoryMarshal.Cast<byte, float>(new ReadOnlySpan<byte>(tensor.Data, (int)tensor.Bytes)).ToArray();
    }
}
