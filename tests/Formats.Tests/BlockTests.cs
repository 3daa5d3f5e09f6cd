using System.Runtime.InteropServices;
using System.Text.Json;
using WarpDecode.Formats.Blocks;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Formats.Tests;

/// <summary>
/// Every block format against ggml's own dequantization (tests/Golden/quants, made by ggml_quantize_chunk and gguf-py) and its
/// vector paths against its own scalar definition. A new format adds one row to <see cref="Formats"/>.
/// </summary>
public class BlockTests
{
    private static readonly Format[] Formats =
    [
        new FloatFormat<F32>(),
        new FloatFormat<F16>(),
        new FloatFormat<BF16>(),
        new FloatFormat<F64>(),
        new FloatFormat<I8>(),
        new FloatFormat<I16>(),
        new FloatFormat<I32>(),
        new FloatFormat<I64>(),
        new QuantFormat<Q4_0>(),
        new QuantFormat<Q4_1>(),
        new QuantFormat<Q5_0>(),
        new QuantFormat<Q5_1>(),
        new QuantFormat<Q8_0>(),
        new QuantFormat<Q8_1>(),
        new QuantFormat<Q2_K>(),
        new QuantFormat<Q3_K>(),
        new QuantFormat<Q4_K>(),
        new QuantFormat<Q5_K>(),
        new QuantFormat<Q6_K>(),
        new QuantFormat<Q8_K>(),
        new QuantFormat<IQ1_S>(),
        new QuantFormat<IQ1_M>(),
        new QuantFormat<IQ2_XXS>(),
        new QuantFormat<IQ2_XS>(),
        new QuantFormat<IQ2_S>(),
        new QuantFormat<IQ3_XXS>(),
        new QuantFormat<IQ3_S>(),
        new QuantFormat<IQ4_NL>(),
        new QuantFormat<IQ4_XS>(),
        new QuantFormat<TQ1_0>(),
        new QuantFormat<TQ2_0>(),
        new QuantFormat<MXFP4>(),
        new QuantFormat<NVFP4>(),
        new QuantFormat<Q1_0>(),
        new QuantFormat<Q2_0>(),
    ];

    public static TheoryData<WeightType> Types => [.. Formats.Select(f => f.Type)];

    public static TheoryData<WeightType> QuantTypes => [.. Formats.Where(f => f.IsQuant).Select(f => f.Type)];

    public static TheoryData<WeightType> FloatTypes => [.. Formats.Where(f => !f.IsQuant).Select(f => f.Type)];

    [Theory]
    [MemberData(nameof(Types))]
    public void HasTheSizesOfItsType(WeightType type)
    {
        Assert.Equal(type.BlockBytes(), Find(type).Size);
        Assert.Equal(type.BlockValues(), Find(type).Values);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void DequantizesAsGgmlDoes(WeightType type)
    {
        var (bytes, expected) = Golden.Of(type);
        var actual = Find(type).Dequantize(bytes);
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(actual[i]))
                Assert.Fail($"weight {i}: expected {expected[i]:R}, found {actual[i]:R}");
        }
    }

    [Theory]
    [MemberData(nameof(QuantTypes))]
    public void ScalesAndIntegersGiveTheWeights(WeightType type)
    {
        var format = Find(type);
        format.CheckVectors(Golden.Of(type).Bytes);
        format.CheckVectors(RandomBlocks(format));
    }

    [Theory]
    [MemberData(nameof(FloatTypes))]
    public void VectorLoadsGiveTheWeights(WeightType type)
    {
        var format = Find(type);
        format.CheckVectors(Golden.Of(type).Bytes);
        // 16 bits: every pattern there is; 32 bits: patterns at random.
        var bytes = format.Size == 2
            ? MemoryMarshal.AsBytes<ushort>(Enumerable.Range(0, 65_536).Select(i => (ushort)i).ToArray()).ToArray()
            : RandomBytes(1 << 18);
        format.CheckVectors(bytes);
    }

    [Fact]
    public void EveryFormatHasARow()
    {
        var formats = typeof(F32).Assembly.GetTypes().Where(t => t.IsValueType && t.Namespace == typeof(F32).Namespace
            && t.GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IBlockFormat<>))
            && !t.GetInterfaces().Any(i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IWidenFormat<>))); // EightBitTests
        Assert.Equal(formats.Select(t => t.Name).Order(StringComparer.Ordinal), Formats.Select(f => f.Type.ToString()).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void SizesOfAllTypesAreGgmls()
    {
        Assert.Equal(27, Golden.Rows.Count);
        foreach (var (type, row) in Golden.Rows)
        {
            Assert.Equal(row.GetProperty("ggml_type").GetInt32(), (int)type);
            Assert.Equal(row.GetProperty("block_values").GetInt32(), type.BlockValues());
            Assert.Equal(row.GetProperty("block_bytes").GetInt32(), type.BlockBytes());
            Assert.Equal(row.GetProperty("row_bytes").GetInt64(), type.RowBytes(row.GetProperty("row_values").GetInt64()));
        }
    }

    [Fact]
    public void EveryTypeHasASize() => Assert.All(Enum.GetValues<WeightType>(), type =>
    {
        Assert.Equal(type < WeightType.FP8_E4M3, type.IsKnown()); // those of our own are in no GGUF
        Assert.InRange(type.BlockBytes(), 1, type.BlockValues() * 8); // Limits.Weights counts on it
    });

    [Theory]
    [InlineData(WeightType.Q8_0, 31)]
    [InlineData(WeightType.Q4_K, 128)]
    public void RowsAreWholeBlocks(WeightType type, long values) => Assert.Throws<ArgumentException>(() => type.RowBytes(values));

    private static Format Find(WeightType type) => Assert.Single(Formats, f => f.Type == type);

    private static byte[] RandomBytes(int count)
    {
        var bytes = new byte[count];
        new Random(1).NextBytes(bytes); // fixed: a failure must show again
        return bytes;
    }

    // Blocks of any bits but those whose scales are infinite or NaN: all sums and products with these are alike.
    private static byte[] RandomBlocks(Format format)
    {
        var bytes = RandomBytes(500 * format.Size);
        return [.. bytes.Chunk(format.Size).Where(block => format.Dequantize(block).All(float.IsFinite)).SelectMany(b => b)];
    }

    /// <summary>A block format behind its generics.</summary>
    private abstract unsafe class Format
    {
        public abstract WeightType Type { get; }

        public abstract int Size { get; }

        public abstract int Values { get; }

        public abstract bool IsQuant { get; }

        /// <summary>All weights, by the format's scalar definition.</summary>
        public abstract float[] Dequantize(byte[] bytes);

        /// <summary>Checks the vector paths against the scalar definition.</summary>
        public abstract void CheckVectors(byte[] bytes);

        protected static float[] DequantizeBy<T>(byte[] bytes)
            where T : unmanaged, IBlockFormat<T>
        {
            Assert.True(bytes.Length > 0 && bytes.Length % sizeof(T) == 0, $"{bytes.Length} bytes are no blocks of {sizeof(T)}");
            var blocks = MemoryMarshal.Cast<byte, T>(bytes.AsSpan());
            var weights = new float[blocks.Length * T.Values];
            for (var i = 0; i < weights.Length; i++) weights[i] = T.At(ref blocks[i / T.Values], i % T.Values);
            return weights;
        }
    }

    private sealed unsafe class QuantFormat<T> : Format
        where T : unmanaged, IQuantFormat<T>
    {
        public override WeightType Type => T.Type;

        public override int Size => sizeof(T);

        public override int Values => T.Values;

        public override bool IsQuant => true;

        public override float[] Dequantize(byte[] bytes) => DequantizeBy<T>(bytes);

        public override void CheckVectors(byte[] bytes)
        {
            const float untouched = -12345;
            Assert.True(T.Group is 16 or 32 && T.Values % T.Group == 0, $"a group of {T.Group}");
            var expected = Dequantize(bytes);
            var groups = T.Values / T.Group;
            var scales = new float[groups + 1]; // one more each, to see that it is not written
            var offsets = new float[groups + 1];
            var offsetSeen = false;
            fixed (byte* start = bytes)
            fixed (float* scale = scales, offset = offsets)
            {
                for (var b = 0; b < bytes.Length / sizeof(T); b++)
                {
                    var block = (T*)start + b;
                    Array.Fill(scales, untouched);
                    Array.Fill(offsets, untouched);
                    T.Scales(block, scale, offset);
                    Assert.Equal(untouched, scales[groups]);
                    Assert.All(T.HasOffset ? offsets[groups..] : offsets, o => Assert.Equal(untouched, o));
                    for (var g = 0; g < groups; g++)
                    {
                        // Rounding differs (scale · q + offset against (d · s) · q − dmin · m), by at most a few units in the
                        // last place of the larger term: compare with the magnitude of the group's terms, not of their sum.
                        var (s, o) = (scales[g], T.HasOffset ? offsets[g] : 0);
                        offsetSeen |= o != 0;
                        var integers = new float[T.Group];
                        for (var i = 0; i < T.Group; i++)
                        {
                            var weight = (g * T.Group) + i;
                            integers[i] = T.Load16(block, weight / T.Part, weight % T.Part / 16)[i % 16];
                        }
                        var magnitude = (Math.Abs(s) * integers.Max(Math.Abs)) + Math.Abs(o);
                        for (var i = 0; i < T.Group; i++)
                        {
                            var weight = (b * T.Values) + (g * T.Group) + i;
                            var actual = (s * integers[i]) + o;
                            if (!(Math.Abs(actual - expected[weight]) <= 1e-6f * magnitude))
                                Assert.Fail($"block {b}, weight {weight % T.Values}: expected {expected[weight]:R}, found {s:R} · {integers[i]} + {o:R} = {actual:R}");
                        }
                    }
                }
            }
            Assert.Equal(T.HasOffset, offsetSeen);
        }
    }

    private sealed unsafe class FloatFormat<T> : Format
        where T : unmanaged, IFloatFormat<T>
    {
        public override WeightType Type => T.Type;

        public override int Size => sizeof(T);

        public override int Values => T.Values;

        public override bool IsQuant => false;

        public override float[] Dequantize(byte[] bytes) => DequantizeBy<T>(bytes);

        public override void CheckVectors(byte[] bytes)
        {
            var expected = Dequantize(bytes);
            Assert.Equal(0, expected.Length % 16);
            fixed (byte* start = bytes)
            {
                var at = (T*)start;
                for (var i = 0; i < expected.Length; i += 16)
                {
                    for (var lane = 0; lane < 16; lane++)
                    {
                        // Infinities and NaN are left out, as the contract of IFloatFormat says.
                        var e = expected[i + lane];
                        if (!float.IsFinite(e)) continue;
                        var four = T.Load4(at + i + (lane / 4 * 4))[lane % 4];
                        var eight = T.Load8(at + i + (lane / 8 * 8))[lane % 8];
                        var sixteen = T.Load16(at + i)[lane];
                        var bits = BitConverter.SingleToInt32Bits(e); // bits, so that −0 is not 0
                        if (bits != BitConverter.SingleToInt32Bits(four) || bits != BitConverter.SingleToInt32Bits(eight) || bits != BitConverter.SingleToInt32Bits(sixteen))
                            Assert.Fail($"number {i + lane}: expected {e:R}, found {four:R} of 4, {eight:R} of 8, {sixteen:R} of 16");
                    }
                }
            }
        }
    }

    /// <summary>tests/Golden/quants: blocks that ggml quantized, and the weights that it reads from them.</summary>
    private static class Golden
    {
        private static readonly byte[] Data = File.ReadAllBytes(TestData.Golden("quants/quants.bin"));
        private static readonly JsonElement Index = JsonDocument.Parse(File.ReadAllText(TestData.Golden("quants/quants.json"))).RootElement;

        public static Dictionary<WeightType, JsonElement> Rows { get; } = Index.GetProperty("types").EnumerateArray()
            .ToDictionary(row => Enum.Parse<WeightType>(row.GetProperty("type").GetString()!));

        public static (byte[] Bytes, float[] Weights) Of(WeightType type)
        {
            if (type == WeightType.F32)
            {
                // What was quantized is itself F32: its bytes are its weights.
                var input = Index.GetProperty("input");
                var count = input.GetProperty("rows").GetInt32() * input.GetProperty("row_values").GetInt32();
                return (Data[..(4 * count)], Floats(input.GetProperty("offset").GetInt32(), count));
            }
            if (!Rows.TryGetValue(type, out var row)) return Made(type);
            var at = row.GetProperty("bytes_offset").GetInt32();
            return (Data[at..(at + row.GetProperty("bytes").GetInt32())],
                Floats(row.GetProperty("values_offset").GetInt32(), row.GetProperty("values").GetInt32()));
        }

        // Types that ggml quantizes no weights to: numbers of all magnitudes, and blocks put together here by their definition.
        private static (byte[] Bytes, float[] Weights) Made(WeightType type)
        {
            var random = new Random(2);
            const int count = 1024;
            return type switch
            {
                WeightType.F64 => Plain(i => i == 0 ? 1e300 : Math.ScaleB(random.NextDouble() - 0.5, random.Next(-160, 120)), v => (float)v),
                WeightType.I8 => Plain(i => (sbyte)i, v => v),
                WeightType.I16 => Plain(_ => (short)random.Next(short.MinValue, short.MaxValue + 1), v => v),
                WeightType.I32 => Plain(_ => random.Next(int.MinValue, int.MaxValue) >> random.Next(31), v => v),
                // 2⁵⁴ + 2³⁰ + 1 is what rounding to FP64 first gets wrong: the tie is decided by the one.
                WeightType.I64 => Plain(i => i == 0 ? (1L << 54) + (1L << 30) + 1 : random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(63), v => v),
                WeightType.Q8_1 => Blocks(32, (writer, d, q) =>
                {
                    writer.Write((Half)d);
                    writer.Write((Half)(d * q.Sum(v => v)));
                    foreach (var v in q) writer.Write(v);
                    return (float)(Half)d;
                }),
                WeightType.Q8_K => Blocks(256, (writer, d, q) =>
                {
                    writer.Write(d);
                    foreach (var v in q) writer.Write(v);
                    foreach (var group in q.Chunk(16)) writer.Write((short)group.Sum(v => v));
                    return d;
                }),
                _ => throw new ArgumentException($"no golden blocks of {type}"),
            };

            (byte[] Bytes, float[] Weights) Plain<T>(Func<int, T> value, Func<T, float> weight)
                where T : unmanaged
            {
                var values = Enumerable.Range(0, count).Select(value).ToArray();
                return (MemoryMarshal.AsBytes<T>(values).ToArray(), [.. values.Select(weight)]);
            }

            (byte[] Bytes, float[] Weights) Blocks(int size, Func<BinaryWriter, float, sbyte[], float> write)
            {
                var stream = new MemoryStream();
                var writer = new BinaryWriter(stream);
                var weights = new List<float>();
                for (var b = 0; b < 4; b++)
                {
                    var q = Enumerable.Range(0, size).Select(_ => (sbyte)random.Next(-128, 128)).ToArray();
                    var d = write(writer, random.NextSingle() - 0.5f, q);
                    weights.AddRange(q.Select(v => d * v));
                }
                return (stream.ToArray(), [.. weights]);
            }
        }

        private static float[] Floats(int offset, int count) => MemoryMarshal.Cast<byte, float>(Data.AsSpan(offset, 4 * count)).ToArray();
    }
}
