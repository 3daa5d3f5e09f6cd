using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>
/// The products of <see cref="Project"/> on tensor cores, for BF16 weights, from sm_80, with exact activations: an FP32 number is the sum of
/// three bfloat16 numbers, its upper, middle and lower eight bits, and each of the three is multiplied by the weights as they are in
/// the file, with FP32 sums.
/// <para>
/// A block takes 16 rows at a time, a warp of it 256 neighbouring columns (<see cref="WarpColumns"/>), or that many more times as there
/// are more columns than the block's warps take at once. All of a warp's weights are on their way before the kernel ahead has ended, and
/// those of the next rows before these are summed. A row's order of additions is the same for one token and for many, here and in
/// <see cref="FloatParts"/>: tensor cores over 256 columns, (lower + middle) + upper, a warp's columns, then the warps in order.
/// </para>
/// <para>
/// In a tile of the tensor cores, 16 rows · 16 columns by 8 columns of activations, the order of k is free as long as both operands agree: lane
/// (g, t) takes eight neighbouring weights, 16 bytes, of rows g and g + 8, and the activations of the same columns (<see cref="Column"/>). For one token the
/// columns of activations are its three parts, for more they are eight tokens, three times.
/// </para>
/// </summary>
internal static class FloatTiles
{
    /// <summary>Rows of a tile.</summary>
    public const int TileRows = 16;

    /// <summary>Tokens of a tile when there is more than one.</summary>
    public const int TileTokens = 8;

    /// <summary>Columns of a warp.</summary>
    public const int WarpColumns = 256;

    /// <summary>Warps of the larger block, for rows of more than <see cref="NarrowColumns"/>.</summary>
    public const int WideWarps = 16;

    /// <summary>Most columns that the block of eight warps takes.</summary>
    public const int NarrowColumns = Rows.Warps * WarpColumns;

    // Words of one of the three parts of a warp's activations in shared memory: four planes of 32, the parts a little apart, so that no
    // two lanes meet in a bank.
    private const int PartWords = (4 * 32) + 8;

    // Sums of one token: 16 rows, a little apart.
    private const int TokenSums = TileRows + 4;

    private const int TileSums = TileTokens * TokenSums;

    private const uint HighHalf = 0xFFFF0000;

    /// <summary>One token, eight warps.</summary>
    [Launch(Dependent = true)]
    public static void One<TNorm>(ProjectArgs a)
        where TNorm : struct, IConstant => RunOne<TNorm>(
            a, Rows.Warps, SharedMemory.Allocate<uint>(Rows.Warps * 3 * PartWords), SharedMemory.Allocate<float>(2 * Rows.Warps * TileRows), SharedMemory.Allocate<float>(Rows.Warps));

    /// <summary>One token, sixteen warps.</summary>
    [Launch(Threads = WideWarps * 32, Blocks = 1, Dependent = true)]
    public static void OneWide<TNorm>(ProjectArgs a)
        where TNorm : struct, IConstant => RunOne<TNorm>(
            a, WideWarps, SharedMemory.Allocate<uint>(WideWarps * 3 * PartWords), SharedMemory.Allocate<float>(2 * WideWarps * TileRows), SharedMemory.Allocate<float>(WideWarps));

    /// <summary>Two to eight tokens in parts, eight warps.</summary>
    [Launch(Dependent = true)]
    public static void Few<TNorm>(FloatPartsArgs a)
        where TNorm : struct, IConstant => RunFew<TNorm>(a, Rows.Warps, SharedMemory.Allocate<float>(2 * Rows.Warps * TileSums));

    /// <summary>Two to eight tokens in parts, sixteen warps.</summary>
    [Launch(Threads = WideWarps * 32, Blocks = 1, Dependent = true)]
    public static void FewWide<TNorm>(FloatPartsArgs a)
        where TNorm : struct, IConstant => RunFew<TNorm>(a, WideWarps, SharedMemory.Allocate<float>(2 * WideWarps * TileSums));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Place Find(ProjectArgs a, int tile, int tileRows)
    {
        var place = new Place { Weights = a.W0, Rows = a.Rows0 };
        var tiles = (a.Rows0 + tileRows - 1) / tileRows;
        if (tile >= tiles)
        {
            tile -= tiles;
            tiles = (a.Rows1 + tileRows - 1) / tileRows;
            place = new Place { Weights = a.W1, Rows = a.Rows1, Output = a.Rows0 };
            if (tile >= tiles)
            {
                tile -= tiles;
                place = new Place { Weights = a.W2, Rows = a.Rows2, Output = a.Rows0 + a.Rows1 };
                // Past the last tile: rows that can be loaded, none to be written.
                if (tile >= (a.Rows2 + tileRows - 1) / tileRows) return new Place { Weights = a.W0, Rows = a.Rows0, Row = a.Rows0 };
            }
        }
        place.Row = tile * tileRows;
        return place;
    }

    // Past the last row that one is computed again, and not written.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static long Row(ProjectArgs a, Place place, int row)
    {
        row += place.Row;
        return place.Weights + ((row < place.Rows ? row : place.Rows - 1) * a.RowBytes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static long Source(ProjectArgs a, int token)
    {
        var index = token < a.Tokens ? token : a.Tokens - 1;
        if (a.Selected != 0) index = Dev.LoadInt(a.Selected + (index * 4L));
        return a.X + ((long)index * a.Columns * 4);
    }

    /// <summary>
    /// Where the eight columns of lane t in the c-th 32 of a tile are, unit 4·c + t: two such units of a lane are neighbours, so that the
    /// four lanes of a row read whole lines of 128 bytes (64 bytes of each row at a time gave 3.5 TB/s, this 4.5).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static int Column(int unit) => ((unit >> 3) * 64) + ((unit & 3) * 16) + ((unit & 4) * 2);

    /// <summary>A lane's weights of 256 columns of two rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Weights Load(ProjectArgs a, long rowA, long rowB, int column) =>
        column + 200 < a.Columns ? LoadAll(rowA + (column * 2L), rowB + (column * 2L)) : LoadSome(a, rowA, rowB, column);

    // Past the last column there are zeros.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static U4 Load(ProjectArgs a, long row, int column) => Dev.LoadGlobal4(column < a.Columns ? row + (column * 2L) : a.Zeros);

    /// <summary>Adds 32 columns to a tile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static F4 Multiply(U4 a, U4 b, U4 x, F4 sum)
    {
        sum = Dev.MmaBFloat(a.X, b.X, a.Y, b.Y, x.X, x.Y, sum);
        return Dev.MmaBFloat(a.Z, b.Z, a.W, b.W, x.Z, x.W, sum);
    }

    /// <summary>Adds the 256 columns of a group to the sums of eight tokens; their parts begin at <paramref name="parts"/> for this lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static F4 Add(Weights weights, long parts, F4 total)
    {
        var (upper, middle, lower) = (default(F4), default(F4), default(F4));
        Add(weights.A0, weights.B0, parts, ref upper, ref middle, ref lower);
        Add(weights.A1, weights.B1, parts + FloatParts.ChunkBytes, ref upper, ref middle, ref lower);
        Add(weights.A2, weights.B2, parts + (2 * FloatParts.ChunkBytes), ref upper, ref middle, ref lower);
        Add(weights.A3, weights.B3, parts + (3 * FloatParts.ChunkBytes), ref upper, ref middle, ref lower);
        Add(weights.A4, weights.B4, parts + (4 * FloatParts.ChunkBytes), ref upper, ref middle, ref lower);
        Add(weights.A5, weights.B5, parts + (5 * FloatParts.ChunkBytes), ref upper, ref middle, ref lower);
        Add(weights.A6, weights.B6, parts + (6 * FloatParts.ChunkBytes), ref upper, ref middle, ref lower);
        Add(weights.A7, weights.B7, parts + (7 * FloatParts.ChunkBytes), ref upper, ref middle, ref lower);
        return Total(total, upper, middle, lower);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static F4 Total(F4 total, F4 upper, F4 middle, F4 lower) => new()
    {
        X = total.X + ((lower.X + middle.X) + upper.X),
        Y = total.Y + ((lower.Y + middle.Y) + upper.Y),
        Z = total.Z + ((lower.Z + middle.Z) + upper.Z),
        W = total.W + ((lower.W + middle.W) + upper.W),
    };

    /// <summary>Eight numbers in three parts of eight bits, exactly: all truncations.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Parts Split(F8 values)
    {
        var middle = F8.Of(
            Below(values.A.X), Below(values.A.Y), Below(values.A.Z), Below(values.A.W), Below(values.B.X), Below(values.B.Y), Below(values.B.Z), Below(values.B.W));
        var lower = F8.Of(
            Below(middle.A.X), Below(middle.A.Y), Below(middle.A.Z), Below(middle.A.W), Below(middle.B.X), Below(middle.B.Y), Below(middle.B.Z), Below(middle.B.W));
        return new Parts { Upper = Pack(values), Middle = Pack(middle), Lower = Pack(lower) };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RunOne<TNorm>(ProjectArgs a, int warps, ArrayView<uint> parts, ArrayView<float> sums, ArrayView<float> squares)
        where TNorm : struct, IConstant
    {
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var (g, t) = (lane >> 2, lane & 3);
        var (start, end) = Columns(a, warp, warps);
        var tile = Grid.IdxX;
        var place = Find(a, tile, TileRows);
        var (rowA, rowB) = (Row(a, place, g), Row(a, place, g + 8));
        var weights = Load(a, rowA, rowB, start + Column(t));
        Dev.AwaitPrevious();
        Dev.ReleaseNext();

        var x = Source(a, 0);
        var mine = (warp * 3 * PartWords) + lane;
        // Column g of the tile is part g; the lanes past the third repeat it, and their sums are left.
        var from = (warp * 3 * PartWords) + ((g < 2 ? g : 2) * PartWords) + t;
        var (turn, squared) = (0, 0f);
        for (; tile < a.Tiles; tile += Grid.DimX)
        {
            var row = place.Row + Group.IdxX;
            var y = a.Y + ((place.Output + row) * 4L);
            var writes = Group.IdxX < TileRows && row < place.Rows;
            var before = 0f;
            if (TNorm.Value == 0 && writes) before = Dev.LoadFloat(y);
            var (sumA, sumB) = (0f, 0f);
            for (var column = start; column < end; column += WarpColumns)
            {
                // The lanes share the splitting, eight columns each. It lasts for all rows if the warp has no other columns.
                if (tile == Grid.IdxX || end - start > WarpColumns)
                {
                    Warp.Barrier(); // the parts before were read
                    var values = Values(x, column + Column(lane), a.Columns);
                    if (TNorm.Value != 0)
                    {
                        if (tile == Grid.IdxX) squared += Dev.WarpSum(SumOfSquares(values, column + Column(lane), a.Columns));
                        values = F8.Multiply(values, Values(a.Norm, column + Column(lane), a.Columns));
                    }
                    var split = Split(values);
                    Put(parts, mine, split.Upper);
                    Put(parts, mine + PartWords, split.Middle);
                    Put(parts, mine + (2 * PartWords), split.Lower);
                    Warp.Barrier();
                }
                var sum = default(F4);
                sum = Multiply(weights.A0, weights.B0, Get(parts, from), sum);
                sum = Multiply(weights.A1, weights.B1, Get(parts, from + 4), sum);
                sum = Multiply(weights.A2, weights.B2, Get(parts, from + 8), sum);
                sum = Multiply(weights.A3, weights.B3, Get(parts, from + 12), sum);
                sum = Multiply(weights.A4, weights.B4, Get(parts, from + 16), sum);
                sum = Multiply(weights.A5, weights.B5, Get(parts, from + 20), sum);
                sum = Multiply(weights.A6, weights.B6, Get(parts, from + 24), sum);
                sum = Multiply(weights.A7, weights.B7, Get(parts, from + 28), sum);
                weights = Next(a, tile, column, start, end, g, t, ref place, ref rowA, ref rowB, weights);
                // Lane (g, 0) has the sums of the upper and the middle parts, lane (g, 1) those of the lower ones.
                sumA += (Warp.ShuffleXor(sum.X, 1) + sum.Y) + sum.X;
                sumB += (Warp.ShuffleXor(sum.Z, 1) + sum.W) + sum.Z;
            }
            var to = (((turn * warps) + warp) * TileRows) + g;
            if (t == 0)
            {
                sums[to] = sumA;
                sums[to + 8] = sumB;
            }
            if (TNorm.Value != 0 && tile == Grid.IdxX && lane == 0) squares[warp] = squared;
            Group.Barrier();
            if (start >= end) place = Find(a, tile + Grid.DimX, TileRows);
            if (writes)
            {
                var value = Sum(sums, (turn * warps * TileRows) + Group.IdxX, TileRows, warps);
                if (TNorm.Value != 0) value *= Dev.ReciprocalSqrt(Dev.Fma(Sum(squares, 0, 1, warps), 1f / a.Columns, a.Epsilon));
                else value += before;
                Dev.StoreFloat(y, value);
            }
            turn ^= 1; // the next rows' sums lie beside these, so that one barrier is enough
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RunFew<TNorm>(FloatPartsArgs all, int warps, ArrayView<float> sums)
        where TNorm : struct, IConstant
    {
        var a = all.Project;
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var (g, t) = (lane >> 2, lane & 3);
        var (start, end) = Columns(a, warp, warps);
        var tile = Grid.IdxX;
        var place = Find(a, tile, TileRows);
        var (rowA, rowB) = (Row(a, place, g), Row(a, place, g + 8));
        var weights = Load(a, rowA, rowB, start + Column(t));
        Dev.AwaitPrevious();
        Dev.ReleaseNext();

        // What this thread writes of each tile: one row of one token.
        var (line, token) = (Group.IdxX & (TileRows - 1), Group.IdxX / TileRows);
        var scale = 1f;
        if (TNorm.Value != 0 && token < a.Tokens) scale = FloatParts.Scale(all, token);
        var turn = 0;
        for (; tile < a.Tiles; tile += Grid.DimX)
        {
            var row = place.Row + line;
            var writes = token < a.Tokens && row < place.Rows;
            var y = a.Y + ((((long)token * a.Stride) + place.Output + row) * 4);
            var before = 0f;
            if (TNorm.Value == 0 && writes) before = Dev.LoadFloat(y);
            var total = default(F4);
            for (var column = start; column < end; column += WarpColumns)
            {
                total = Add(weights, FloatParts.PartsOf(all, 0, column / WarpColumns, lane), total);
                weights = Next(a, tile, column, start, end, g, t, ref place, ref rowA, ref rowB, weights);
            }
            // Lane (g, t) has rows g and g + 8 of tokens 2t and 2t + 1.
            var to = (((turn * warps) + warp) * TileSums) + (2 * t * TokenSums) + g;
            sums[to] = total.X;
            sums[to + TokenSums] = total.Y;
            sums[to + 8] = total.Z;
            sums[to + TokenSums + 8] = total.W;
            Group.Barrier();
            if (start >= end) place = Find(a, tile + Grid.DimX, TileRows);
            if (writes)
            {
                var value = Sum(sums, (turn * warps * TileSums) + (token * TokenSums) + line, TileSums, warps);
                if (TNorm.Value != 0) value *= scale;
                else value += before;
                Dev.StoreFloat(y, value);
            }
            turn ^= 1;
        }
    }

    /// <summary>The weights that a warp wants next: other columns of these rows, or the first of the block's next rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Weights Next(
        ProjectArgs a, int tile, int column, int start, int end, int g, int t, ref Place place, ref long rowA, ref long rowB, Weights weights)
    {
        column += WarpColumns;
        if (column >= end)
        {
            // There may be none: then the same again, left where they are.
            place = Find(a, tile + Grid.DimX < a.Tiles ? tile + Grid.DimX : tile, TileRows);
            (rowA, rowB) = (Row(a, place, g), Row(a, place, g + 8));
            column = start;
            if (tile + Grid.DimX >= a.Tiles) return weights;
        }
        return Load(a, rowA, rowB, column + Column(t));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Weights LoadAll(long atA, long atB) => new()
    {
        A0 = Dev.LoadGlobal4(atA),
        B0 = Dev.LoadGlobal4(atB),
        A1 = Dev.LoadGlobal4(atA + 16),
        B1 = Dev.LoadGlobal4(atB + 16),
        A2 = Dev.LoadGlobal4(atA + 128),
        B2 = Dev.LoadGlobal4(atB + 128),
        A3 = Dev.LoadGlobal4(atA + 144),
        B3 = Dev.LoadGlobal4(atB + 144),
        A4 = Dev.LoadGlobal4(atA + 256),
        B4 = Dev.LoadGlobal4(atB + 256),
        A5 = Dev.LoadGlobal4(atA + 272),
        B5 = Dev.LoadGlobal4(atB + 272),
        A6 = Dev.LoadGlobal4(atA + 384),
        B6 = Dev.LoadGlobal4(atB + 384),
        A7 = Dev.LoadGlobal4(atA + 400),
        B7 = Dev.LoadGlobal4(atB + 400),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Weights LoadSome(ProjectArgs a, long rowA, long rowB, int column) => new()
    {
        A0 = Load(a, rowA, column),
        B0 = Load(a, rowB, column),
        A1 = Load(a, rowA, column + 8),
        B1 = Load(a, rowB, column + 8),
        A2 = Load(a, rowA, column + 64),
        B2 = Load(a, rowB, column + 64),
        A3 = Load(a, rowA, column + 72),
        B3 = Load(a, rowB, column + 72),
        A4 = Load(a, rowA, column + 128),
        B4 = Load(a, rowB, column + 128),
        A5 = Load(a, rowA, column + 136),
        B5 = Load(a, rowB, column + 136),
        A6 = Load(a, rowA, column + 192),
        B6 = Load(a, rowB, column + 192),
        A7 = Load(a, rowA, column + 200),
        B7 = Load(a, rowB, column + 200),
    };

    /// <summary>The first of a warp's columns, and where they end; the last of them may not exist.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (int Start, int End) Columns(ProjectArgs a, int warp, int warps)
    {
        var groups = (a.Columns + WarpColumns - 1) / WarpColumns;
        var each = (groups + warps - 1) / warps;
        var (start, end) = (warp * each, (warp + 1) * each);
        return (start * WarpColumns, (end < groups ? end : groups) * WarpColumns);
    }

    // Past the last column the weights are zeros, and any activations will do.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F8 Values(long x, int column, int columns) => F8.Load(x + ((column < columns ? column : columns - 8) * 4L));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float SumOfSquares(F8 values, int column, int columns)
    {
        var sum = F8.Dot(values, values, 0f);
        return column < columns ? sum : 0f;
    }

    /// <summary>The sum of a value of each of 8 or 16 warps, in order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Sum(ArrayView<float> values, int at, int stride, int warps)
    {
        var sum = Sum(values, at, stride, 0f);
        return warps > Rows.Warps ? Sum(values, at + (Rows.Warps * stride), stride, sum) : sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Sum(ArrayView<float> values, int at, int stride, float sum)
    {
        var (v0, v1, v2, v3) = (values[at], values[at + stride], values[at + (2 * stride)], values[at + (3 * stride)]);
        var (v4, v5, v6, v7) = (values[at + (4 * stride)], values[at + (5 * stride)], values[at + (6 * stride)], values[at + (7 * stride)]);
        return sum + v0 + v1 + v2 + v3 + v4 + v5 + v6 + v7;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(U4 a, U4 b, long parts, ref F4 upper, ref F4 middle, ref F4 lower)
    {
        var (x, y, z) = (Dev.LoadGlobal4(parts), Dev.LoadGlobal4(parts + FloatParts.PartBytes), Dev.LoadGlobal4(parts + (2 * FloatParts.PartBytes)));
        upper = Multiply(a, b, x, upper);
        middle = Multiply(a, b, y, middle);
        lower = Multiply(a, b, z, lower);
    }

    /// <summary>What a truncation to bfloat16 leaves. By an intrinsic, lest it is contracted with the product that gave the value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Below(float value) => Dev.Fma(Interop.IntAsFloat(Interop.FloatAsInt(value) & HighHalf), -1f, value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static U4 Pack(F8 values) => new() { X = Pack(values.A.X, values.A.Y), Y = Pack(values.A.Z, values.A.W), Z = Pack(values.B.X, values.B.Y), W = Pack(values.B.Z, values.B.W) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Pack(float low, float high) => Dev.HighHalves(Interop.FloatAsInt(low), Interop.FloatAsInt(high));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(ArrayView<uint> parts, int at, U4 words)
    {
        parts[at] = words.X;
        parts[at + 32] = words.Y;
        parts[at + 64] = words.Z;
        parts[at + 96] = words.W;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static U4 Get(ArrayView<uint> parts, int at) => new() { X = parts[at], Y = parts[at + 32], Z = parts[at + 64], W = parts[at + 96] };

    /// <summary>Some rows of one of the matrices.</summary>
    internal struct Place
    {
        public long Weights;
        public int Rows;
        public int Output;
        public int Row;
    }

    /// <summary>A lane's weights of two rows, eight of each 32 columns.</summary>
    internal struct Weights
    {
        public U4 A0;
        public U4 A1;
        public U4 A2;
        public U4 A3;
        public U4 A4;
        public U4 A5;
        public U4 A6;
        public U4 A7;
        public U4 B0;
        public U4 B1;
        public U4 B2;
        public U4 B3;
        public U4 B4;
        public U4 B5;
        public U4 B6;
        public U4 B7;
    }

    /// <summary>Eight activations in three parts.</summary>
    internal struct Parts
    {
        public U4 Upper;
        public U4 Middle;
        public U4 Lower;
    }
}
