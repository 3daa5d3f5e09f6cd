using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="MoeGateUp"/>.</summary>
internal struct MoeGateUpArgs
{
    public long Gate;
    public long Up;
    public long X;
    public long Ids;
    public long Mid;
    public long RowBytes;
    public int Columns;
    public int Ff;
    public int TopK;
}

/// <summary>
/// mid[t, k] = silu(gate[e]·h[t]) · (up[e]·h[t]): the first warp-decode kernel. A warp owns one neuron of one slot: it streams
/// the neuron's gate and up rows in one pass over h, keeps both sums in FP32 registers, and writes one value. Slots are the
/// fastest axis of the grid, so that tokens of one expert meet its rows in the second-level cache.
/// </summary>
internal static class MoeGateUp
{
    public static void Run<TFormat>(MoeGateUpArgs a)
        where TFormat : struct, ILaneFormat
    {
        var lane = Group.IdxX & 31;
        var neuron = (Grid.IdxY * Rows.Warps) + (Group.IdxX >> 5);
        if (neuron >= a.Ff) return;
        var slot = Grid.IdxX;
        var row = (((long)Dev.LoadInt(a.Ids + (slot * 4L)) * a.Ff) + neuron) * a.RowBytes;
        var (gate, up) = (a.Gate + row, a.Up + row);
        var x = a.X + ((long)(slot / a.TopK) * a.Columns * 4);
        var units = a.Columns / TFormat.UnitValues;
        var sums = default(Sums);
        var u = lane;
        if (TFormat.InFlight == 4)
        {
            for (; u + 96 < units; u += 128)
            {
                var g0 = TFormat.Load(gate, u, a.Columns);
                var u0 = TFormat.Load(up, u, a.Columns);
                var g1 = TFormat.Load(gate, u + 32, a.Columns);
                var u1 = TFormat.Load(up, u + 32, a.Columns);
                var g2 = TFormat.Load(gate, u + 64, a.Columns);
                var u2 = TFormat.Load(up, u + 64, a.Columns);
                var g3 = TFormat.Load(gate, u + 96, a.Columns);
                var u3 = TFormat.Load(up, u + 96, a.Columns);
                sums = Rows.Dot2<TFormat>(g0, u0, u, x, sums);
                sums = Rows.Dot2<TFormat>(g1, u1, u + 32, x, sums);
                sums = Rows.Dot2<TFormat>(g2, u2, u + 64, x, sums);
                sums = Rows.Dot2<TFormat>(g3, u3, u + 96, x, sums);
            }
        }
        for (; u + 32 < units; u += 64)
        {
            var g0 = TFormat.Load(gate, u, a.Columns);
            var u0 = TFormat.Load(up, u, a.Columns);
            var g1 = TFormat.Load(gate, u + 32, a.Columns);
            var u1 = TFormat.Load(up, u + 32, a.Columns);
            sums = Rows.Dot2<TFormat>(g0, u0, u, x, sums);
            sums = Rows.Dot2<TFormat>(g1, u1, u + 32, x, sums);
        }
        for (; u < units; u += 32) sums = Rows.Dot2<TFormat>(TFormat.Load(gate, u, a.Columns), TFormat.Load(up, u, a.Columns), u, x, sums);
        var g = Dev.WarpSum(sums.A);
        var v = Dev.WarpSum(sums.B);
        if (lane == 0) Dev.StoreFloat(a.Mid + ((((long)slot * a.Ff) + neuron) * 4), g * Dev.Reciprocal(1f + Dev.Exp(-g)) * v);
    }
}
