using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Formats.Tests;

public unsafe class GgufTests
{
    [Fact]
    public void ReadsBackEveryMetadataType()
    {
        using var file = new TempFile(SmallGguf.Bytes);
        using var model = ModelFile.Open(file.Path);
        var m = model.Metadata;

        Assert.Equal("test", m.GetString("general.architecture"));
        Assert.Equal(64, m.GetInteger("general.alignment"));
        Assert.Equal(200, m.GetInteger("x.u8"));
        Assert.Equal(-100, m.GetInteger("x.i8"));
        Assert.Equal(50_000, m.GetInteger("x.u16"));
        Assert.Equal(-30_000, m.GetInteger("x.i16"));
        Assert.Equal(4_000_000_000, m.GetInteger("x.u32"));
        Assert.Equal(-2_000_000_000, m.GetInteger("x.i32"));
        Assert.Equal(long.MinValue, m.GetInteger("x.i64"));
        Assert.Equal(ulong.MaxValue, m.GetNumber("x.u64"));
        Assert.Equal(1.5, m.GetNumber("x.f32"));
        Assert.Equal(-0.1, m.GetNumber("x.f64"));
        Assert.True(m.GetBool("x.bool"));
        Assert.Equal([1, -2, 3], m.GetIntegers("a.i32"));
        Assert.Equal([200], m.GetIntegers("x.u8")); // one integer is an array of one
        Assert.Equal([true, false, true], m.GetBools("a.bool"));
        Assert.Equal(["one", "", "drei"], m.GetStrings("a.string"));
        Assert.Empty(m.GetStrings("a.empty"));
        Assert.Empty(m.GetSingles("a.empty")); // an empty array is one of any type
        Assert.Equal((MetadataType.Array, MetadataType.Array, 2L), m.Describe("a.nested"));
        Assert.Equal((MetadataType.UInt8, default(MetadataType), 1L), m.Describe("x.u8"));
        Assert.Equal(19, m.Keys.Count);
        Assert.Equal("general.architecture", m.Keys[0]);
        Assert.Equal("z.string", m.Keys[^1]);
    }

    [Theory]
    [InlineData("general.architecture", "test")]
    [InlineData("x.u8", "200")]
    [InlineData("x.i8", "-100")]
    [InlineData("x.u64", "18446744073709551615")]
    [InlineData("x.i64", "-9223372036854775808")]
    [InlineData("x.f32", "1.5")]
    [InlineData("x.f64", "-0.1")]
    [InlineData("x.bool", "true")]
    [InlineData("a.i32", "[3 × Int32: 1, -2, 3]")]
    [InlineData("a.bool", "[3 × Bool: true, false, true]")]
    [InlineData("a.string", "[3 × String: one, , drei]")]
    [InlineData("a.nested", "[2 × Array: [2 × UInt8: 7, 8], [1 × String: x]]")]
    [InlineData("a.empty", "[0 × String]")]
    public void ShowsEveryMetadataType(string key, string expected)
    {
        using var file = new TempFile(SmallGguf.Bytes);
        using var model = ModelFile.Open(file.Path);
        Assert.Equal(expected, model.Metadata.Show(key));
    }

    [Fact]
    public void ShowsLongValuesCutAndMadeSafe()
    {
        using var file = new TempFile(new GgufWriter("x")
            .Add("long", new string('a', 10_000))
            .Add("many", Enumerable.Range(0, 100_000).ToArray())
            .Add("escape", "red \u001b[31m\nand \u202eback"));
        using var model = ModelFile.Open(file.Path);
        Assert.Equal(new string('a', 80) + "…", model.Metadata.Show("long"));
        Assert.Equal("[100000 × Int32: 0, …", model.Metadata.Show("many", 20));
        Assert.Equal("red \uFFFD[31m⏎and \uFFFDback", model.Metadata.Show("escape"));
    }

    [Fact]
    public void ReadsTextThatIsNotUtf8()
    {
        // Vocabularies hold tokens that are parts of characters.
        byte[] odd = [2, 0, 0, 0, 0, 0, 0, 0, (byte)'a', 0xFF];
        using var file = new TempFile(new GgufWriter("x")
            .Add("odd", MetadataType.String, odd)
            .Add("odds", MetadataType.Array, [8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, .. odd]));
        using var model = ModelFile.Open(file.Path);
        Assert.Equal("a\uFFFD", model.Metadata.GetString("odd"));
        Assert.Equal(["a\uFFFD"], model.Metadata.GetStrings("odds"));
        Assert.Equal("a\uFFFD", model.Metadata.Show("odd"));
    }

    [Fact]
    public void TensorsPointAtTheFilesOwnBytes()
    {
        var bytes = SmallGguf.Bytes;
        using var file = new TempFile(bytes);
        using var model = ModelFile.Open(file.Path);
        Assert.Equal("GGUF v3", model.Format);
        Assert.Equal(bytes.Length, model.Length);
        Assert.Equal(["w.q8", "w.f32", "w.f16"], model.Tensors.Select(t => t.Name));
        Assert.Equal([SmallGguf.DataStart, SmallGguf.DataStart + 128, SmallGguf.DataStart + 192], model.Tensors.Select(t => t.Offset));
        Assert.Equal([68L, 12, 48], model.Tensors.Select(t => t.Bytes));
        foreach (var tensor in model.Tensors)
            Assert.Equal(bytes.AsSpan((int)tensor.Offset, (int)tensor.Bytes), new ReadOnlySpan<byte>(tensor.Data, (int)tensor.Bytes));
        Assert.Null(model.Find("w.q9"));
    }

    [Fact]
    public void ShapesAreOutermostFirst()
    {
        using var file = new TempFile(SmallGguf.Bytes);
        using var model = ModelFile.Open(file.Path);
        Assert.Equal(4L, BitConverter.ToInt64(SmallGguf.Bytes, SmallGguf.Size("w.f16", 0))); // the file's own order is the reverse
        Assert.Equal([2L, 3, 4], model.Find("w.f16")!.Shape);
        Assert.Equal(24, model.Find("w.f16")!.Count);
        Assert.Equal("w.f16 F16 [2, 3, 4]", model.Find("w.f16")!.ToString());
    }

    [Fact]
    public void Version2ReadsTheSame()
    {
        using var three = new TempFile(SmallGguf.Bytes);
        using var two = new TempFile(SmallGguf.U32(4, 2));
        using var a = ModelFile.Open(three.Path);
        using var b = ModelFile.Open(two.Path);
        Assert.Equal("GGUF v2", b.Format);
        Assert.Equal(a.Metadata.Keys.Select(k => a.Metadata.Show(k)), b.Metadata.Keys.Select(k => b.Metadata.Show(k)));
        Assert.Equal(a.Tensors.Select(t => $"{t} {t.Offset} {t.Bytes}"), b.Tensors.Select(t => $"{t} {t.Offset} {t.Bytes}"));
    }

    [Fact]
    public void OpensAFileWithoutTensorsOrMetadata()
    {
        using var file = new TempFile([.. "GGUF"u8, 3, 0, 0, 0, .. new byte[16]]);
        using var model = ModelFile.Open(file.Path);
        Assert.Empty(model.Tensors);
        Assert.Empty(model.Metadata.Keys);
    }

    [Fact]
    public void OpensOddButLegalTensors()
    {
        using var file = new TempFile(new GgufWriter("x")
            .Add("scalar", WeightType.F32, [], s => s.Write([1, 2, 3, 4]))
            .Add("no rows", WeightType.Q4_K, [0, 256], _ => { })
            .Add("no columns", WeightType.Q4_K, [256, 0], _ => { })
            .Add("", WeightType.I8, [1, 1, 1, 1], s => s.WriteByte(5)));
        using var model = ModelFile.Open(file.Path);
        Walk.Everything(model);
        Assert.Equal([4L, 0, 0, 1], model.Tensors.Select(t => t.Bytes));
        Assert.Equal([1L, 0, 0, 1], model.Tensors.Select(t => t.Count));
        Assert.Equal(5, model.Find("")!.Data[0]);
    }

    [Theory]
    [InlineData(1u)]
    [InlineData(8u)]
    [InlineData(4096u)]
    public void ObeysTheAlignmentTheFileAsksFor(uint alignment)
    {
        using var file = new TempFile(new GgufWriter("x")
            .Add("general.alignment", alignment)
            .Add("a", WeightType.I8, [3], s => s.Write([1, 2, 3]))
            .Add("b", WeightType.I8, [1], s => s.WriteByte(4)));
        using var model = ModelFile.Open(file.Path);
        Assert.Equal(Math.Max(3, alignment), model.Tensors[1].Offset - model.Tensors[0].Offset);
        Assert.Equal(4, model.Tensors[1].Data[0]);
    }

    [Fact]
    public void CopiesMetadataBetweenFilesAsItIs()
    {
        using var file = new TempFile(SmallGguf.Bytes);
        using var model = ModelFile.Open(file.Path);
        var writer = new GgufWriter("test");
        foreach (var key in model.Metadata.Keys.Skip(1)) writer.Copy(model.Metadata, key);
        var copy = TempFile.Bytes(writer);
        Assert.Equal(SmallGguf.Bytes[24..SmallGguf.Name("w.q8")], copy[24..SmallGguf.Name("w.q8")]);
    }

    [Fact]
    public void TheWriterRefusesWhatItsReaderWould()
    {
        Assert.Throws<ArgumentException>(() => new GgufWriter("x").Add("general.architecture", "y"));
        Assert.Throws<ArgumentException>(() => new GgufWriter("x").Add("general.alignment", 48u));
        Assert.Throws<ArgumentException>(() => TempFile.Bytes(new GgufWriter("x").Add("t", WeightType.Q8_0, [2, 16], _ => { })));
        Assert.Throws<InvalidOperationException>(() => TempFile.Bytes(new GgufWriter("x").Add("t", WeightType.I8, [2], s => s.WriteByte(1))));
        Assert.Throws<NotSupportedException>(() => new GgufWriter("x").Add("c", 'c'));
    }

    [Fact]
    public void OpensALargeFileWithoutReadingIt()
    {
        const long rows = 1 << 20;
        using var file = new TempFile(new GgufWriter("x").Add("tokens", Enumerable.Range(0, 50_000).Select(i => $"token {i}").ToArray())
            .Add("big", WeightType.F32, [0, 1024], _ => { }));
        using (var stream = new FileStream(file.Path, FileMode.Open, FileAccess.ReadWrite))
        {
            // The writer would have to write 4 GiB: announce them instead, and leave a hole in the file.
            var header = new byte[stream.Length];
            stream.ReadExactly(header);
            ReadOnlySpan<byte> sizes = [0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]; // 1024 columns, 0 rows
            stream.Position = header.AsSpan().LastIndexOf(sizes) + 8;
            stream.Write(BitConverter.GetBytes(rows));
            stream.SetLength(stream.Length + (rows * 4096));
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        using var model = ModelFile.Open(file.Path);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 << 10); // less than the vocabulary alone would take
        Assert.Equal(4L << 30, model.Find("big")!.Bytes);
        Assert.Equal(0, model.Find("big")!.Data[model.Find("big")!.Bytes - 1]);
        Assert.Equal("token 49999", model.Metadata.GetStrings("tokens")[^1]);
    }

    [Fact]
    public void MetadataAfterDisposeThrows() // and does not read unmapped memory
    {
        using var file = new TempFile(SmallGguf.Bytes);
        var model = ModelFile.Open(file.Path);
        model.Dispose();
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => model.Metadata.GetString("general.architecture"));
        Assert.Throws<ObjectDisposedException>(() => model.Metadata.Show("a.string"));
    }

    [Theory]
    [InlineData("deepseek_v2-bf16", "deepseek2")]
    [InlineData("deepseek_v2_lite-bf16", "deepseek2")]
    [InlineData("deepseek_v3-bf16", "deepseek2")]
    [InlineData("gpt_oss-bf16", "gpt-oss")]
    [InlineData("gpt_oss_mxfp4-bf16", "gpt-oss")]
    [InlineData("mixtral-bf16", "llama")]
    [InlineData("olmoe-f16", "olmoe")]
    [InlineData("qwen2_moe-bf16", "qwen2moe")]
    [InlineData("qwen3_moe-bf16", "qwen3moe")]
    public void OpensWhatLlamaCppConverted(string name, string architecture)
    {
        using var model = ModelFile.Open(TestData.Shared($"golden/gguf/{name}.gguf"));
        Walk.Everything(model);
        Assert.Equal(architecture, model.Metadata.GetString("general.architecture"));
        Assert.NotNull(model.Find("token_embd.weight"));
    }

    [Theory]
    [InlineData("IQ4_NL")]
    [InlineData("IQ4_XS")]
    [InlineData("MXFP4_MOE")]
    [InlineData("Q2_K")]
    [InlineData("Q3_K")]
    [InlineData("Q4_0")]
    [InlineData("Q4_1")]
    [InlineData("Q4_K")]
    [InlineData("Q4_K_M-mix")]
    [InlineData("Q5_0")]
    [InlineData("Q5_1")]
    [InlineData("Q5_K")]
    [InlineData("Q6_K")]
    [InlineData("Q8_0")]
    public void OpensWhatLlamaCppQuantized(string type)
    {
        using var model = ModelFile.Open(TestData.Shared($"golden/gguf-quantized/qwen3_moe-{type}.gguf"));
        Walk.Everything(model);
        Assert.Contains(model.Tensors, t => t.Type.BlockValues() > 1);
    }

    [Theory]
    [InlineData("deepseek-llm", "<｜begin▁of▁sentence｜>")]
    [InlineData("gpt-2", "<|endoftext|>")]
    [InlineData("llama-spm", "<s>")]
    [InlineData("starcoder", "<|endoftext|>")]
    public void OpensVocabulariesWithoutTensors(string name, string bos)
    {
        using var model = ModelFile.Open(TestData.Shared($"vocab/ggml-vocab-{name}.gguf"));
        Walk.Everything(model);
        Assert.Empty(model.Tensors);
        var tokens = model.Metadata.GetStrings("tokenizer.ggml.tokens");
        Assert.Equal(bos, tokens[model.Metadata.GetInt32("tokenizer.ggml.bos_token_id")]);
        Assert.Equal(tokens.Length, model.Metadata.GetIntegers("tokenizer.ggml.token_type").Length);
    }

    [Theory]
    [InlineData("x.none", "no key 'x.none'")]
    [InlineData("x.u8", "'x.u8' at offset", "expected a string", "found a value of type UInt8")]
    [InlineData("a.i32", "'a.i32' at offset", "expected a string", "found an array of Int32")]
    public void GetStringSaysWhatIsWrong(string key, params string[] says) => AssertSays(m => m.GetString(key), key, says);

    [Fact]
    public void TypedAccessSaysWhatIsWrong()
    {
        AssertSays(m => m.GetInteger("x.f32"), "x.f32", "expected an integer", "found a value of type Float32");
        AssertSays(m => m.GetInteger("x.bool"), "x.bool", "expected an integer", "found a value of type Bool");
        AssertSays(m => m.GetInteger("x.u64"), "x.u64", "expected an integer from", "found 18446744073709551615");
        AssertSays(m => m.GetInteger("x.u8", 1, 100), "x.u8", "expected an integer from 1 to 100", "found 200");
        AssertSays(m => m.GetInt32("x.i8"), "x.i8", "expected an integer from 0 to 2147483647", "found -100");
        AssertSays(m => m.GetInt32("x.u32"), "x.u32", "found 4000000000");
        AssertSays(m => m.GetNumber("x.bool"), "x.bool", "expected a number", "found a value of type Bool");
        AssertSays(m => m.GetNumber("general.architecture"), "general.architecture", "expected a number", "found a value of type String");
        AssertSays(m => m.GetBool("x.u8"), "x.u8", "expected a bool", "found a value of type UInt8");
        AssertSays(m => m.GetStrings("a.i32"), "a.i32", "expected an array of strings", "found an array of Int32");
        AssertSays(m => m.GetStrings("z.string"), "z.string", "expected an array of strings", "found a value of type String");
        AssertSays(m => m.GetIntegers("a.string"), "a.string", "expected an array of integers", "found an array of String");
        AssertSays(m => m.GetIntegers("x.u64"), "x.u64", "found 18446744073709551615");
        AssertSays(m => m.GetSingles("a.i32"), "a.i32", "expected an array of float32", "found an array of Int32");
        AssertSays(m => m.GetBools("a.i32"), "a.i32", "expected an array of bools", "found an array of Int32");
        AssertSays(m => m.Show("x.none"), "x.none", "no key 'x.none'");
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void NumbersAreFinite(float value)
    {
        using var file = new TempFile(new GgufWriter("x").Add("n", value));
        using var model = ModelFile.Open(file.Path);
        Assert.Contains("expected a finite number", Assert.Throws<ModelFileException>(() => model.Metadata.GetNumber("n")).Message, StringComparison.Ordinal);
        Assert.NotEmpty(model.Metadata.Show("n"));
    }

    private static void AssertSays(Action<Metadata> access, string key, params string[] says)
    {
        using var file = new TempFile(SmallGguf.Bytes);
        using var model = ModelFile.Open(file.Path);
        var error = Assert.Throws<ModelFileException>(() => access(model.Metadata));
        Assert.Equal(file.Path, error.File);
        Assert.Equal(key, error.Item);
        foreach (var piece in says) Assert.Contains(piece, error.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", error.Advice, StringComparison.Ordinal);
    }
}
