using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="TileConventional"/>. P padded rows, a multiple of <see cref="Conventional.TileTokens"/>.</summary>
internal struct TileConventionalArgs
{
    /// <summary>One matrix of each expert, or gate.</summary>
    public long W0;

    /// <summary>Up.</summary>
    public long W1;

    /// <summary>FP32 activations.</summary>
    public long Input;

    /// <summary>Quantized activations, in groups of eight padded rows [P / 8, columns / 256].</summary>
    public long Vectors;

    /// <summary>FP32 [P, rows of all matrices].</summary>
    public long Outputs;

    /// <inheritdoc cref="ConventionalArgs.Slots"/>
    public long Slots;

    /// <inheritdoc cref="ConventionalArgs.Tiles"/>
    public long Tiles;

    /// <inheritdoc cref="ConventionalArgs.Places"/>
    public long Places;

    /// <summary>Tiles down the rows of one matrix of one expert.</summary>
    public int RowTiles;

    /// <summary>The same of all matrices.</summary>
    public int AllTiles;

    /// <summary>Records along a row.</summary>
    public int PerRow;

    /// <summary>Warps that share a row's records: as many as there are records, at most <see cref="TileConventional.Warps"/>.</summary>
    public int Classes;

    /// <inheritdoc cref="ConventionalArgs.TopK"/>
    public int TopK;
}

/// <summary>
/// <see cref="Conventional"/> for quantized weights in tiles: the padded rows of activations are quantized as they are gathered
/// (<see cref="Gather"/>), to 8 bits in blocks of 32 with FP32 scales, as GGML's Q8_1, or with TMx 1 to MXFP8; a block multiplies sixteen
/// rows of one expert with a tile of its tokens (<see cref="Products"/>), whose weights it reads once. Products are those of bytes,
/// 32 columns deep, or of halves for MXFP8, whose numbers and the weights' integers halves hold exactly (no GPU multiplies FP8 with
/// scales per 32 before sm_100: their speed is not that of FP8). Scales are applied to the sums over their columns, in FP32.
/// <code>
/// a record of activations: eight rows, 256 columns (lane = 4·g + t is of row g)
/// bytes     0      p · 512 + lane · 16: words 0, 1 of sub-block 2p, then of 2p + 1 (see ITileFormat)
///        2048      sub-block · 32 + row · 4: scale
///        2304      sub-block · 32 + row · 4: sum of the 32 activations as they are now, for the mins
/// halves    0      sub-block · 512 + lane · 16: columns 4t … 4t + 3, then 16 + 4t … 16 + 4t + 3
///        4096      scales, 4352 sums
/// </code>
/// Rows of padding are neither written nor read: no token's sums meet those of another.
/// </summary>
internal static class TileConventional
{
    /// <summary>Warps of a block.</summary>
    public const int Warps = Rows.Warps;

    private const int ByteRecord = 2560, HalfRecord = 4608;
    private const int Half = Conventional.TileTokens / 2;
    private const int Pitch = Tiles.Rows + 4; // so that no two lanes meet in a bank
    private const int Plane = Conventional.TileTokens * Pitch;
    private const int Magic = 0x4B400000;     // 12582912 as FP32: integers below 2²² added to it are its last bits

    /// <summary>Bytes of a record of activations.</summary>
    public static int RecordBytes(bool mx) => mx ? HalfRecord : ByteRecord;

    /// <summary>A warp a padded row and 256 columns.</summary>
    [Launch(Dependent = true)]
    public static void Gather<TMx>(TileConventionalArgs a)
        where TMx : struct, IConstant
    {
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var (lane, s) = (Group.IdxX & 31, (Grid.IdxY * Warps) + (Group.IdxX >> 5));
        var row = Grid.IdxX;
        var tile = row / Conventional.TileTokens;
        if (tile >= Dev.LoadInt(a.Tiles) || s >= a.PerRow) return;
        var place = Dev.LoadInt(a.Tiles + 8 + (tile * 12L)) + (row % Conventional.TileTokens);
        if (place >= Dev.LoadInt(a.Tiles + 12 + (tile * 12L))) return;
        var slot = Dev.LoadInt(a.Slots + (place * 4L));
        if (s == 0 & lane == 0) Dev.StoreInt(a.Places + (slot * 4L), row);

        // Four lanes have a sub-block: 4t … 4t + 3 of it and the same 16 further on.
        var (block, t, member) = (lane >> 2, lane & 3, row % Half);
        var from = a.Input + ((((long)(slot / a.TopK) * a.PerRow) + s) * (Tiles.Columns * 4)) + (block * 128) + (t * 16);
        var (x, y) = (Dev.LoadF4(from), Dev.LoadF4(from + 64));
        var to = a.Vectors + (((((long)(row / Half)) * a.PerRow) + s) * Size<TMx>());
        var largest = Mx.Largest(x, y);
        float scale, sum;
        if (TMx.Value != 0)
        {
            var exponent = Mx.Exponent(largest);
            (x, y) = (Mx.ToE4M3(Mx.Times(x, Mx.PowerOfTwo(-exponent))), Mx.ToE4M3(Mx.Times(y, Mx.PowerOfTwo(-exponent))));
            scale = Mx.PowerOfTwo(exponent);
            // Multiples of 2⁻⁹ below 2¹⁴: the sum is exact.
            sum = x.X + x.Y + x.Z + x.W + y.X + y.Y + y.Z + y.W;
            Dev.StoreU4(to + (block * 512) + (((member * 4) + t) * 16), new U4 { X = Dev.ToHalves(x.Y, x.X), Y = Dev.ToHalves(x.W, x.Z), Z = Dev.ToHalves(y.Y, y.X), W = Dev.ToHalves(y.W, y.Z) });
        }
        else
        {
            var inverse = 127f / Interop.IntAsFloat(largest);
            scale = Interop.IntAsFloat(largest) / 127f;
            if (inverse > 3.4028235e38f) (inverse, scale) = (0f, 0f); // all zero, or too small to divide by
            var (x0, x1, x2, x3) = (Dev.RoundToInt(x.X * inverse), Dev.RoundToInt(x.Y * inverse), Dev.RoundToInt(x.Z * inverse), Dev.RoundToInt(x.W * inverse));
            var (y0, y1, y2, y3) = (Dev.RoundToInt(y.X * inverse), Dev.RoundToInt(y.Y * inverse), Dev.RoundToInt(y.Z * inverse), Dev.RoundToInt(y.W * inverse));
            sum = x0 + x1 + x2 + x3 + y0 + y1 + y2 + y3;
            Dev.StoreGlobal2(to + ((block >> 1) * 512) + (((member * 4) + t) * 16) + ((block & 1) * 8), new U2 { X = Bytes(x0, x1, x2, x3), Y = Bytes(y0, y1, y2, y3) });
        }
        sum += Warp.ShuffleXor(sum, 1);
        sum += Warp.ShuffleXor(sum, 2);
        if (t != 0) return;
        to += ScalesAt<TMx>() + (block * 32) + (member * 4);
        Dev.StoreFloat(to, scale);
        Dev.StoreFloat(to + 256, sum * scale);
    }

    /// <summary>outputs = activations · [W₀; W₁]ᵀ of a tile's expert; a block some row tiles, which warps share, and sixteen padded rows.</summary>
    [Launch(Dependent = true)]
    public static void Products<TTile, TMx>(TileConventionalArgs a)
        where TTile : struct, ITileFormat
        where TMx : struct, IConstant
    {
        var sums = SharedMemory.Allocate<float>(Warps * Plane);
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        if (Grid.IdxY >= Dev.LoadInt(a.Tiles)) return;
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var (first, end) = (Dev.LoadInt(a.Tiles + 8 + (Grid.IdxY * 12L)), Dev.LoadInt(a.Tiles + 12 + (Grid.IdxY * 12L)));
        var expert = Dev.LoadInt(a.Tiles + 4 + (Grid.IdxY * 12L));
        var count = end - first;
        var both = count > Half;
        var perBlock = Warps / a.Classes;
        var member = warp / a.Classes;
        var tile = (Grid.IdxX * perBlock) + member;
        if (member < perBlock & tile < a.AllTiles)
        {
            var second = tile >= a.RowTiles;
            var row = Dev.Offset(((expert * a.RowTiles) + (second ? tile - a.RowTiles : tile)) * a.PerRow, TTile.RecordBytes, second ? a.W1 : a.W0);
            var vectors = a.Vectors + ((long)Grid.IdxY * 2 * a.PerRow * Size<TMx>());
            var total = default(Pair8);
            for (var s = warp - (member * a.Classes); s < a.PerRow; s += a.Classes)
            {
                var record = TTile.Load(Dev.Offset(s, TTile.RecordBytes, row), 0, lane);
                var near = Dev.Offset(s, Size<TMx>(), vectors);
                if (both) total = Record<TTile, TMx, One>(record, near, Dev.Offset(a.PerRow, Size<TMx>(), near), count, lane, total);
                else total = Record<TTile, TMx, Zero>(record, near, near, count, lane, total);
            }
            var at = (warp * Plane) + ((lane & 3) * 2 * Pitch) + (lane >> 2);
            Keep(sums, at, total.A);
            if (both) Keep(sums, at + (Half * Pitch), total.B);
        }
        Group.Barrier();
        var values = (both ? Conventional.TileTokens : Half) * Tiles.Rows;
        for (var i = Group.IdxX; i < perBlock * values; i += Rows.Threads)
        {
            var which = i / values;
            var (token, row) = ((i - (which * values)) >> 4, i & 15);
            var to = (Grid.IdxX * perBlock) + which;
            if (to >= a.AllTiles) continue;
            var sum = Digits.Sum(sums, (which * a.Classes * Plane) + (token * Pitch) + row, Plane, a.Classes);
            Dev.StoreFloat(a.Outputs + ((((((long)Grid.IdxY * Conventional.TileTokens) + token) * a.AllTiles) + to) * (Tiles.Rows * 4)) + (row * 4), sum);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Pair8 Record<TTile, TMx, TBoth>(TileRecord record, long near, long far, int count, int lane, Pair8 sums)
        where TTile : struct, ITileFormat
        where TMx : struct, IConstant
        where TBoth : struct, IConstant
    {
        sums = Part<TTile, TMx, TBoth>(record, 0, near, far, count, lane, sums);
        sums = Part<TTile, TMx, TBoth>(record, 1, near, far, count, lane, sums);
        sums = Part<TTile, TMx, TBoth>(record, 2, near, far, count, lane, sums);
        return Part<TTile, TMx, TBoth>(record, 3, near, far, count, lane, sums);
    }

    /// <summary>Adds the products of sub-blocks 2·part and 2·part + 1, unpacked once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Pair8 Part<TTile, TMx, TBoth>(TileRecord record, int part, long near, long far, int count, int lane, Pair8 sums)
        where TTile : struct, ITileFormat
        where TMx : struct, IConstant
        where TBoth : struct, IConstant
    {
        var (words, next) = (TTile.Words(record, 2 * part), TTile.Words(record, (2 * part) + 1));
        var (scales, nextScales) = (TTile.Scales(record, 2 * part, lane), TTile.Scales(record, (2 * part) + 1, lane));
        sums.A = Tokens<TTile, TMx>(words, next, scales, nextScales, part, near, count, lane, sums.A);
        if (TBoth.Value != 0) sums.B = Tokens<TTile, TMx>(words, next, scales, nextScales, part, far, count - Half, lane, sums.B);
        return sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Tokens<TTile, TMx>(U4 words, U4 next, TileScales scales, TileScales nextScales, int part, long vectors, int count, int lane, F4 sums)
        where TTile : struct, ITileFormat
        where TMx : struct, IConstant
    {
        // Of padding nothing is read: alone, a token's activations would be an eighth of what is brought in.
        var inside = lane >> 2 < count;
        var factors = Dev.Offset(lane & 3, 8, vectors) + (ScalesAt<TMx>() + (part * 64));
        if (TMx.Value != 0)
        {
            var at = Dev.Offset(lane, 16, vectors) + (part * 1024);
            var (a, b) = (default(U4), default(U4));
            if (inside) (a, b) = (Dev.LoadShared(at), Dev.LoadShared(at + 512));
            sums = Add<TTile>(Halves<TTile>(words, a), scales, factors, sums);
            return Add<TTile>(Halves<TTile>(next, b), nextScales, factors + 32, sums);
        }
        var v = default(U4);
        if (inside) v = Dev.LoadShared(Dev.Offset(lane, 16, vectors) + (part * 512));
        sums = Add<TTile>(Integers<TTile>(words, v.X, v.Y), scales, factors, sums);
        return Add<TTile>(Integers<TTile>(next, v.Z, v.W), nextScales, factors + 32, sums);
    }

    /// <summary>Scales the products of a sub-block and adds them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Add<TTile>(Pair8 products, TileScales scales, long factors, F4 sums)
        where TTile : struct, ITileFormat
    {
        var v = new F4 { X = scales.A0 * products.A.X, Y = scales.A0 * products.A.Y, Z = scales.B0 * products.A.Z, W = scales.B0 * products.A.W };
        if (TTile.ScaleColumns == 16)
        {
            v.X = Dev.Fma(scales.A1, products.B.X, v.X);
            v.Y = Dev.Fma(scales.A1, products.B.Y, v.Y);
            v.Z = Dev.Fma(scales.B1, products.B.Z, v.Z);
            v.W = Dev.Fma(scales.B1, products.B.W, v.W);
        }
        var factor = Dev.LoadF2(factors);
        sums = new F4 { X = Dev.Fma(factor.X, v.X, sums.X), Y = Dev.Fma(factor.Y, v.Y, sums.Y), Z = Dev.Fma(factor.X, v.Z, sums.Z), W = Dev.Fma(factor.Y, v.W, sums.W) };
        if (!TTile.HasMins) return sums;
        var total = Dev.LoadF2(factors + 256);
        return new()
        {
            X = Dev.Fma(-scales.MinA, total.X, sums.X),
            Y = Dev.Fma(-scales.MinA, total.Y, sums.Y),
            Z = Dev.Fma(-scales.MinB, total.X, sums.Z),
            W = Dev.Fma(-scales.MinB, total.Y, sums.W),
        };
    }

    /// <summary>Products of bytes over 32 columns, or over twice 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Pair8 Integers<TTile>(U4 words, uint b0, uint b1)
        where TTile : struct, ITileFormat
    {
        if (TTile.ScaleColumns == 16)
            return new() { A = Values(Dev.MmaSigned16(words.X, words.Y, b0, Magic)), B = Values(Dev.MmaSigned16(words.Z, words.W, b1, Magic)) };
        if (TTile.Signed) return new() { A = Values(Dev.MmaSigned(words.X, words.Y, words.Z, words.W, b0, b1, Magic)) };
        return new() { A = Values(Dev.MmaUnsigned(words.X, words.Y, words.Z, words.W, b0, b1, Magic)) };
    }

    /// <summary>The same of halves: the columns of a lane are two pairs of neighbours instead of four, on both sides.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Pair8 Halves<TTile>(U4 words, U4 b)
        where TTile : struct, ITileFormat
    {
        var first = Dev.MmaF16(Low<TTile>(words.X), Low<TTile>(words.Y), High<TTile>(words.X), High<TTile>(words.Y), b.X, b.Y, default);
        if (TTile.ScaleColumns == 16)
            return new() { A = first, B = Dev.MmaF16(Low<TTile>(words.Z), Low<TTile>(words.W), High<TTile>(words.Z), High<TTile>(words.W), b.Z, b.W, default) };
        return new() { A = Dev.MmaF16(Low<TTile>(words.Z), Low<TTile>(words.W), High<TTile>(words.Z), High<TTile>(words.W), b.Z, b.W, first) };
    }

    // A byte under the halves' exponent of 1024 is 1024 more; a signed one, its sign turned round, 1152 more.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Low<TTile>(uint bytes)
        where TTile : struct, ITileFormat => TTile.Signed
        ? Dev.SubtractHalves(Dev.Permute(bytes ^ 0x80808080, 0x64646464, 0x4140), 0x64806480)
        : Dev.SubtractHalves(Dev.Permute(bytes, 0x64646464, 0x4140), 0x64006400);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint High<TTile>(uint bytes)
        where TTile : struct, ITileFormat => TTile.Signed
        ? Dev.SubtractHalves(Dev.Permute(bytes ^ 0x80808080, 0x64646464, 0x4342), 0x64806480)
        : Dev.SubtractHalves(Dev.Permute(bytes, 0x64646464, 0x4342), 0x64006400);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Values(I4 sums) => new() { X = Value(sums.X), Y = Value(sums.Y), Z = Value(sums.Z), W = Value(sums.W) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Value(int sum) => Interop.IntAsFloat((uint)sum) - 12582912f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Bytes(int a, int b, int c, int d) => Dev.Permute(Dev.Permute((uint)a, (uint)b, 0x0040), Dev.Permute((uint)c, (uint)d, 0x0040), 0x5410);

    /// <summary>Writes a lane's four values: tokens 2t and 2t + 1 of rows g and g + 8.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Keep(ArrayView<float> sums, int at, F4 values)
    {
        sums[at] = values.X;
        sums[at + Pitch] = values.Y;
        sums[at + 8] = values.Z;
        sums[at + Pitch + 8] = values.W;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Size<TMx>()
        where TMx : struct, IConstant => TMx.Value != 0 ? HalfRecord : ByteRecord;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int ScalesAt<TMx>()
        where TMx : struct, IConstant => TMx.Value != 0 ? 4096 : 2048;

    /// <summary>Products with eight tokens, and with eight more or of sixteen more columns; as the results of tensor cores lie.</summary>
    private struct Pair8
    {
        public F4 A;
        public F4 B;
    }
}
