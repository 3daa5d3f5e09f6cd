using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of both kernels of <see cref="Attention"/>.</summary>
internal struct AttentionArgs
{
    public Pages Pages;
    public long Qkv;

    /// <summary>Unnormalized outputs of the splits [T, heads, splits, headDim].</summary>
    public long Partials;

    /// <summary>Largest score and sum of exponentials of the splits [T, heads, splits, 2].</summary>
    public long Statistics;
    public long Y;
    public int Heads;
    public int KvHeads;
    public int HeadDim;

    /// <summary>Splits that the buffers have room for, and that the grid covers.</summary>
    public int Splits;

    /// <summary>The first token of this launch: long contexts of many tokens take several, since the buffers are bounded.</summary>
    public int FirstToken;
    public float Scale;
}

/// <summary>
/// softmax(q·Kᵀ·scale)·V over the pages of a token's sequence, in splits of <see cref="Split"/> positions whatever the batch or
/// the length, combined in order: a token's bits depend on its own history alone. A block is one split of one key/value head of
/// one token, for all the query heads that share it.
/// </summary>
internal static class Attention
{
    /// <summary>Positions of a split.</summary>
    public const int Split = 64;

    /// <summary>Most query heads that share a key/value head.</summary>
    public const int MaxGroup = 16;

    /// <summary>Most values of the query heads that share a key/value head: bounds the shared memory.</summary>
    public const int MaxGroupValues = 2048;

    /// <summary>Largest head.</summary>
    public const int MaxHeadDim = 256;

    private const int Slice = 32; // positions of a half split, which lie on one page

    public static void Partial(AttentionArgs a)
    {
        var q = SharedMemory.Allocate<F4>(MaxGroupValues / 4);       // [group, headDim / 4]
        var e = SharedMemory.Allocate<float>(MaxGroup * Split);      // [group, Split]
        var sums = SharedMemory.Allocate<F4>(2 * MaxGroupValues / 4); // [2, group, headDim / 4]
        var thread = Group.IdxX;
        var (lane, warp) = (thread & 31, thread >> 5);
        var (split, kvHead, local) = (Grid.IdxX, Grid.IdxY, Grid.IdxZ);
        var t = local + a.FirstToken;
        var left = Dev.LoadInt(a.Pages.Positions + (t * 4L)) + 1 - (split * Split);
        if (left <= 0) return; // the whole block
        var length = left < Split ? left : Split;
        var group = a.Heads / a.KvHeads;
        var quads = a.HeadDim >> 2;
        var table = a.Pages.Tables + ((long)Dev.LoadInt(a.Pages.Sequences + (t * 4L)) * a.Pages.PerSequence * 4);

        var queries = a.Qkv + ((((long)t * (a.Heads + (2 * a.KvHeads))) + (kvHead * group)) * a.HeadDim * 4);
        for (var i = thread; i < group * quads; i += Rows.Threads) q[i] = Dev.LoadF4(queries + (i * 16L));
        Group.Barrier();

        // Scores: a thread a position, the heads two at a time on one reading of the key; lanes read side by side.
        var p = thread & (Split - 1);
        if (p < length)
        {
            var position = (split * Split) + p;
            var key = a.Pages.Keys + InPage(a, table, kvHead, position) + (position % a.Pages.Tokens * 16L);
            for (var pair = thread / Split; pair * 2 < group; pair += Rows.Threads / Split)
            {
                var g0 = pair * 2;
                var g1 = g0 + 1 < group ? g0 + 1 : g0;
                var (d0, d1) = (default(F4), default(F4));
                for (var i = 0; i < quads; i++)
                {
                    var k = Dev.LoadF4(key + ((long)i * a.Pages.Tokens * 16));
                    d0 = Fma(q[(g0 * quads) + i], k, d0);
                    d1 = Fma(q[(g1 * quads) + i], k, d1);
                }
                e[(g0 * Split) + p] = (d0.X + d0.Y + (d0.Z + d0.W)) * a.Scale;
                e[(g1 * Split) + p] = (d1.X + d1.Y + (d1.Z + d1.W)) * a.Scale;
            }
        }
        Group.Barrier();

        // Exponentials: a warp a head, two positions a lane.
        for (var g = warp; g < group; g += Rows.Warps)
        {
            var s0 = lane < length ? e[(g * Split) + lane] : float.NegativeInfinity;
            var s1 = lane + Slice < length ? e[(g * Split) + lane + Slice] : float.NegativeInfinity;
            var max = Dev.WarpMax(Dev.Max(s0, s1));
            s0 = Dev.Exp(s0 - max);
            s1 = Dev.Exp(s1 - max);
            e[(g * Split) + lane] = s0;
            e[(g * Split) + lane + Slice] = s1;
            var total = Dev.WarpSum(s0 + s1);
            if (lane == 0)
            {
                var statistics = a.Statistics + (Index(a, local, (kvHead * group) + g, split) * 8);
                Dev.StoreFloat(statistics, max);
                Dev.StoreFloat(statistics + 4, total);
            }
        }
        Group.Barrier();

        // Values: a warp two heads and half of the positions, a lane four values of the head; sums in order of position.
        for (var item = warp; item < ((group + 1) >> 1) * 2; item += Rows.Warps)
        {
            var slice = item & 1;
            var g0 = item >> 1 << 1;
            var g1 = g0 + 1 < group ? g0 + 1 : g0;
            var start = slice * Slice;
            var count = length - start;
            if (count > Slice) count = Slice;
            for (var i = lane; i < quads; i += 32)
            {
                var (o0, o1) = (default(F4), default(F4));
                if (count > 0)
                {
                    var position = (split * Split) + start;
                    var value = a.Pages.Values + InPage(a, table, kvHead, position) + (((long)(position % a.Pages.Tokens) * quads) + i) * 16;
                    for (var n = 0; n < count; n++)
                    {
                        var v = Dev.LoadF4(value + ((long)n * quads * 16));
                        o0 = Scale(e[(g0 * Split) + start + n], v, o0);
                        o1 = Scale(e[(g1 * Split) + start + n], v, o1);
                    }
                }
                sums[(((slice * group) + g0) * quads) + i] = o0;
                sums[(((slice * group) + g1) * quads) + i] = o1;
            }
        }
        Group.Barrier();

        for (var i = thread; i < group * quads; i += Rows.Threads)
        {
            var g = i / quads;
            var (lower, upper) = (sums[i], sums[(group * quads) + i]);
            var sum = new F4 { X = lower.X + upper.X, Y = lower.Y + upper.Y, Z = lower.Z + upper.Z, W = lower.W + upper.W };
            Dev.StoreF4(a.Partials + (((Index(a, local, (kvHead * group) + g, split) * quads) + (i - (g * quads))) * 16), sum);
        }
    }

    /// <summary>y = Σ exp(mᵢ − m)·oᵢ / Σ exp(mᵢ − m)·lᵢ over the splits: a block a head, a warp every eighth split, in order.</summary>
    public static void Combine(AttentionArgs a)
    {
        var outputs = SharedMemory.Allocate<F4>(Rows.Warps * MaxHeadDim / 4); // [Warps, headDim / 4]
        var totals = SharedMemory.Allocate<float>(Rows.Warps);
        var thread = Group.IdxX;
        var (lane, warp) = (thread & 31, thread >> 5);
        var (head, local) = (Grid.IdxX, Grid.IdxY);
        var t = local + a.FirstToken;
        var splits = (Dev.LoadInt(a.Pages.Positions + (t * 4L)) / Split) + 1;
        var quads = a.HeadDim >> 2;
        var statistics = a.Statistics + (Index(a, local, head, 0) * 8);
        var partials = a.Partials + (Index(a, local, head, 0) * quads * 16);

        var max = float.NegativeInfinity;
        for (var s = lane; s < splits; s += 32) max = Dev.Max(max, Dev.LoadFloat(statistics + (s * 8L)));
        max = Dev.WarpMax(max);

        for (var i = lane; i < quads; i += 32)
        {
            var sum = default(F4);
            for (var s = warp; s < splits; s += Rows.Warps)
            {
                var factor = Dev.Exp(Dev.LoadFloat(statistics + (s * 8L)) - max);
                sum = Scale(factor, Dev.LoadF4(partials + ((((long)s * quads) + i) * 16)), sum);
            }
            outputs[(warp * quads) + i] = sum;
        }
        if (lane == 0)
        {
            var total = 0f;
            for (var s = warp; s < splits; s += Rows.Warps)
                total = Dev.Fma(Dev.Exp(Dev.LoadFloat(statistics + (s * 8L)) - max), Dev.LoadFloat(statistics + (s * 8L) + 4), total);
            totals[warp] = total;
        }
        Group.Barrier();

        if (thread >= quads) return;
        var (result, divisor) = (default(F4), 0f);
        for (var w = 0; w < Rows.Warps; w++)
        {
            result = Scale(1f, outputs[(w * quads) + thread], result);
            divisor += totals[w];
        }
        divisor = Dev.Reciprocal(divisor);
        Dev.StoreF4(a.Y + (((((long)t * a.Heads) + head) * quads) + thread) * 16, new F4
        {
            X = result.X * divisor,
            Y = result.Y * divisor,
            Z = result.Z * divisor,
            W = result.W * divisor,
        });
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Index(AttentionArgs a, int token, int head, int split) => ((((long)token * a.Heads) + head) * a.Splits) + split;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long InPage(AttentionArgs a, long table, int kvHead, int position)
    {
        var page = Dev.LoadInt(table + (position / a.Pages.Tokens * 4L));
        return (((long)page * a.KvHeads) + kvHead) * a.Pages.Tokens * a.HeadDim * 4;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Fma(F4 a, F4 b, F4 sum) => new()
    {
        X = Dev.Fma(a.X, b.X, sum.X),
        Y = Dev.Fma(a.Y, b.Y, sum.Y),
        Z = Dev.Fma(a.Z, b.Z, sum.Z),
        W = Dev.Fma(a.W, b.W, sum.W),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Scale(float factor, F4 values, F4 sum) => new()
    {
        X = Dev.Fma(factor, values.X, sum.X),
        Y = Dev.Fma(factor, values.Y, sum.Y),
        Z = Dev.Fma(factor, values.Z, sum.Z),
        W = Dev.Fma(factor, values.W, sum.W),
    };
}
