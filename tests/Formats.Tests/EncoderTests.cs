using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Text.Json;
using WarpDecode.Formats.Blocks;
using WarpDecode.Formats.Quantization;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Formats.Tests;

/// <summary>The encoders, read back by the scalar definitions of the blocks.</summary>
public class EncoderTests
{
    public static TheoryData<WeightType> Types => [.. RowEncoder.Types];

    public static TheoryData<WeightType> ScaledTypes => [.. RowEncoder.Types.Where(type => type.BlockValues() > 1)];

    public static TheoryData<WeightType> WeighedTypes => [.. RowEncoder.Types.Where(type => RowEncoder.Of(type).UsesImportance)];

    [Fact]
    public void AllThatTheIssueNamesCanBeWritten() => Assert.Equal(
        ["F32", "F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "BF16", "MXFP4"],
        RowEncoder.Types.Select(type => type.ToString()));

    /// <summary>The rows that ggml quantized for tests/Golden/quants, large, small and zero ones too: never a larger error than its.</summary>
    [Theory]
    [MemberData(nameof(Types))]
    public void NoRowHasALargerErrorThanGgmls(WeightType type)
    {
        var (rows, golden) = Golden(type);
        for (var row = 0; row < rows.Length; row++)
        {
            var ours = Decode(type, Encode(type, rows[row]));
            var (error, theirs) = (Error(rows[row], ours), golden is null ? 0 : Error(rows[row], golden[row]));
            // Q8_0 may have the same scale and levels, or better levels under it.
            if (!(error <= theirs * (1 + 1e-6))) Assert.Fail($"row {row}: error {error:R}, ggml's {theirs:R}");
        }
    }

    [Theory]
    [MemberData(nameof(ScaledTypes))]
    public void HardBlocksComeBack(WeightType type)
    {
        var n = type.BlockValues();
        Assert.All(Decode(type, Encode(type, new float[n])), x => Assert.Equal(0, x));
        foreach (var constant in (float[])[1, -1, 0.37f, -3000, 0.02f])
        {
            var x = Enumerable.Repeat(constant, n).ToArray();
            // MXFP4 has few numbers and no scale between powers of two: 0.02 becomes 3/128.
            var bound = type == WeightType.MXFP4 ? 0.21 : 0.01;
            Assert.All(Decode(type, Encode(type, x)), y => Assert.InRange(y / constant, 1 - bound, 1 + bound));
        }
        foreach (var outlier in (float[])[500, -500])
        {
            var x = new float[n];
            x[n / 2] = outlier;
            var y = Decode(type, Encode(type, x));
            Assert.InRange(y[n / 2] / outlier, 0.75, 1.25);
            Assert.All(y.Where((_, i) => i != n / 2), value => Assert.InRange(Math.Abs(value), 0, 80));
        }
        foreach (var tiny in (float[])[1e-38f, float.Epsilon, -1e-20f])
            Assert.All(Decode(type, Encode(type, Enumerable.Repeat(tiny, n).ToArray())), y => Assert.InRange(Math.Abs(y), 0, 1e-6));
    }

    [Theory]
    [MemberData(nameof(WeighedTypes))]
    public void ImportantWeightsComeOutBetter(WeightType type)
    {
        var random = new Random(7);
        var x = Gaussian(random, 8192);
        var w = Gaussian(random, x.Length).Select(v => (float)Math.Exp(2 * v)).ToArray();
        var (with, without) = (Decode(type, Encode(type, x, w)), Decode(type, Encode(type, x)));
        Assert.InRange(Error(x, with, w) / Error(x, without, w), 0.1, 0.97);
        Assert.True(Error(x, with) > Error(x, without)); // it has its price elsewhere
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void ARowDoesNotDependOnItsNeighbours(WeightType type)
    {
        var x = Gaussian(new Random(3), 1024);
        var whole = Encode(type, x);
        var half = (int)type.RowBytes(512);
        Assert.Equal(whole[..half], Encode(type, x[..512]));
        Assert.Equal(whole[half..], Encode(type, x[512..]));
    }

    [Fact]
    public void WhatWasQ8_0BecomesTheSameBytes()
    {
        var (rows, _) = Golden(WeightType.F32);
        foreach (var row in rows)
        {
            var once = Encode(WeightType.Q8_0, row);
            Assert.Equal(once, Encode(WeightType.Q8_0, Decode(WeightType.Q8_0, once)));
        }
    }

    [Theory]
    [InlineData(WeightType.F16, 70_000f)]
    [InlineData(WeightType.BF16, float.MaxValue)]
    [InlineData(WeightType.Q8_0, 1e8f)]
    [InlineData(WeightType.Q4_0, 1e6f)]
    [InlineData(WeightType.Q4_1, 2e6f)]
    [InlineData(WeightType.Q2_K, 1e8f)]
    [InlineData(WeightType.Q4_K, 1e9f)]
    [InlineData(WeightType.Q6_K, 1e9f)]
    [InlineData(WeightType.IQ4_NL, 1e8f)]
    public void WhatIsTooLargeIsRefused(WeightType type, float weight)
    {
        var x = Gaussian(new Random(5), 256);
        x[100] = weight;
        Assert.Throws<WeightRangeException>(() => Encode(type, x));
    }

    [Fact]
    public void Mxfp4HoldsWhatOnlyItsExponentCan()
    {
        foreach (var size in (float[])[1e-36f, 1e30f, 2e38f])
        {
            var x = Gaussian(new Random(6), 256).Select(v => v * (size / 8)).ToArray();
            Assert.InRange(Math.Sqrt(Error(x, Decode(WeightType.MXFP4, Encode(WeightType.MXFP4, x))) / Error(x, new float[256])), 0.05, 0.15);
        }
    }

    [Fact]
    public void LevelsAreTheNearest()
    {
        Check<Unsigned2>([0, 1, 2, 3]);
        Check<Signed3>([-4, -3, -2, -1, 0, 1, 2, 3]);
        Check<NonLinear4>([.. Enumerable.Range(0, 16).Select(i => (float)IQ4_NL.Codebook[i])]);
        Check<E2M1>([-6, -4, -3, -2, -1.5f, -1, -0.5f, 0, 0.5f, 1, 1.5f, 2, 3, 4, 6]);
        Assert.Equal([0, 7, 8 + 7, 8 + 1, 6, 5], ((float[])[0, 6, -6, -0.5f, 4, 3]).Select(E2M1.Bits));

        static void Check<T>(float[] levels)
            where T : struct, ILevels
        {
            Assert.Equal((levels[0], levels[^1]), (T.Lowest, T.Highest));
            for (var x = T.Lowest - 3; x <= T.Highest + 3; x += 0.03125f)
            {
                var found = T.Nearest(Vector512.Create(x))[5];
                Assert.Contains(found, levels);
                Assert.Equal(levels.Min(level => Math.Abs(level - x)), Math.Abs(found - x));
            }
        }
    }

    [Fact]
    public void LanesAreRoundedToHalvesAsNumbersAre()
    {
        var random = new Random(9);
        for (var i = 0; i < 200_000; i++)
        {
            // Exponents of halves and around, subnormal ones most.
            var x = (float)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-28, 17)));
            Assert.Equal((float)(Half)x, Lane(x));
        }
        for (var bits = 0; bits < 0x7C00; bits++) // every half, and the middle between it and the next
        {
            var half = (float)BitConverter.UInt16BitsToHalf((ushort)bits);
            var next = bits + 1 < 0x7C00 ? (float)BitConverter.UInt16BitsToHalf((ushort)(bits + 1)) : 65_536;
            Assert.Equal(half, Lane(half));
            if (bits + 1 < 0x7C00) Assert.Equal((float)(Half)((half + next) / 2), Lane((half + next) / 2));
        }
        Assert.Equal(65_536, Lane(65_530));

        static float Lane(float x) => ScaleSearch.RoundToHalf(Vector512.Create(x))[11];
    }

    private static float[] Gaussian(Random random, int count) => [.. Enumerable.Range(0, count)
        .Select(_ => (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())))];

    private static double Error(float[] x, float[] y, float[]? w = null) => x.Select((v, i) => (w?[i] ?? 1.0) * ((double)v - y[i]) * ((double)v - y[i])).Sum();

    private static byte[] Encode(WeightType type, float[] x, float[]? importance = null)
    {
        var bytes = new byte[type.RowBytes(x.Length)];
        Array.Fill(bytes, (byte)0xA5); // all of them are to be written
        RowEncoder.Of(type).Encode(x, importance, bytes);
        return bytes;
    }

    private static float[] Decode(WeightType type, byte[] bytes) => type switch
    {
        WeightType.F32 => Decode<F32>(bytes),
        WeightType.F16 => Decode<F16>(bytes),
        WeightType.BF16 => Decode<BF16>(bytes),
        WeightType.Q8_0 => Decode<Q8_0>(bytes),
        WeightType.Q4_0 => Decode<Q4_0>(bytes),
        WeightType.Q4_1 => Decode<Q4_1>(bytes),
        WeightType.Q5_0 => Decode<Q5_0>(bytes),
        WeightType.Q5_1 => Decode<Q5_1>(bytes),
        WeightType.Q2_K => Decode<Q2_K>(bytes),
        WeightType.Q3_K => Decode<Q3_K>(bytes),
        WeightType.Q4_K => Decode<Q4_K>(bytes),
        WeightType.Q5_K => Decode<Q5_K>(bytes),
        WeightType.Q6_K => Decode<Q6_K>(bytes),
        WeightType.IQ4_NL => Decode<IQ4_NL>(bytes),
        WeightType.IQ4_XS => Decode<IQ4_XS>(bytes),
        WeightType.MXFP4 => Decode<MXFP4>(bytes),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
    };

    private static float[] Decode<T>(byte[] bytes)
        where T : unmanaged, IBlockFormat<T>
    {
        var blocks = MemoryMarshal.Cast<byte, T>(bytes.AsSpan());
        var weights = new float[blocks.Length * T.Values];
        for (var i = 0; i < weights.Length; i++) weights[i] = T.At(ref blocks[i / T.Values], i % T.Values);
        return weights;
    }

    // What ggml quantized, row by row, and what it reads from its blocks of a type; null for FP32, which loses nothing.
    private static (float[][] Rows, float[][]? Golden) Golden(WeightType type)
    {
        var data = File.ReadAllBytes(TestData.Golden("quants/quants.bin"));
        using var index = JsonDocument.Parse(File.ReadAllText(TestData.Golden("quants/quants.json")));
        var input = index.RootElement.GetProperty("input");
        var rows = Floats(input.GetProperty("offset").GetInt32(), input.GetProperty("rows").GetInt32());
        var row = index.RootElement.GetProperty("types").EnumerateArray().FirstOrDefault(t => t.GetProperty("type").GetString() == type.ToString());
        if (row.ValueKind == JsonValueKind.Undefined) return (rows, null);
        return (rows, Floats(row.GetProperty("values_offset").GetInt32(), row.GetProperty("rows").GetInt32()));

        float[][] Floats(int offset, int count) => [.. Enumerable.Range(0, count)
            .Select(i => MemoryMarshal.Cast<byte, float>(data.AsSpan(offset + (1024 * i), 1024)).ToArray())];
    }
}
