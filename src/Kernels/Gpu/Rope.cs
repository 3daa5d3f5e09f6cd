using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>
/// Where a step's tokens lie in the paged cache, and the cache of one layer. A page of a key/value head holds <see cref="Size"/>
/// positions as tensor cores want them: a warp loads 512 bytes in one stretch, lane 4g + t the 16 that it multiplies.
/// <code>
/// keys    [Size / 8, headDim / E, 8, E]       eight positions side by side, E elements (16 bytes) of each
/// values  [Size / P, headDim, 4, P / 8, 2]    P positions (64 bytes) of a dimension; position 8w + 2t + h of them at [t, w, h]
/// </code>
/// </summary>
internal struct Pages
{
    /// <summary>Positions of a page.</summary>
    public const int Size = 32;

    public long Positions;
    public long Sequences;
    public long Tables;

    /// <summary>Keys of the layer [pages, kvHeads, …].</summary>
    public long Keys;

    /// <summary>Values of the layer [pages, kvHeads, …].</summary>
    public long Values;

    /// <summary>Pages of a sequence in <see cref="Tables"/>.</summary>
    public int PerSequence;

    /// <summary>Where the list of a token's pages begins.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long Table(Pages pages, int token) =>
        pages.Tables + ((long)Dev.LoadInt(pages.Sequences + (token * 4L)) * pages.PerSequence * 4);

    /// <summary>Stores elements d and d + 1 of a key; d is even.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreKey<TKv>(long keys, int slot, int headDim, int d, float first, float second)
        where TKv : struct, IKvFormat
    {
        var inRow = d * TKv.Bytes;
        var at = keys + ((slot >> 3) * headDim * TKv.Bytes * 8L) + ((inRow >> 4) * 128) + ((slot & 7) * 16) + (inRow & 15);
        if (TKv.Bytes == 2)
        {
            Dev.StoreInt(at, (int)(TKv.Element(first) | (TKv.Element(second) << 16)));
            return;
        }
        Dev.StoreInt(at, (int)TKv.Element(first));
        Dev.StoreInt(at + 4, (int)TKv.Element(second));
    }

    /// <summary>Stores element d of a value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreValue<TKv>(long values, int slot, int headDim, int d, float value)
        where TKv : struct, IKvFormat
    {
        var column = slot * TKv.Bytes >> 6;
        var at = values + ((((long)column * headDim) + d) * 64) + ((slot >> 1 & 3) * 16);
        if (TKv.Bytes == 2) Dev.StoreU16(at + ((slot >> 3) * 4) + ((slot & 1) * 2), TKv.Element(value));
        else Dev.StoreInt(at + ((slot >> 3 & 1) * 8) + ((slot & 1) * 4), (int)TKv.Element(value));
    }
}

/// <summary>
/// A head over the lanes of a warp: of <see cref="A"/> X, Y are dimensions 2i and 2i + 1 with i the lane, Z and W those half a head
/// further, which rope turns them with; <see cref="B"/> the same for i = lane + 32, in heads of more than 128.
/// </summary>
internal struct HeadLanes
{
    public F4 A;
    public F4 B;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static HeadLanes Load(long head, int headDim, int lane)
    {
        var half = headDim >> 1;
        var x = default(HeadLanes);
        if (lane * 2 < half) x.A = Pair(head, lane, half);
        if ((lane + 32) * 2 < half) x.B = Pair(head, lane + 32, half);
        return x;
    }

    /// <summary>Norm (where there is one) and rotation.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static HeadLanes Turn(HeadLanes x, long norm, long angles, int headDim, float epsilon, int lane)
    {
        var factors = new HeadLanes { A = One, B = One };
        if (norm != 0) factors = Load(norm, headDim, lane);
        var turns = Load(angles, headDim, lane); // cosines, then sines
        if (norm != 0)
        {
            var scale = Dev.ReciprocalSqrt(Dev.Fma(Dev.WarpSum(Squares(x.B, Squares(x.A, 0))), 1f / headDim, epsilon));
            x.A = Scale(x.A, scale, factors.A);
            x.B = Scale(x.B, scale, factors.B);
        }
        return new HeadLanes { A = Turn(x.A, turns.A), B = Turn(x.B, turns.B) };
    }

    private static F4 One => new() { X = 1, Y = 1, Z = 1, W = 1 };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Pair(long head, int i, int half)
    {
        var (lower, upper) = (Dev.LoadF2(head + (i * 8L)), Dev.LoadF2(head + (((2L * i) + half) * 4)));
        return new F4 { X = lower.X, Y = lower.Y, Z = upper.X, W = upper.Y };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Squares(F4 x, float sum) => Dev.Fma(x.W, x.W, Dev.Fma(x.Z, x.Z, Dev.Fma(x.Y, x.Y, Dev.Fma(x.X, x.X, sum))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Scale(F4 x, float scale, F4 factors) => new()
    {
        X = x.X * scale * factors.X,
        Y = x.Y * scale * factors.Y,
        Z = x.Z * scale * factors.Z,
        W = x.W * scale * factors.W,
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Turn(F4 x, F4 turns) => new()
    {
        X = Dev.Fma(x.X, turns.X, -(x.Z * turns.Z)),
        Y = Dev.Fma(x.Y, turns.Y, -(x.W * turns.W)),
        Z = Dev.Fma(x.Z, turns.X, x.X * turns.Z),
        W = Dev.Fma(x.W, turns.Y, x.Y * turns.W),
    };
}

/// <summary>Parameters of <see cref="Rope"/>.</summary>
internal struct RopeArgs
{
    public Pages Pages;
    public long Qkv;
    public long QNorm;
    public long KNorm;
    public long Angles;
    public int Heads;
    public int KvHeads;
    public int HeadDim;
    public float Epsilon;
}

/// <summary>
/// Norm of each query and key head, rotation by position (lane i with lane i + headDim/2), and the store of keys and values into
/// the cache: a warp a head of a token. Decode steps do all this within <see cref="Attention"/>.
/// </summary>
internal static class Rope
{
    [Launch(Dependent = true)]
    public static void Run<TKv>(RopeArgs a)
        where TKv : struct, IKvFormat
    {
        var lane = Group.IdxX & 31;
        var head = (Grid.IdxY * Rows.Warps) + (Group.IdxX >> 5);
        var heads = a.Heads + (2 * a.KvHeads);
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        if (head >= heads) return;
        var t = Grid.IdxX;
        var at = a.Qkv + ((((long)t * heads) + head) * a.HeadDim * 4);
        var (isQuery, isValue) = (head < a.Heads, head >= a.Heads + a.KvHeads);
        var x = HeadLanes.Load(at, a.HeadDim, lane);
        if (!isValue) x = HeadLanes.Turn(x, isQuery ? a.QNorm : a.KNorm, a.Angles + ((long)t * a.HeadDim * 4), a.HeadDim, a.Epsilon, lane);

        var position = Dev.LoadInt(a.Pages.Positions + (t * 4L));
        var page = Dev.LoadInt(Pages.Table(a.Pages, t) + (position / Pages.Size * 4L));
        var kvHead = isValue ? head - a.Heads - a.KvHeads : head - a.Heads;
        var inLayer = (((long)page * a.KvHeads) + kvHead) * Pages.Size * a.HeadDim * TKv.Bytes;
        Store<TKv>(a, x.A, at, inLayer, position % Pages.Size, lane, isQuery, isValue);
        Store<TKv>(a, x.B, at, inLayer, position % Pages.Size, lane + 32, isQuery, isValue);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TKv>(RopeArgs a, F4 x, long at, long inLayer, int slot, int i, bool isQuery, bool isValue)
        where TKv : struct, IKvFormat
    {
        var (d, half) = (2 * i, a.HeadDim >> 1);
        if (d >= half) return;
        if (isValue)
        {
            StoreValue<TKv>(a.Pages.Values + inLayer, slot, a.HeadDim, d, x);
            return;
        }
        Dev.StoreF2(at + (d * 4L), new F2 { X = x.X, Y = x.Y });
        Dev.StoreF2(at + ((d + half) * 4L), new F2 { X = x.Z, Y = x.W });
        if (!isQuery) StoreKey<TKv>(a.Pages.Keys + inLayer, slot, a.HeadDim, d, x);
    }

    /// <summary>A lane's part of a key to the cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreKey<TKv>(long keys, int slot, int headDim, int d, F4 x)
        where TKv : struct, IKvFormat
    {
        Pages.StoreKey<TKv>(keys, slot, headDim, d, x.X, x.Y);
        Pages.StoreKey<TKv>(keys, slot, headDim, d + (headDim >> 1), x.Z, x.W);
    }

    /// <summary>A lane's part of a value to the cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreValue<TKv>(long values, int slot, int headDim, int d, F4 x)
        where TKv : struct, IKvFormat
    {
        Pages.StoreValue<TKv>(values, slot, headDim, d, x.X);
        Pages.StoreValue<TKv>(values, slot, headDim, d + 1, x.Y);
        Pages.StoreValue<TKv>(values, slot, headDim, d + (headDim >> 1), x.Z);
        Pages.StoreValue<TKv>(values, slot, headDim, d + (headDim >> 1) + 1, x.W);
    }
}
