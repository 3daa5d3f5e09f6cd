using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="Attention"/>.</summary>
internal struct AttentionArgs
{
    public Pages Pages;
    public long Qkv;

    // Of the norms and rope, where they are done here.
    public long QNorm;
    public long KNorm;
    public long Angles;

    /// <summary>Unnormalized outputs of the blocks [T, kvHeads, units, splits, rows, headDim].</summary>
    public long Partials;

    /// <summary>Largest score and sum of exponentials of the blocks [T, kvHeads, units, splits, rows, 2].</summary>
    public long Statistics;

    /// <summary>Blocks that have arrived [T, kvHeads, units]; 0 between launches.</summary>
    public long Arrived;
    public long Y;
    public int Heads;
    public int KvHeads;
    public int HeadDim;

    /// <summary>Splits that the buffers have room for.</summary>
    public int Splits;

    /// <summary>The first token of this launch: long contexts of many tokens take several, since the buffers are bounded.</summary>
    public int FirstToken;

    /// <summary>What scores are multiplied by, times log₂ e: exponentials are powers of two.</summary>
    public float Scale;
    public float Epsilon;
}

/// <summary>What a lane holds of 16 keys, or of one or two tiles of values: all its loads are in flight at once.</summary>
internal struct Pieces
{
    public U4 P0;
    public U4 P1;
    public U4 P2;
    public U4 P3;
    public U4 P4;
    public U4 P5;
    public U4 P6;
    public U4 P7;
}

/// <summary>
/// y = softmax(q·Kᵀ·scale)·V for tokens one by one, over the pages of each one's sequence, in splits of <see cref="Split"/> positions
/// whatever the batch or the length. <see cref="Chunk"/> splits are folded in order, each scaled to the largest score so far, and
/// then the chunks are added in order: a token's bits depend on its own history alone. A block has one split, or where there are
/// many, a chunk, of one key/value head of one token, for a unit of up to eight of the query heads that share it. Of these blocks
/// the one that comes last combines. Which one that is changes nothing, for it reads all results anew, and neither does it whether
/// a chunk was folded by its block or is folded here. In steps of few blocks a fixed one combines (<see cref="DecodeFew"/>), with the same arithmetic.
/// <para>
/// Tensor cores multiply: the rows of a product's left side are eight heads' queries (then probabilities) in high terms, and the same
/// in low terms. A warp scores 16 positions, and weighs every eighth tile of eight dimensions over all positions of the split.
/// </para>
/// <para>
/// With TFused 1 the token is the newest of its sequence and the norms, rope and the store of its key and value are done on
/// the way: every block turns its own queries; the one whose split has the new position puts the new key and value in place of what
/// it has loaded there. So nothing but the queries comes from the kernel ahead, and keys and values are on their way before it ends.
/// </para>
/// </summary>
internal static class Attention
{
    /// <summary>Positions of a split: 16 a warp.</summary>
    public const int Split = 16 * Rows.Warps;

    /// <summary>Largest head.</summary>
    public const int MaxHeadDim = 256;

    /// <summary>Splits of a chunk.</summary>
    public const int Chunk = 4;

    /// <summary>Blocks of a token that <see cref="DecodeFew"/> combines.</summary>
    public const int MostWaited = Factors * Chunk;

    /// <summary>Query heads of a unit.</summary>
    public const int Heads = 8;

    private const int Plane = Heads * ((MaxHeadDim * sizeof(float) / 16) + 4); // pieces of one term of their queries, FP32
    private const int WeightPlane = 2 * sizeof(float) * 32;             // pieces of one term of their probabilities, FP32
    private const int Factors = 16;                                     // chunks whose factors are in shared memory at once

    /// <summary>Two blocks to a multiprocessor; keys and values that do not fit into registers come in several passes.</summary>
    /// <param name="a">Where everything is.</param>
    /// <typeparam name="TKv">Elements of the cache.</typeparam>
    /// <typeparam name="TWide">1 where a row has more than 128 bytes: four pieces of a key at once and not two.</typeparam>
    /// <typeparam name="TFused">1 in decode steps.</typeparam>
    /// <typeparam name="TMany">1 where a block has several splits.</typeparam>
    [Launch(Dependent = true)]
    public static void Decode<TKv, TWide, TFused, TMany>(AttentionArgs a)
        where TKv : struct, IKvFormat
        where TWide : struct, IConstant
        where TFused : struct, IConstant
        where TMany : struct, IConstant => Run<TKv, TWide, TFused, TMany, Zero>(a);

    /// <summary>One block to a multiprocessor, with twice the registers: rows of up to 512 bytes come in one pass, so in one trip to memory.</summary>
    /// <inheritdoc cref="Decode{TKv, TWide, TFused, TMany}"/>
    [Launch(Blocks = 1, Dependent = true)]
    public static void DecodeWhole<TKv, TFused, TMany>(AttentionArgs a)
        where TKv : struct, IKvFormat
        where TFused : struct, IConstant
        where TMany : struct, IConstant => Run<TKv, Two, TFused, TMany, Zero>(a);

    /// <summary>
    /// For steps of few blocks, of one split each: a token's last block waits for the results of the others, which come through memory
    /// without fences or counters, every eight bytes saying by themselves that they are there (<see cref="Mark"/>).
    /// </summary>
    /// <param name="a">Where everything is; partial results are zero between launches.</param>
    /// <typeparam name="TKv">Elements of the cache.</typeparam>
    /// <typeparam name="TWidth">As TWide of <see cref="Decode"/>, or 2 where a row has more than 256 bytes: all of a key up to 512 bytes.</typeparam>
    /// <typeparam name="TFused">1 in decode steps.</typeparam>
    [Launch(Blocks = 1, Dependent = true)]
    public static void DecodeFew<TKv, TWidth, TFused>(AttentionArgs a)
        where TKv : struct, IKvFormat
        where TWidth : struct, IConstant
        where TFused : struct, IConstant => Run<TKv, TWidth, TFused, Zero, One>(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Run<TKv, TWide, TFused, TMany, TWaits>(AttentionArgs a)
        where TKv : struct, IKvFormat
        where TWide : struct, IConstant
        where TFused : struct, IConstant
        where TMany : struct, IConstant
        where TWaits : struct, IConstant
    {
        var queries = SharedMemory.Allocate<U4>(2 * Plane);          // [2 terms, 8 heads, stride]
        var weights = SharedMemory.Allocate<U4>(2 * WeightPlane);    // [2 terms, columns of positions, 32 lanes]
        var newest = SharedMemory.Allocate<U4>(2 * MaxHeadDim / 4);  // elements of the new key, then, a word each, of the new value
        var maxima = SharedMemory.Allocate<F4>(Heads * Rows.Warps / 4);
        var sums = SharedMemory.Allocate<F4>(Heads * Rows.Warps / 4);
        var folded = SharedMemory.Allocate<F2>(Heads * MaxHeadDim / 2); // outputs of the splits so far
        var factors = SharedMemory.Allocate<float>(Heads * Factors * (1 + (2 * Chunk)));
        var last = SharedMemory.Allocate<int>(1);
        var thread = Group.IdxX;
        var (lane, warp) = (thread & 31, thread >> 5);
        var (row, place) = (lane >> 2, lane & 3);
        var (block, local) = (Grid.IdxX, Grid.IdxZ);
        var group = a.Heads / a.KvHeads;
        var units = (group + Heads - 1) / Heads;
        var kvHead = Grid.IdxY / units;
        var head = (Grid.IdxY - (kvHead * units)) * Heads; // the first, in the group
        var rows = Least(group - head, Heads);
        var token = local + a.FirstToken;
        if (TFused.Value == 0) Dev.AwaitPrevious();
        var perBlock = TMany.Value != 0 ? Chunk : 1;
        // In decode steps token t is of sequence t: position and pages are looked up at once.
        var table = (TFused.Value != 0 ? a.Pages.Tables + ((long)token * a.Pages.PerSequence * 4) : Pages.Table(a.Pages, token))
            + (block * perBlock * (Split / Pages.Size) * 4L);
        var room = a.Pages.PerSequence - 1 - (block * perBlock * (Split / Pages.Size)); // of the list, behind that place
        var position = Dev.LoadInt(a.Pages.Positions + (token * 4L));
        var pages = Dev.LoadInt(table + (Least(lane, room) * 4L)); // of all splits of the block, a lane one
        var first = block * perBlock;
        if (first * Split > position) return; // the whole block
        var splits = (position / Split) + 1;
        var count = TMany.Value != 0 ? Least(splits - first, perBlock) : 1;

        var bytes = (long)Pages.Size * a.HeadDim * TKv.Bytes;
        var pieces = a.HeadDim * TKv.Bytes / 16;
        var width = TWide.Value == 2 ? 8 : TWide.Value != 0 ? 4 : 2; // chunks of four pieces that are loaded at once
        var keyPasses = (pieces + (4 * width) - 1) / (4 * width);
        var stride = (keyPasses * width * 4) | 4; // an odd number of 64 bytes: then lanes meet no bank twice
        var tiles = a.HeadDim / 8;
        var tilesAtOnce = TKv.Bytes == 2 && TWide.Value != 0 ? 2 : 1;
        var second = Rows.Warps * tilesAtOnce; // from a warp's first tiles to those that come with them
        var step = TWide.Value == 2 ? 2 * second : second;
        var valuePasses = (tiles + step - 1) / step;
        var place0 = a.Pages.Keys + (kvHead * bytes) + ((warp & 1) * (bytes >> 1));
        var place1 = a.Pages.Values + (kvHead * bytes);
        var end = (position - (first * Split)) / Pages.Size; // the last page that is the sequence's
        var list = PageList.Of(pages, 0, end, warp >> 1);
        var k = LoadKeys<TWide>(place0 + (list.Key * bytes * a.KvHeads), bytes >> 2, pieces, 0, row, place);
        var (k2, v2) = (default(Pieces), default(Pieces)); // the second halves of wide rows
        if (TWide.Value == 2) k2 = LoadKeys<TWide>(place0 + (list.Key * bytes * a.KvHeads), bytes >> 2, pieces, 4, row, place);
        var v = LoadValues<TKv, TWide>(list, place1, bytes * a.KvHeads, a.HeadDim, warp, lane);
        if (TWide.Value == 2) v2 = LoadValues<TKv, TWide>(list, place1, bytes * a.KvHeads, a.HeadDim, warp + second, lane);

        if (TFused.Value != 0) Dev.AwaitPrevious();
        Dev.ReleaseNext();

        var firstHead = (kvHead * group) + head;
        var most = Least(group, Heads); // rows of a unit's stretch of the buffers
        var unit = (((long)local * a.KvHeads * units) + Grid.IdxY) * a.Splits * most;
        var (outputs, statistics) = (a.Partials + (unit * a.HeadDim * 4), a.Statistics + (unit * 8));
        var fresh = TFused.Value != 0 && first + count == splits ? position - (first * Split) : -1; // where in this block the new position is
        PrepareQueries<TKv, TFused>(a, queries, newest, token, kvHead, firstHead, rows, fresh, head == 0, table, bytes, stride, pieces, warp, lane);
        Group.Barrier();

        var alone = splits <= perBlock; // the token's only block
        var to = (alone ? a.Y + ((((long)token * a.Heads) + firstHead + row) * a.HeadDim * 4) : outputs + ((((long)block * most) + row) * a.HeadDim * 4))
            + (place * 8);
        var factor = 1f;
        var (largest, divisor) = (float.NegativeInfinity, 0f); // of the splits so far, of the lane's row
        for (var split = 0; split < count; split++)
        {
            var length = Least(position + 1 - ((first + split) * Split), Split);
            var next = TMany.Value != 0 && split + 1 < count;
            var newer = list;
            if (next) newer = PageList.Of(pages, (split + 1) * (Split / Pages.Size), end, warp >> 1);

            var s = default(Scores);
            for (var pass = 0; pass < keyPasses; pass++)
            {
                var chunk = pass * width;
                if (pass > 0)
                {
                    k = LoadKeys<TWide>(place0 + (list.Key * bytes * a.KvHeads), bytes >> 2, pieces, chunk, row, place);
                    if (TWide.Value == 2) k2 = LoadKeys<TWide>(place0 + (list.Key * bytes * a.KvHeads), bytes >> 2, pieces, chunk + 4, row, place);
                }
                if (TFused.Value != 0 && fresh >> 4 == warp + (split * Rows.Warps))
                {
                    k = ReplaceKey<TWide>(k, newest, fresh, pieces, chunk, row, place);
                    if (TWide.Value == 2) k2 = ReplaceKey<TWide>(k2, newest, fresh, pieces, chunk + 4, row, place);
                }
                var at = (row * stride) + (chunk * 4) + place;
                s = Score<TKv, TWide>(queries, at, k, s);
                if (TWide.Value == 2) s = Score<TKv, TWide>(queries, at + 16, k2, s);
            }
            if (next)
            {
                k = LoadKeys<TWide>(place0 + (newer.Key * bytes * a.KvHeads), bytes >> 2, pieces, 0, row, place);
                if (TWide.Value == 2) k2 = LoadKeys<TWide>(place0 + (newer.Key * bytes * a.KvHeads), bytes >> 2, pieces, 4, row, place);
            }

            // Softmax over the split: a lane has positions 2·place and 2·place + 1 of both tiles of its warp, for one head.
            var p = (warp * 16) + (2 * place);
            var scores = new F4
            {
                X = p < length ? s.S0.X + s.S0.Z : float.NegativeInfinity,
                Y = p + 1 < length ? s.S0.Y + s.S0.W : float.NegativeInfinity,
                Z = p + 8 < length ? s.S1.X + s.S1.Z : float.NegativeInfinity,
                W = p + 9 < length ? s.S1.Y + s.S1.W : float.NegativeInfinity,
            };
            var max = RowMax(Dev.Max(Dev.Max(scores.X, scores.Y), Dev.Max(scores.Z, scores.W)));
            if (place == 0) maxima.Cast<float>()[(row * Rows.Warps) + warp] = max;
            Group.Barrier();
            max = Dev.Max(Largest(maxima[row * 2]), Largest(maxima[(row * 2) + 1]));
            scores = new F4 { X = Dev.Exp2(scores.X - max), Y = Dev.Exp2(scores.Y - max), Z = Dev.Exp2(scores.Z - max), W = Dev.Exp2(scores.W - max) };
            var sum = RowSum(scores.X + scores.Y + (scores.Z + scores.W));
            if (place == 0) sums.Cast<float>()[(row * Rows.Warps) + warp] = sum;
            StoreWeights<TKv>(weights.Cast<uint>(), scores, warp, lane);
            Group.Barrier();

            var (lower, upper) = (sums[row * 2], sums[(row * 2) + 1]);
            var fold = Fold.Of(largest, max);
            (largest, divisor) = (fold.Max, fold.Add(lower.X + lower.Y + lower.Z + lower.W + upper.X + upper.Y + upper.Z + upper.W, divisor));
            if (TMany.Value == 0 && alone) factor = Dev.Reciprocal(divisor);
            for (var pass = 0; pass < valuePasses; pass++)
            {
                var tile = (pass * step) + warp;
                if (pass > 0)
                {
                    v = LoadValues<TKv, TWide>(list, place1, bytes * a.KvHeads, a.HeadDim, tile, lane);
                    if (TWide.Value == 2) v2 = LoadValues<TKv, TWide>(list, place1, bytes * a.KvHeads, a.HeadDim, tile + second, lane);
                }
                if (TFused.Value != 0 && fresh / Split == split && fresh >= 0)
                {
                    v = ReplaceValue<TKv, TWide>(v, newest.Cast<uint>(), fresh & (Split - 1), tiles, tile, row, place);
                    if (TWide.Value == 2) v2 = ReplaceValue<TKv, TWide>(v2, newest.Cast<uint>(), fresh & (Split - 1), tiles, tile + second, row, place);
                }
                var o = Weigh<TKv, TWide>(weights, lane, v, v2);
                if (TMany.Value == 0)
                {
                    var marked = TWaits.Value != 0 && !alone;
                    StoreTile<TWaits>(to, o.O0, factor, tile, row < rows && tile < tiles, marked);
                    if (tilesAtOnce == 2) StoreTile<TWaits>(to, o.O1, factor, tile + Rows.Warps, row < rows && tile + Rows.Warps < tiles, marked);
                    if (TWide.Value == 2) StoreTile<TWaits>(to, o.O2, factor, tile + second, row < rows && tile + second < tiles, marked);
                    if (TWide.Value == 2 && tilesAtOnce == 2)
                        StoreTile<TWaits>(to, o.O3, factor, tile + second + Rows.Warps, row < rows && tile + second + Rows.Warps < tiles, marked);
                    continue;
                }
                var place2 = (row * (MaxHeadDim / 2)) + place;
                if (tile < tiles) FoldTile(folded, o.O0, fold, split, place2 + (tile * 4));
                if (tilesAtOnce == 2 && tile + Rows.Warps < tiles) FoldTile(folded, o.O1, fold, split, place2 + ((tile + Rows.Warps) * 4));
                if (TWide.Value == 2 && tile + second < tiles) FoldTile(folded, o.O2, fold, split, place2 + ((tile + second) * 4));
                if (TWide.Value == 2 && tilesAtOnce == 2 && tile + second + Rows.Warps < tiles)
                    FoldTile(folded, o.O3, fold, split, place2 + ((tile + second + Rows.Warps) * 4));
            }
            list = newer;
            if (next)
            {
                v = LoadValues<TKv, TWide>(list, place1, bytes * a.KvHeads, a.HeadDim, warp, lane);
                if (TWide.Value == 2) v2 = LoadValues<TKv, TWide>(list, place1, bytes * a.KvHeads, a.HeadDim, warp + second, lane);
            }
        }

        if (TMany.Value != 0) factor = alone ? Dev.Reciprocal(divisor) : 1f;
        if (!alone && warp == 0 && place == 0 && row < rows)
        {
            var statistic = statistics + ((((long)block * most) + row) * 8);
            if (TWaits.Value != 0) Dev.StoreFreshPair(statistic, new F2 { X = Mark.Put(largest), Y = divisor });
            else Dev.StoreF2(statistic, new F2 { X = largest, Y = divisor });
        }
        // Each lane what it has put there.
        if (TMany.Value != 0 && row < rows)
        {
            for (var tile = warp; tile < tiles; tile += Rows.Warps)
            {
                var o = folded[(row * (MaxHeadDim / 2)) + (tile * 4) + place];
                Dev.StoreF2(to + (tile * 32), new F2 { X = o.X * factor, Y = o.Y * factor });
            }
        }
        if (alone) return;
        var result = a.Y + ((((long)token * a.Heads) + firstHead) * a.HeadDim * 4);
        if (TWaits.Value != 0)
        {
            if (block == splits - 1) CombineWaiting(a, outputs, statistics, result, splits, rows, most, factors, maxima.Cast<float>());
            return;
        }

        var blocks = (splits + perBlock - 1) / perBlock;
        var counter = a.Arrived + ((((long)local * a.KvHeads * units) + Grid.IdxY) * 4);
        Group.Barrier();
        if (thread == 0) last[0] = Dev.Arrive(counter, 1) == blocks - 1 ? 1 : 0;
        Group.Barrier();
        if (last[0] == 0) return;
        if (thread == 0) Dev.StoreInt(counter, 0);
        Combine(a, outputs, statistics, result, perBlock, blocks, rows, most, factors, maxima.Cast<float>());
    }

    /// <summary>Scores of two tiles of positions.</summary>
    private struct Scores
    {
        public F4 S0;
        public F4 S1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Scores Score<TKv, TWide>(ArrayView<U4> queries, int at, Pieces k, Scores s)
        where TKv : struct, IKvFormat
        where TWide : struct, IConstant
    {
        var (high, low) = (queries[at], queries[at + Plane]);
        s.S0 = TKv.Multiply(high, low, k.P0, s.S0);
        s.S1 = TKv.Multiply(high, low, k.P4, s.S1);
        (high, low) = (queries[at + 4], queries[at + 4 + Plane]);
        s.S0 = TKv.Multiply(high, low, k.P1, s.S0);
        s.S1 = TKv.Multiply(high, low, k.P5, s.S1);
        if (TWide.Value != 0)
        {
            (high, low) = (queries[at + 8], queries[at + 8 + Plane]);
            s.S0 = TKv.Multiply(high, low, k.P2, s.S0);
            s.S1 = TKv.Multiply(high, low, k.P6, s.S1);
            (high, low) = (queries[at + 12], queries[at + 12 + Plane]);
            s.S0 = TKv.Multiply(high, low, k.P3, s.S0);
            s.S1 = TKv.Multiply(high, low, k.P7, s.S1);
        }
        return s;
    }

    /// <summary>Outputs of up to four tiles of dimensions.</summary>
    private struct Tiles
    {
        public F4 O0;
        public F4 O1;
        public F4 O2;
        public F4 O3;
    }

    /// <summary>Probabilities times values; the tiles' sums do not wait for each other, and a probability is read once for all of them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Tiles Weigh<TKv, TWide>(ArrayView<U4> weights, int lane, Pieces v, Pieces v2)
        where TKv : struct, IKvFormat
        where TWide : struct, IConstant
    {
        var o = default(Tiles);
        o = Weigh<TKv, TWide>(weights, lane, v.P0, v.P4, v2.P0, v2.P4, o);
        o = Weigh<TKv, TWide>(weights, lane + 32, v.P1, v.P5, v2.P1, v2.P5, o);
        o = Weigh<TKv, TWide>(weights, lane + 64, v.P2, v.P6, v2.P2, v2.P6, o);
        o = Weigh<TKv, TWide>(weights, lane + 96, v.P3, v.P7, v2.P3, v2.P7, o);
        if (TKv.Bytes == 2) return o;
        o = Weigh<TKv, TWide>(weights, lane + 128, v.P4, v.P4, v2.P4, v2.P4, o);
        o = Weigh<TKv, TWide>(weights, lane + 160, v.P5, v.P5, v2.P5, v2.P5, o);
        o = Weigh<TKv, TWide>(weights, lane + 192, v.P6, v.P6, v2.P6, v2.P6, o);
        return Weigh<TKv, TWide>(weights, lane + 224, v.P7, v.P7, v2.P7, v2.P7, o);
    }

    /// <summary>One column of positions; with four bytes an element only the first and third piece are another tile's.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Tiles Weigh<TKv, TWide>(ArrayView<U4> weights, int at, U4 p0, U4 p1, U4 p2, U4 p3, Tiles o)
        where TKv : struct, IKvFormat
        where TWide : struct, IConstant
    {
        var (high, low) = (weights[at], weights[WeightPlane + at]);
        o.O0 = TKv.Multiply(high, low, p0, o.O0);
        if (TKv.Bytes == 2 && TWide.Value != 0) o.O1 = TKv.Multiply(high, low, p1, o.O1);
        if (TWide.Value == 2) o.O2 = TKv.Multiply(high, low, p2, o.O2);
        if (TKv.Bytes == 2 && TWide.Value == 2) o.O3 = TKv.Multiply(high, low, p3, o.O3);
        return o;
    }

    /// <summary>
    /// y = Σ 2^(mᵢ − m)·oᵢ / Σ 2^(mᵢ − m)·lᵢ over the chunks in order, a thread four values of a head; where a block had one split
    /// the chunks are folded first, as <see cref="Decode"/> does it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Combine(AttentionArgs a, long outputs, long statistics, long y, int perBlock, int blocks, int rows, int most, ArrayView<float> factors, ArrayView<float> divisors)
    {
        var thread = Group.IdxX;
        var (lane, warp) = (thread & 31, thread >> 5);
        var quads = a.HeadDim / 4;
        var stride = (long)most * a.HeadDim * 4; // from block to block
        var each = Chunk / perBlock;             // blocks of a chunk
        var chunks = (blocks + each - 1) / each;
        var batch = Factors * each;              // blocks whose factors are in shared memory at once
        for (var start = 0; start < rows * quads; start += Rows.Threads)
        {
            var item = Least(start + thread, (rows * quads) - 1);
            var head = item / quads;
            var at = outputs + (item * 16L);
            var (sum, fold) = (default(F4), default(F4));
            var divisor = 0f;
            var x = LoadOutputs(at, 0, blocks, stride);
            for (var begin = 0; begin < blocks; begin += batch)
            {
                // A warp a head: the largest score of all chunks, the sum of exponentials, and the factors of these chunks.
                if (warp < rows)
                {
                    var own = statistics + (warp * 8L);
                    var mine = ChunkStatistic.Of(own, lane, each, blocks, most);
                    var max = mine.Max;
                    for (var c = lane + 32; c < chunks; c += 32) max = Dev.Max(max, ChunkStatistic.Of(own, c, each, blocks, most).Max);
                    max = Dev.WarpMax(max);
                    var total = Dev.Fma(Dev.Exp2(mine.Max - max), mine.Sum, 0); // ptxas must not contract it with what follows
                    for (var c = lane + 32; c < chunks; c += 32)
                    {
                        var other = ChunkStatistic.Of(own, c, each, blocks, most);
                        total = Dev.Fma(Dev.Exp2(other.Max - max), other.Sum, total);
                    }
                    total = Dev.WarpSum(total);
                    if (begin > 0) mine = ChunkStatistic.Of(own, (begin / each) + lane, each, blocks, most);
                    if (lane < Factors)
                    {
                        var f = ((warp * Factors) + lane) * (1 + (2 * Chunk));
                        factors[f] = Dev.Exp2(mine.Max - max);
                        (factors[f + 1], factors[f + 2]) = (mine.F0.Old, mine.F0.New);
                        (factors[f + 3], factors[f + 4]) = (mine.F1.Old, mine.F1.New);
                        (factors[f + 5], factors[f + 6]) = (mine.F2.Old, mine.F2.New);
                        (factors[f + 7], factors[f + 8]) = (mine.F3.Old, mine.F3.New);
                    }
                    if (lane == 0) divisors[warp] = total;
                }
                Group.Barrier();
                divisor = divisors[head];
                var stop = Least(blocks - begin, batch);
                for (var s = 0; s < stop; s += 8)
                {
                    // Past the last block factors are 0, and the outputs some that are finite.
                    var next = x;
                    if (begin + s + 8 < blocks) next = LoadOutputs(at, begin + s + 8, blocks, stride);
                    var f = ((head * Factors) + (s / each)) * (1 + (2 * Chunk));
                    if (each == 1)
                    {
                        sum = Add(factors[f], x.P0, sum);
                        sum = Add(factors[f + 9], x.P1, sum);
                        sum = Add(factors[f + 18], x.P2, sum);
                        sum = Add(factors[f + 27], x.P3, sum);
                        sum = Add(factors[f + 36], x.P4, sum);
                        sum = Add(factors[f + 45], x.P5, sum);
                        sum = Add(factors[f + 54], x.P6, sum);
                        sum = Add(factors[f + 63], x.P7, sum);
                    }
                    else
                    {
                        fold = Add(factors[f + 2], x.P0, default);
                        fold = Add(factors[f + 4], x.P1, Scale(fold, factors[f + 3]));
                        fold = Add(factors[f + 6], x.P2, Scale(fold, factors[f + 5]));
                        fold = Add(factors[f + 8], x.P3, Scale(fold, factors[f + 7]));
                        sum = Add(factors[f], fold, sum);
                        fold = Add(factors[f + 11], x.P4, default);
                        fold = Add(factors[f + 13], x.P5, Scale(fold, factors[f + 12]));
                        fold = Add(factors[f + 15], x.P6, Scale(fold, factors[f + 14]));
                        fold = Add(factors[f + 17], x.P7, Scale(fold, factors[f + 16]));
                        sum = Add(factors[f + 9], fold, sum);
                    }
                    x = next;
                }
                Group.Barrier();
            }
            divisor = Dev.Reciprocal(divisor);
            if (start + thread < rows * quads) Dev.StoreF4(y + (item * 16L), Scale(sum, divisor));
        }
    }

    /// <summary>
    /// <see cref="Combine"/> of up to <see cref="MostWaited"/> blocks of one split each, with the same bits: waits for each result where it
    /// is used. What has been read is made zero again.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CombineWaiting(AttentionArgs a, long outputs, long statistics, long y, int blocks, int rows, int most, ArrayView<float> factors, ArrayView<float> divisors)
    {
        var thread = Group.IdxX;
        var (lane, warp) = (thread & 31, thread >> 5);
        var quads = a.HeadDim / 4;
        var stride = (long)most * a.HeadDim * 4; // from block to block
        var few = blocks <= 2 * Chunk;
        if (!few)
        {
            // A warp a head, a lane a chunk.
            if (warp < rows)
            {
                var mine = new ChunkStatistic { Max = float.NegativeInfinity };
                if (lane * Chunk < blocks) mine = MarkedStatistics.Await(statistics + (warp * 8L), lane * Chunk, blocks, most).First(lane * Chunk, blocks);
                var max = Dev.WarpMax(mine.Max);
                var factor = Dev.Exp2(mine.Max - max);
                var total = Dev.WarpSum(Dev.Fma(factor, mine.Sum, 0));
                if (lane < Factors) Put(factors, ((warp * Factors) + lane) * (1 + (2 * Chunk)), factor, mine);
                if (lane == 0) divisors[warp] = total;
            }
            Group.Barrier();
        }
        for (var item = thread; item < rows * quads; item += Rows.Threads)
        {
            var head = item / quads;
            var at = outputs + (item * 16L);
            var x = MarkedOutputs.Load(at, 0, blocks, stride);
            var (sum, divisor) = (default(F4), 0f);
            if (few)
            {
                // Every thread for itself: neither shuffles nor barriers.
                var marked = MarkedStatistics.Await(statistics + (head * 8L), 0, blocks, most);
                var (c0, c1) = (marked.First(0, blocks), new ChunkStatistic { Max = float.NegativeInfinity });
                if (blocks > Chunk) c1 = marked.Second(blocks);
                var max = Dev.Max(c0.Max, c1.Max);
                var (f0, f1) = (Dev.Exp2(c0.Max - max), Dev.Exp2(c1.Max - max));
                divisor = Dev.Fma(f0, c0.Sum, 0) + Dev.Fma(f1, c1.Sum, 0);
                while (x.Missing()) x = MarkedOutputs.Load(at, 0, blocks, stride);
                Clear(at, 0, blocks, stride);
                sum = AddChunk(f0, c0, x.P0.Value, x.P1.Value, x.P2.Value, x.P3.Value, sum);
                sum = AddChunk(f1, c1, x.P4.Value, x.P5.Value, x.P6.Value, x.P7.Value, sum);
            }
            else
            {
                divisor = divisors[head];
                for (var s = 0; s < blocks; s += 2 * Chunk)
                {
                    // Past the last block factors are 0, and the outputs some that are finite.
                    var next = x;
                    if (s + (2 * Chunk) < blocks) next = MarkedOutputs.Load(at, s + (2 * Chunk), blocks, stride);
                    while (x.Missing()) x = MarkedOutputs.Load(at, s, blocks, stride);
                    Clear(at, s, blocks, stride);
                    var f = ((head * Factors) + (s / Chunk)) * (1 + (2 * Chunk));
                    sum = AddChunk(factors[f], Take(factors, f), x.P0.Value, x.P1.Value, x.P2.Value, x.P3.Value, sum);
                    f += 1 + (2 * Chunk);
                    sum = AddChunk(factors[f], Take(factors, f), x.P4.Value, x.P5.Value, x.P6.Value, x.P7.Value, sum);
                    x = next;
                }
            }
            Dev.StoreF4(y + (item * 16L), Scale(sum, Dev.Reciprocal(divisor)));
        }
        Group.Barrier(); // all have read the statistics
        for (var i = thread; i < blocks * most; i += Rows.Threads) Dev.StoreF2(statistics + (i * 8L), default);
    }

    /// <summary>Folds the outputs of a chunk's splits and adds them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 AddChunk(float factor, ChunkStatistic c, F4 x0, F4 x1, F4 x2, F4 x3, F4 sum)
    {
        var fold = Add(c.F0.New, x0, default);
        fold = Add(c.F1.New, x1, Scale(fold, c.F1.Old));
        fold = Add(c.F2.New, x2, Scale(fold, c.F2.Old));
        fold = Add(c.F3.New, x3, Scale(fold, c.F3.Old));
        return Add(factor, fold, sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(ArrayView<float> factors, int f, float factor, ChunkStatistic c)
    {
        factors[f] = factor;
        (factors[f + 1], factors[f + 2]) = (c.F0.Old, c.F0.New);
        (factors[f + 3], factors[f + 4]) = (c.F1.Old, c.F1.New);
        (factors[f + 5], factors[f + 6]) = (c.F2.Old, c.F2.New);
        (factors[f + 7], factors[f + 8]) = (c.F3.Old, c.F3.New);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ChunkStatistic Take(ArrayView<float> factors, int f) => new()
    {
        F0 = new Fold { Old = factors[f + 1], New = factors[f + 2] },
        F1 = new Fold { Old = factors[f + 3], New = factors[f + 4] },
        F2 = new Fold { Old = factors[f + 5], New = factors[f + 6] },
        F3 = new Fold { Old = factors[f + 7], New = factors[f + 8] },
    };

    /// <summary>Makes up to eight blocks' outputs of a thread zero again, which it alone reads.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Clear(long at, int split, int splits, long stride)
    {
        for (var s = split; s < Least(split + (2 * Chunk), splits); s++) Dev.StoreF4(at + (s * stride), default);
    }

    /// <summary>
    /// How a value says that it is there: its bits are stored inverted, and never as zero, which a NaN would give that arithmetic does not
    /// make. Eight bytes are stored and loaded at once, so that a mark in the first four is enough.
    /// </summary>
    private static class Mark
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static float Put(float value)
        {
            var bits = ~Interop.FloatAsInt(value);
            return Interop.IntAsFloat(bits == 0 ? 1 : bits);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static F2 Take(long pair) => new() { X = Interop.IntAsFloat(~(uint)pair), Y = Interop.IntAsFloat((uint)(pair >>> 32)) };
    }

    /// <summary>Four marked outputs.</summary>
    private struct MarkedQuad
    {
        public L2 Words;

        public readonly bool Missing
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => ((int)Words.X == 0) | ((int)Words.Y == 0);
        }

        public readonly F4 Value
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get
            {
                var (lower, upper) = (Mark.Take(Words.X), Mark.Take(Words.Y));
                return new F4 { X = lower.X, Y = lower.Y, Z = upper.X, W = upper.Y };
            }
        }
    }

    /// <summary>Four outputs of eight blocks, that may be there already.</summary>
    private struct MarkedOutputs
    {
        public MarkedQuad P0;
        public MarkedQuad P1;
        public MarkedQuad P2;
        public MarkedQuad P3;
        public MarkedQuad P4;
        public MarkedQuad P5;
        public MarkedQuad P6;
        public MarkedQuad P7;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static MarkedOutputs Load(long at, int split, int splits, long stride) => new()
        {
            P0 = Quad(at, split, splits, stride),
            P1 = Quad(at, split + 1, splits, stride),
            P2 = Quad(at, split + 2, splits, stride),
            P3 = Quad(at, split + 3, splits, stride),
            P4 = Quad(at, split + 4, splits, stride),
            P5 = Quad(at, split + 5, splits, stride),
            P6 = Quad(at, split + 6, splits, stride),
            P7 = Quad(at, split + 7, splits, stride),
        };

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly bool Missing() =>
            P0.Missing | P1.Missing | P2.Missing | P3.Missing | P4.Missing | P5.Missing | P6.Missing | P7.Missing;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static MarkedQuad Quad(long at, int split, int splits, long stride) =>
            new() { Words = Dev.LoadFreshPairs(at + (Least(split, splits - 1) * stride)) };
    }

    /// <summary>Largest scores and sums of eight blocks, those past the last being its again.</summary>
    private struct MarkedStatistics
    {
        private long p0;
        private long p1;
        private long p2;
        private long p3;
        private long p4;
        private long p5;
        private long p6;
        private long p7;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static MarkedStatistics Await(long statistics, int split, int splits, int most)
        {
            var x = Load(statistics, split, splits, most);
            while (x.Missing()) x = Load(statistics, split, splits, most);
            return x;
        }

        /// <summary>The first four of them, the first being the given split.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly ChunkStatistic First(int split, int splits) =>
            ChunkStatistic.Of(Mark.Take(p0), Of(p1, split + 1, splits), Of(p2, split + 2, splits), Of(p3, split + 3, splits));

        /// <summary>The other four, where the first is split 0.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly ChunkStatistic Second(int splits) =>
            ChunkStatistic.Of(Mark.Take(p4), Of(p5, Chunk + 1, splits), Of(p6, Chunk + 2, splits), Of(p7, Chunk + 3, splits));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private readonly bool Missing() =>
            ((int)p0 == 0) | ((int)p1 == 0) | ((int)p2 == 0) | ((int)p3 == 0) | ((int)p4 == 0) | ((int)p5 == 0) | ((int)p6 == 0) | ((int)p7 == 0);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static F2 Of(long marked, int split, int splits) => split < splits ? Mark.Take(marked) : new F2 { X = float.NegativeInfinity };

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static MarkedStatistics Load(long statistics, int split, int splits, int most) => new()
        {
            p0 = Pair(statistics, split, splits, most),
            p1 = Pair(statistics, split + 1, splits, most),
            p2 = Pair(statistics, split + 2, splits, most),
            p3 = Pair(statistics, split + 3, splits, most),
            p4 = Pair(statistics, split + 4, splits, most),
            p5 = Pair(statistics, split + 5, splits, most),
            p6 = Pair(statistics, split + 6, splits, most),
            p7 = Pair(statistics, split + 7, splits, most),
        };

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static long Pair(long statistics, int split, int splits, int most) =>
            (long)Dev.LoadFreshLong(statistics + ((long)Least(split, splits - 1) * most * 8));
    }

    /// <summary>How a split is added to those before it, whose largest score may be smaller or larger.</summary>
    private struct Fold
    {
        public float Max;

        /// <summary>What the sums so far are multiplied by.</summary>
        public float Old;

        /// <summary>What the split's sums are multiplied by.</summary>
        public float New;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Fold Of(float before, float split)
        {
            var max = Dev.Max(before, split);
            return new Fold { Max = max, Old = Dev.Exp2(before - max), New = Dev.Exp2(split - max) };
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public float Add(float split, float before) => Dev.Fma(split, New, before * Old);
    }

    /// <summary>Largest score and sum of a chunk, and how its splits are folded; of chunks past the last −∞ and 0.</summary>
    private struct ChunkStatistic
    {
        public float Max;
        public float Sum;
        public Fold F0;
        public Fold F1;
        public Fold F2;
        public Fold F3;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ChunkStatistic Of(long statistics, int chunk, int each, int blocks, int most)
        {
            var first = chunk * each;
            if (first >= blocks) return new ChunkStatistic { Max = float.NegativeInfinity };
            var s0 = Statistic(statistics, first, blocks, most);
            if (each == 1) return new ChunkStatistic { Max = s0.X, Sum = s0.Y };
            return Of(s0, Statistic(statistics, first + 1, blocks, most), Statistic(statistics, first + 2, blocks, most), Statistic(statistics, first + 3, blocks, most));
        }

        /// <summary>Of four splits, of which there is at least the first.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ChunkStatistic Of(F2 s0, F2 s1, F2 s2, F2 s3)
        {
            var x = default(ChunkStatistic);
            x.F0 = new Fold { New = 1 };
            x.F1 = Fold.Of(s0.X, s1.X);
            x.F2 = Fold.Of(x.F1.Max, s2.X);
            x.F3 = Fold.Of(x.F2.Max, s3.X);
            x.Max = x.F3.Max;
            x.Sum = x.F3.Add(s3.Y, x.F2.Add(s2.Y, x.F1.Add(s1.Y, s0.Y)));
            return x;
        }
    }

    /// <summary>The pages of a split: the one with a warp's keys, and all four.</summary>
    private struct PageList
    {
        public int Key;
        public int P0;
        public int P1;
        public int P2;
        public int P3;

        /// <summary>Pages past the sequence's end may be anyone's: the last stands for them, and their scores are −∞.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static PageList Of(int pages, int first, int end, int key) => new()
        {
            Key = Warp.Shuffle(pages, Least(first + key, end)),
            P0 = Warp.Shuffle(pages, first),
            P1 = Warp.Shuffle(pages, Least(first + 1, end)),
            P2 = Warp.Shuffle(pages, Least(first + 2, end)),
            P3 = Warp.Shuffle(pages, Least(first + 3, end)),
        };
    }

    private struct Outputs
    {
        public F4 P0;
        public F4 P1;
        public F4 P2;
        public F4 P3;
        public F4 P4;
        public F4 P5;
        public F4 P6;
        public F4 P7;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Outputs LoadOutputs(long at, int split, int splits, long stride) => new()
    {
        P0 = Dev.LoadFreshF4(at + (Least(split, splits - 1) * stride)),
        P1 = Dev.LoadFreshF4(at + (Least(split + 1, splits - 1) * stride)),
        P2 = Dev.LoadFreshF4(at + (Least(split + 2, splits - 1) * stride)),
        P3 = Dev.LoadFreshF4(at + (Least(split + 3, splits - 1) * stride)),
        P4 = Dev.LoadFreshF4(at + (Least(split + 4, splits - 1) * stride)),
        P5 = Dev.LoadFreshF4(at + (Least(split + 5, splits - 1) * stride)),
        P6 = Dev.LoadFreshF4(at + (Least(split + 6, splits - 1) * stride)),
        P7 = Dev.LoadFreshF4(at + (Least(split + 7, splits - 1) * stride)),
    };

    /// <summary>Largest score and sum of a split; of those past the last −∞ and 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F2 Statistic(long statistics, int split, int splits, int most) =>
        split < splits ? Dev.LoadFreshF2(statistics + ((long)split * most * 8)) : new F2 { X = float.NegativeInfinity };

    /// <summary>
    /// Queries of up to eight heads to shared memory, scaled, in two terms; in decode steps normed and turned before, and the
    /// new key and value too, and to the cache by one of the units.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PrepareQueries<TKv, TFused>(
        AttentionArgs a, ArrayView<U4> queries, ArrayView<U4> newest, int token, int kvHead, int firstHead, int rows, int fresh, bool store, long table,
        long bytes, int stride, int pieces, int warp, int lane)
        where TKv : struct, IKvFormat
        where TFused : struct, IConstant
    {
        var words = queries.Cast<uint>();
        if (stride - 4 != pieces)
        {
            // Behind the head's end keys are some that are finite.
            var behind = stride - pieces;
            for (var i = Group.IdxX; i < 2 * Heads * behind; i += Rows.Threads)
            {
                var plane = i / (Heads * behind);
                var r = (i / behind) - (plane * Heads);
                queries[(plane * Plane) + (r * stride) + pieces + (i % behind)] = default;
            }
        }
        var (token0, headBytes) = (a.Qkv + ((long)token * (a.Heads + (2 * a.KvHeads)) * a.HeadDim * 4), a.HeadDim * 4);
        var angles = a.Angles + ((long)token * headBytes);
        // The first warp has the new key and the second the new value, loaded with their queries.
        var extra = TFused.Value != 0 && fresh >= 0 && warp < 2;
        var (x, y) = (default(HeadLanes), default(HeadLanes));
        if (warp < rows) x = HeadLanes.Load(token0 + ((firstHead + warp) * headBytes), a.HeadDim, lane);
        if (extra) y = HeadLanes.Load(token0 + ((a.Heads + (warp * a.KvHeads) + kvHead) * headBytes), a.HeadDim, lane);
        if (warp < rows)
        {
            if (TFused.Value != 0) x = HeadLanes.Turn(x, a.QNorm, angles, a.HeadDim, a.Epsilon, lane);
            StoreQuery<TKv>(words, x.A, warp * stride * 4, lane, a.HeadDim, a.Scale);
            StoreQuery<TKv>(words, x.B, warp * stride * 4, lane + 32, a.HeadDim, a.Scale);
        }
        if (extra)
        {
            if (warp == 0) y = HeadLanes.Turn(y, a.KNorm, angles, a.HeadDim, a.Epsilon, lane);
            var page = (((long)Dev.LoadInt(table + (fresh / Pages.Size * 4L)) * a.KvHeads) + kvHead) * bytes;
            StoreNewest<TKv>(a, newest.Cast<uint>(), y.A, page, fresh % Pages.Size, lane, warp == 1, store);
            StoreNewest<TKv>(a, newest.Cast<uint>(), y.B, page, fresh % Pages.Size, lane + 32, warp == 1, store);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreQuery<TKv>(ArrayView<uint> words, F4 x, int at, int i, int headDim, float scale)
        where TKv : struct, IKvFormat
    {
        var half = headDim >> 1;
        if (2 * i >= half) return;
        StoreTerms<TKv>(words, at + (2 * i * TKv.Bytes / 4), Plane * 4, x.X * scale, x.Y * scale);
        StoreTerms<TKv>(words, at + (((2 * i) + half) * TKv.Bytes / 4), Plane * 4, x.Z * scale, x.W * scale);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTerms<TKv>(ArrayView<uint> words, int at, int plane, float a, float b)
        where TKv : struct, IKvFormat
    {
        var (high, low) = (TKv.High(a, b), TKv.Low(a, b));
        words[at] = high.X;
        words[at + plane] = low.X;
        if (TKv.Bytes == 2) return;
        words[at + 1] = high.Y;
        words[at + plane + 1] = low.Y;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreNewest<TKv>(AttentionArgs a, ArrayView<uint> newest, F4 x, long page, int slot, int i, bool isValue, bool store)
        where TKv : struct, IKvFormat
    {
        var (d, half) = (2 * i, a.HeadDim >> 1);
        if (d >= half) return;
        if (isValue)
        {
            newest[MaxHeadDim + d] = TKv.Element(x.X);
            newest[MaxHeadDim + d + 1] = TKv.Element(x.Y);
            newest[MaxHeadDim + d + half] = TKv.Element(x.Z);
            newest[MaxHeadDim + d + half + 1] = TKv.Element(x.W);
            if (store) Rope.StoreValue<TKv>(a.Pages.Values + page, slot, a.HeadDim, d, x);
            return;
        }
        if (TKv.Bytes == 2)
        {
            newest[i] = TKv.Element(x.X) | (TKv.Element(x.Y) << 16);
            newest[i + (half / 2)] = TKv.Element(x.Z) | (TKv.Element(x.W) << 16);
        }
        else
        {
            newest[d] = TKv.Element(x.X);
            newest[d + 1] = TKv.Element(x.Y);
            newest[d + half] = TKv.Element(x.Z);
            newest[d + half + 1] = TKv.Element(x.W);
        }
        if (store) Rope.StoreKey<TKv>(a.Pages.Keys + page, slot, a.HeadDim, d, x);
    }

    /// <summary>Probabilities to shared memory in two terms, each word where the lane that multiplies it looks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreWeights<TKv>(ArrayView<uint> words, F4 p, int warp, int lane)
        where TKv : struct, IKvFormat
    {
        // Words of eight positions are one or two, those of a lane's piece four.
        var word = warp * TKv.Bytes;
        var at = ((((word >> 2) * 32) + lane) * 4) + (word & 3);
        StoreTerms<TKv>(words, at, WeightPlane * 4, p.X, p.Y);
        StoreTerms<TKv>(words, at + (TKv.Bytes / 2), WeightPlane * 4, p.Z, p.W);
    }

    /// <summary>
    /// Stores a tile's outputs of the only split, marked where another block waits for them; the product with one makes a zero what folding
    /// makes it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreTile<TWaits>(long to, F4 o, float factor, int tile, bool wanted, bool marked)
        where TWaits : struct, IConstant
    {
        if (!wanted) return;
        var x = new F2 { X = Dev.Fma(o.X + o.Z, 1, 0) * factor, Y = Dev.Fma(o.Y + o.W, 1, 0) * factor };
        if (TWaits.Value == 0)
        {
            Dev.StoreF2(to + (tile * 32), x);
            return;
        }
        if (marked) x.X = Mark.Put(x.X);
        Dev.StoreFreshPair(to + (tile * 32), x);
    }

    /// <summary>Adds a tile's outputs of a split to those of the splits before.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FoldTile(ArrayView<F2> folded, F4 o, Fold fold, int split, int at)
    {
        var before = default(F2);
        if (split > 0) before = folded[at];
        folded[at] = new F2 { X = fold.Add(o.X + o.Z, before.X), Y = fold.Add(o.Y + o.W, before.Y) };
    }

    /// <summary>Pieces of 16 keys, P0 … P3 of the first eight, P4 … P7 of the others.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Pieces LoadKeys<TWide>(long keys, long tileBytes, int pieces, int chunk, int row, int place)
        where TWide : struct, IConstant
    {
        var (at, first, end) = (keys + (row * 16), (chunk * 4) + place, pieces - 1);
        var (i0, i1) = (Least(first, end) * 128, Least(first + 4, end) * 128);
        var k = new Pieces { P0 = Dev.LoadWeights(at + i0), P1 = Dev.LoadWeights(at + i1), P4 = Dev.LoadWeights(at + tileBytes + i0), P5 = Dev.LoadWeights(at + tileBytes + i1) };
        if (TWide.Value != 0)
        {
            var (i2, i3) = (Least(first + 8, end) * 128, Least(first + 12, end) * 128);
            k.P2 = Dev.LoadWeights(at + i2);
            k.P3 = Dev.LoadWeights(at + i3);
            k.P6 = Dev.LoadWeights(at + tileBytes + i2);
            k.P7 = Dev.LoadWeights(at + tileBytes + i3);
        }
        return k;
    }

    /// <summary>Pieces of all positions for one tile of dimensions, or with two bytes an element for two, eight tiles apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Pieces LoadValues<TKv, TWide>(PageList list, long values, long pageBytes, int headDim, int tile, int lane)
        where TKv : struct, IKvFormat
        where TWide : struct, IConstant
    {
        var (page0, page1, page2, page3) = (values + (list.P0 * pageBytes), values + (list.P1 * pageBytes), values + (list.P2 * pageBytes), values + (list.P3 * pageBytes));
        var end = (headDim / 8) - 1;
        var at = (Least(tile, end) * 512L) + (lane * 16);
        if (TKv.Bytes == 4)
        {
            var half = at + (headDim * 64L);
            return new Pieces
            {
                P0 = Dev.LoadWeights(page0 + at),
                P1 = Dev.LoadWeights(page0 + half),
                P2 = Dev.LoadWeights(page1 + at),
                P3 = Dev.LoadWeights(page1 + half),
                P4 = Dev.LoadWeights(page2 + at),
                P5 = Dev.LoadWeights(page2 + half),
                P6 = Dev.LoadWeights(page3 + at),
                P7 = Dev.LoadWeights(page3 + half),
            };
        }
        var v = new Pieces { P0 = Dev.LoadWeights(page0 + at), P1 = Dev.LoadWeights(page1 + at), P2 = Dev.LoadWeights(page2 + at), P3 = Dev.LoadWeights(page3 + at) };
        if (TWide.Value != 0)
        {
            at = (Least(tile + Rows.Warps, end) * 512L) + (lane * 16);
            v.P4 = Dev.LoadWeights(page0 + at);
            v.P5 = Dev.LoadWeights(page1 + at);
            v.P6 = Dev.LoadWeights(page2 + at);
            v.P7 = Dev.LoadWeights(page3 + at);
        }
        return v;
    }

    /// <summary>Puts the new key in its place among the pieces of its warp.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Pieces ReplaceKey<TWide>(Pieces k, ArrayView<U4> newest, int fresh, int pieces, int chunk, int row, int place)
        where TWide : struct, IConstant
    {
        if (row != (fresh & 7)) return k;
        var (first, end) = ((chunk * 4) + place, pieces - 1);
        var (n0, n1) = (newest[Least(first, end)], newest[Least(first + 4, end)]);
        var (n2, n3) = (n0, n1);
        if (TWide.Value != 0) (n2, n3) = (newest[Least(first + 8, end)], newest[Least(first + 12, end)]);
        if ((fresh & 8) == 0) (k.P0, k.P1, k.P2, k.P3) = (n0, n1, n2, n3);
        else (k.P4, k.P5, k.P6, k.P7) = (n0, n1, n2, n3);
        return k;
    }

    /// <summary>Puts the new value in its place among the pieces of a tile, or of two.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Pieces ReplaceValue<TKv, TWide>(Pieces v, ArrayView<uint> newest, int fresh, int tiles, int tile, int row, int place)
        where TKv : struct, IKvFormat
        where TWide : struct, IConstant
    {
        if (place != (fresh >> 1 & 3)) return v;
        var own = newest[MaxHeadDim + (Least(tile, tiles - 1) * 8) + row];
        var column = fresh * TKv.Bytes >> 6;
        if (TKv.Bytes == 4)
        {
            var word = ((fresh >> 2) & 2) | (fresh & 1);
            if (column == 0) v.P0 = Set(v.P0, word, 0, own);
            if (column == 1) v.P1 = Set(v.P1, word, 0, own);
            if (column == 2) v.P2 = Set(v.P2, word, 0, own);
            if (column == 3) v.P3 = Set(v.P3, word, 0, own);
            if (column == 4) v.P4 = Set(v.P4, word, 0, own);
            if (column == 5) v.P5 = Set(v.P5, word, 0, own);
            if (column == 6) v.P6 = Set(v.P6, word, 0, own);
            if (column == 7) v.P7 = Set(v.P7, word, 0, own);
            return v;
        }
        var (shift, other) = ((fresh & 1) * 16, own);
        var (at, keep) = (fresh >> 3 & 3, 0xFFFF0000u >> shift);
        if (TWide.Value != 0) other = newest[MaxHeadDim + (Least(tile + Rows.Warps, tiles - 1) * 8) + row];
        if (column == 0) (v.P0, v.P4) = (Set(v.P0, at, keep, own << shift), Set(v.P4, at, keep, other << shift));
        if (column == 1) (v.P1, v.P5) = (Set(v.P1, at, keep, own << shift), Set(v.P5, at, keep, other << shift));
        if (column == 2) (v.P2, v.P6) = (Set(v.P2, at, keep, own << shift), Set(v.P6, at, keep, other << shift));
        if (column == 3) (v.P3, v.P7) = (Set(v.P3, at, keep, own << shift), Set(v.P7, at, keep, other << shift));
        return v;
    }

    /// <summary>Replaces in one word of a piece the bits that are not to be kept.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static U4 Set(U4 piece, int word, uint keep, uint bits) => new()
    {
        X = word == 0 ? Dev.AndOr(piece.X, keep, bits) : piece.X,
        Y = word == 1 ? Dev.AndOr(piece.Y, keep, bits) : piece.Y,
        Z = word == 2 ? Dev.AndOr(piece.Z, keep, bits) : piece.Z,
        W = word == 3 ? Dev.AndOr(piece.W, keep, bits) : piece.W,
    };

    /// <summary>Largest over the four lanes of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float RowMax(float value)
    {
        value = Dev.Max(value, Warp.ShuffleXor(value, 1));
        return Dev.Max(value, Warp.ShuffleXor(value, 2));
    }

    /// <summary>Sum over the four lanes of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float RowSum(float value)
    {
        value += Warp.ShuffleXor(value, 1);
        return value + Warp.ShuffleXor(value, 2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Largest(F4 x) => Dev.Max(Dev.Max(x.X, x.Y), Dev.Max(x.Z, x.W));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Least(int a, int b) => a < b ? a : b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Scale(F4 x, float factor) => new() { X = x.X * factor, Y = x.Y * factor, Z = x.Z * factor, W = x.W * factor };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Add(float factor, F4 values, F4 sum) => new()
    {
        X = Dev.Fma(factor, values.X, sum.X),
        Y = Dev.Fma(factor, values.Y, sum.Y),
        Z = Dev.Fma(factor, values.Z, sum.Z),
        W = Dev.Fma(factor, values.W, sum.W),
    };
}
