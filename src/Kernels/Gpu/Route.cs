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

    /// <summary>Scores [T, experts].</summary>
    public long Scores;

    /// <summary>Blocks that have arrived, for each token; 0 between launches.</summary>
    public long Arrived;
    public long Ids;
    public long Weights;
    public long RowBytes;
    public int Columns;
    public int Experts;
    public int TopK;
    public int Normalize;
    public float Epsilon;
}

/// <summary>
/// h = rmsnorm(x); scores = router·h; softmax over all experts, the topK largest (the lower id first among equals) and their
/// weights, in one launch: a warp an expert of a token, and the block that comes last, seen from a counter, chooses. Which one
/// that is changes nothing: it reads all scores anew.
/// </summary>
internal static class Route
{
    /// <summary>Most experts: bounds the shared memory.</summary>
    public const int MaxExperts = 1024;

    public static void Run<TFormat>(RouteArgs a)
        where TFormat : struct, ILaneFormat
    {
        var scores = SharedMemory.Allocate<float>(MaxExperts);
        var last = SharedMemory.Allocate<int>(1);
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var t = Grid.IdxX;
        var expert = (Grid.IdxY * Rows.Warps) + warp;
        var x = a.X + ((long)t * a.Columns * 4);

        // A warp past the last expert computes that one again: every warp needs the sum of squares.
        var row = a.Router + ((long)(expert < a.Experts ? expert : a.Experts - 1) * a.RowBytes);
        var units = a.Columns / TFormat.UnitValues;
        var sums = default(Sums);
        var u = lane;
        for (; u + 96 < units; u += 128)
        {
            var w0 = TFormat.Load(row, u, a.Columns);
            var w1 = TFormat.Load(row, u + 32, a.Columns);
            var w2 = TFormat.Load(row, u + 64, a.Columns);
            var w3 = TFormat.Load(row, u + 96, a.Columns);
            sums = Add<TFormat>(w0, u, a.Norm, x, sums);
            sums = Add<TFormat>(w1, u + 32, a.Norm, x, sums);
            sums = Add<TFormat>(w2, u + 64, a.Norm, x, sums);
            sums = Add<TFormat>(w3, u + 96, a.Norm, x, sums);
        }
        for (; u < units; u += 32) sums = Add<TFormat>(TFormat.Load(row, u, a.Columns), u, a.Norm, x, sums);
        var score = Dev.WarpSum(sums.A);
        var scale = Dev.ReciprocalSqrt(Dev.Fma(Dev.WarpSum(sums.Squares), 1f / a.Columns, a.Epsilon));
        if (lane == 0 && expert < a.Experts) Dev.StoreFloat(a.Scores + ((((long)t * a.Experts) + expert) * 4), score * scale);

        // The warps of the token share the writing of h.
        for (var i = (expert * 32) + lane; i < a.Columns; i += Grid.DimY * Rows.Threads)
        {
            var value = Dev.LoadFloat(x + (i * 4L)) * scale * Dev.LoadFloat(a.Norm + (i * 4L));
            Dev.StoreFloat(a.H + ((((long)t * a.Columns) + i) * 4), value);
        }

        Group.Barrier();
        if (Group.IdxX == 0) last[0] = Dev.Arrive(a.Arrived + (t * 4L), 1) == Grid.DimY - 1 ? 1 : 0;
        Group.Barrier();
        if (last[0] == 0 || warp != 0) return;
        Choose(a, t, lane, scores);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Choose(RouteArgs a, int t, int lane, ArrayView<float> scores)
    {
        var max = float.NegativeInfinity;
        for (var i = lane; i < a.Experts; i += 32)
        {
            var score = Dev.LoadFresh(a.Scores + ((((long)t * a.Experts) + i) * 4));
            scores[i] = score;
            max = Dev.Max(max, score);
        }
        max = Dev.WarpMax(max);
        var total = 0f;
        if (a.Normalize == 0)
        {
            for (var i = lane; i < a.Experts; i += 32) total += Dev.Exp(scores[i] - max);
            total = Dev.WarpSum(total);
        }

        // Each lane looks after every 32nd expert: only it reads and strikes out those scores.
        var (ids, weights) = (a.Ids + ((long)t * a.TopK * 4), a.Weights + ((long)t * a.TopK * 4));
        var (mine, chosen) = (0f, 0f);
        for (var k = 0; k < a.TopK; k++)
        {
            var (best, id) = (float.NegativeInfinity, lane);
            for (var i = lane; i < a.Experts; i += 32)
            {
                if (scores[i] > best)
                {
                    best = scores[i];
                    id = i;
                }
            }
            for (var step = 16; step > 0; step >>= 1)
            {
                var (otherBest, otherId) = (Warp.ShuffleXor(best, step), Warp.ShuffleXor(id, step));
                if (otherBest > best || (otherBest == best && otherId < id))
                {
                    best = otherBest;
                    id = otherId;
                }
            }
            if ((id & 31) == lane) scores[id] = float.NegativeInfinity;
            var weight = Dev.Exp(best - max);
            chosen += weight;
            if (lane == 0)
            {
                Dev.StoreInt(ids + (k * 4L), id);
                Dev.StoreFloat(weights + (k * 4L), weight);
            }
        }
        if (lane != 0) return;
        mine = Dev.Reciprocal(a.Normalize != 0 ? chosen : total);
        for (var k = 0; k < a.TopK; k++) Dev.StoreFloat(weights + (k * 4L), Dev.LoadFloat(weights + (k * 4L)) * mine);
        Dev.StoreInt(a.Arrived + (t * 4L), 0);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Sums Add<TFormat>(Unit unit, int index, long norm, long x, Sums sums)
        where TFormat : struct, ILaneFormat
    {
        var scales = TFormat.Decode(unit, index);
        sums = AddPart<TFormat>(unit, scales, index, 0, norm, x, sums);
        if (TFormat.UnitValues > 8) sums = AddPart<TFormat>(unit, scales, index, 1, norm, x, sums);
        if (TFormat.UnitValues > 16)
        {
            sums = AddPart<TFormat>(unit, scales, index, 2, norm, x, sums);
            sums = AddPart<TFormat>(unit, scales, index, 3, norm, x, sums);
        }
        return sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Sums AddPart<TFormat>(Unit unit, Scales scales, int index, int part, long norm, long x, Sums sums)
        where TFormat : struct, ILaneFormat
    {
        var offset = TFormat.Column(index, part) * 4L;
        var values = F8.Load(x + offset);
        sums.Squares = F8.Dot(values, values, sums.Squares);
        sums.A = F8.Dot(TFormat.Part(unit, scales, index, part), F8.Multiply(values, F8.Load(norm + offset)), sums.A);
        return sums;
    }
}
