using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="TileDown"/>.</summary>
internal struct TileDownArgs
{
    public long Down;

    /// <summary>mid [T, K, F], or its <see cref="Gpu.Digits"/>.</summary>
    public long Mid;
    public long Ids;
    public long Weights;

    /// <summary>Slots by expert (<see cref="Groups"/>).</summary>
    public long Offsets;
    public long Active;
    public long Runs;
    public long Slots;

    /// <summary>Each slot's outputs [T, K, H], where tokens share experts.</summary>
    public long Partial;
    public long X;

    /// <summary>Tiles down the rows of an expert.</summary>
    public int Tiles;

    /// <summary>Records along a row.</summary>
    public int PerRow;
    public int TopK;

    /// <summary>⌊2¹⁶ / classes⌋ + 1, classes being the records along a row that are summed apart: divides small numbers by it.</summary>
    public int ClassMagic;

    /// <summary>Whether the kernel ahead began only after the router's work was done: then experts are known, and weights can be loaded, before it ends.</summary>
    public int Early;
}

/// <summary>
/// x[t] += Σₖ weight(t, k) · down[e]·mid[t, k] on tensor cores, exact (<see cref="Digits"/>). For few tokens a block owns sixteen
/// outputs of one token, a warp one record of one of its experts; for more a warp takes its record for all tokens of the expert, each
/// slot's outputs go to memory, and a small launch combines them. Either way the records of a slot are added in order, then the slots.
/// </summary>
internal static class TileDown
{
    /// <summary>Most sums of a block of <see cref="Few"/>: records of a row (at most eight count) times slots.</summary>
    public const int MaxItems = 128;

    /// <summary>Records along a row that are summed apart from each other; those beyond are added to them in turn.</summary>
    public const int MaxClasses = 8;

    /// <summary>Warps of a block of <see cref="Few"/> and <see cref="FewByOne"/>.</summary>
    public const int FewWarps = 24;

    /// <summary>Outputs of a block of <see cref="Combine"/>.</summary>
    public const int CombineColumns = 4 * CombineThreads;

    private const int MaxTokens = 8, CombineThreads = 128;

    [Launch(Threads = FewWarps * 32, Blocks = 1, Dependent = true)]
    public static void Few<TTile>(TileDownArgs a)
        where TTile : struct, ITileFormat
    {
        var sums = SharedMemory.Allocate<float>(MaxItems * Tiles.Rows);
        var digits = SharedMemory.Allocate<U4>(FewWarps * Digits.RecordBytes / 16);
        var factors = SharedMemory.Allocate<float>(MaxItems);
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var own = Dev.AddressOf(ref digits[0]) + (warp * Digits.RecordBytes);
        var classes = a.PerRow < MaxClasses ? a.PerRow : MaxClasses;
        var items = a.TopK * classes;
        var x = a.X + ((((long)Grid.IdxX * a.Tiles) + Grid.IdxY) * (Tiles.Rows * 4)) + ((lane & 15) * 4L);
        var old = 0f;
        var record = default(TileRecord);
        if (a.Early == 0) Dev.AwaitPrevious();
        if (warp < items)
        {
            var slot = (warp * a.ClassMagic) >> 16;
            record = TTile.Load(Dev.Offset(Row(a, slot) + warp - (slot * classes), TTile.RecordBytes, a.Down), 0, lane);
        }
        if (a.Early != 0) Dev.AwaitPrevious();
        Dev.ReleaseNext();
        for (var k = Group.IdxX; k < a.TopK; k += FewWarps * 32) factors[k] = Dev.LoadFloat(a.Weights + (((Grid.IdxX * a.TopK) + k) * 4L));
        if (warp == 0) old = Dev.LoadFloat(x);
        for (var item = warp; item < items; item += FewWarps)
        {
            var k = (item * a.ClassMagic) >> 16;
            var mid = Dev.Offset(((Grid.IdxX * a.TopK) + k) * a.PerRow, Tiles.Columns * 4, a.Mid);
            var (sumA, sumB) = (0f, 0f);
            for (var s = item - (k * classes); s < a.PerRow; s += classes)
            {
                if (item != warp || s >= classes) record = TTile.Load(Dev.Offset(Row(a, k) + s, TTile.RecordBytes, a.Down), 0, lane);
                Digits.Split<Zero, One>(Dev.Offset(s, Tiles.Columns * 4, mid), 0, own, lane);
                Warp.Barrier();
                var pair = Digits.Dot<TTile, One>(record, own, lane);
                var inverse = Digits.Inverse<One>(own);
                sumA += pair.A * inverse;
                sumB += pair.B * inverse;
                Warp.Barrier();
            }
            if ((lane & 3) == 0)
            {
                sums[(item * Tiles.Rows) + (lane >> 2)] = sumA;
                sums[(item * Tiles.Rows) + (lane >> 2) + 8] = sumB;
            }
        }
        Group.Barrier();
        if (warp != 0) return;

        // Half a warp for the even slots, half for the odd ones; the products are then added in the order of the slots.
        var (row, odd) = (lane & 15, lane >> 4);
        var total = 0f;
        for (var k = 0; k < a.TopK; k += 2)
        {
            var mine = k + odd < a.TopK ? k + odd : k;
            var sum = Digits.Sum(sums, (mine * classes * Tiles.Rows) + row, Tiles.Rows, classes);
            var next = Warp.ShuffleXor(sum, 16);
            total = Dev.Fma(factors[k], odd == 0 ? sum : next, total);
            if (k + 1 < a.TopK) total = Dev.Fma(factors[k + 1], odd == 0 ? next : sum, total);
        }
        if (odd == 0) Dev.StoreFloat(x, Dev.Fma(old, 1f, total));
    }

    /// <summary>
    /// Where a token's slots have no more than <see cref="FewWarps"/> records in all, <typeparamref name="TPerRow"/> each: a warp one of them.
    /// </summary>
    [Launch(Threads = FewWarps * 32, Blocks = 1, Dependent = true)]
    public static void FewByOne<TTile, TPerRow>(TileDownArgs a)
        where TTile : struct, ITileFormat
        where TPerRow : struct, IConstant
    {
        var sums = SharedMemory.Allocate<float>(FewWarps * Tiles.Rows);
        var digits = SharedMemory.Allocate<U4>(FewWarps * Digits.RecordBytes / 16);
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var own = Dev.AddressOf(ref digits[0]) + (warp * Digits.RecordBytes);
        var x = a.X + ((((long)Grid.IdxX * a.Tiles) + Grid.IdxY) * (Tiles.Rows * 4)) + ((lane & 15) * 4L);
        var slot = warp / TPerRow.Value;
        var record = default(TileRecord);
        if (a.Early == 0) Dev.AwaitPrevious();
        if (slot < a.TopK) record = TTile.Load(Dev.Offset(Row(a, slot) + warp - (slot * TPerRow.Value), TTile.RecordBytes, a.Down), 0, lane);
        if (a.Early != 0) Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var (old, factor) = (0f, 0f);
        if (warp == 0)
        {
            old = Dev.LoadFloat(x);
            factor = Dev.LoadFloat(a.Weights + (((Grid.IdxX * a.TopK) + (lane < a.TopK ? lane : a.TopK - 1)) * 4L)); // lane k has that of slot k
        }
        if (slot < a.TopK)
        {
            Digits.Split<Zero, One>(Dev.Offset((Grid.IdxX * a.TopK * TPerRow.Value) + warp, Tiles.Columns * 4, a.Mid), 0, own, lane);
            Warp.Barrier();
            var pair = Digits.Dot<TTile, One>(record, own, lane);
            var inverse = Digits.Inverse<One>(own);
            if ((lane & 3) == 0)
            {
                sums[(warp * Tiles.Rows) + (lane >> 2)] = pair.A * inverse;
                sums[(warp * Tiles.Rows) + (lane >> 2) + 8] = pair.B * inverse;
            }
        }
        Group.Barrier();
        if (warp != 0) return;

        // Half a warp for the even slots, half for the odd ones; the products are then added in the order of the slots.
        var (row, odd) = (lane & 15, lane >> 4);
        var total = 0f;
        for (var k = 0; k < a.TopK; k += 8)
        {
            var (s0, s1) = (OfSlot<TPerRow>(a, sums, k + odd, row), OfSlot<TPerRow>(a, sums, k + 2 + odd, row));
            var (s2, s3) = (OfSlot<TPerRow>(a, sums, k + 4 + odd, row), OfSlot<TPerRow>(a, sums, k + 6 + odd, row));
            total = AddTwo(a, factor, s0, k, odd, total);
            total = AddTwo(a, factor, s1, k + 2, odd, total);
            total = AddTwo(a, factor, s2, k + 4, odd, total);
            total = AddTwo(a, factor, s3, k + 6, odd, total);
        }
        if (odd == 0) Dev.StoreFloat(x, Dev.Fma(old, 1f, total));
    }

    /// <summary>The records of a slot's row added in order; past the last slot one that is not used.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float OfSlot<TPerRow>(TileDownArgs a, ArrayView<float> sums, int slot, int row)
        where TPerRow : struct, IConstant
    {
        var at = ((slot < a.TopK ? slot : 0) * TPerRow.Value * Tiles.Rows) + row;
        var sum = 0f + sums[at];
        if (TPerRow.Value > 1) sum += sums[at + Tiles.Rows];
        if (TPerRow.Value > 2) sum += sums[at + (2 * Tiles.Rows)];
        if (TPerRow.Value > 3) sum += sums[at + (3 * Tiles.Rows)];
        return sum;
    }

    /// <summary>Adds slots k, from the lower half of the warp, and k + 1, from the upper.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float AddTwo(TileDownArgs a, float factor, float sum, int k, int odd, float total)
    {
        var other = Warp.ShuffleXor(sum, 16);
        var (first, second) = (Warp.Shuffle(factor, k & 31), Warp.Shuffle(factor, (k + 1) & 31));
        if (k < a.TopK) total = Dev.Fma(first, odd == 0 ? sum : other, total);
        if (k + 1 < a.TopK) total = Dev.Fma(second, odd == 0 ? other : sum, total);
        return total;
    }

    /// <summary>A warp a record, with all tokens of the expert; eight warps, for rows of 1, 2, 4 or from 8 records on.</summary>
    [Launch(Threads = 256, Blocks = 3, Dependent = true)]
    public static void Many<TTile>(TileDownArgs a)
        where TTile : struct, ITileFormat
    {
        var sums = SharedMemory.Allocate<float>(8 * MaxTokens * Tiles.Rows);
        Grouped<TTile>(a, 8, sums);
    }

    /// <summary>Six warps, for rows of 3 or 6 records.</summary>
    [Launch(Threads = 192, Blocks = 3, Dependent = true)]
    public static void ManyBySix<TTile>(TileDownArgs a)
        where TTile : struct, ITileFormat
    {
        var sums = SharedMemory.Allocate<float>(6 * MaxTokens * Tiles.Rows);
        Grouped<TTile>(a, 6, sums);
    }

    /// <summary>A warp all three records of its rows, with all tokens of the expert: no warp waits for another.</summary>
    [Launch(Threads = 256, Blocks = 2, Dependent = true)]
    public static void ManyByThree<TTile>(TileDownArgs a)
        where TTile : struct, ITileFormat
    {
        var lane = Group.IdxX & 31;
        var tile = (Grid.IdxX * Gpu.Rows.Warps) + (Group.IdxX >> 5);
        if (a.Early == 0) Dev.AwaitPrevious();
        var run = Dev.Offset(Grid.IdxY, Groups.RunBytes, a.Runs);
        var (active, expert) = (Dev.LoadFreshInt(a.Active), Dev.LoadFreshInt(run));
        var (first, end, slots) = (Dev.LoadFreshInt(run + 4), Dev.LoadFreshInt(run + 8), Dev.LoadFreshInt(run + 16 + ((lane & (Groups.RunSlots - 1)) * 4)));
        if (Grid.IdxY >= active || tile >= a.Tiles)
        {
            if (a.Early != 0) Dev.AwaitPrevious();
            return;
        }
        var row = Dev.Offset(((expert * a.Tiles) + tile) * 3, TTile.RecordBytes, a.Down);
        var r0 = TTile.Load(row, 0, lane);
        var r1 = TTile.Load(row, TTile.RecordBytes, lane);
        var r2 = TTile.Load(row, 2 * TTile.RecordBytes, lane);
        if (a.Early != 0) Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var offset = ((tile * Tiles.Rows) + (lane >> 2) + ((lane & 1) * 8)) * 4;
        while (true)
        {
            var count = end - first < Groups.RunSlots ? end - first : Groups.RunSlots;
            for (var i = 0; i < count; i += 2)
            {
                // Past the end the last slot is computed again, and not kept.
                var place = i + (lane >> 4);
                var slot = Warp.Shuffle(slots, place < count ? place : i);
                var digits = Dev.Offset(slot, 3 * Digits.RecordBytes, a.Mid);
                var (i0, i1, i2) = (Digits.Inverse<Zero>(digits), Digits.Inverse<Zero>(digits + Digits.RecordBytes), Digits.Inverse<Zero>(digits + (2 * Digits.RecordBytes)));
                var p0 = Digits.Dot<TTile, Zero>(Digits.Hide<TTile>(r0, i0), digits, lane);
                var sum = ((lane & 1) == 0 ? p0.A : p0.B) * Warp.Shuffle(i0, (lane & 2) << 3);
                var p1 = Digits.Dot<TTile, Zero>(Digits.Hide<TTile>(r1, i0), digits + Digits.RecordBytes, lane);
                sum += ((lane & 1) == 0 ? p1.A : p1.B) * Warp.Shuffle(i1, (lane & 2) << 3);
                var p2 = Digits.Dot<TTile, Zero>(Digits.Hide<TTile>(r2, i0), digits + (2 * Digits.RecordBytes), lane);
                sum += ((lane & 1) == 0 ? p2.A : p2.B) * Warp.Shuffle(i2, (lane & 2) << 3);
                slot = Warp.Shuffle(slot, (lane & 2) << 3);
                if (i + ((lane >> 1) & 1) < count) Dev.StoreFloat(Dev.Offset(slot * a.Tiles, Tiles.Rows * 4, a.Partial) + offset, sum);
            }
            first += Groups.RunSlots;
            if (first >= end) return;
            slots = Dev.LoadFreshInt(a.Slots + ((first + lane < end ? first + lane : first) * 4L));
        }
    }

    /// <summary>x[t] += Σₖ weight(t, k) · partial[t, k]: a thread four outputs.</summary>
    [Launch(Threads = CombineThreads, Blocks = 4, Dependent = true)]
    public static void Combine(TileDownArgs a)
    {
        var columns = a.Tiles * Tiles.Rows;
        var column = ((Grid.IdxY * CombineThreads) + Group.IdxX) * 4;
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        if (column >= columns) return;
        var first = Grid.IdxX * a.TopK;
        var x = a.X + ((((long)Grid.IdxX * columns) + column) * 4);
        var old = Dev.LoadF4(x);
        var (total, k) = (default(F4), 0);
        for (; k + 3 < a.TopK; k += 4)
        {
            var (p0, p1, p2, p3) = (Part(a, first + k, columns, column), Part(a, first + k + 1, columns, column), Part(a, first + k + 2, columns, column), Part(a, first + k + 3, columns, column));
            var (w0, w1, w2, w3) = (WeightOf(a, first + k), WeightOf(a, first + k + 1), WeightOf(a, first + k + 2), WeightOf(a, first + k + 3));
            total = Add(w3, p3, Add(w2, p2, Add(w1, p1, Add(w0, p0, total))));
        }
        for (; k < a.TopK; k++) total = Add(WeightOf(a, first + k), Part(a, first + k, columns, column), total);
        Dev.StoreF4(x, Add(1f, old, total));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Part(TileDownArgs a, int slot, int columns, int column) => Dev.LoadF4(a.Partial + ((((long)slot * columns) + column) * 4));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float WeightOf(TileDownArgs a, int slot) => Dev.LoadFloat(a.Weights + (slot * 4L));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Add(float weight, F4 part, F4 total) => new()
    {
        X = Dev.Fma(weight, part.X, total.X),
        Y = Dev.Fma(weight, part.Y, total.Y),
        Z = Dev.Fma(weight, part.Z, total.Z),
        W = Dev.Fma(weight, part.W, total.W),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Grouped<TTile>(TileDownArgs a, int warps, ArrayView<float> sums)
        where TTile : struct, ITileFormat
    {
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var classes = a.PerRow < MaxClasses ? a.PerRow : MaxClasses;
        var tiles = (warps * a.ClassMagic) >> 16;
        var local = (warp * a.ClassMagic) >> 16;
        var tile = (Grid.IdxX * tiles) + local;
        var busy = local < tiles && tile < a.Tiles;
        if (a.Early == 0) Dev.AwaitPrevious();
        var expert = Dev.LoadFreshInt(a.Active + 4 + (Grid.IdxY * 4L));
        if (Grid.IdxY >= Dev.LoadFreshInt(a.Active))
        {
            if (a.Early != 0) Dev.AwaitPrevious();
            return;
        }
        var (begin, end) = (Dev.LoadFreshInt(a.Offsets + (expert * 4L)), Dev.LoadFreshInt(a.Offsets + (expert * 4L) + 4));
        var row = ((expert * a.Tiles) + tile) * a.PerRow;
        var mine = warp - (local * classes);
        var record = default(TileRecord);
        if (busy) record = TTile.Load(Dev.Offset(row + mine, TTile.RecordBytes, a.Down), 0, lane);
        if (a.Early != 0) Dev.AwaitPrevious();
        Dev.ReleaseNext();
        for (var first = begin; first < end; first += MaxTokens)
        {
            var count = end - first < MaxTokens ? end - first : MaxTokens;
            if (first != begin) Group.Barrier(); // the sums before were read
            if (busy)
            {
                for (var s = mine; s < a.PerRow; s += classes)
                {
                    if (a.PerRow > classes && (s != mine || first != begin)) record = TTile.Load(Dev.Offset(row + s, TTile.RecordBytes, a.Down), 0, lane);
                    var i = 0;
                    for (; i + 2 < count; i += 4)
                    {
                        var (inverseP, inverseQ) = (Inverse(a, first, i, count, s, lane), Inverse(a, first, i + 2, count, s, lane));
                        var (p, q) = Digits.DotTwice<TTile, Zero>(Digits.Hide<TTile>(record, inverseP), At(a, first, i + (lane >> 4), count, s), At(a, first, i + 2 + (lane >> 4), count, s), lane);
                        Keep(p, inverseP, i, s == mine, warp, sums, lane);
                        Keep(q, inverseQ, i + 2, s == mine, warp, sums, lane);
                    }
                    if (i < count)
                    {
                        var inverse = Inverse(a, first, i, count, s, lane);
                        var p = Digits.Dot<TTile, Zero>(Digits.Hide<TTile>(record, inverse), At(a, first, i + (lane >> 4), count, s), lane);
                        Keep(p, inverse, i, s == mine, warp, sums, lane);
                    }
                }
            }
            Group.Barrier();
            for (var i = Group.IdxX; i < tiles * MaxTokens * Tiles.Rows; i += warps * 32)
            {
                var which = i / (MaxTokens * Tiles.Rows);
                var token = (i >> 4) & (MaxTokens - 1);
                if (token >= count || (Grid.IdxX * tiles) + which >= a.Tiles) continue;
                var sum = Digits.Sum(sums, (((which * classes * MaxTokens) + token) * Tiles.Rows) + (i & 15), MaxTokens * Tiles.Rows, classes);
                var slot = (long)Dev.LoadInt(a.Slots + ((first + token) * 4L));
                Dev.StoreFloat(a.Partial + (((slot * a.Tiles) + (Grid.IdxX * tiles) + which) * (Tiles.Rows * 4)) + ((i & 15) * 4), sum);
            }
        }
    }

    /// <summary>The first record of this block's rows in the expert of slot k of its token.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Row(TileDownArgs a, int k) =>
        ((Dev.LoadFreshInt(a.Ids + (((Grid.IdxX * a.TopK) + k) * 4L)) * a.Tiles) + Grid.IdxY) * a.PerRow;

    /// <summary>Record s of a slot in the list; past the end the last one is computed again.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long At(TileDownArgs a, int first, int place, int count, int s) =>
        Dev.Offset((Dev.LoadInt(a.Slots + ((first + (place < count ? place : count - 1)) * 4L)) * a.PerRow) + s, Digits.RecordBytes, a.Mid);

    /// <summary>2^−s of the slot that a lane's value belongs to.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Inverse(TileDownArgs a, int first, int i, int count, int s, int lane) =>
        Digits.Inverse<Zero>(At(a, first, i + ((lane >> 1) & 1), count, s));

    /// <summary>Adds a lane's value of places i and i + 1 to those of its warp: row g in even lanes, g + 8 in odd ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Keep(Pair pair, float inverse, int i, bool fresh, int warp, ArrayView<float> sums, int lane)
    {
        var place = i + ((lane >> 1) & 1);
        var value = ((lane & 1) == 0 ? pair.A : pair.B) * inverse;
        var to = (((warp * MaxTokens) + place) * Tiles.Rows) + (lane >> 2) + ((lane & 1) * 8);
        sums[to] = fresh ? value : sums[to] + value;
    }
}
