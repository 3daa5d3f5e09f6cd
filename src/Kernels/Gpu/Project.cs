using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="Project"/>: up to three matrices of one type whose outputs lie one behind the other.</summary>
internal struct ProjectArgs
{
    public long W0;
    public long W1;
    public long W2;
    public long X;

    /// <summary>The norm's weights.</summary>
    public long Norm;

    /// <summary>Sixteen bytes of zeros, for <see cref="FloatTiles"/>.</summary>
    public long Zeros;

    /// <summary>Which rows of x; 0 for all in order.</summary>
    public long Selected;
    public long Y;
    public long RowBytes;
    public int Columns;
    public int Rows0;
    public int Rows1;
    public int Rows2;

    /// <summary>Values from one token's outputs to the next.</summary>
    public int Stride;
    public int Tokens;

    /// <summary>Tiles of 16 rows in all, for <see cref="FloatTiles"/>.</summary>
    public int Tiles;
    public float Epsilon;
}

/// <summary>
/// y = [W₀; W₁; W₂]·rmsnorm(x) with TNorm 1, y += [W₀; W₁; W₂]·x with TNorm 0. A warp owns two neighbouring rows for one token, or for four, for which it widens
/// the weights once. The norm costs no launch: x·norm is formed on the way, the squares of x are summed beside the products,
/// and the outputs are scaled by 1/√(mean + ε) at the end.
/// </summary>
internal static class Project
{
    /// <summary>Tokens that a warp takes at once when there is more than one.</summary>
    public const int ManyTokens = 4;

    [Launch(Dependent = true)]
    public static void Run<TFormat, TNorm, TTokens>(ProjectArgs a)
        where TFormat : struct, ILaneFormat
        where TNorm : struct, IConstant
        where TTokens : struct, IConstant
    {
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var lane = Group.IdxX & 31;
        var pair = (Grid.IdxY * Rows.Warps) + (Group.IdxX >> 5);
        var (weight, rows, output) = (a.W0, a.Rows0, 0);
        if (pair >= (rows + 1) >> 1)
        {
            pair -= (rows + 1) >> 1;
            (weight, rows, output) = (a.W1, a.Rows1, a.Rows0);
            if (pair >= (rows + 1) >> 1)
            {
                pair -= (rows + 1) >> 1;
                (weight, rows, output) = (a.W2, a.Rows2, a.Rows0 + a.Rows1);
                if (pair >= (rows + 1) >> 1) return;
            }
        }
        var row = pair * 2;
        var second = row + 1 < rows ? row + 1 : row; // an odd last row is paired with itself
        var (rowA, rowB) = (weight + (row * a.RowBytes), weight + (second * a.RowBytes));
        var token = Grid.IdxX * TTokens.Value;
        // Past the end the last token is computed again, and not written.
        var x0 = Source(a, token);
        var (x1, x2, x3) = (x0, x0, x0);
        if (TTokens.Value > 1)
        {
            x1 = Source(a, token + 1);
            x2 = Source(a, token + 2);
            x3 = Source(a, token + 3);
        }

        var tile = default(Tile);
        var units = a.Columns / TFormat.UnitValues;
        var u = lane;
        // Four tokens need registers: with them fewer loads are in flight, lest ptxas spill. The order of additions is the same.
        if (TFormat.InFlight == 4 && (TTokens.Value == 1 || TFormat.UnitValues == 8))
        {
            for (; u + 96 < units; u += 128)
            {
                var a0 = TFormat.Load(rowA, u, a.Columns);
                var b0 = TFormat.Load(rowB, u, a.Columns);
                var a1 = TFormat.Load(rowA, u + 32, a.Columns);
                var b1 = TFormat.Load(rowB, u + 32, a.Columns);
                var a2 = TFormat.Load(rowA, u + 64, a.Columns);
                var b2 = TFormat.Load(rowB, u + 64, a.Columns);
                var a3 = TFormat.Load(rowA, u + 96, a.Columns);
                var b3 = TFormat.Load(rowB, u + 96, a.Columns);
                tile = Add<TFormat, TNorm, TTokens>(a0, b0, u, a.Norm, x0, x1, x2, x3, tile);
                tile = Add<TFormat, TNorm, TTokens>(a1, b1, u + 32, a.Norm, x0, x1, x2, x3, tile);
                tile = Add<TFormat, TNorm, TTokens>(a2, b2, u + 64, a.Norm, x0, x1, x2, x3, tile);
                tile = Add<TFormat, TNorm, TTokens>(a3, b3, u + 96, a.Norm, x0, x1, x2, x3, tile);
            }
        }
        if (TTokens.Value == 1 || TFormat.InFlight == 4)
        {
            for (; u + 32 < units; u += 64)
            {
                var a0 = TFormat.Load(rowA, u, a.Columns);
                var b0 = TFormat.Load(rowB, u, a.Columns);
                var a1 = TFormat.Load(rowA, u + 32, a.Columns);
                var b1 = TFormat.Load(rowB, u + 32, a.Columns);
                tile = Add<TFormat, TNorm, TTokens>(a0, b0, u, a.Norm, x0, x1, x2, x3, tile);
                tile = Add<TFormat, TNorm, TTokens>(a1, b1, u + 32, a.Norm, x0, x1, x2, x3, tile);
            }
        }
        for (; u < units; u += 32)
        {
            var a0 = TFormat.Load(rowA, u, a.Columns);
            var b0 = TFormat.Load(rowB, u, a.Columns);
            tile = Add<TFormat, TNorm, TTokens>(a0, b0, u, a.Norm, x0, x1, x2, x3, tile);
        }

        Finish<TNorm>(a, tile.T0, token, output + row, output + second, lane);
        if (TTokens.Value > 1)
        {
            Finish<TNorm>(a, tile.T1, token + 1, output + row, output + second, lane);
            Finish<TNorm>(a, tile.T2, token + 2, output + row, output + second, lane);
            Finish<TNorm>(a, tile.T3, token + 3, output + row, output + second, lane);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Source(ProjectArgs a, int token)
    {
        var index = token < a.Tokens ? token : a.Tokens - 1;
        if (a.Selected != 0) index = Dev.LoadInt(a.Selected + (index * 4L));
        return a.X + ((long)index * a.Columns * 4);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Tile Add<TFormat, TNorm, TTokens>(Unit a, Unit b, int index, long norm, long x0, long x1, long x2, long x3, Tile tile)
        where TFormat : struct, ILaneFormat
        where TNorm : struct, IConstant
        where TTokens : struct, IConstant
    {
        var (scalesA, scalesB) = (TFormat.Decode(a, index), TFormat.Decode(b, index));
        tile = AddPart<TFormat, TNorm, TTokens>(a, b, scalesA, scalesB, index, 0, norm, x0, x1, x2, x3, tile);
        if (TFormat.UnitValues > 8) tile = AddPart<TFormat, TNorm, TTokens>(a, b, scalesA, scalesB, index, 1, norm, x0, x1, x2, x3, tile);
        if (TFormat.UnitValues > 16)
        {
            tile = AddPart<TFormat, TNorm, TTokens>(a, b, scalesA, scalesB, index, 2, norm, x0, x1, x2, x3, tile);
            tile = AddPart<TFormat, TNorm, TTokens>(a, b, scalesA, scalesB, index, 3, norm, x0, x1, x2, x3, tile);
        }
        return tile;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Tile AddPart<TFormat, TNorm, TTokens>(
        Unit a, Unit b, Scales scalesA, Scales scalesB, int index, int part, long norm, long x0, long x1, long x2, long x3, Tile tile)
        where TFormat : struct, ILaneFormat
        where TNorm : struct, IConstant
        where TTokens : struct, IConstant
    {
        var offset = TFormat.Column(index, part) * 4L;
        var (rowA, rowB) = (TFormat.Part(a, scalesA, index, part), TFormat.Part(b, scalesB, index, part));
        var factors = default(F8);
        if (TNorm.Value != 0) factors = F8.Load(norm + offset);
        tile.T0 = AddToken<TNorm>(rowA, rowB, factors, x0 + offset, tile.T0);
        if (TTokens.Value > 1)
        {
            tile.T1 = AddToken<TNorm>(rowA, rowB, factors, x1 + offset, tile.T1);
            tile.T2 = AddToken<TNorm>(rowA, rowB, factors, x2 + offset, tile.T2);
            tile.T3 = AddToken<TNorm>(rowA, rowB, factors, x3 + offset, tile.T3);
        }
        return tile;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Sums AddToken<TNorm>(F8 a, F8 b, F8 factors, long x, Sums sums)
        where TNorm : struct, IConstant
    {
        var values = F8.Load(x);
        if (TNorm.Value != 0)
        {
            sums.Squares = F8.Dot(values, values, sums.Squares);
            values = F8.Multiply(values, factors);
        }
        sums.A = F8.Dot(a, values, sums.A);
        sums.B = F8.Dot(b, values, sums.B);
        return sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<TNorm>(ProjectArgs a, Sums sums, int token, int row, int second, int lane)
        where TNorm : struct, IConstant
    {
        var (valueA, valueB) = (Dev.WarpSum(sums.A), Dev.WarpSum(sums.B));
        if (TNorm.Value != 0)
        {
            var scale = Dev.ReciprocalSqrt(Dev.Fma(Dev.WarpSum(sums.Squares), 1f / a.Columns, a.Epsilon));
            valueA *= scale;
            valueB *= scale;
        }
        if (lane > 1 || token >= a.Tokens) return;
        var y = a.Y + ((((long)token * a.Stride) + (lane == 0 ? row : second)) * 4);
        var value = lane == 0 ? valueA : valueB;
        if (lane == 1 && second == row) return;
        if (TNorm.Value == 0) value = RoundedAdd(Dev.LoadFloat(y), value);
        Dev.StoreFloat(y, value);
    }

    // Through an intrinsic, so that the addition is never contracted with a product before it.
    private static float RoundedAdd(float a, float b) => Dev.Fma(a, 1f, b);

    /// <summary>Sums of up to four tokens.</summary>
    private struct Tile
    {
        public Sums T0;
        public Sums T1;
        public Sums T2;
        public Sums T3;
    }
}
