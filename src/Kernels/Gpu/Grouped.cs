using System.Runtime.CompilerServices;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Sums of two stretches of sixteen rows (A, B) for up to four times eight vectors.</summary>
internal struct GroupedSums
{
    public F4 A0;
    public F4 A1;
    public F4 A2;
    public F4 A3;
    public F4 B0;
    public F4 B1;
    public F4 B2;
    public F4 B3;
}

/// <summary>
/// What the grouped products of a prompt share: tensor cores on bfloat16 weights. A vector is the sum of two bfloat16 terms, which
/// keep 16 of FP32's 24 bits (the square of the error is about 3e-12 of that of the sums), each multiplied for itself into the
/// one FP32 sum. A warp multiplies 32 rows with up to 32 vectors; weights go from memory to registers straight, without shared
/// memory: within 32 columns the product's order of columns is chosen such that a lane's are eight neighbours, one load.
/// <code>terms of a vector [2, columns] bfloat16: the values rounded, then what the rounding left</code>
/// </summary>
internal static class Grouped
{
    /// <summary>Rows of one tensor-core product.</summary>
    public const int TileRows = 16;

    /// <summary>Vectors of one tensor-core product.</summary>
    public const int TileVectors = 8;

    /// <param name="a">Lane's row g of the first stretch, at its first column.</param>
    /// <param name="a8">Its row g + 8.</param>
    /// <param name="b">The same of the second stretch.</param>
    /// <param name="b8">The same of the second stretch.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="t">The lane's number among the four of a row.</param>
    /// <param name="x0">The lane's vector in each tile, at its first column.</param>
    /// <param name="x1">In the second.</param>
    /// <param name="x2">In the third.</param>
    /// <param name="x3">In the fourth.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static GroupedSums Multiply<TTiles>(long a, long a8, long b, long b8, int columns, int t, long x0, long x1, long x2, long x3)
        where TTiles : struct, IConstant
    {
        var sums = default(GroupedSums);
        var second = columns * 2L; // from the first term to the second
        var at = 0L;
        for (; at + 128 <= second; at += 128)
        {
            var w0 = Dev.LoadWeights(a + at);
            var w1 = Dev.LoadWeights(a8 + at);
            var w2 = Dev.LoadWeights(b + at);
            var w3 = Dev.LoadWeights(b8 + at);
            var w4 = Dev.LoadWeights(a + at + 64);
            var w5 = Dev.LoadWeights(a8 + at + 64);
            var w6 = Dev.LoadWeights(b + at + 64);
            var w7 = Dev.LoadWeights(b8 + at + 64);
            sums = Add<TTiles>(w0, w1, w2, w3, x0 + at, x1 + at, x2 + at, x3 + at, second, sums);
            sums = Add<TTiles>(w4, w5, w6, w7, x0 + at + 64, x1 + at + 64, x2 + at + 64, x3 + at + 64, second, sums);
        }
        for (; at < second; at += 64)
        {
            // Lanes past the end multiply zeros with what the last lane has.
            var inside = at + (t * 16) < second;
            var from = inside ? at : second - 16 - (t * 16);
            var (w0, w1, w2, w3) = (default(U4), default(U4), default(U4), default(U4));
            if (inside)
            {
                w0 = Dev.LoadWeights(a + at);
                w1 = Dev.LoadWeights(a8 + at);
                w2 = Dev.LoadWeights(b + at);
                w3 = Dev.LoadWeights(b8 + at);
            }
            sums = Add<TTiles>(w0, w1, w2, w3, x0 + from, x1 + from, x2 + from, x3 + from, second, sums);
        }
        return sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static GroupedSums Add<TTiles>(U4 a, U4 a8, U4 b, U4 b8, long x0, long x1, long x2, long x3, long second, GroupedSums sums)
        where TTiles : struct, IConstant
    {
        (sums.A0, sums.B0) = Add(a, a8, b, b8, x0, second, sums.A0, sums.B0);
        if (TTiles.Value > 1) (sums.A1, sums.B1) = Add(a, a8, b, b8, x1, second, sums.A1, sums.B1);
        if (TTiles.Value > 2)
        {
            (sums.A2, sums.B2) = Add(a, a8, b, b8, x2, second, sums.A2, sums.B2);
            (sums.A3, sums.B3) = Add(a, a8, b, b8, x3, second, sums.A3, sums.B3);
        }
        return sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (F4 A, F4 B) Add(U4 a, U4 a8, U4 b, U4 b8, long x, long second, F4 sumA, F4 sumB)
    {
        var (high, low) = (Dev.LoadShared(x), Dev.LoadShared(x + second));
        sumA = Dev.MmaBFloat(a.X, a8.X, a.Y, a8.Y, high.X, high.Y, sumA);
        sumB = Dev.MmaBFloat(b.X, b8.X, b.Y, b8.Y, high.X, high.Y, sumB);
        sumA = Dev.MmaBFloat(a.Z, a8.Z, a.W, a8.W, high.Z, high.W, sumA);
        sumB = Dev.MmaBFloat(b.Z, b8.Z, b.W, b8.W, high.Z, high.W, sumB);
        sumA = Dev.MmaBFloat(a.X, a8.X, a.Y, a8.Y, low.X, low.Y, sumA);
        sumB = Dev.MmaBFloat(b.X, b8.X, b.Y, b8.Y, low.X, low.Y, sumB);
        sumA = Dev.MmaBFloat(a.Z, a8.Z, a.W, a8.W, low.Z, low.W, sumA);
        sumB = Dev.MmaBFloat(b.Z, b8.Z, b.W, b8.W, low.Z, low.W, sumB);
        return (sumA, sumB);
    }
}
