using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="MoeDown"/>.</summary>
internal struct MoeDownArgs
{
    public long Down;
    public long Mid;
    public long Ids;
    public long Weights;
    public long X;
    public long RowBytes;

    /// <summary>⌊2³² / units of a row⌋ + 1: k = index · Magic / 2³² is the slot of a unit.</summary>
    public long Magic;
    public int Columns;
    public int Rows;
    public int TopK;
}

/// <summary>
/// x[t] += Σₖ weight(t, k) · down[e]·mid[t, k]: the second warp-decode kernel. A warp owns one output of one token. The K rows
/// of the routed experts are one long row to it, as the K parts of mid lie one behind the other: lanes take its units in turn,
/// so that all of them work and many loads are in flight however short an expert's row is. Each unit's product is folded with
/// its slot's weight into the one FP32 sum; the residual is added in the one write.
/// </summary>
internal static class MoeDown
{
    public static void Run<TFormat>(MoeDownArgs a)
        where TFormat : struct, ILaneFormat
    {
        var lane = Group.IdxX & 31;
        var row = (Grid.IdxY * Gpu.Rows.Warps) + (Group.IdxX >> 5);
        if (row >= a.Rows) return;
        var first = Grid.IdxX * a.TopK;
        var perSlot = a.Columns / TFormat.UnitValues;
        var units = perSlot * a.TopK;
        var sum = 0f;
        var u = lane;
        if (TFormat.InFlight == 4)
        {
            for (; u + 224 < units; u += 256)
            {
                var s0 = Slot(u, a);
                var s1 = Slot(u + 32, a);
                var s2 = Slot(u + 64, a);
                var s3 = Slot(u + 96, a);
                var s4 = Slot(u + 128, a);
                var s5 = Slot(u + 160, a);
                var s6 = Slot(u + 192, a);
                var s7 = Slot(u + 224, a);
                var w0 = Load<TFormat>(a, row, first, s0, u, perSlot);
                var w1 = Load<TFormat>(a, row, first, s1, u + 32, perSlot);
                var w2 = Load<TFormat>(a, row, first, s2, u + 64, perSlot);
                var w3 = Load<TFormat>(a, row, first, s3, u + 96, perSlot);
                var w4 = Load<TFormat>(a, row, first, s4, u + 128, perSlot);
                var w5 = Load<TFormat>(a, row, first, s5, u + 160, perSlot);
                var w6 = Load<TFormat>(a, row, first, s6, u + 192, perSlot);
                var w7 = Load<TFormat>(a, row, first, s7, u + 224, perSlot);
                sum = Fold<TFormat>(a, w0, first, s0, u, perSlot, sum);
                sum = Fold<TFormat>(a, w1, first, s1, u + 32, perSlot, sum);
                sum = Fold<TFormat>(a, w2, first, s2, u + 64, perSlot, sum);
                sum = Fold<TFormat>(a, w3, first, s3, u + 96, perSlot, sum);
                sum = Fold<TFormat>(a, w4, first, s4, u + 128, perSlot, sum);
                sum = Fold<TFormat>(a, w5, first, s5, u + 160, perSlot, sum);
                sum = Fold<TFormat>(a, w6, first, s6, u + 192, perSlot, sum);
                sum = Fold<TFormat>(a, w7, first, s7, u + 224, perSlot, sum);
            }
        }
        for (; u + 96 < units; u += 128)
        {
            var s0 = Slot(u, a);
            var s1 = Slot(u + 32, a);
            var s2 = Slot(u + 64, a);
            var s3 = Slot(u + 96, a);
            var w0 = Load<TFormat>(a, row, first, s0, u, perSlot);
            var w1 = Load<TFormat>(a, row, first, s1, u + 32, perSlot);
            var w2 = Load<TFormat>(a, row, first, s2, u + 64, perSlot);
            var w3 = Load<TFormat>(a, row, first, s3, u + 96, perSlot);
            sum = Fold<TFormat>(a, w0, first, s0, u, perSlot, sum);
            sum = Fold<TFormat>(a, w1, first, s1, u + 32, perSlot, sum);
            sum = Fold<TFormat>(a, w2, first, s2, u + 64, perSlot, sum);
            sum = Fold<TFormat>(a, w3, first, s3, u + 96, perSlot, sum);
        }
        for (; u < units; u += 32)
        {
            var slot = Slot(u, a);
            sum = Fold<TFormat>(a, Load<TFormat>(a, row, first, slot, u, perSlot), first, slot, u, perSlot, sum);
        }
        sum = Dev.WarpSum(sum);
        if (lane != 0) return;
        var x = a.X + ((((long)Grid.IdxX * a.Rows) + row) * 4);
        Dev.StoreFloat(x, Dev.LoadFloat(x) + sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Slot(int unit, MoeDownArgs a) => (int)((unit * a.Magic) >> 32);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Unit Load<TFormat>(MoeDownArgs a, int row, int first, int slot, int unit, int perSlot)
        where TFormat : struct, ILaneFormat
    {
        var expert = Dev.LoadInt(a.Ids + ((first + slot) * 4L));
        return TFormat.Load(a.Down + ((((long)expert * a.Rows) + row) * a.RowBytes), unit - (slot * perSlot), a.Columns);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Fold<TFormat>(MoeDownArgs a, Unit w, int first, int slot, int unit, int perSlot, float sum)
        where TFormat : struct, ILaneFormat
    {
        var mid = a.Mid + ((long)(first + slot) * a.Columns * 4);
        return Dev.Fma(Dev.LoadFloat(a.Weights + ((first + slot) * 4L)), Rows.Dot<TFormat>(w, unit - (slot * perSlot), mid, 0f), sum);
    }
}
