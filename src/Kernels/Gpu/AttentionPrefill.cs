using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="AttentionPrefill"/>: neighbouring tokens of one sequence.</summary>
internal struct PrefillArgs
{
    public Pages Pages;
    public long Qkv;
    public long Y;
    public int Heads;
    public int KvHeads;
    public int Tokens;

    /// <summary>What scores are multiplied by, times log₂ e.</summary>
    public float Scale;
}

/// <summary>
/// softmax(q·Kᵀ·scale)·V for many tokens of one sequence, whose keys and values are in the cache. A warp has 16 rows
/// (a row is a query head of a token; the heads that share a key/value head follow each other) and goes over the pages from the
/// first on, so that a token's bits depend neither on the others nor on where the prompt is cut. Queries, scores, probabilities and
/// outputs stay in its registers; the warps of a block read the same pages, and the first-level cache serves all but the first.
/// <para>Queries and probabilities are multiplied in two terms, 22 bits, and summed in FP32.</para>
/// </summary>
internal static class AttentionPrefill
{
    /// <summary>Rows of a block.</summary>
    public const int BlockRows = Threads / 32 * 16;

    private const int Threads = 128;

    /// <param name="a">Where everything is.</param>
    /// <typeparam name="TKv">Elements of the cache.</typeparam>
    /// <typeparam name="TChunks">Dimensions of a head / 32.</typeparam>
    [Launch(Threads = Threads, Dependent = true)]
    public static void Run<TKv, TChunks>(PrefillArgs a)
        where TKv : struct, IKvFormat
        where TChunks : struct, IConstant
    {
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var (row, place) = (lane >> 2, lane & 3);
        var kvHead = Grid.IdxY;
        var group = a.Heads / a.KvHeads;
        var rows = a.Tokens * group;
        var first = ((Grid.DimX - 1 - Grid.IdxX) * BlockRows) + (warp * 16); // the longest first
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        if (first >= rows) return;
        var headDim = TChunks.Value * 32;
        var start = Dev.LoadInt(a.Pages.Positions);
        var table = Pages.Table(a.Pages, 0);

        // Lane 4g + t: rows g and g + 8. Rows past the end repeat the last, and are not written.
        var (upper, lower) = (Least(first + row, rows - 1), Least(first + row + 8, rows - 1));
        var (upperToken, lowerToken) = (upper / group, lower / group);
        var (upperHead, lowerHead) = ((kvHead * group) + upper - (upperToken * group), (kvHead * group) + lower - (lowerToken * group));
        var perToken = (long)(a.Heads + (2 * a.KvHeads)) * headDim;
        var offset = place * 64L / TKv.Bytes; // a lane has the dimensions of its pieces
        var upperQuery = a.Qkv + (((upperToken * perToken) + (upperHead * headDim)) * 4) + offset;
        var lowerQuery = a.Qkv + (((lowerToken * perToken) + (lowerHead * headDim)) * 4) + offset;
        var q = default(Queries);
        q.C0 = LoadQueries<TKv>(upperQuery, lowerQuery, a.Scale);
        if (TChunks.Value > 1) q.C1 = LoadQueries<TKv>(upperQuery + 128, lowerQuery + 128, a.Scale);
        if (TChunks.Value > 2) q.C2 = LoadQueries<TKv>(upperQuery + 256, lowerQuery + 256, a.Scale);
        if (TChunks.Value > 3) q.C3 = LoadQueries<TKv>(upperQuery + 384, lowerQuery + 384, a.Scale);

        var (upperLast, lowerLast) = (start + upperToken, start + lowerToken);
        var pages = ((start + (Least(first + 15, rows - 1) / group)) / Pages.Size) + 1;
        var whole = (start + (first / group) + 1) / Pages.Size; // pages that all rows see wholly
        var bytes = (long)Pages.Size * headDim * TKv.Bytes;
        var (upperMax, lowerMax) = (float.NegativeInfinity, float.NegativeInfinity);
        var (upperSum, lowerSum) = (0f, 0f);
        var o = default(Tiles);
        for (var page = 0; page < pages; page++)
        {
            var at = ((((long)Dev.LoadInt(table + (page * 4L)) * a.KvHeads) + kvHead) * bytes) + (lane * 16);
            var keys = a.Pages.Keys + at - (lane * 16) + (row * 16) + (place * 128);
            var values = a.Pages.Values + at;
            var k0 = Keys.Load<TKv, TChunks>(keys);
            var k1 = Keys.Load<TKv, TChunks>(keys + (bytes >> 2));
            var s0 = Score<TKv, TChunks>(q, k0);
            k0 = Keys.Load<TKv, TChunks>(keys + (bytes >> 1));
            var s1 = Score<TKv, TChunks>(q, k1);
            k1 = Keys.Load<TKv, TChunks>(keys + (bytes >> 1) + (bytes >> 2));
            var s2 = Score<TKv, TChunks>(q, k0);
            var s3 = Score<TKv, TChunks>(q, k1);
            if (page >= whole)
            {
                var position = (page * Pages.Size) + (2 * place);
                s0 = Mask(s0, position, upperLast, lowerLast);
                s1 = Mask(s1, position + 8, upperLast, lowerLast);
                s2 = Mask(s2, position + 16, upperLast, lowerLast);
                s3 = Mask(s3, position + 24, upperLast, lowerLast);
            }

            // Every row sees position 0, so that its maximum is a number from the first page on.
            var (upperNew, lowerNew) = (Dev.Max(Dev.Max(s0.X, s0.Y), Dev.Max(s1.X, s1.Y)), Dev.Max(Dev.Max(s0.Z, s0.W), Dev.Max(s1.Z, s1.W)));
            upperNew = Dev.Max(upperNew, Dev.Max(Dev.Max(s2.X, s2.Y), Dev.Max(s3.X, s3.Y)));
            lowerNew = Dev.Max(lowerNew, Dev.Max(Dev.Max(s2.Z, s2.W), Dev.Max(s3.Z, s3.W)));
            upperNew = Dev.Max(upperNew, Warp.ShuffleXor(upperNew, 1));
            lowerNew = Dev.Max(lowerNew, Warp.ShuffleXor(lowerNew, 1));
            upperNew = Dev.Max(upperMax, Dev.Max(upperNew, Warp.ShuffleXor(upperNew, 2)));
            lowerNew = Dev.Max(lowerMax, Dev.Max(lowerNew, Warp.ShuffleXor(lowerNew, 2)));
            var (upperFactor, lowerFactor) = (Dev.Exp2(upperMax - upperNew), Dev.Exp2(lowerMax - lowerNew));
            (upperMax, lowerMax) = (upperNew, lowerNew);
            s0 = Exponentials(s0, upperMax, lowerMax);
            s1 = Exponentials(s1, upperMax, lowerMax);
            s2 = Exponentials(s2, upperMax, lowerMax);
            s3 = Exponentials(s3, upperMax, lowerMax);
            upperSum = Dev.Fma(upperSum, upperFactor, s0.X + s0.Y + (s1.X + s1.Y) + (s2.X + s2.Y + (s3.X + s3.Y)));
            lowerSum = Dev.Fma(lowerSum, lowerFactor, s0.Z + s0.W + (s1.Z + s1.W) + (s2.Z + s2.W + (s3.Z + s3.W)));
            var p = TKv.Split(
                new F4 { X = s0.X, Y = s0.Y, Z = s1.X, W = s1.Y }, new F4 { X = s0.Z, Y = s0.W, Z = s1.Z, W = s1.W },
                new F4 { X = s2.X, Y = s2.Y, Z = s3.X, W = s3.Y }, new F4 { X = s2.Z, Y = s2.W, Z = s3.Z, W = s3.W });
            var half = bytes >> 1; // to the other 16 positions, where elements have four bytes
            var (v0, v1, v2, v3) = (LoadValues<TKv>(values, half), LoadValues<TKv>(values + 512, half), LoadValues<TKv>(values + 1024, half), LoadValues<TKv>(values + 1536, half));
            o.T0 = TKv.Multiply(p, v0, Scale(o.T0, upperFactor, lowerFactor));
            o.T1 = TKv.Multiply(p, v1, Scale(o.T1, upperFactor, lowerFactor));
            o.T2 = TKv.Multiply(p, v2, Scale(o.T2, upperFactor, lowerFactor));
            o.T3 = TKv.Multiply(p, v3, Scale(o.T3, upperFactor, lowerFactor));
            if (TChunks.Value > 1)
            {
                var (v4, v5, v6, v7) = (LoadValues<TKv>(values + 2048, half), LoadValues<TKv>(values + 2560, half), LoadValues<TKv>(values + 3072, half), LoadValues<TKv>(values + 3584, half));
                o.T4 = TKv.Multiply(p, v4, Scale(o.T4, upperFactor, lowerFactor));
                o.T5 = TKv.Multiply(p, v5, Scale(o.T5, upperFactor, lowerFactor));
                o.T6 = TKv.Multiply(p, v6, Scale(o.T6, upperFactor, lowerFactor));
                o.T7 = TKv.Multiply(p, v7, Scale(o.T7, upperFactor, lowerFactor));
            }
            if (TChunks.Value > 2)
            {
                var (v8, v9, v10, v11) = (LoadValues<TKv>(values + 4096, half), LoadValues<TKv>(values + 4608, half), LoadValues<TKv>(values + 5120, half), LoadValues<TKv>(values + 5632, half));
                o.T8 = TKv.Multiply(p, v8, Scale(o.T8, upperFactor, lowerFactor));
                o.T9 = TKv.Multiply(p, v9, Scale(o.T9, upperFactor, lowerFactor));
                o.T10 = TKv.Multiply(p, v10, Scale(o.T10, upperFactor, lowerFactor));
                o.T11 = TKv.Multiply(p, v11, Scale(o.T11, upperFactor, lowerFactor));
            }
            if (TChunks.Value > 3)
            {
                var (v12, v13, v14, v15) = (LoadValues<TKv>(values + 6144, half), LoadValues<TKv>(values + 6656, half), LoadValues<TKv>(values + 7168, half), LoadValues<TKv>(values + 7680, half));
                o.T12 = TKv.Multiply(p, v12, Scale(o.T12, upperFactor, lowerFactor));
                o.T13 = TKv.Multiply(p, v13, Scale(o.T13, upperFactor, lowerFactor));
                o.T14 = TKv.Multiply(p, v14, Scale(o.T14, upperFactor, lowerFactor));
                o.T15 = TKv.Multiply(p, v15, Scale(o.T15, upperFactor, lowerFactor));
            }
        }

        upperSum += Warp.ShuffleXor(upperSum, 1);
        lowerSum += Warp.ShuffleXor(lowerSum, 1);
        upperSum += Warp.ShuffleXor(upperSum, 2);
        lowerSum += Warp.ShuffleXor(lowerSum, 2);
        var (upperY, lowerY) = (Dev.Reciprocal(upperSum), Dev.Reciprocal(lowerSum));
        var upperTo = first + row < rows ? a.Y + ((((long)upperToken * a.Heads) + upperHead) * headDim * 4) + (place * 8) : 0;
        var lowerTo = first + row + 8 < rows ? a.Y + ((((long)lowerToken * a.Heads) + lowerHead) * headDim * 4) + (place * 8) : 0;
        Store(o.T0, upperTo, lowerTo, 0, upperY, lowerY);
        Store(o.T1, upperTo, lowerTo, 32, upperY, lowerY);
        Store(o.T2, upperTo, lowerTo, 64, upperY, lowerY);
        Store(o.T3, upperTo, lowerTo, 96, upperY, lowerY);
        if (TChunks.Value > 1)
        {
            Store(o.T4, upperTo, lowerTo, 128, upperY, lowerY);
            Store(o.T5, upperTo, lowerTo, 160, upperY, lowerY);
            Store(o.T6, upperTo, lowerTo, 192, upperY, lowerY);
            Store(o.T7, upperTo, lowerTo, 224, upperY, lowerY);
        }
        if (TChunks.Value > 2)
        {
            Store(o.T8, upperTo, lowerTo, 256, upperY, lowerY);
            Store(o.T9, upperTo, lowerTo, 288, upperY, lowerY);
            Store(o.T10, upperTo, lowerTo, 320, upperY, lowerY);
            Store(o.T11, upperTo, lowerTo, 352, upperY, lowerY);
        }
        if (TChunks.Value > 3)
        {
            Store(o.T12, upperTo, lowerTo, 384, upperY, lowerY);
            Store(o.T13, upperTo, lowerTo, 416, upperY, lowerY);
            Store(o.T14, upperTo, lowerTo, 448, upperY, lowerY);
            Store(o.T15, upperTo, lowerTo, 480, upperY, lowerY);
        }
    }

    /// <summary>Scores of eight positions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Score<TKv, TChunks>(Queries q, Keys k)
        where TKv : struct, IKvFormat
        where TChunks : struct, IConstant
    {
        var sum = TKv.Multiply(q.C0, k.C0, default);
        if (TChunks.Value > 1) sum = TKv.Multiply(q.C1, k.C1, sum);
        if (TChunks.Value > 2) sum = TKv.Multiply(q.C2, k.C2, sum);
        if (TChunks.Value > 3) sum = TKv.Multiply(q.C3, k.C3, sum);
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Chunk LoadQueries<TKv>(long upper, long lower, float scale)
        where TKv : struct, IKvFormat
    {
        var next = TKv.Bytes == 2 ? 16 : 64; // eight dimensions in a row, or four and four 16 dimensions further
        return TKv.Split(
            Scale(Dev.LoadF4(upper), scale, scale), Scale(Dev.LoadF4(lower), scale, scale),
            Scale(Dev.LoadF4(upper + next), scale, scale), Scale(Dev.LoadF4(lower + next), scale, scale));
    }

    /// <summary>Pieces of eight dimensions for the page's positions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static PiecePair LoadValues<TKv>(long at, long half)
        where TKv : struct, IKvFormat
    {
        var v = new PiecePair { A = Dev.LoadGlobal4(at) };
        if (TKv.Bytes == 4) v.B = Dev.LoadGlobal4(at + half);
        return v;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Mask(F4 s, int position, int upperLast, int lowerLast) => new()
    {
        X = position <= upperLast ? s.X : float.NegativeInfinity,
        Y = position < upperLast ? s.Y : float.NegativeInfinity,
        Z = position <= lowerLast ? s.Z : float.NegativeInfinity,
        W = position < lowerLast ? s.W : float.NegativeInfinity,
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Exponentials(F4 s, float upperMax, float lowerMax) =>
        new() { X = Dev.Exp2(s.X - upperMax), Y = Dev.Exp2(s.Y - upperMax), Z = Dev.Exp2(s.Z - lowerMax), W = Dev.Exp2(s.W - lowerMax) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Scale(F4 o, float upper, float lower) => new() { X = o.X * upper, Y = o.Y * upper, Z = o.Z * lower, W = o.W * lower };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(F4 o, long upperTo, long lowerTo, int offset, float upper, float lower)
    {
        if (upperTo != 0) Dev.StoreF2(upperTo + offset, new F2 { X = o.X * upper, Y = o.Y * upper });
        if (lowerTo != 0) Dev.StoreF2(lowerTo + offset, new F2 { X = o.Z * lower, Y = o.W * lower });
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Least(int a, int b) => a < b ? a : b;

    private struct Queries
    {
        public Chunk C0;
        public Chunk C1;
        public Chunk C2;
        public Chunk C3;
    }

    /// <summary>Pieces of eight keys.</summary>
    private struct Keys
    {
        public PiecePair C0;
        public PiecePair C1;
        public PiecePair C2;
        public PiecePair C3;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Keys Load<TKv, TChunks>(long at)
            where TKv : struct, IKvFormat
            where TChunks : struct, IConstant
        {
            var bytes = 256 * TKv.Bytes; // of a chunk of eight keys
            var k = new Keys { C0 = One<TKv>(at) };
            if (TChunks.Value > 1) k.C1 = One<TKv>(at + bytes);
            if (TChunks.Value > 2) k.C2 = One<TKv>(at + (2 * bytes));
            if (TChunks.Value > 3) k.C3 = One<TKv>(at + (3 * bytes));
            return k;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static PiecePair One<TKv>(long at)
            where TKv : struct, IKvFormat
        {
            var k = new PiecePair { A = Dev.LoadGlobal4(at) };
            if (TKv.Bytes == 4) k.B = Dev.LoadGlobal4(at + 512);
            return k;
        }
    }

    /// <summary>Outputs of 16 rows in tiles of eight dimensions.</summary>
    private struct Tiles
    {
        public F4 T0;
        public F4 T1;
        public F4 T2;
        public F4 T3;
        public F4 T4;
        public F4 T5;
        public F4 T6;
        public F4 T7;
        public F4 T8;
        public F4 T9;
        public F4 T10;
        public F4 T11;
        public F4 T12;
        public F4 T13;
        public F4 T14;
        public F4 T15;
    }
}

/// <summary>2.</summary>
internal struct TwoChunks : IConstant
{
    public static int Value => 2;
}

/// <summary>3.</summary>
internal struct ThreeChunks : IConstant
{
    public static int Value => 3;
}
