using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="TileProject"/>: up to three matrices whose outputs lie one behind the other.</summary>
internal struct TileProjectArgs
{
    public long W0;
    public long W1;
    public long W2;

    /// <summary>The token's activations, or the <see cref="Gpu.Digits"/> of all tokens.</summary>
    public long X;

    /// <summary>The norm's weights, where the kernel splits the activations itself.</summary>
    public long Norm;
    public long Y;

    /// <summary>Tiles down the rows of each matrix.</summary>
    public int Tiles0;
    public int Tiles1;
    public int Tiles2;

    /// <summary>Records along a row.</summary>
    public int PerRow;

    /// <summary>Values from one token's outputs to the next.</summary>
    public int Stride;
    public int Tokens;

    /// <summary>For matrices of several formats: which each is of, four bits each from below (<see cref="TileProject.KindOf"/>).</summary>
    public int Kinds;
    public float Epsilon;
}

/// <summary>
/// y = [W₀; W₁; W₂]·rmsnorm(x) with TNorm 1, y += [W₀; W₁; W₂]·x with TNorm 0, on tensor cores and exact (<see cref="Digits"/>). A
/// block owns sixteen rows; its warps take the records along them in turn, and their sums meet in shared memory, in order. Whether
/// a token comes alone, and is split by every block for itself while its weights are on their way, or with others, split before, its
/// numbers and the order of their additions are the same. The norm costs no launch either way: the digits are those of x·norm, and
/// the outputs are scaled by 1/√(mean + ε) at the end.
/// </summary>
internal static class TileProject
{
    /// <summary>Tokens of a block: bounds the shared memory. More take another block, which finds the weights in the second-level cache.</summary>
    public const int MaxTokens = 32;

    /// <summary>Records along a row from which on a block has sixteen warps instead of eight, lest it take them one after the other.</summary>
    public const int WidePerRow = 9;

    private const int Values = Tiles.Rows + 1; // of a token and warp: the sums, and the sum of squares

    [Launch(Threads = 256, Blocks = 3, Dependent = true)]
    public static void Single<TTile, TNorm>(TileProjectArgs a)
        where TTile : struct, ITileFormat
        where TNorm : struct, IConstant
    {
        var sums = SharedMemory.Allocate<float>(8 * Values);
        var digits = SharedMemory.Allocate<U4>(8 * Digits.RecordBytes / 16);
        Alone<TTile, TNorm>(a, 8, sums, digits);
    }

    [Launch(Threads = 512, Blocks = 1, Dependent = true)]
    public static void WideSingle<TTile, TNorm>(TileProjectArgs a)
        where TTile : struct, ITileFormat
        where TNorm : struct, IConstant
    {
        var sums = SharedMemory.Allocate<float>(16 * Values);
        var digits = SharedMemory.Allocate<U4>(16 * Digits.RecordBytes / 16);
        Alone<TTile, TNorm>(a, 16, sums, digits);
    }

    [Launch(Threads = 256, Blocks = 3, Dependent = true)]
    public static void Many<TTile, TNorm>(TileProjectArgs a)
        where TTile : struct, ITileFormat
        where TNorm : struct, IConstant
    {
        var sums = SharedMemory.Allocate<float>(8 * MaxTokens * Values);
        Together<TTile, TNorm>(a, 8, sums);
    }

    /// <summary>With more registers, for formats that need them with four tokens at a time (measured: the head of Q6_K 147 → 106 µs for four tokens).</summary>
    [Launch(Threads = 256, Blocks = 2, Dependent = true)]
    public static void ManyLarge<TTile, TNorm>(TileProjectArgs a)
        where TTile : struct, ITileFormat
        where TNorm : struct, IConstant
    {
        var sums = SharedMemory.Allocate<float>(8 * MaxTokens * Values);
        Together<TTile, TNorm>(a, 8, sums);
    }

    [Launch(Threads = 512, Blocks = 1, Dependent = true)]
    public static void WideMany<TTile, TNorm>(TileProjectArgs a)
        where TTile : struct, ITileFormat
        where TNorm : struct, IConstant
    {
        var sums = SharedMemory.Allocate<float>(16 * MaxTokens * Values);
        Together<TTile, TNorm>(a, 16, sums);
    }

    /// <summary>As the kernels above for matrices of several formats in one launch, chosen by the block.</summary>
    [Launch(Threads = 256, Blocks = 3, Dependent = true)]
    public static void SingleMixed(TileProjectArgs a)
    {
        var sums = SharedMemory.Allocate<float>(8 * Values);
        var digits = SharedMemory.Allocate<U4>(8 * Digits.RecordBytes / 16);
        AloneMixed(a, 8, sums, digits);
    }

    [Launch(Threads = 512, Blocks = 1, Dependent = true)]
    public static void WideSingleMixed(TileProjectArgs a)
    {
        var sums = SharedMemory.Allocate<float>(16 * Values);
        var digits = SharedMemory.Allocate<U4>(16 * Digits.RecordBytes / 16);
        AloneMixed(a, 16, sums, digits);
    }

    [Launch(Threads = 256, Blocks = 3, Dependent = true)]
    public static void ManyMixed(TileProjectArgs a)
    {
        var sums = SharedMemory.Allocate<float>(8 * MaxTokens * Values);
        TogetherMixed(a, 8, sums);
    }

    [Launch(Threads = 512, Blocks = 1, Dependent = true)]
    public static void WideManyMixed(TileProjectArgs a)
    {
        var sums = SharedMemory.Allocate<float>(16 * MaxTokens * Values);
        TogetherMixed(a, 16, sums);
    }

    /// <summary>A format's number in <see cref="TileProjectArgs.Kinds"/>.</summary>
    public static int KindOf(WeightType type) => type switch
    {
        WeightType.Q4_K => 0,
        WeightType.Q6_K => 1,
        WeightType.Q8_0 => 2,
        _ => throw new NotSupportedException($"no tiles of type {type}"),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AloneMixed(TileProjectArgs a, int warps, ArrayView<float> sums, ArrayView<U4> digits)
    {
        var kind = Kind(a, Grid.IdxY);
        if (kind == 0) Alone<Q4_KTile, One>(a, warps, sums, digits);
        else if (kind == 1) Alone<Q6_KTile, One>(a, warps, sums, digits);
        else Alone<Q8_0Tile, One>(a, warps, sums, digits);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TogetherMixed(TileProjectArgs a, int warps, ArrayView<float> sums)
    {
        var kind = Kind(a, Grid.IdxY);
        if (kind == 0) Together<Q4_KTile, One>(a, warps, sums);
        else if (kind == 1) Together<Q6_KTile, One>(a, warps, sums);
        else Together<Q8_0Tile, One>(a, warps, sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Kind(TileProjectArgs a, int tile)
    {
        var shift = tile < a.Tiles0 ? 0 : tile < a.Tiles0 + a.Tiles1 ? 4 : 8;
        return (a.Kinds >> shift) & 15;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Alone<TTile, TNorm>(TileProjectArgs a, int warps, ArrayView<float> sums, ArrayView<U4> digits)
        where TTile : struct, ITileFormat
        where TNorm : struct, IConstant
    {
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var row = Row<TTile>(a, Grid.IdxY);
        var own = Dev.AddressOf(ref digits[0]) + (warp * Digits.RecordBytes);
        var record = default(TileRecord);
        if (warp < a.PerRow) record = TTile.Load(Dev.Offset(warp, TTile.RecordBytes, row), 0, lane);
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var (sumA, sumB, squares) = (0f, 0f, 0f);
        for (var s = warp; s < a.PerRow; s += warps)
        {
            if (s != warp) record = TTile.Load(Dev.Offset(s, TTile.RecordBytes, row), 0, lane);
            Digits.Split<TNorm, One>(Dev.Offset(s, Tiles.Columns * 4, a.X), Dev.Offset(s, Tiles.Columns * 4, a.Norm), own, lane);
            Warp.Barrier();
            var pair = Digits.Dot<TTile, One>(record, own, lane);
            var inverse = Digits.Inverse<One>(own);
            sumA += pair.A * inverse;
            sumB += pair.B * inverse;
            if (TNorm.Value != 0) squares += Digits.Squares<One>(own);
            Warp.Barrier();
        }
        if ((lane & 3) == 0)
        {
            sums[(warp * Values) + (lane >> 2)] = sumA;
            sums[(warp * Values) + (lane >> 2) + 8] = sumB;
            if (lane == 0) sums[(warp * Values) + Tiles.Rows] = squares;
        }
        Group.Barrier();
        if (Group.IdxX < Tiles.Rows) Write<TNorm>(a, warps, 1, 0, sums, Group.IdxX, 0);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Together<TTile, TNorm>(TileProjectArgs a, int warps, ArrayView<float> sums)
        where TTile : struct, ITileFormat
        where TNorm : struct, IConstant
    {
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var row = Row<TTile>(a, Grid.IdxY);
        var first = Grid.IdxX * MaxTokens;
        var count = a.Tokens - first < MaxTokens ? a.Tokens - first : MaxTokens;
        var record = default(TileRecord);
        if (warp < a.PerRow) record = TTile.Load(Dev.Offset(warp, TTile.RecordBytes, row), 0, lane);
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        for (var s = warp; s < a.PerRow; s += warps)
        {
            if (s != warp) record = TTile.Load(Dev.Offset(s, TTile.RecordBytes, row), 0, lane);
            var i = 0;
            for (; i + 2 < count; i += 4)
            {
                var (inverseP, inverseQ) = (Inverse(a, first, i, count, s, lane), Inverse(a, first, i + 2, count, s, lane));
                var (p, q) = Digits.DotTwice<TTile, Zero>(Digits.Hide<TTile>(record, inverseP, copies: true), At(a, first, i + (lane >> 4), count, s), At(a, first, i + 2 + (lane >> 4), count, s), lane);
                Keep<TNorm>(a, p, inverseP, first, i, count, s, s == warp, warp, sums, lane);
                Keep<TNorm>(a, q, inverseQ, first, i + 2, count, s, s == warp, warp, sums, lane);
            }
            if (i < count)
            {
                var inverse = Inverse(a, first, i, count, s, lane);
                var p = Digits.Dot<TTile, Zero>(Digits.Hide<TTile>(record, inverse, copies: true), At(a, first, i + (lane >> 4), count, s), lane);
                Keep<TNorm>(a, p, inverse, first, i, count, s, s == warp, warp, sums, lane);
            }
        }
        Group.Barrier();
        for (var i = Group.IdxX; i < count * Tiles.Rows; i += warps * 32) Write<TNorm>(a, warps, MaxTokens, i >> 4, sums, i & 15, first + (i >> 4));
    }

    /// <summary>Record s of a block's token; past the end the last token is computed again.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long At(TileProjectArgs a, int first, int token, int count, int s) =>
        Dev.Offset(((first + (token < count ? token : count - 1)) * a.PerRow) + s, Digits.RecordBytes, a.X);

    /// <summary>2^−s of the token that a lane's value belongs to.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Inverse(TileProjectArgs a, int first, int i, int count, int s, int lane) =>
        Digits.Inverse<Zero>(At(a, first, i + ((lane >> 1) & 1), count, s));

    /// <summary>Adds a lane's value of tokens i and i + 1 to those of its warp: row g in even lanes, g + 8 in odd ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Keep<TNorm>(TileProjectArgs a, Pair pair, float inverse, int first, int i, int count, int s, bool fresh, int warp, ArrayView<float> sums, int lane)
        where TNorm : struct, IConstant
    {
        var token = i + ((lane >> 1) & 1);
        var value = ((lane & 1) == 0 ? pair.A : pair.B) * inverse;
        var to = (((warp * MaxTokens) + token) * Values) + (lane >> 2) + ((lane & 1) * 8);
        sums[to] = fresh ? value : sums[to] + value;
        if (TNorm.Value == 0 || (lane & 29) != 0) return;
        to += Tiles.Rows;
        var squares = Digits.Squares<Zero>(At(a, first, token, count, s));
        sums[to] = fresh ? squares : sums[to] + squares;
    }

    /// <summary>The first record of a block's rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Row<TTile>(TileProjectArgs a, int tile)
        where TTile : struct, ITileFormat
    {
        var weight = a.W0;
        if (tile >= a.Tiles0)
        {
            tile -= a.Tiles0;
            weight = a.W1;
            if (tile >= a.Tiles1)
            {
                tile -= a.Tiles1;
                weight = a.W2;
            }
        }
        return Dev.Offset(tile * a.PerRow, TTile.RecordBytes, weight);
    }

    /// <summary>Adds what the warps have for one output, in their order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write<TNorm>(TileProjectArgs a, int warps, int tokens, int token, ArrayView<float> sums, int row, int to)
        where TNorm : struct, IConstant
    {
        var used = a.PerRow < warps ? a.PerRow : warps;
        var sum = Digits.Sum(sums, (token * Values) + row, tokens * Values, used);
        var squares = 0f;
        if (TNorm.Value != 0) squares = Digits.Sum(sums, (token * Values) + Tiles.Rows, tokens * Values, used);
        var y = a.Y + ((((long)to * a.Stride) + (Grid.IdxY * Tiles.Rows) + row) * 4);
        if (TNorm.Value != 0) sum *= Dev.ReciprocalSqrt(Dev.Fma(squares, 1f / (a.PerRow * Tiles.Columns), a.Epsilon));
        else sum = Dev.Fma(Dev.LoadFloat(y), 1f, sum);
        Dev.StoreFloat(y, sum);
    }
}
