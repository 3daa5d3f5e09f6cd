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

    /// <summary>For <see cref="MoeDown.Alone"/>: a block has 2^SlotBits slots at once, a warp each.</summary>
    public int SlotBits;

    /// <summary>1 if the launch ahead lets this one begin only when the routes are known: then they are read before it has ended.</summary>
    public int Early;

    /// <summary>By <see cref="Groups"/>, for <see cref="MoeDown.Shared"/>.</summary>
    public long Offsets;

    /// <inheritdoc cref="Offsets"/>
    public long Active;

    /// <inheritdoc cref="Offsets"/>
    public long Slots;

    /// <summary>down·mid of the slots [T, K, H], between <see cref="MoeDown.Shared"/> and <see cref="MoeDown.Combine"/>.</summary>
    public long Outputs;
}

/// <summary>
/// x[t] += Σₖ weight(t, k) · down[e]·mid[t, k]: the second warp-decode kernel. A warp owns one output of one token. The K rows
/// of the routed experts are one long row to it, as the K parts of mid lie one behind the other: lanes take its units in turn,
/// so that all of them work and many loads are in flight however short an expert's row is. Each unit's product is folded with
/// its slot's weight into the one FP32 sum; the residual is added in the one write.
/// </summary>
internal static class MoeDown
{
    /// <summary>Rows of a block of <see cref="Few"/>.</summary>
    public const int FewRows = 2 * FewThreads / 32;

    /// <summary>Rows of a warp of <see cref="Alone"/>.</summary>
    public const int AloneRows = 4;

    /// <summary>Rows of a block of <see cref="Shared"/>.</summary>
    public const int SharedRows = 4 * Gpu.Rows.Warps;

    // Small blocks, so that rows spread evenly over the multiprocessors.
    private const int FewThreads = 128;

    // Most rows of a block of Alone: a warp's lanes add up their slots.
    private const int BlockRows = AloneRows * Gpu.Rows.Warps;

    /// <summary>For weights of any type.</summary>
    [Launch(Dependent = true)]
    public static void Run<TFormat>(MoeDownArgs a)
        where TFormat : struct, ILaneFormat
    {
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
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

    /// <summary>
    /// For float weights and a step of one token, of at most eight slots, and a multiple of four outputs: the warps of a block have the slots,
    /// each for four outputs, so that most of the token's weights are on their way at once, in few registers, and before mid is there.
    /// A slot's sum is added over the lanes first, then the slots in order with their weights, as in <see cref="Few"/>: the same bits.
    /// </summary>
    [Launch(Threads = 256, Blocks = 4, Dependent = true)]
    public static void Alone<TFloat>(MoeDownArgs a)
        where TFloat : struct, ILaneFormat
    {
        var sums = SharedMemory.Allocate<float>(Gpu.Rows.Warps * AloneRows * Gpu.Rows.Warps); // [slots, rows of the block]
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var k = warp & ((1 << a.SlotBits) - 1);
        var local = (warp >> a.SlotBits) * AloneRows;
        var row = (Grid.IdxY * (Gpu.Rows.Warps >> a.SlotBits) * AloneRows) + local;
        var units = a.Columns / TFloat.UnitValues;
        if (a.Early == 0) Dev.AwaitPrevious();
        var (s0, s1) = (default(FourUnits), default(FourUnits));
        var at = 0L;
        var busy = k < a.TopK & row < a.Rows;
        if (busy)
        {
            at = a.Down + ((((long)Dev.LoadFreshInt(a.Ids + (k * 4L)) * a.Rows) + row) * a.RowBytes);
            if (lane < units) s0 = Load<TFloat>(a, at, lane);
            if (lane + 32 < units) s1 = Load<TFloat>(a, at, lane + 32);
        }
        if (a.Early != 0) Dev.AwaitPrevious();
        Dev.ReleaseNext();
        if (busy)
        {
            var mid = MidOf(a, k);
            var tile = default(Tile);
            for (var u = lane; u < units; u += 32)
            {
                tile = Quad.Add<TFloat, One>(s0.A, s0.B, s0.C, s0.D, u, mid, mid, mid, mid, tile);
                s0 = s1;
                if (u + 64 < units) s1 = Load<TFloat>(a, at, u + 64);
            }
            var sum = Quad.Sum(tile.T0, lane);
            if ((lane & 7) == 0) sums[(k * BlockRows) + local + (lane >> 3)] = sum;
        }
        Group.Barrier();
        if (warp != 0) return;
        var output = (Grid.IdxY * (Gpu.Rows.Warps >> a.SlotBits) * AloneRows) + lane;
        if (lane >= (Gpu.Rows.Warps >> a.SlotBits) * AloneRows | output >= a.Rows) return;
        var total = 0f;
        for (var i = 0; i < a.TopK; i++) total = Dev.Fma(Dev.LoadFloat(a.Weights + (i * 4L)), sums[(i * BlockRows) + lane], total);
        var x = a.X + (output * 4L);
        Dev.StoreFloat(x, Dev.LoadFloat(x) + total);
    }

    /// <summary>
    /// For float weights and a few tokens: a warp owns two outputs of one token, so that mid, of twice the bytes, is read once for both: what bounds this kernel
    /// otherwise is not the memory but the first-level cache. A slot's sum is added over the lanes first, then the slots in order with their
    /// weights: so it does not depend on which other slots the token has, and <see cref="Shared"/> can give the same bits. Two sets of
    /// <typeparamref name="TUnits"/> units are in flight always, the first of them before mid is there. Rows are a number of whole sets; with TUnits 0, whose sets
    /// are of two units, they end anywhere.
    /// </summary>
    [Launch(Threads = FewThreads, Blocks = 4, Dependent = true)]
    public static void Few<TFloat, TUnits>(MoeDownArgs a)
        where TFloat : struct, ILaneFormat
        where TUnits : struct, IConstant
    {
        var lane = Group.IdxX & 31;
        var row = ((Grid.IdxY * (FewThreads / 32)) + (Group.IdxX >> 5)) * 2;
        if (row >= a.Rows) return;
        if (a.Early == 0) Dev.AwaitPrevious();
        var first = Grid.IdxX * a.TopK;
        var mine = (first + (lane < a.TopK ? lane : a.TopK - 1)) * 4L; // lane k looks after slot k
        var id = Dev.LoadFreshInt(a.Ids + mine);
        var units = a.Columns / TFloat.UnitValues;
        var parts = (units + (32 * UnitsOf<TUnits>()) - 1) / (32 * UnitsOf<TUnits>());
        var load = default(Place);
        var s0 = Load<TFloat, TUnits>(a, id, row, load, lane, units);
        load = Next(load, parts);
        var s1 = Load<TFloat, TUnits>(a, id, row, load, lane, units);
        load = Next(load, parts);
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var weight = Dev.LoadFloat(a.Weights + mine);
        var output = row + (lane >> 4);
        var x = a.X + ((((long)Grid.IdxX * a.Rows) + output) * 4);
        var writes = (lane & 15) == 0 && output < a.Rows;
        var before = writes ? Dev.LoadFloat(x) : 0f;
        var mid = a.Mid + ((long)first * a.Columns * 4);
        var at = default(Place);
        while (at.Slot < a.TopK)
        {
            at = Add<TFloat, TUnits>(a, s0, at, mid, weight, lane, units, parts);
            s0 = Load<TFloat, TUnits>(a, id, row, load, lane, units);
            load = Next(load, parts);
            if (at.Slot >= a.TopK) break;
            at = Add<TFloat, TUnits>(a, s1, at, mid, weight, lane, units, parts);
            s1 = Load<TFloat, TUnits>(a, id, row, load, lane, units);
            load = Next(load, parts);
        }
        if (writes) Dev.StoreFloat(x, before + at.Sum);
    }

    /// <summary>For float weights, a step's tokens sharing rows: a warp owns four outputs of one expert for all of its slots.</summary>
    [Launch(Dependent = true)]
    public static void Shared<TFloat>(MoeDownArgs a)
        where TFloat : struct, ILaneFormat
    {
        var lane = Group.IdxX & 31;
        var row = ((Grid.IdxX * Gpu.Rows.Warps) + (Group.IdxX >> 5)) * 4;
        if (a.Early == 0) Dev.AwaitPrevious();
        if (row >= a.Rows || Grid.IdxY >= Dev.LoadFreshInt(a.Active)) return;
        var expert = Dev.LoadFreshInt(a.Active + 4 + (Grid.IdxY * 4L));
        var (i, end) = (Dev.LoadFreshInt(a.Offsets + (expert * 4L)), Dev.LoadFreshInt(a.Offsets + (expert * 4L) + 4));
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        for (; i + 2 < end; i += 4)
            Some<TFloat, Four>(a, expert, row, lane, SlotAt(a, i), SlotAt(a, i + 1), SlotAt(a, i + 2), SlotAt(a, i + 3 < end ? i + 3 : i + 2));
        if (i + 1 < end) Some<TFloat, Two>(a, expert, row, lane, SlotAt(a, i), SlotAt(a, i + 1), 0, 0);
        else if (i < end) Some<TFloat, One>(a, expert, row, lane, SlotAt(a, i), 0, 0, 0);
    }

    /// <summary>x[t] += Σₖ weight(t, k) · outputs[t, k] in the order of <see cref="Alone"/>: a thread one output of one token.</summary>
    [Launch(Dependent = true)]
    public static void Combine(MoeDownArgs a)
    {
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var row = (Grid.IdxY * Gpu.Rows.Threads) + Group.IdxX;
        if (row >= a.Rows) return;
        var first = (long)Grid.IdxX * a.TopK;
        var sum = 0f;
        for (var k = 0; k < a.TopK; k++)
            sum = Dev.Fma(Dev.LoadFloat(a.Weights + ((first + k) * 4)), Dev.LoadFloat(a.Outputs + ((((first + k) * a.Rows) + row) * 4)), sum);
        var x = a.X + ((((long)Grid.IdxX * a.Rows) + row) * 4);
        Dev.StoreFloat(x, Dev.LoadFloat(x) + sum);
    }

    /// <summary>One unit of four rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static FourUnits Load<TFloat>(MoeDownArgs a, long at, int unit)
        where TFloat : struct, ILaneFormat => new()
        {
            A = TFloat.Load(at, unit, a.Columns),
            B = TFloat.Load(at + a.RowBytes, unit, a.Columns),
            C = TFloat.Load(at + (2 * a.RowBytes), unit, a.Columns),
            D = TFloat.Load(at + (3 * a.RowBytes), unit, a.Columns),
        };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int UnitsOf<TUnits>()
        where TUnits : struct, IConstant => TUnits.Value == 0 ? 2 : TUnits.Value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Place Next(Place at, int parts)
    {
        at.Part++;
        if (at.Part == parts)
        {
            at.Part = 0;
            at.Slot++;
        }
        return at;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Pairs Load<TFloat, TUnits>(MoeDownArgs a, int id, int row, Place at, int lane, int units)
        where TFloat : struct, ILaneFormat
        where TUnits : struct, IConstant
    {
        var w = default(Pairs);
        if (at.Slot >= a.TopK) return w;
        var first = a.Down + ((((long)Warp.Shuffle(id, at.Slot) * a.Rows) + row) * a.RowBytes);
        var second = row + 1 < a.Rows ? first + a.RowBytes : first; // an odd last row is paired with itself
        var u = (at.Part * 32 * UnitsOf<TUnits>()) + lane;
        if (TUnits.Value != 0 || u < units)
        {
            w.A0 = TFloat.Load(first, u, a.Columns);
            w.B0 = TFloat.Load(second, u, a.Columns);
        }
        if (TUnits.Value != 0 || u + 32 < units)
        {
            w.A1 = TFloat.Load(first, u + 32, a.Columns);
            w.B1 = TFloat.Load(second, u + 32, a.Columns);
        }
        if (TUnits.Value > 2 && (TUnits.Value != 0 || u + 64 < units))
        {
            w.A2 = TFloat.Load(first, u + 64, a.Columns);
            w.B2 = TFloat.Load(second, u + 64, a.Columns);
        }
        if (TUnits.Value > 3 && (TUnits.Value != 0 || u + 96 < units))
        {
            w.A3 = TFloat.Load(first, u + 96, a.Columns);
            w.B3 = TFloat.Load(second, u + 96, a.Columns);
        }
        return w;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Place Add<TFloat, TUnits>(MoeDownArgs a, Pairs w, Place at, long mid, float weight, int lane, int units, int parts)
        where TFloat : struct, ILaneFormat
        where TUnits : struct, IConstant
    {
        mid += (long)at.Slot * a.Columns * 4;
        var u = (at.Part * 32 * UnitsOf<TUnits>()) + lane;
        var sums = new Sums { A = at.First, B = at.Second };
        if (TUnits.Value != 0 || u < units) sums = Gpu.Rows.Dot2<TFloat>(w.A0, w.B0, u, mid, sums);
        if (TUnits.Value != 0 || u + 32 < units) sums = Gpu.Rows.Dot2<TFloat>(w.A1, w.B1, u + 32, mid, sums);
        if (TUnits.Value > 2 && (TUnits.Value != 0 || u + 64 < units)) sums = Gpu.Rows.Dot2<TFloat>(w.A2, w.B2, u + 64, mid, sums);
        if (TUnits.Value > 3 && (TUnits.Value != 0 || u + 96 < units)) sums = Gpu.Rows.Dot2<TFloat>(w.A3, w.B3, u + 96, mid, sums);
        if (at.Part == parts - 1)
        {
            // By the tree of WarpSum for both: the lower lanes have the first row's sum, the upper the second's.
            var upper = (lane & 16) != 0;
            var sum = (upper ? sums.B : sums.A) + Warp.ShuffleXor(upper ? sums.A : sums.B, 16);
            sum += Warp.ShuffleXor(sum, 8);
            sum += Warp.ShuffleXor(sum, 4);
            sum += Warp.ShuffleXor(sum, 2);
            sum += Warp.ShuffleXor(sum, 1);
            at.Sum = Dev.Fma(Warp.Shuffle(weight, at.Slot), sum, at.Sum);
            sums = default;
        }
        (at.First, at.Second) = (sums.A, sums.B);
        return Next(at, parts);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Some<TFloat, TSlots>(MoeDownArgs a, int expert, int row, int lane, int s0, int s1, int s2, int s3)
        where TFloat : struct, ILaneFormat
        where TSlots : struct, IConstant
    {
        var start = a.Down + ((((long)expert * a.Rows) + row) * a.RowBytes);
        var left = a.Rows - 1 - row; // past the end the last row is multiplied again, and not written
        var tile = Quad.Stream<TFloat, TSlots>(
            start, start + ((left < 1 ? left : 1) * a.RowBytes), start + ((left < 2 ? left : 2) * a.RowBytes), start + ((left < 3 ? left : 3) * a.RowBytes),
            a.Columns, lane, MidOf(a, s0), MidOf(a, s1), MidOf(a, s2), MidOf(a, s3));
        Finish(a, tile.T0, s0, row, lane);
        if (TSlots.Value > 1) Finish(a, tile.T1, s1, row, lane);
        if (TSlots.Value > 2)
        {
            Finish(a, tile.T2, s2, row, lane);
            Finish(a, tile.T3, s3, row, lane);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(MoeDownArgs a, F4 parts, int slot, int row, int lane)
    {
        var sum = Quad.Sum(parts, lane);
        row += lane >> 3;
        if ((lane & 7) == 0 && row < a.Rows) Dev.StoreFloat(a.Outputs + ((((long)slot * a.Rows) + row) * 4), sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int SlotAt(MoeDownArgs a, int i) => Dev.LoadInt(a.Slots + (i * 4L));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long MidOf(MoeDownArgs a, int slot) => a.Mid + ((long)slot * a.Columns * 4);

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

    /// <summary>One unit of four rows.</summary>
    private struct FourUnits
    {
        public Unit A;
        public Unit B;
        public Unit C;
        public Unit D;
    }

    /// <summary>Where in the sequence of sets, and the sums so far: a lane's parts of the slot's for two rows, and the token's.</summary>
    private struct Place
    {
        public int Slot;
        public int Part;
        public float First;
        public float Second;
        public float Sum;
    }

    /// <summary>Up to four units of two rows.</summary>
    private struct Pairs
    {
        public Unit A0;
        public Unit A1;
        public Unit A2;
        public Unit A3;
        public Unit B0;
        public Unit B1;
        public Unit B2;
        public Unit B3;
    }
}
