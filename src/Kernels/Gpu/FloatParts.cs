using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="FloatParts"/>.</summary>
internal struct FloatPartsArgs
{
    /// <summary>The product; its x is read by <see cref="FloatParts.Split{TNorm}"/> alone.</summary>
    public ProjectArgs Project;

    /// <summary>The three parts of x: [tokens / 8, columns / 32, 3, 32 lanes] of 16 bytes, the columns rounded up to 256.</summary>
    public long Parts;

    /// <summary>Sums of squares of x, [tokens, columns / 256].</summary>
    public long Squares;

    /// <summary>Products over 256 columns, [columns / 256, tokens rounded up to 8, rows].</summary>
    public long Slices;
}

/// <summary>
/// The products of <see cref="FloatTiles"/> for more than one token, bit for bit: x is split into its parts once, by a launch of its own,
/// which runs while the weights of the next one are on their way. Activations are read once for 128 or 256 rows: for many tokens they, and
/// not the weights, are most of what the second-level cache must give.
/// </summary>
internal static class FloatParts
{
    /// <summary>Rows of a warp of <see cref="Whole{TNorm}"/>.</summary>
    public const int WarpRows = 32;

    /// <summary>Tiles of eight tokens of a warp of <see cref="Whole{TNorm}"/>.</summary>
    public const int ManyTiles = 4;

    /// <summary>Most columns: beyond, a warp of <see cref="FloatTiles"/> has more than 256 of them, in another order.</summary>
    public const int MaxColumns = FloatTiles.WideWarps * FloatTiles.WarpColumns;

    private const int GroupChunks = FloatTiles.WarpColumns / 32;

    private const int LaneBytes = 16;

    internal const int PartBytes = 32 * LaneBytes;

    internal const int ChunkBytes = 3 * PartBytes;

    /// <summary>Bytes of <see cref="FloatPartsArgs.Slices"/>.</summary>
    public static long SlicesBytes(int tokens, int rows, int columns) =>
        (long)Up(tokens, FloatTiles.TileTokens) * rows * Groups(columns) * sizeof(float);

    /// <summary>Bytes of the parts of so many tokens.</summary>
    public static long PartsBytes(int tokens, int columns) => (long)Up(tokens, ManyTiles * FloatTiles.TileTokens) / FloatTiles.TileTokens * Chunks(columns) * ChunkBytes;

    /// <summary>Bytes of the sums of squares of so many tokens.</summary>
    public static long SquaresBytes(int tokens, int columns) => (long)Up(tokens, ManyTiles * FloatTiles.TileTokens) * Groups(columns) * sizeof(float);

    /// <summary>Splits 256 columns of eight tokens, a warp 32 of the columns.</summary>
    [Launch(Dependent = true)]
    public static void Split<TNorm>(FloatPartsArgs a)
        where TNorm : struct, IConstant
    {
        var squares = SharedMemory.Allocate<float>(Rows.Threads);
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var token = (Grid.IdxX * FloatTiles.TileTokens) + (lane >> 2);
        var chunk = (Grid.IdxY * GroupChunks) + warp;
        var column = (Grid.IdxY * FloatTiles.WarpColumns) + FloatTiles.Column((warp * 4) + (lane & 3));
        var columns = a.Project.Columns;
        var values = default(F8);
        if (column < columns) values = F8.Load(FloatTiles.Source(a.Project, token) + (column * 4L));
        if (TNorm.Value != 0)
        {
            squares[Group.IdxX] = F8.Dot(values, values, 0f);
            if (column < columns) values = F8.Multiply(values, F8.Load(a.Project.Norm + (column * 4L)));
        }
        var parts = FloatTiles.Split(values);
        var to = a.Parts + ((((long)Grid.IdxX * Chunks(columns)) + chunk) * ChunkBytes) + (lane * LaneBytes);
        Dev.StoreU4(to, parts.Upper);
        Dev.StoreU4(to + PartBytes, parts.Middle);
        Dev.StoreU4(to + (2 * PartBytes), parts.Lower);
        if (TNorm.Value == 0) return;
        Group.Barrier();
        if (warp != 0) return;
        // In the order of a sum over the warp when a lane has eight columns.
        var even = (squares[lane] + squares[128 + lane]) + (squares[64 + lane] + squares[192 + lane]);
        var odd = (squares[32 + lane] + squares[160 + lane]) + (squares[96 + lane] + squares[224 + lane]);
        var both = even + odd;
        both += Warp.ShuffleXor(both, 2);
        both += Warp.ShuffleXor(both, 1);
        if ((lane & 3) == 0) Dev.StoreFloat(a.Squares + ((((long)token * Grid.DimY) + Grid.IdxY) * 4), both);
    }

    /// <summary>
    /// Products of 128 rows and 256 columns, a warp 16 of the rows, for all tokens: where rows are few, blocks share the columns too, and
    /// <see cref="Sum{TNorm}"/> adds what they leave.
    /// </summary>
    [Launch(Dependent = true)]
    public static void Slice(FloatPartsArgs a)
    {
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var (g, t) = (lane >> 2, lane & 3);
        var place = FloatTiles.Find(a.Project, (Grid.IdxX * Rows.Warps) + warp, FloatTiles.TileRows);
        var weights = FloatTiles.Load(
            a.Project, FloatTiles.Row(a.Project, place, g), FloatTiles.Row(a.Project, place, g + 8), (Grid.IdxY * FloatTiles.WarpColumns) + FloatTiles.Column(t));
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        if (place.Row >= place.Rows) return;
        var row = place.Row + g;
        var total = AllRows(a.Project);
        var token = Grid.IdxY * Up(a.Project.Tokens, FloatTiles.TileTokens);
        for (var tile = 0; tile < a.Project.Tokens; tile += FloatTiles.TileTokens)
        {
            var sums = FloatTiles.Add(weights, PartsOf(a, tile / FloatTiles.TileTokens, Grid.IdxY, lane), default);
            var to = a.Slices + ((((long)(token + tile + (2 * t)) * total) + place.Output + row) * 4);
            if (row < place.Rows)
            {
                Dev.StoreFloat(to, sums.X);
                Dev.StoreFloat(to + (total * 4L), sums.Y);
            }
            if (row + 8 >= place.Rows) continue;
            Dev.StoreFloat(to + 32, sums.Z);
            Dev.StoreFloat(to + 32 + (total * 4L), sums.W);
        }
    }

    /// <summary>The sum of the slices, a thread a row of a token.</summary>
    [Launch(Dependent = true)]
    public static void Sum<TNorm>(FloatPartsArgs a)
        where TNorm : struct, IConstant
    {
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var (row, token, total) = ((Grid.IdxX * Rows.Threads) + Group.IdxX, Grid.IdxY, AllRows(a.Project));
        if (row >= total) return;
        var y = a.Project.Y + ((((long)token * a.Project.Stride) + row) * 4);
        var before = 0f;
        if (TNorm.Value == 0) before = Dev.LoadFloat(y);
        var next = (long)Up(a.Project.Tokens, FloatTiles.TileTokens) * total * 4;
        var at = a.Slices + ((((long)token * total) + row) * 4);
        var value = InOrder(a.Project.Columns, at, next);
        if (TNorm.Value != 0) value *= Scale(a, token);
        else value += before;
        Dev.StoreFloat(y, value);
    }

    /// <summary>Products over all columns; a warp 32 rows for 32 tokens, of which it needs most of its registers.</summary>
    [Launch(Blocks = 1, Dependent = true)]
    public static void Whole<TNorm>(FloatPartsArgs a)
        where TNorm : struct, IConstant
    {
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var (g, t) = (lane >> 2, lane & 3);
        var place = FloatTiles.Find(a.Project, (Grid.IdxX * Rows.Warps) + warp, WarpRows);
        var rows = new Rows4
        {
            A = FloatTiles.Row(a.Project, place, g),
            B = FloatTiles.Row(a.Project, place, g + 8),
            C = FloatTiles.Row(a.Project, place, g + 16),
            D = FloatTiles.Row(a.Project, place, g + 24),
        };
        // Weights of the next two chunks of 32 columns are always on their way.
        var column = FloatTiles.Column(t);
        var w0 = Load(a.Project, rows, column);
        var w1 = Load(a.Project, rows, column + 8);
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        if (place.Row >= place.Rows) return;

        var groups = Groups(a.Project.Columns);
        var tile = Grid.IdxY * ManyTiles;
        var parts = PartsOf(a, tile, 0, lane);
        var next = (long)groups * GroupChunks * ChunkBytes;
        var total = default(Totals);
        for (var group = 0; group < groups; group++)
        {
            var sums = default(Tiles);
            var w2 = Load(a.Project, rows, column + 64);
            sums = Add(w0, parts, next, sums);
            var w3 = Load(a.Project, rows, column + 72);
            sums = Add(w1, parts + ChunkBytes, next, sums);
            w0 = Load(a.Project, rows, column + 128);
            sums = Add(w2, parts + (2 * ChunkBytes), next, sums);
            w1 = Load(a.Project, rows, column + 136);
            sums = Add(w3, parts + (3 * ChunkBytes), next, sums);
            w2 = Load(a.Project, rows, column + 192);
            sums = Add(w0, parts + (4 * ChunkBytes), next, sums);
            w3 = Load(a.Project, rows, column + 200);
            sums = Add(w1, parts + (5 * ChunkBytes), next, sums);
            w0 = Load(a.Project, rows, column + 256);
            sums = Add(w2, parts + (6 * ChunkBytes), next, sums);
            w1 = Load(a.Project, rows, column + 264);
            sums = Add(w3, parts + (7 * ChunkBytes), next, sums);
            total.T0 = Total(total.T0, sums.T0);
            total.T1 = Total(total.T1, sums.T1);
            total.T2 = Total(total.T2, sums.T2);
            total.T3 = Total(total.T3, sums.T3);
            column += FloatTiles.WarpColumns;
            parts += GroupChunks * ChunkBytes;
        }
        Finish<TNorm>(a, place, total.T0, tile, g, t);
        Finish<TNorm>(a, place, total.T1, tile + 1, g, t);
        Finish<TNorm>(a, place, total.T2, tile + 2, g, t);
        Finish<TNorm>(a, place, total.T3, tile + 3, g, t);
    }

    /// <summary>1 / √(mean of the squares of a token + ε).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static float Scale(FloatPartsArgs a, int token)
    {
        var sum = InOrder(a.Project.Columns, a.Squares + ((long)token * Groups(a.Project.Columns) * 4), 4);
        return Dev.ReciprocalSqrt(Dev.Fma(sum, 1f / a.Project.Columns, a.Project.Epsilon));
    }

    /// <summary>The sum of a value of each group of columns, in the order of <see cref="FloatTiles"/>: a warp's groups, then the warps.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float InOrder(int columns, long at, long next)
    {
        var (groups, group, sum) = (Groups(columns), 0, 0f);
        var warps = columns > FloatTiles.NarrowColumns ? FloatTiles.WideWarps : Rows.Warps;
        if (groups <= warps)
        {
            for (; group + 7 < groups; group += 8)
            {
                var (v0, v1, v2, v3) = (Dev.LoadFloat(at), Dev.LoadFloat(at + next), Dev.LoadFloat(at + (2 * next)), Dev.LoadFloat(at + (3 * next)));
                at += 4 * next;
                var (v4, v5, v6, v7) = (Dev.LoadFloat(at), Dev.LoadFloat(at + next), Dev.LoadFloat(at + (2 * next)), Dev.LoadFloat(at + (3 * next)));
                at += 4 * next;
                sum = sum + v0 + v1 + v2 + v3 + v4 + v5 + v6 + v7;
            }
            for (; group < groups; group++)
            {
                sum += Dev.LoadFloat(at);
                at += next;
            }
            return sum;
        }
        var each = (groups + warps - 1) / warps;
        for (; group < groups; group += each)
        {
            var part = 0f;
            for (var i = group; i < group + each && i < groups; i++)
            {
                part += Dev.LoadFloat(at);
                at += next;
            }
            sum += part;
        }
        return sum;
    }

    /// <summary>Where a lane's parts of 256 columns of eight tokens begin.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static long PartsOf(FloatPartsArgs a, int tile, int group, int lane) =>
        a.Parts + ((((long)tile * Chunks(a.Project.Columns)) + (group * GroupChunks)) * ChunkBytes) + (lane * LaneBytes);

    private static int Groups(int columns) => Chunks(columns) / GroupChunks;

    private static int AllRows(ProjectArgs a) => a.Rows0 + a.Rows1 + a.Rows2;

    /// <summary>Chunks of 32 columns, in whole groups.</summary>
    private static int Chunks(int columns) => Up(columns, FloatTiles.WarpColumns) / 32;

    private static int Up(int value, int multiple) => (value + multiple - 1) / multiple * multiple;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Weights4 Load(ProjectArgs a, Rows4 rows, int column) => new()
    {
        A = FloatTiles.Load(a, rows.A, column),
        B = FloatTiles.Load(a, rows.B, column),
        C = FloatTiles.Load(a, rows.C, column),
        D = FloatTiles.Load(a, rows.D, column),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Tiles Add(Weights4 weights, long parts, long next, Tiles sums)
    {
        sums.T0 = Add(weights, parts, sums.T0);
        sums.T1 = Add(weights, parts + next, sums.T1);
        sums.T2 = Add(weights, parts + (2 * next), sums.T2);
        sums.T3 = Add(weights, parts + (3 * next), sums.T3);
        return sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Tile Add(Weights4 weights, long parts, Tile sums)
    {
        var (upper, middle, lower) = (Dev.LoadGlobal4(parts), Dev.LoadGlobal4(parts + PartBytes), Dev.LoadGlobal4(parts + (2 * PartBytes)));
        sums.Upper0 = FloatTiles.Multiply(weights.A, weights.B, upper, sums.Upper0);
        sums.Upper1 = FloatTiles.Multiply(weights.C, weights.D, upper, sums.Upper1);
        sums.Middle0 = FloatTiles.Multiply(weights.A, weights.B, middle, sums.Middle0);
        sums.Middle1 = FloatTiles.Multiply(weights.C, weights.D, middle, sums.Middle1);
        sums.Lower0 = FloatTiles.Multiply(weights.A, weights.B, lower, sums.Lower0);
        sums.Lower1 = FloatTiles.Multiply(weights.C, weights.D, lower, sums.Lower1);
        return sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Pair Total(Pair total, Tile sums) => new()
    {
        First = FloatTiles.Total(total.First, sums.Upper0, sums.Middle0, sums.Lower0),
        Second = FloatTiles.Total(total.Second, sums.Upper1, sums.Middle1, sums.Lower1),
    };

    // Lane (g, t) has rows g, g + 8, g + 16 and g + 24 of tokens 2t and 2t + 1 of the tile.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<TNorm>(FloatPartsArgs a, FloatTiles.Place place, Pair total, int tile, int g, int t)
        where TNorm : struct, IConstant
    {
        var token = (tile * FloatTiles.TileTokens) + (2 * t);
        Finish<TNorm>(a, place, token, g, total.First.X, total.First.Z, total.Second.X, total.Second.Z);
        Finish<TNorm>(a, place, token + 1, g, total.First.Y, total.First.W, total.Second.Y, total.Second.W);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<TNorm>(FloatPartsArgs a, FloatTiles.Place place, int token, int g, float v0, float v1, float v2, float v3)
        where TNorm : struct, IConstant
    {
        if (token >= a.Project.Tokens) return;
        var scale = 1f;
        if (TNorm.Value != 0) scale = Scale(a, token);
        var y = a.Project.Y + ((((long)token * a.Project.Stride) + place.Output) * 4);
        Put<TNorm>(place, y, place.Row + g, v0, scale);
        Put<TNorm>(place, y, place.Row + g + 8, v1, scale);
        Put<TNorm>(place, y, place.Row + g + 16, v2, scale);
        Put<TNorm>(place, y, place.Row + g + 24, v3, scale);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put<TNorm>(FloatTiles.Place place, long y, int row, float value, float scale)
        where TNorm : struct, IConstant
    {
        if (row >= place.Rows) return;
        if (TNorm.Value != 0) value *= scale;
        else value += Dev.LoadFloat(y + (row * 4L));
        Dev.StoreFloat(y + (row * 4L), value);
    }

    private struct Rows4
    {
        public long A;
        public long B;
        public long C;
        public long D;
    }

    /// <summary>A lane's eight weights of rows g, g + 8, g + 16 and g + 24.</summary>
    private struct Weights4
    {
        public U4 A;
        public U4 B;
        public U4 C;
        public U4 D;
    }

    /// <summary>Sums over 128 columns of eight tokens: rows 0 … 15 and rows 16 … 31.</summary>
    private struct Tile
    {
        public F4 Upper0;
        public F4 Upper1;
        public F4 Middle0;
        public F4 Middle1;
        public F4 Lower0;
        public F4 Lower1;
    }

    private struct Tiles
    {
        public Tile T0;
        public Tile T1;
        public Tile T2;
        public Tile T3;
    }

    private struct Pair
    {
        public F4 First;
        public F4 Second;
    }

    private struct Totals
    {
        public Pair T0;
        public Pair T1;
        public Pair T2;
        public Pair T3;
    }
}
