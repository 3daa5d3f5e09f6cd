using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Sums of four rows for each of up to four vectors.</summary>
internal struct Tile
{
    public F4 T0;
    public F4 T1;
    public F4 T2;
    public F4 T3;
}

/// <summary>
/// What the float expert kernels share: a warp streams four rows once for one, two or four vectors. A lane widens its weights once
/// for all of them, and reads a vector once for the four rows. A (row, vector)'s order of additions is that of <see cref="Rows"/>,
/// however many rows or vectors keep it company.
/// </summary>
internal static class Quad
{
    /// <summary>The four rows times <typeparamref name="TSlots"/> vectors; each lane's part of the sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Tile Stream<TFloat, TSlots>(long a, long b, long c, long d, int columns, int lane, long x0, long x1, long x2, long x3)
        where TFloat : struct, ILaneFormat
        where TSlots : struct, IConstant
    {
        var tile = default(Tile);
        var units = columns / TFloat.UnitValues;
        var u = lane;
        if (TFloat.InFlight == 4)
        {
            for (; u + 32 < units; u += 64)
            {
                var a0 = TFloat.Load(a, u, columns);
                var b0 = TFloat.Load(b, u, columns);
                var c0 = TFloat.Load(c, u, columns);
                var d0 = TFloat.Load(d, u, columns);
                var a1 = TFloat.Load(a, u + 32, columns);
                var b1 = TFloat.Load(b, u + 32, columns);
                var c1 = TFloat.Load(c, u + 32, columns);
                var d1 = TFloat.Load(d, u + 32, columns);
                tile = Add<TFloat, TSlots>(a0, b0, c0, d0, u, x0, x1, x2, x3, tile);
                tile = Add<TFloat, TSlots>(a1, b1, c1, d1, u + 32, x0, x1, x2, x3, tile);
            }
        }
        for (; u < units; u += 32)
        {
            var a0 = TFloat.Load(a, u, columns);
            var b0 = TFloat.Load(b, u, columns);
            var c0 = TFloat.Load(c, u, columns);
            var d0 = TFloat.Load(d, u, columns);
            tile = Add<TFloat, TSlots>(a0, b0, c0, d0, u, x0, x1, x2, x3, tile);
        }
        return tile;
    }

    /// <summary>
    /// The four sums over the lanes in six shuffles instead of twenty, each by the tree of <see cref="Dev.WarpSum"/>: lane 8·i has sum i,
    /// and the seven lanes after it too.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(F4 parts, int lane)
    {
        var upper = (lane & 16) != 0;
        var first = (upper ? parts.Z : parts.X) + Warp.ShuffleXor(upper ? parts.X : parts.Z, 16);
        var second = (upper ? parts.W : parts.Y) + Warp.ShuffleXor(upper ? parts.Y : parts.W, 16);
        upper = (lane & 8) != 0;
        var sum = (upper ? second : first) + Warp.ShuffleXor(upper ? first : second, 8);
        sum += Warp.ShuffleXor(sum, 4);
        sum += Warp.ShuffleXor(sum, 2);
        return sum + Warp.ShuffleXor(sum, 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Tile Add<TFloat, TSlots>(Unit a, Unit b, Unit c, Unit d, int index, long x0, long x1, long x2, long x3, Tile tile)
        where TFloat : struct, ILaneFormat
        where TSlots : struct, IConstant
    {
        var offset = TFloat.Column(index, 0) * 4L;
        var (wa, wb) = (TFloat.Part(a, default, index, 0), TFloat.Part(b, default, index, 0));
        var (wc, wd) = (TFloat.Part(c, default, index, 0), TFloat.Part(d, default, index, 0));
        tile.T0 = Dot(wa, wb, wc, wd, x0 + offset, tile.T0);
        if (TSlots.Value > 1) tile.T1 = Dot(wa, wb, wc, wd, x1 + offset, tile.T1);
        if (TSlots.Value > 2)
        {
            tile.T2 = Dot(wa, wb, wc, wd, x2 + offset, tile.T2);
            tile.T3 = Dot(wa, wb, wc, wd, x3 + offset, tile.T3);
        }
        return tile;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Dot(F8 a, F8 b, F8 c, F8 d, long x, F4 sums)
    {
        var values = F8.Load(x);
        return new F4
        {
            X = F8.Dot(a, values, sums.X),
            Y = F8.Dot(b, values, sums.Y),
            Z = F8.Dot(c, values, sums.Z),
            W = F8.Dot(d, values, sums.W),
        };
    }
}
