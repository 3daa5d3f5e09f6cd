using System.Runtime.CompilerServices;
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

    /// <summary>By <see cref="Groups"/>, for <see cref="MoeGateUp.Shared"/>.</summary>
    public long Offsets;

    /// <inheritdoc cref="Offsets"/>
    public long Active;

    /// <inheritdoc cref="Offsets"/>
    public long Slots;
}

/// <summary>
/// mid[t, k] = silu(gate[e]·h[t]) · (up[e]·h[t]): the first warp-decode kernel. A warp owns one neuron of one slot: it streams
/// the neuron's gate and up rows in one pass over h, keeps both sums in FP32 registers, and writes one value. Slots are the
/// fastest axis of the grid, so that tokens of one expert meet its rows in the second-level cache.
/// </summary>
internal static class MoeGateUp
{
    /// <summary>For weights of any type.</summary>
    [Launch(Dependent = true)]
    public static void Run<TFormat>(MoeGateUpArgs a)
        where TFormat : struct, ILaneFormat
    {
        Begin();
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

    /// <summary>For float weights: two neurons a warp, whose four rows share the reading of x.</summary>
    [Launch(Dependent = true)]
    public static void Alone<TFloat>(MoeGateUpArgs a)
        where TFloat : struct, ILaneFormat
    {
        Begin();
        var neuron = ((Grid.IdxY * Rows.Warps) + (Group.IdxX >> 5)) * 2;
        if (neuron >= a.Ff) return;
        var slot = Grid.IdxX;
        Some<TFloat, One>(a, Dev.LoadInt(a.Ids + (slot * 4L)), neuron, slot, 0, 0, 0);
    }

    /// <summary>For float weights, a step's tokens sharing rows: a warp owns two neurons of one expert for all of its slots.</summary>
    [Launch(Dependent = true)]
    public static void Shared<TFloat>(MoeGateUpArgs a)
        where TFloat : struct, ILaneFormat
    {
        Begin();
        var neuron = ((Grid.IdxX * Rows.Warps) + (Group.IdxX >> 5)) * 2;
        if (neuron >= a.Ff || Grid.IdxY >= Dev.LoadInt(a.Active)) return;
        var expert = Dev.LoadInt(a.Active + 4 + (Grid.IdxY * 4L));
        var (i, end) = (Dev.LoadInt(a.Offsets + (expert * 4L)), Dev.LoadInt(a.Offsets + (expert * 4L) + 4));
        for (; i + 2 < end; i += 4) // three are computed as four
            Some<TFloat, Four>(a, expert, neuron, SlotAt(a, i), SlotAt(a, i + 1), SlotAt(a, i + 2), SlotAt(a, i + 3 < end ? i + 3 : i + 2));
        if (i + 1 < end) Some<TFloat, Two>(a, expert, neuron, SlotAt(a, i), SlotAt(a, i + 1), 0, 0);
        else if (i < end) Some<TFloat, One>(a, expert, neuron, SlotAt(a, i), 0, 0, 0);
    }

    // The next kernel, the down projection, may begin when every block here knows that the router has ended: then that kernel reads
    // the routes before it waits for this one.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Begin()
    {
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Some<TFloat, TSlots>(MoeGateUpArgs a, int expert, int neuron, int s0, int s1, int s2, int s3)
        where TFloat : struct, ILaneFormat
        where TSlots : struct, IConstant
    {
        var lane = Group.IdxX & 31;
        var row = (((long)expert * a.Ff) + neuron) * a.RowBytes;
        var next = neuron + 1 < a.Ff ? a.RowBytes : 0; // an odd last neuron is paired with itself
        var (gate, up) = (a.Gate + row, a.Up + row);
        var tile = Quad.Stream<TFloat, TSlots>(gate, up, gate + next, up + next, a.Columns, lane, InputOf(a, s0), InputOf(a, s1), InputOf(a, s2), InputOf(a, s3));
        Finish(a, tile.T0, s0, neuron, lane);
        if (TSlots.Value > 1) Finish(a, tile.T1, s1, neuron, lane);
        if (TSlots.Value > 2)
        {
            Finish(a, tile.T2, s2, neuron, lane);
            Finish(a, tile.T3, s3, neuron, lane);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(MoeGateUpArgs a, F4 parts, int slot, int neuron, int lane)
    {
        var g = Quad.Sum(parts, lane); // lane 0 gate, 8 up, 16 gate and 24 up of the second neuron
        var v = Warp.ShuffleXor(g, 8);
        neuron += lane >> 4;
        if ((lane & 15) == 0 && neuron < a.Ff)
            Dev.StoreFloat(a.Mid + ((((long)slot * a.Ff) + neuron) * 4), g * Dev.Reciprocal(1f + Dev.Exp(-g)) * v);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int SlotAt(MoeGateUpArgs a, int i) => Dev.LoadInt(a.Slots + (i * 4L));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long InputOf(MoeGateUpArgs a, int slot) => a.X + ((long)(slot / a.TopK) * a.Columns * 4);
}
