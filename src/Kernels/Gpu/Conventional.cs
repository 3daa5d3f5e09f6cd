using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of all kernels of <see cref="Conventional"/>. P padded rows, a multiple of <see cref="Conventional.TileTokens"/>.</summary>
internal struct ConventionalArgs
{
    public long Gate;
    public long Up;
    public long Down;

    /// <summary>FP32 [T, H].</summary>
    public long Input;

    /// <summary>FP32 [T, H], added to.</summary>
    public long X;

    /// <summary>FP32 [T, K, F], where the activated projections leave the padded rows again.</summary>
    public long Mid;

    /// <summary>Weights of the slots [T, K].</summary>
    public long Weights;
    public long Offsets;
    public long Active;
    public long Slots;

    /// <summary>Count of the tiles, then for each its expert, its first place in <see cref="Slots"/> and the end of the expert's [1 + 3·tiles].</summary>
    public long Tiles;

    /// <summary>Padded row of each slot [T, K].</summary>
    public long Places;

    /// <summary>Gathered activations, bfloat16 [P, H].</summary>
    public long Gathered;

    /// <summary>Gate and up projections, bfloat16 or FP32 [P, 2F].</summary>
    public long Projected;

    /// <summary>silu(gate)·up, bfloat16 [P, F].</summary>
    public long Activated;

    /// <summary>Outputs of the experts, bfloat16 or FP32 [P, H].</summary>
    public long Outputs;
    public int Hidden;
    public int Ff;

    /// <summary>Slots that share a row of the input: K for those of tokens, 1 for those of slots.</summary>
    public int TopK;
}

/// <summary>
/// The expert-centric path that warp decode is measured against, for bfloat16 weights: the tokens of each expert are collected
/// (<see cref="Groups"/>), padded to tiles of sixteen (<see cref="Align"/>) and gathered as bfloat16 (<see cref="Gather"/>); products
/// by tensor cores over tiles in shared memory, the next tile on its way while one is multiplied (<see cref="GateUp"/>,
/// <see cref="Down"/>); between them <see cref="Activate"/>, at the end <see cref="Combine"/>. Seven launches, and every stage of
/// activations goes through memory, as it does in the libraries that work this way. With TWide 1 the outputs of the products are FP32,
/// and <see cref="Scatter"/> takes the place of the activation: so the operations of a backend are computed, which hand over FP32.
/// For quantized weights: <see cref="TileConventional"/>.
/// </summary>
internal static class Conventional
{
    /// <summary>Rows to which an expert's tokens are padded.</summary>
    public const int TileTokens = 16;

    /// <summary>Weight rows of a block.</summary>
    public const int TileRows = 64;

    /// <summary>Threads of a block of the products.</summary>
    public const int Threads = 128;

    /// <summary>Columns that are in shared memory at once.</summary>
    public const int TileColumns = 128;

    private const int TilePieces = TileColumns / 8; // of sixteen bytes
    private const int Stride = TilePieces + 4;      // so that no two lanes meet in a bank
    private const int Plane = (TileRows + TileTokens) * Stride;

    /// <summary>One warp: where each expert's padded tokens begin.</summary>
    [Launch(Threads = 32, Dependent = true)]
    public static void Align(ConventionalArgs a)
    {
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var lane = Group.IdxX;
        var count = Dev.LoadInt(a.Active);
        var each = (count + 31) / 32;
        var (first, end) = (lane * each, (lane + 1) * each);
        if (end > count) end = count;
        var own = 0;
        for (var r = first; r < end; r++) own += TilesOf(a, r);
        var before = own;
        for (var step = 1; step < 32; step <<= 1)
        {
            var other = Warp.Shuffle(before, lane >= step ? lane - step : lane);
            if (lane >= step) before += other;
        }
        if (lane == 31) Dev.StoreInt(a.Tiles, before);
        before -= own;
        for (var r = first; r < end; r++)
        {
            var expert = Dev.LoadInt(a.Active + 4 + (r * 4L));
            var (start, stop) = (Dev.LoadInt(a.Offsets + (expert * 4L)), Dev.LoadInt(a.Offsets + (expert * 4L) + 4));
            for (; start < stop; start += TileTokens)
            {
                var tile = a.Tiles + 4 + (before * 12L);
                Dev.StoreInt(tile, expert);
                Dev.StoreInt(tile + 4, start);
                Dev.StoreInt(tile + 8, stop);
                before++;
            }
        }
    }

    /// <summary>A block a padded row and 2,048 columns. With TMx 1 the activations are rounded to MXFP8, whose numbers bfloat16 holds.</summary>
    [Launch(Dependent = true)]
    public static void Gather<TMx>(ConventionalArgs a)
        where TMx : struct, IConstant
    {
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var row = Grid.IdxX;
        var tile = row / TileTokens;
        var column = (Grid.IdxY * Rows.Threads * 8) + (Group.IdxX * 8);
        if (tile >= Dev.LoadInt(a.Tiles)) return;
        var place = Dev.LoadInt(a.Tiles + 8 + (tile * 12L)) + (row % TileTokens);
        var inside = place < Dev.LoadInt(a.Tiles + 12 + (tile * 12L));
        var values = default(F8);
        if (inside & column < a.Hidden)
        {
            var slot = Dev.LoadInt(a.Slots + (place * 4L));
            if (column == 0) Dev.StoreInt(a.Places + (slot * 4L), row);
            values = F8.Load(a.Input + ((((long)(slot / a.TopK) * a.Hidden) + column) * 4));
        }
        if (TMx.Value != 0)
        {
            // Four lanes have the 32 values of a block.
            var exponent = Mx.Exponent(Mx.Largest(values.A, values.B));
            var (down, up) = (Mx.PowerOfTwo(-exponent), Mx.PowerOfTwo(exponent));
            values.A = Mx.Times(Mx.ToE4M3(Mx.Times(values.A, down)), up);
            values.B = Mx.Times(Mx.ToE4M3(Mx.Times(values.B, down)), up);
        }
        if (column >= a.Hidden) return;
        var words = new F4 { X = Pair(values.A.X, values.A.Y), Y = Pair(values.A.Z, values.A.W), Z = Pair(values.B.X, values.B.Y), W = Pair(values.B.Z, values.B.W) };
        Dev.StoreF4(a.Gathered + ((((long)row * a.Hidden) + column) * 2), words);
    }

    /// <summary>projected = gathered · [gate; up]ᵀ.</summary>
    [Launch(Threads = Threads, Blocks = 4, Dependent = true)]
    public static void GateUp<TWide>(ConventionalArgs a)
        where TWide : struct, IConstant
    {
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var expert = Dev.LoadInt(a.Tiles + 4 + (Grid.IdxY * 12L));
        if (Grid.IdxY >= Dev.LoadInt(a.Tiles)) return;
        var row = Grid.IdxX * TileRows;
        // A block's rows are of gate or of up: F is a multiple of 64.
        var weights = row < a.Ff ? a.Gate + ((((long)expert * a.Ff) + row) * a.Hidden * 2) : a.Up + ((((long)expert * a.Ff) + row - a.Ff) * a.Hidden * 2);
        Multiply<TWide>(weights, a.Gathered, a.Hidden, a.Projected, row, 2 * a.Ff);
    }

    /// <summary>outputs = activated · downᵀ.</summary>
    [Launch(Threads = Threads, Blocks = 4, Dependent = true)]
    public static void Down<TWide>(ConventionalArgs a)
        where TWide : struct, IConstant
    {
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var expert = Dev.LoadInt(a.Tiles + 4 + (Grid.IdxY * 12L));
        if (Grid.IdxY >= Dev.LoadInt(a.Tiles)) return;
        var row = Grid.IdxX * TileRows;
        Multiply<TWide>(a.Down + ((((long)expert * a.Hidden) + row) * a.Ff * 2), a.Activated, a.Ff, a.Outputs, row, a.Hidden);
    }

    /// <summary>activated = silu(gate)·up, a thread two neighbours.</summary>
    [Launch(Dependent = true)]
    public static void Activate(ConventionalArgs a)
    {
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var index = (Grid.IdxX * Rows.Threads) + Group.IdxX;
        var row = index / (a.Ff / 2);
        var column = (index - (row * (a.Ff / 2))) * 2;
        if (row >= Dev.LoadInt(a.Tiles) * TileTokens) return;
        var from = a.Projected + ((((long)row * 2 * a.Ff) + column) * 2);
        var (gate, up) = ((uint)Dev.LoadInt(from), (uint)Dev.LoadInt(from + (a.Ff * 2L)));
        var (g0, g1) = (Dev.BFloatLow(gate), Dev.BFloatHigh(gate));
        g0 *= Dev.Reciprocal(1f + Dev.Exp(-g0)) * Dev.BFloatLow(up);
        g1 *= Dev.Reciprocal(1f + Dev.Exp(-g1)) * Dev.BFloatHigh(up);
        Dev.StoreFloat(a.Activated + ((((long)row * a.Ff) + column) * 2), Pair(g0, g1));
    }

    /// <summary>mid[slot] = silu(gate)·up from the slot's padded row, all FP32, a thread one value of one slot.</summary>
    [Launch(Dependent = true)]
    public static void Scatter(ConventionalArgs a)
    {
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var column = (Grid.IdxY * Rows.Threads) + Group.IdxX;
        if (column >= a.Ff) return;
        var row = Dev.LoadInt(a.Places + (Grid.IdxX * 4L));
        var from = a.Projected + ((((long)row * 2 * a.Ff) + column) * 4);
        var (gate, up) = (Dev.LoadFloat(from), Dev.LoadFloat(from + (a.Ff * 4L)));
        Dev.StoreFloat(a.Mid + ((((long)Grid.IdxX * a.Ff) + column) * 4), gate * Dev.Reciprocal(1f + Dev.Exp(-gate)) * up);
    }

    /// <summary>x += Σₖ weight·output, a thread one value of one token.</summary>
    [Launch(Dependent = true)]
    public static void Combine<TWide>(ConventionalArgs a)
        where TWide : struct, IConstant
    {
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var row = (Grid.IdxY * Rows.Threads) + Group.IdxX;
        if (row >= a.Hidden) return;
        var sum = 0f;
        for (var k = 0; k < a.TopK; k++)
        {
            var slot = ((Grid.IdxX * a.TopK) + k) * 4L;
            var at = ((long)Dev.LoadInt(a.Places + slot) * a.Hidden) + row;
            float value;
            if (TWide.Value != 0) value = Dev.LoadFloat(a.Outputs + (at * 4));
            else value = Dev.BFloatLow(Dev.LoadU16(a.Outputs + (at * 2)));
            sum = Dev.Fma(Dev.LoadFloat(a.Weights + slot), value, sum);
        }
        var x = a.X + ((((long)Grid.IdxX * a.Hidden) + row) * 4);
        Dev.StoreFloat(x, Dev.LoadFloat(x) + sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int TilesOf(ConventionalArgs a, int rank)
    {
        var offset = a.Offsets + (Dev.LoadInt(a.Active + 4 + (rank * 4L)) * 4L);
        return (Dev.LoadInt(offset + 4) - Dev.LoadInt(offset) + TileTokens - 1) / TileTokens;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Pair(float low, float high) =>
        Interop.IntAsFloat(Dev.HighHalves(Interop.FloatAsInt(Dev.RoundToBFloat(low)), Interop.FloatAsInt(Dev.RoundToBFloat(high))));

    /// <summary>
    /// A block's 64 rows with a tile's sixteen vectors, 128 columns at a time. Shared memory holds the four words of a piece in four
    /// planes; within 32 columns the order of columns is such that a lane's words are of one piece.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply<TWide>(long weights, long vectors, int columns, long to, int outputRow, int outputs)
        where TWide : struct, IConstant
    {
        var tile = SharedMemory.Allocate<uint>(4 * Plane);
        var (thread, lane) = (Group.IdxX, Group.IdxX & 31);
        var (g, t) = (lane >> 2, lane & 3);
        var (row, piece) = (thread / TilePieces, thread % TilePieces); // and every eighth row after it
        var bytes = columns * 2L;
        var from = weights + (row * bytes) + (piece * 16);
        var vector = vectors + ((((long)Grid.IdxY * TileTokens) + row) * bytes) + (piece * 16);
        var next = 8 * bytes;
        var w0 = Dev.LoadWeights(from);
        var w1 = Dev.LoadWeights(from + next);
        var w2 = Dev.LoadWeights(from + (2 * next));
        var w3 = Dev.LoadWeights(from + (3 * next));
        var w4 = Dev.LoadWeights(from + (4 * next));
        var w5 = Dev.LoadWeights(from + (5 * next));
        var w6 = Dev.LoadWeights(from + (6 * next));
        var w7 = Dev.LoadWeights(from + (7 * next));
        var v0 = Dev.LoadShared(vector);
        var v1 = Dev.LoadShared(vector + next);
        var (sums0, sums1) = (default(F4), default(F4));
        for (var at = 2L * TileColumns; ; at += 2 * TileColumns)
        {
            Group.Barrier();
            Put(tile, row, piece, w0);
            Put(tile, row + 8, piece, w1);
            Put(tile, row + 16, piece, w2);
            Put(tile, row + 24, piece, w3);
            Put(tile, row + 32, piece, w4);
            Put(tile, row + 40, piece, w5);
            Put(tile, row + 48, piece, w6);
            Put(tile, row + 56, piece, w7);
            Put(tile, row + 64, piece, v0);
            Put(tile, row + 72, piece, v1);
            Group.Barrier();
            if (at < bytes)
            {
                w0 = Dev.LoadWeights(from + at);
                w1 = Dev.LoadWeights(from + next + at);
                w2 = Dev.LoadWeights(from + (2 * next) + at);
                w3 = Dev.LoadWeights(from + (3 * next) + at);
                w4 = Dev.LoadWeights(from + (4 * next) + at);
                w5 = Dev.LoadWeights(from + (5 * next) + at);
                w6 = Dev.LoadWeights(from + (6 * next) + at);
                w7 = Dev.LoadWeights(from + (7 * next) + at);
                v0 = Dev.LoadShared(vector + at);
                v1 = Dev.LoadShared(vector + next + at);
            }
            for (var chunk = 0; chunk < TilePieces; chunk += 4)
            {
                var a = Get(tile, ((thread >> 5) * 16) + g, chunk + t);
                var a8 = Get(tile, ((thread >> 5) * 16) + g + 8, chunk + t);
                var b = Get(tile, TileRows + g, chunk + t);
                var b8 = Get(tile, TileRows + g + 8, chunk + t);
                sums0 = Dev.MmaBFloat(a.X, a8.X, a.Y, a8.Y, b.X, b.Y, sums0);
                sums1 = Dev.MmaBFloat(a.X, a8.X, a.Y, a8.Y, b8.X, b8.Y, sums1);
                sums0 = Dev.MmaBFloat(a.Z, a8.Z, a.W, a8.W, b.Z, b.W, sums0);
                sums1 = Dev.MmaBFloat(a.Z, a8.Z, a.W, a8.W, b8.Z, b8.W, sums1);
            }
            if (at >= bytes) break;
        }
        var size = TWide.Value != 0 ? 4 : 2;
        var output = to + ((((((long)Grid.IdxY * TileTokens) + (2 * t)) * outputs) + outputRow + ((thread >> 5) * 16) + g) * size);
        Finish<TWide>(output, outputs * (long)size, sums0);
        Finish<TWide>(output + (8L * outputs * size), outputs * (long)size, sums1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<TWide>(long to, long next, F4 sums)
        where TWide : struct, IConstant
    {
        Store<TWide>(to, sums.X);
        Store<TWide>(to + next, sums.Y);
        Store<TWide>(to + (TWide.Value != 0 ? 32 : 16), sums.Z);
        Store<TWide>(to + next + (TWide.Value != 0 ? 32 : 16), sums.W);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TWide>(long to, float value)
        where TWide : struct, IConstant
    {
        if (TWide.Value != 0) Dev.StoreFloat(to, value);
        else Dev.StoreU16(to, Interop.FloatAsInt(Dev.RoundToBFloat(value)) >> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(ArrayView<uint> tile, int row, int piece, U4 words)
    {
        var at = (row * Stride) + piece;
        tile[at] = words.X;
        tile[at + Plane] = words.Y;
        tile[at + (2 * Plane)] = words.Z;
        tile[at + (3 * Plane)] = words.W;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static U4 Get(ArrayView<uint> tile, int row, int piece)
    {
        var at = (row * Stride) + piece;
        return new U4 { X = tile[at], Y = tile[at + Plane], Z = tile[at + (2 * Plane)], W = tile[at + (3 * Plane)] };
    }
}
