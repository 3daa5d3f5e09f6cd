using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="Route"/>.</summary>
internal struct RouteArgs
{
    public long X;
    public long Norm;
    public long Router;
    public long H;

    /// <summary>Scores [T, experts], eight bytes each: the score, and above it which launch it is of.</summary>
    public long Scores;

    /// <summary>Launches so far.</summary>
    public long Launches;

    /// <summary>The experts chosen [T, K] as <see cref="Scores"/> are written: for the block that ends the launch.</summary>
    public long Chosen;

    /// <summary>Where h goes as <see cref="Gpu.Digits"/> too; 0 if nobody wants them.</summary>
    public long Digits;

    /// <summary>Where the slots by expert go (<see cref="Groups"/>); 0 if nobody wants them, or <see cref="Groups"/> is launched.</summary>
    public long Offsets;

    /// <inheritdoc cref="Offsets"/>
    public long Active;

    /// <inheritdoc cref="Offsets"/>
    public long Runs;

    /// <inheritdoc cref="Offsets"/>
    public long Slots;
    public long Ids;
    public long Weights;
    public long RowBytes;
    public int Columns;
    public int Tokens;
    public int Experts;
    public int TopK;
    public int Normalize;
    public float Epsilon;
}

/// <summary>
/// h = rmsnorm(x); scores = router·h; softmax over all experts, the topK largest (the lower id first among equals) and their
/// weights, in one launch. A block takes one expert for one token, or four for four; its threads share the rows, so that at B = 1
/// the whole router is in flight at once. The last block of a token, which starts when all others have started, chooses: it reads each
/// score until it is of this launch, which is quicker than a counter with its fences. Choosing has no rounds: an expert's
/// place is the number of those ahead of it, first among its 32 neighbours, then among the best of every 32.
/// <para>
/// What the experts' launches would otherwise need launches for comes with it: h in <see cref="Digits"/>, and, by the very last block,
/// when all tokens have their experts, the slots of each expert.
/// </para>
/// </summary>
internal static class Route
{
    /// <summary>Most experts: bounds the shared memory.</summary>
    public const int MaxExperts = 1024;

    /// <summary>Most experts of a token: a lane each.</summary>
    public const int MaxTopK = 32;

    /// <summary>Most slots, and most experts, that it finds the slots by expert for: a thread each.</summary>
    public const int MostGrouped = Rows.Threads;

    /// <summary>Experts and tokens of a block when there is more than one token.</summary>
    public const int ManyTokens = 4;

    // Sums of a warp: tokens · experts products, then the squares of the tokens.
    private const int WarpSums = (ManyTokens * ManyTokens) + ManyTokens;

    [Launch(Dependent = true)]
    public static void Run<TFormat, TTokens>(RouteArgs a)
        where TFormat : struct, ILaneFormat
        where TTokens : struct, IConstant
    {
        var sums = SharedMemory.Allocate<float>(Rows.Warps * WarpSums);
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var token = Grid.IdxX * TTokens.Value;
        var expert = Grid.IdxY * TTokens.Value;

        // Past the end the last token and the last expert are computed again, and not written.
        var (r0, r1, r2, r3) = (Row(a, expert), Row(a, expert + 1), Row(a, expert + 2), Row(a, expert + 3));
        var units = a.Columns / TFormat.UnitValues;
        var unit = Group.IdxX;
        var (w0, w1, w2, w3) = (default(Unit), default(Unit), default(Unit), default(Unit));
        if (unit < units) Load<TFormat, TTokens>(a, r0, r1, r2, r3, unit, out w0, out w1, out w2, out w3);
        Dev.AwaitPrevious();
        Dev.ReleaseNext();

        var launch = Dev.LoadFreshInt(a.Launches) + 1;
        var (x0, x1, x2, x3) = (Source(a, token), Source(a, token + 1), Source(a, token + 2), Source(a, token + 3));
        var tile = default(Tile);
        while (unit < units)
        {
            tile = Add<TFormat, TTokens>(w0, w1, w2, w3, unit, a.Norm, x0, x1, x2, x3, tile);
            unit += Rows.Threads;
            if (unit < units) Load<TFormat, TTokens>(a, r0, r1, r2, r3, unit, out w0, out w1, out w2, out w3);
        }
        if (TTokens.Value == 1)
        {
            var (product, square) = (Dev.WarpSum(tile.T0.X), Dev.WarpSum(tile.Squares.X));
            if (lane == 0)
            {
                sums[warp * WarpSums] = product;
                sums[(warp * WarpSums) + Squares] = square;
            }
        }
        else
        {
            // Lane 8·i has the sum of the i-th of four.
            var (s0, s1, s2, s3) = (Dev.WarpSums(tile.T0), Dev.WarpSums(tile.T1), Dev.WarpSums(tile.T2), Dev.WarpSums(tile.T3));
            var squares = Dev.WarpSums(tile.Squares);
            if ((lane & 7) == 0)
            {
                var at = (warp * WarpSums) + (lane >> 3);
                sums[at] = s0;
                sums[at + ManyTokens] = s1;
                sums[at + (2 * ManyTokens)] = s2;
                sums[at + (3 * ManyTokens)] = s3;
                sums[at + Squares] = squares;
            }
        }
        Group.Barrier();

        if (Group.IdxX < TTokens.Value * TTokens.Value)
        {
            var (t, e) = (Group.IdxX / TTokens.Value, Group.IdxX % TTokens.Value);
            var score = Total(sums, (t * ManyTokens) + e) * Scale(a, sums, t);
            if (token + t < a.Tokens && expert + e < a.Experts)
                Dev.StoreFresh(a.Scores + ((((long)(token + t) * a.Experts) + expert + e) * 8), ((long)launch << 32) | Interop.FloatAsInt(score));
        }

        // The blocks of a token share the writing of h.
        WriteNormed(a, sums, 0, token);
        if (TTokens.Value > 1)
        {
            WriteNormed(a, sums, 1, token + 1);
            WriteNormed(a, sums, 2, token + 2);
            WriteNormed(a, sums, 3, token + 3);
        }
        if (a.Digits != 0)
        {
            // The first blocks of a token, a warp a record.
            var perRow = a.Columns / Gpu.Digits.Values;
            for (var task = (Grid.IdxY * Rows.Warps) + warp; task < perRow * TTokens.Value; task += Grid.DimY * Rows.Warps)
            {
                var t = task / perRow;
                if (token + t >= a.Tokens) break;
                var part = task - (t * perRow);
                Gpu.Digits.SplitNormed(
                    a.X + ((((long)(token + t) * perRow) + part) * (Gpu.Digits.Values * 4)), Scale(a, sums, t), a.Norm + (part * (Gpu.Digits.Values * 4L)),
                    Dev.Offset(((token + t) * perRow) + part, Gpu.Digits.RecordBytes, a.Digits), lane);
            }
        }
        if (Grid.IdxY == Grid.DimY - 1) Choose<TTokens>(a, token, launch);
    }

    // Where the squares begin in a warp's sums.
    private const int Squares = ManyTokens * ManyTokens;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Row(RouteArgs a, int expert) => a.Router + ((long)(expert < a.Experts ? expert : a.Experts - 1) * a.RowBytes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Source(RouteArgs a, int token) => a.X + ((long)(token < a.Tokens ? token : a.Tokens - 1) * a.Columns * 4);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Total(ArrayView<float> sums, int index)
    {
        var (s0, s1, s2, s3) = (sums[index], sums[index + WarpSums], sums[index + (2 * WarpSums)], sums[index + (3 * WarpSums)]);
        var (s4, s5, s6, s7) = (sums[index + (4 * WarpSums)], sums[index + (5 * WarpSums)], sums[index + (6 * WarpSums)], sums[index + (7 * WarpSums)]);
        return s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Scale(RouteArgs a, ArrayView<float> sums, int t) =>
        Dev.ReciprocalSqrt(Dev.Fma(Total(sums, Squares + t), 1f / a.Columns, a.Epsilon));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WriteNormed(RouteArgs a, ArrayView<float> sums, int t, int token)
    {
        if (token >= a.Tokens) return;
        var scale = Scale(a, sums, t);
        var (x, h) = (a.X + ((long)token * a.Columns * 4), a.H + ((long)token * a.Columns * 4));
        for (var i = (Group.IdxX * Grid.DimY) + Grid.IdxY; i < a.Columns; i += Grid.DimY * Rows.Threads)
            Dev.StoreFloat(h + (i * 4L), Dev.LoadFloat(x + (i * 4L)) * scale * Dev.LoadFloat(a.Norm + (i * 4L)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Choose<TTokens>(RouteArgs a, int first, int launch)
        where TTokens : struct, IConstant
    {
        var neighbours = SharedMemory.Allocate<int>(Rows.Threads);
        var keys = SharedMemory.Allocate<int>(MaxExperts * TTokens.Value);
        var ids = SharedMemory.Allocate<int>(MaxExperts * TTokens.Value);
        var best = SharedMemory.Allocate<float>(MaxTopK * TTokens.Value);
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var count = a.Tokens - first < TTokens.Value ? a.Tokens - first : TTokens.Value;
        var groups = (a.Experts + 31) >> 5;
        for (var task = warp; task < count * groups; task += Rows.Warps)
        {
            var t = task / groups;
            var group = task - (t * groups);
            var id = (group * 32) + lane;
            var key = int.MinValue;
            if (id < a.Experts) key = Key(Await(a.Scores + ((((long)(first + t) * a.Experts) + id) * 8), launch));
            neighbours[Group.IdxX] = key;
            Warp.Barrier();
            var rank = Ahead8(neighbours, warp * 32, key, 0, lane) + Ahead8(neighbours, warp * 32, key, 8, lane)
                + Ahead8(neighbours, warp * 32, key, 16, lane) + Ahead8(neighbours, warp * 32, key, 24, lane);
            Warp.Barrier();
            if (rank >= a.TopK) continue;
            var to = (t * MaxExperts) + (group * a.TopK) + rank;
            keys[to] = key;
            ids[to] = id;
        }
        Group.Barrier();

        // In the order of groups, and within each by rank, equals are still in the order of their ids.
        var kept = groups * a.TopK;
        var chunks = (kept + 31) >> 5;
        for (var task = warp; task < count * chunks; task += Rows.Warps)
        {
            var t = task / chunks;
            var at = ((task - (t * chunks)) * 32) + lane;
            if (at >= kept) continue;
            var key = keys[(t * MaxExperts) + at];
            var (rank, j) = (0, 0);
            for (; j + 7 < kept; j += 8) rank += Ahead8(keys, t * MaxExperts, key, j, at);
            for (; j < kept; j++) rank += Ahead(keys, t * MaxExperts, key, j, at);
            if (rank >= a.TopK) continue;
            best[(t * MaxTopK) + rank] = Score(key);
            var slot = ((long)(first + t) * a.TopK) + rank;
            var id = ids[(t * MaxExperts) + at];
            Dev.StoreInt(a.Ids + (slot * 4), id);
            if (TTokens.Value > 1) Dev.StoreFresh(a.Chosen + (slot * 8), ((long)launch << 32) | (uint)id);
        }
        Group.Barrier();

        if (warp < count)
        {
            var max = best[warp * MaxTopK];
            var weight = lane < a.TopK ? Dev.Exp(best[(warp * MaxTopK) + lane] - max) : 0f;
            var part = weight;
            if (a.Normalize == 0)
            {
                part = 0f;
                for (var i = lane; i < a.Experts; i += 32) part += Dev.Exp(Await(a.Scores + ((((long)(first + warp) * a.Experts) + i) * 8), launch) - max);
            }
            var total = Dev.WarpSum(part);
            if (lane < a.TopK) Dev.StoreFloat(a.Weights + ((((long)(first + warp) * a.TopK) + lane) * 4), weight * Dev.Reciprocal(total));
        }
        if (Grid.IdxX == Grid.DimX - 1) End<TTokens>(a, neighbours, keys, ids, launch);
    }

    /// <summary>By the last block of all, when every other that chooses has done so, for only then can nobody read the number of launches any more.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void End<TTokens>(RouteArgs a, ArrayView<int> sums, ArrayView<int> starts, ArrayView<int> counts, int launch)
        where TTokens : struct, IConstant
    {
        if (TTokens.Value > 1)
        {
            if (a.Slots != 0) GroupSlots(a, sums, starts, counts, launch);
            else
            {
                for (var i = Group.IdxX; i < Grid.DimX; i += Rows.Threads) _ = AwaitBits(a.Chosen + ((long)i * TTokens.Value * a.TopK * 8), launch);
            }
            Group.Barrier();
        }
        if (Group.IdxX == 0) Dev.StoreInt(a.Launches, launch);
    }

    /// <summary>The same as <see cref="Groups"/> in one block, a thread a slot and an expert.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void GroupSlots(RouteArgs a, ArrayView<int> sums, ArrayView<int> starts, ArrayView<int> counts, int launch)
    {
        var (lane, warp, thread) = (Group.IdxX & 31, Group.IdxX >> 5, Group.IdxX);
        var slots = a.Tokens * a.TopK;
        // How many of each expert a warp has; of an expert's slots in a warp the first counts them.
        for (var w = 0; w < Rows.Warps; w++) counts[(w * MostGrouped) + thread] = 0;
        var id = MostGrouped + lane; // nobody's
        if (thread < slots) id = (int)AwaitBits(a.Chosen + (thread * 8L), launch);
        var same = Dev.Match(id);
        var rank = Dev.PopCount(same & ((1u << lane) - 1));
        Group.Barrier();
        if (thread < slots & rank == 0) counts[(warp * MostGrouped) + id] = Dev.PopCount(same);
        Group.Barrier();

        // The expert's slots, and in the upper half whether it has any: added over the experts before it. What a warp's slots come after
        // goes to another place than it is counted in: ILGPU moves a load behind a store to the same place.
        var total = 0;
        for (var w = 0; w < Rows.Warps; w++)
        {
            starts[((w + 1) * MostGrouped) + thread] = total;
            total += counts[(w * MostGrouped) + thread];
        }
        var value = total > 0 ? total | 0x10000 : 0;
        var before = value;
        for (var step = 1; step < 32; step <<= 1)
        {
            var other = Warp.Shuffle(before, lane - step & 31);
            if (lane >= step) before += other;
        }
        if (lane == 31) sums[warp] = before;
        before -= value;
        Group.Barrier();
        for (var w = 0; w < warp; w++) before += sums[w];
        var start = before & 0xFFFF;
        starts[thread] = start;
        if (thread < a.Experts) Dev.StoreInt(a.Offsets + (thread * 4L), start);
        counts[thread] = before >> 16; // the expert's place among those that have slots
        if (thread < a.Experts & total > 0)
        {
            Dev.StoreInt(a.Active + 4 + ((before >> 16) * 4L), thread);
            Groups.StoreRun(a.Runs, before >> 16, thread, start, start + total);
        }
        if (thread == a.Experts - 1)
        {
            Dev.StoreInt(a.Offsets + (a.Experts * 4L), slots);
            Dev.StoreInt(a.Active, (before + value) >> 16);
        }
        Group.Barrier();
        if (thread >= slots) return;
        rank += starts[((warp + 1) * MostGrouped) + id];
        Dev.StoreInt(a.Slots + ((starts[id] + rank) * 4L), thread);
        if (rank < Groups.RunSlots) Groups.StoreRunSlot(a.Runs, counts[id], rank, thread);
    }

    /// <summary>A score, as soon as it is of this launch.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Await(long at, int launch) => Interop.IntAsFloat(AwaitBits(at, launch));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint AwaitBits(long at, int launch)
    {
        var found = Dev.LoadFreshLong(at);
        // ILGPU takes what is loaded to be the same for all lanes; the lane's number in the condition makes it the lane's own.
        while ((int)(found >> 32) != launch & Group.IdxX >= 0) found = Dev.LoadFreshLong(at);
        return (uint)found;
    }

    /// <summary>1 if the j-th key comes before this one: if it is larger, or equal at a lower place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Ahead(ArrayView<int> keys, int start, int key, int j, int place) => Ahead(keys[start + j], key, j < place);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Ahead(int other, int key, bool before) => other > key | (other == key & before) ? 1 : 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Ahead8(ArrayView<int> keys, int start, int key, int j, int place)
    {
        var at = start + j;
        var (k0, k1, k2, k3, k4, k5, k6, k7) = (keys[at], keys[at + 1], keys[at + 2], keys[at + 3], keys[at + 4], keys[at + 5], keys[at + 6], keys[at + 7]);
        return Ahead(k0, key, j < place) + Ahead(k1, key, j + 1 < place) + Ahead(k2, key, j + 2 < place) + Ahead(k3, key, j + 3 < place)
            + Ahead(k4, key, j + 4 < place) + Ahead(k5, key, j + 5 < place) + Ahead(k6, key, j + 6 < place) + Ahead(k7, key, j + 7 < place);
    }

    // An integer in the order of the scores; −0, made +0, equals 0.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Key(float score)
    {
        var bits = (int)Interop.FloatAsInt(Dev.Fma(score, 1f, 0f));
        return bits ^ ((bits >> 31) & int.MaxValue);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Score(int key) => Interop.IntAsFloat((uint)(key ^ ((key >> 31) & int.MaxValue)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load<TFormat, TTokens>(
        RouteArgs a, long r0, long r1, long r2, long r3, int unit, out Unit w0, out Unit w1, out Unit w2, out Unit w3)
        where TFormat : struct, ILaneFormat
        where TTokens : struct, IConstant
    {
        w0 = TFormat.Load(r0, unit, a.Columns);
        (w1, w2, w3) = (default, default, default);
        if (TTokens.Value == 1) return;
        w1 = TFormat.Load(r1, unit, a.Columns);
        w2 = TFormat.Load(r2, unit, a.Columns);
        w3 = TFormat.Load(r3, unit, a.Columns);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Tile Add<TFormat, TTokens>(Unit w0, Unit w1, Unit w2, Unit w3, int index, long norm, long x0, long x1, long x2, long x3, Tile tile)
        where TFormat : struct, ILaneFormat
        where TTokens : struct, IConstant
    {
        tile = AddPart<TFormat, TTokens>(w0, w1, w2, w3, index, 0, norm, x0, x1, x2, x3, tile);
        if (TFormat.UnitValues > 8) tile = AddPart<TFormat, TTokens>(w0, w1, w2, w3, index, 1, norm, x0, x1, x2, x3, tile);
        if (TFormat.UnitValues > 16)
        {
            tile = AddPart<TFormat, TTokens>(w0, w1, w2, w3, index, 2, norm, x0, x1, x2, x3, tile);
            tile = AddPart<TFormat, TTokens>(w0, w1, w2, w3, index, 3, norm, x0, x1, x2, x3, tile);
        }
        return tile;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Tile AddPart<TFormat, TTokens>(
        Unit w0, Unit w1, Unit w2, Unit w3, int index, int part, long norm, long x0, long x1, long x2, long x3, Tile tile)
        where TFormat : struct, ILaneFormat
        where TTokens : struct, IConstant
    {
        var offset = TFormat.Column(index, part) * 4L;
        var factors = F8.Load(norm + offset);
        var (e0, e1, e2, e3) = (TFormat.Part(w0, TFormat.Decode(w0, index), index, part), default(F8), default(F8), default(F8));
        if (TTokens.Value > 1)
        {
            e1 = TFormat.Part(w1, TFormat.Decode(w1, index), index, part);
            e2 = TFormat.Part(w2, TFormat.Decode(w2, index), index, part);
            e3 = TFormat.Part(w3, TFormat.Decode(w3, index), index, part);
        }
        tile.T0 = AddToken<TTokens>(e0, e1, e2, e3, factors, x0 + offset, tile.T0, ref tile.Squares.X);
        if (TTokens.Value > 1)
        {
            tile.T1 = AddToken<TTokens>(e0, e1, e2, e3, factors, x1 + offset, tile.T1, ref tile.Squares.Y);
            tile.T2 = AddToken<TTokens>(e0, e1, e2, e3, factors, x2 + offset, tile.T2, ref tile.Squares.Z);
            tile.T3 = AddToken<TTokens>(e0, e1, e2, e3, factors, x3 + offset, tile.T3, ref tile.Squares.W);
        }
        return tile;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 AddToken<TTokens>(F8 e0, F8 e1, F8 e2, F8 e3, F8 factors, long x, F4 products, ref float squares)
        where TTokens : struct, IConstant
    {
        var values = F8.Load(x);
        squares = F8.Dot(values, values, squares);
        values = F8.Multiply(values, factors);
        products.X = F8.Dot(e0, values, products.X);
        if (TTokens.Value > 1)
        {
            products.Y = F8.Dot(e1, values, products.Y);
            products.Z = F8.Dot(e2, values, products.Z);
            products.W = F8.Dot(e3, values, products.W);
        }
        return products;
    }

    /// <summary>Sums of one thread: for each token the products with up to four experts, and the squares of the tokens.</summary>
    private struct Tile
    {
        public F4 T0;
        public F4 T1;
        public F4 T2;
        public F4 T3;
        public F4 Squares;
    }
}
