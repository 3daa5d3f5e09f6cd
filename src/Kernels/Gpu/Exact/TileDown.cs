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

    private const int FewWarps = 24, MaxTokens = 8;

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
            record = TTile.Load(Dev.Offset(Row(a, slot) + warp - (slot * classes), TTile.RecordBytes, a.Down), lane);
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
                if (item != warp || s >= classes) record = TTile.Load(Dev.Offset(Row(a, k) + s, TTile.RecordBytes, a.Down), lane);
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
        var expert = Dev.LoadFreshInt(a.Active + 4 + (Grid.IdxY * 4L));
        if (Grid.IdxY >= Dev.LoadFreshInt(a.Active) || tile >= a.Tiles)
        {
            if (a.Early != 0) Dev.AwaitPrevious();
            return;
        }
        var row = ((expert * a.Tiles) + tile) * 3;
        var r0 = TTile.Load(Dev.Offset(row, TTile.RecordBytes, a.Down), lane);
        var r1 = TTile.Load(Dev.Offset(row + 1, TTile.RecordBytes, a.Down), lane);
        var r2 = TTile.Load(Dev.Offset(row + 2, TTile.RecordBytes, a.Down), lane);
        var (first, end) = (Dev.LoadFreshInt(a.Offsets + (expert * 4L)), Dev.LoadFreshInt(a.Offsets + (expert * 4L) + 4));
        var place = first + (lane >> 4);
        var slot = Dev.LoadFreshInt(a.Slots + ((place < end ? place : end - 1) * 4L));
        if (a.Early != 0) Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var offset = ((tile * Tiles.Rows) + (lane >> 2) + ((lane & 1) * 8)) * 4;
        for (; first < end; first += 2)
        {
            // Past the end the last slot is computed again, and not kept.
            var of = Dev.Offset(slot * 3, Digits.RecordBytes, a.Mid);
            var output = Warp.Shuffle(slot, (lane & 2) << 3);
            place += 2;
            slot = Dev.LoadInt(a.Slots + ((place < end ? place : end - 1) * 4L));
            var inverses = Dev.Offset(output * 3, Digits.RecordBytes, a.Mid);
            var (i0, i1, i2) = (Digits.Inverse<Zero>(inverses), Digits.Inverse<Zero>(inverses + Digits.RecordBytes), Digits.Inverse<Zero>(inverses + (2 * Digits.RecordBytes)));
            var p0 = Digits.Dot<TTile, Zero>(Digits.Hide<TTile>(r0, i0), of, lane);
            var p1 = Digits.Dot<TTile, Zero>(Digits.Hide<TTile>(r1, i0), of + Digits.RecordBytes, lane);
            var p2 = Digits.Dot<TTile, Zero>(Digits.Hide<TTile>(r2, i0), of + (2 * Digits.RecordBytes), lane);
            var sum = ((lane & 1) == 0 ? p0.A : p0.B) * i0;
            sum += ((lane & 1) == 0 ? p1.A : p1.B) * i1;
            sum += ((lane & 1) == 0 ? p2.A : p2.B) * i2;
            if (first + ((lane >> 1) & 1) < end) Dev.StoreFloat(Dev.Offset(output * a.Tiles, Tiles.Rows * 4, a.Partial) + offset, sum);
        }
    }

    /// <summary>x[t] += Σₖ weight(t, k) · partial[t, k]: a thread four outputs.</summary>
    [Launch(Threads = 256, Blocks = 2, Dependent = true)]
    public static void Combine(TileDownArgs a)
    {
        var columns = a.Tiles * Tiles.Rows;
        var column = ((Grid.IdxY * 256) + Group.IdxX) * 4;
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        if (column >= columns) return;
        var total = default(F4);
        for (var k = 0; k < a.TopK; k++)
        {
            var slot = (Grid.IdxX * a.TopK) + k;
            var weight = Dev.LoadFloat(a.Weights + (slot * 4L));
            var part = Dev.LoadF4(a.Partial + ((((long)slot * columns) + column) * 4));
            total.X = Dev.Fma(weight, part.X, total.X);
            total.Y = Dev.Fma(weight, part.Y, total.Y);
            total.Z = Dev.Fma(weight, part.Z, total.Z);
            total.W = Dev.Fma(weight, part.W, total.W);
        }
        var x = a.X + ((((long)Grid.IdxX * columns) + column) * 4);
        var old = Dev.LoadF4(x);
        Dev.StoreF4(x, new F4 { X = Dev.Fma(old.X, 1f, total.X), Y = Dev.Fma(old.Y, 1f, total.Y), Z = Dev.Fma(old.Z, 1f, total.Z), W = Dev.Fma(old.W, 1f, total.W) });
    }

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
        if (busy) record = TTile.Load(Dev.Offset(row + mine, TTile.RecordBytes, a.Down), lane);
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
                    if (a.PerRow > classes && (s != mine || first != begin)) record = TTile.Load(Dev.Offset(row + s, TTile.RecordBytes, a.Down), lane);
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
