using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using WarpDecode.Formats;
using WarpDecode.Kernels.Cpu;
using Xunit;

namespace WarpDecode.Kernels.Tests;

/// <summary>Row kernels over (format × width × columns × seed), against the formats' scalar definitions and against each other.</summary>
public sealed unsafe class RowsTests
{
    private const int Rows = 8;
    private const int Tokens = 4;

    // FP32 sums of 2048 products are about 1e-13 from the exact ones; any wrong weight is above 1e-6.
    private const double Nmse = 1e-12;

    // Less than a vector, whole vectors, one more or less; a block, several; around the quantized kernels' batches of 2048.
    private static readonly int[] Columns =
        [1, 3, 15, 16, 17, 31, 32, 33, 64, 96, 255, 256, 257, 512, 768, 2000, 2047, 2048, 2080, 2304, 4096, 4352];

    private static bool Fused => Fma.IsSupported || AdvSimd.IsSupported;

    public static TheoryData<string, string, int> Cases()
    {
        var cases = new TheoryData<string, string, int>();
        foreach (var type in Enum.GetValues<WeightType>().Where(Dispatch.Supports))
        {
            // Neon's lanes are the portable ones.
            foreach (var width in new[] { nameof(LaneWidth.Avx512), nameof(LaneWidth.Avx2), nameof(LaneWidth.Portable) })
            {
                for (var seed = 1; seed <= 3; seed++) cases.Add(type.ToString(), width, seed);
            }
        }
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void DotIsTheSumOfProducts(string type, string width, int seed)
    {
        foreach (var c in Problems(type, width, seed))
        {
            double error = 0, norm = 0;
            for (var r = 0; r < Rows; r++)
            {
                for (var t = 0; t < Tokens; t++)
                {
                    var exact = 0.0;
                    for (var i = 0; i < c.Columns; i++) exact += (double)c.Kernel.At(c.Row(r), i) * c.X(t)[i];
                    var difference = c.Dot(r, (r + 1) % Rows, t).A - exact;
                    error += difference * difference;
                    norm += exact * exact;
                }
            }
            Assert.True(error <= Nmse * norm, $"{c}: NMSE {error / norm:E1}");
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void TokensDoNotChangeEachOthersBits(string type, string width, int seed)
    {
        foreach (var c in Problems(type, width, seed))
        {
            for (var r = 0; r < Rows; r++)
            {
                var other = (r + 3) % Rows;
                // Four tokens at once, in another order, one of them twice: each as if it were alone.
                int[][] groups = [[0, 1, 2, 3], [3, 1, 0, 2], [2, 2, 1, 2]];
                foreach (var tokens in groups)
                {
                    var y = c.Dot4(r, other, tokens);
                    for (var k = 0; k < 4; k++)
                    {
                        var (a, b) = c.Dot(r, other, tokens[k]);
                        Same(a, y[k], c);
                        Same(b, y[4 + k], c);
                    }
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void RowsDoNotChangeEachOthersBits(string type, string width, int seed)
    {
        foreach (var c in Problems(type, width, seed))
        {
            for (var r = 0; r < Rows; r++)
            {
                var (a, b) = c.Dot(r, r, 0);
                Same(a, b, c);
                Same(a, c.Dot(r, (r + 1) % Rows, 0).A, c);
                Same(a, c.Dot((r + 2) % Rows, r, 0).B, c);
                var y = c.Dot4(r, r, [0, 1, 2, 3]);
                for (var t = 0; t < 4; t++) Same(y[t], y[4 + t], c);
            }
            // Two pairs in one pass, the second after the first or before it.
            foreach (var (first, second, next) in new[] { (0, 1, 2), (0, 2, 1), (3, 2, -2) })
            {
                var y = c.DotPairs(first, second, next);
                Same(c.Dot(first, first, 0).A, y[0], c);
                Same(c.Dot(first + next, first, 0).A, y[1], c);
                Same(c.Dot(second, second, 0).A, y[2], c);
                Same(c.Dot(second + next, second, 0).A, y[3], c);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void WidenedWeightsAreExact(string type, string width, int seed)
    {
        foreach (var c in Problems(type, width, seed))
        {
            var wide = new float[c.Columns];
            for (var r = 0; r < Rows; r++)
            {
                fixed (float* to = wide) c.Kernel.Widen(c.Row(r), to, c.Columns);
                for (var i = 0; i < wide.Length; i++) Same(c.Kernel.At(c.Row(r), i), wide[i], c);
            }
        }
    }

    /// <summary>The order of additions that the kernels promise, in scalar arithmetic; so that all widths agree bit for bit.</summary>
    [Theory]
    [MemberData(nameof(Cases))]
    public void SumsAreInTheOneOrder(string type, string width, int seed)
    {
        Assert.SkipUnless(Fused, "this machine has no fused multiply-add: its sums round twice");
        foreach (var c in Problems(type, width, seed))
        {
            for (var r = 0; r < Rows; r++)
            {
                Same(InOrder(c, r, 1), c.Dot(r, (r + 1) % Rows, 1).A, c);
            }
        }
    }

    private static float InOrder(Problem c, int row, int token)
    {
        var lanes = new float[16];
        var i = 0;
        for (; i + 16 <= c.Columns; i += 16)
        {
            for (var l = 0; l < 16; l++) lanes[l] = MathF.FusedMultiplyAdd(c.Kernel.At(c.Row(row), i + l), c.X(token)[i + l], lanes[l]);
        }
        for (var half = 8; half > 0; half /= 2)
        {
            for (var l = 0; l < half; l++) lanes[l] += lanes[l + half];
        }
        var sum = lanes[0];
        for (; i < c.Columns; i++) sum += c.Kernel.At(c.Row(row), i) * c.X(token)[i];
        return sum;
    }

    private static void Same(float expected, float actual, Problem c)
    {
        if (BitConverter.SingleToUInt32Bits(expected) != BitConverter.SingleToUInt32Bits(actual)) Assert.Fail($"{c}: {expected:R} and {actual:R} differ");
    }

    private static IEnumerable<Problem> Problems(string typeName, string widthName, int seed)
    {
        var (type, width) = (Enum.Parse<WeightType>(typeName), Enum.Parse<LaneWidth>(widthName));
        var here = width switch
        {
            LaneWidth.Avx512 => Vector512.IsHardwareAccelerated && Avx512F.IsSupported,
            LaneWidth.Avx2 => Avx2.IsSupported && Fma.IsSupported,
            _ => true,
        };
        Assert.SkipUnless(here, $"this machine has no {width}");
        return Columns.Where(columns => columns % type.BlockValues() == 0).Select(columns => new Problem(type, width, columns, seed));
    }

    /// <summary>Rows of random weights and a few random x. Guard bytes behind each array show a kernel that reads on.</summary>
    private sealed class Problem
    {
        private readonly WeightType type;
        private readonly LaneWidth width;
        private readonly int rowBytes;
        private readonly byte[] weights;
        private readonly float[] x;

        public Problem(WeightType type, LaneWidth width, int columns, int seed)
        {
            (this.type, this.width, Columns) = (type, width, columns);
            Kernel = Dispatch.Rows(type, width);
            rowBytes = (int)type.RowBytes(columns);
            // Pinned for their pointers; NaN behind the last x would spoil every sum that takes it in.
            weights = GC.AllocateArray<byte>((Rows * rowBytes) + 64, pinned: true);
            x = GC.AllocateArray<float>((Tokens * columns) + 16, pinned: true);
            var random = new Random((seed * 1000) + columns);
            for (var i = 0; i < Tokens * columns; i++) x[i] = Value(random);
            x.AsSpan(Tokens * columns).Fill(float.NaN);
            weights.AsSpan(Rows * rowBytes).Fill(0xFF);
            RandomWeights.Fill(weights.AsSpan(0, Rows * rowBytes), type, random);
        }

        public int Columns { get; }

        public RowKernel Kernel { get; }

        public byte* Row(int r) => (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(weights, r * rowBytes);

        public float* X(int t) => (float*)Marshal.UnsafeAddrOfPinnedArrayElement(x, t * Columns);

        public (float A, float B) Dot(int a, int b, int t)
        {
            var (ya, yb) = (float.NaN, float.NaN);
            Kernel.Dot(Row(a), Row(b), X(t), Columns, &ya, &yb);
            return (ya, yb);
        }

        public float[] DotPairs(int a, int b, int next)
        {
            var y = new float[4];
            fixed (float* to = y) Kernel.DotPairs(Row(a), Row(b), next * (Row(1) - Row(0)), X(0), Columns, to, to + 2);
            return y;
        }

        public float[] Dot4(int a, int b, int[] tokens)
        {
            var y = new float[8];
            var pointers = stackalloc float*[4];
            for (var k = 0; k < 4; k++) pointers[k] = X(tokens[k]);
            fixed (float* to = y) Kernel.Dot4(Row(a), Row(b), pointers, Columns, to, to + 4);
            return y;
        }

        public override string ToString() => $"{type} {width} × {Columns}";

        private static float Value(Random random) => (random.NextSingle() * 2) - 1;
    }
}
