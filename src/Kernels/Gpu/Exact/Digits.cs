using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>
/// Activations as integers, without quantizing them: 256 neighbours share a power of two, 2^s, that brings the largest between 2⁹ and
/// 2¹⁰; X = rint(x · 2^(s + 20)) then is exact wherever FP32's own last bit is not below 2⁻³⁰ of the largest. X is four signed bytes
/// c₀ + 256·c₁ + 2¹⁶·c₂ + 2²⁴·c₃, each a column of the second operand of an integer product: two tokens fill its eight columns.
/// <code>
/// byte 0      ((p · 4 + digit) · 4 + t) · 16: words 0, 1 of sub-block 2p, then of 2p + 1 (lane = 4·g + t, see ITileFormat)
///      1024   t · 8: totals of sub-blocks 2t, 2t + 1 scaled by 2^s, as halves, then what the halves left out, as halves
///      1056   2^−s
///      1060   sum of the squares of x, for the norm
/// </code>
/// All of it depends on these 256 values alone. Records are in global memory, or with TShared 1 in shared memory.
/// </summary>
internal static class Digits
{
    /// <summary>Values of a record.</summary>
    public const int Values = 256;

    /// <summary>Bytes of a record.</summary>
    public const int RecordBytes = 1072;

    private const int TotalsAt = 1024, InverseAt = 1056, SquaresAt = 1060;

    /// <summary>A warp splits the 256 values at <paramref name="x"/>, multiplied by those at <paramref name="norm"/> if TNorm is 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split<TNorm, TShared>(long x, long norm, long record, int lane)
        where TNorm : struct, IConstant
        where TShared : struct, IConstant
    {
        var at = ((lane >> 2) * 128L) + ((lane & 3) * 16);
        var (a, b) = (Dev.LoadF4(x + at), Dev.LoadF4(x + at + 64));
        if (TNorm.Value != 0)
        {
            var squares = Square(b, Square(a, 0f));
            squares = Dev.WarpSum(squares);
            if (lane == 0) StoreFloat<TShared>(record + SquaresAt, squares);
            (a, b) = (Times(a, Dev.LoadF4(norm + at)), Times(b, Dev.LoadF4(norm + at + 64)));
        }
        Put<TShared>(a, b, record, lane);
    }

    /// <summary>A warp splits the 256 values x · factor · norm, rounded after each product.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SplitNormed(long x, float factor, long norm, long record, int lane)
    {
        var at = ((lane >> 2) * 128L) + ((lane & 3) * 16);
        var all = new F4 { X = factor, Y = factor, Z = factor, W = factor };
        Put<Zero>(
            Times(Times(Dev.LoadF4(x + at), all), Dev.LoadF4(norm + at)), Times(Times(Dev.LoadF4(x + at + 64), all), Dev.LoadF4(norm + at + 64)), record, lane);
    }

    // A lane's values are those of columns 32·(lane / 4) + 4·(lane mod 4) and the next three, and the same 16 further on.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put<TShared>(F4 a, F4 b, long record, int lane)
        where TShared : struct, IConstant
    {
        var (block, t) = (lane >> 2, lane & 3);

        // The exponent field of the largest; that of the smallest numbers is raised so that the scale itself stays a number.
        var largest = Dev.WarpMaxBits(Interop.FloatAsInt(Dev.MaxMagnitude(Largest(a), Largest(b))) & 0x7FFFFFFF);
        var exponent = (int)(largest >> 23);
        if (exponent < 40) exponent = 40;
        var scale = Interop.IntAsFloat((uint)(283 - exponent) << 23);
        var all = new F4 { X = scale, Y = scale, Z = scale, W = scale };
        (a, b) = (Times(a, all), Times(b, all));
        var (first, second) = (Bytes(a), Bytes(b));
        var to = record + ((block >> 1) * 256) + (t * 16) + ((block & 1) * 8);
        Store2<TShared>(to, new U2 { X = first.X, Y = second.X });
        Store2<TShared>(to + 64, new U2 { X = first.Y, Y = second.Y });
        Store2<TShared>(to + 128, new U2 { X = first.Z, Y = second.Z });
        Store2<TShared>(to + 192, new U2 { X = first.W, Y = second.W });

        var total = ((a.X + a.Y) + (a.Z + a.W)) + ((b.X + b.Y) + (b.Z + b.W));
        total += Warp.ShuffleXor(total, 1);
        total += Warp.ShuffleXor(total, 2);
        total *= 1f / 1048576;
        var half = Dev.ToHalves(0f, total);
        if (t == 1) half = Dev.ToHalves(0f, total - Dev.Half(half));
        if (t < 2)
        {
            var at16 = record + TotalsAt + ((block >> 1) * 8) + (t * 4) + ((block & 1) * 2);
            if (TShared.Value != 0) Dev.StoreSharedU16(at16, half);
            else Dev.StoreU16(at16, half);
        }
        // An infinity or what is no number makes every product one that is no number.
        if (lane == 0) StoreFloat<TShared>(record + InverseAt, Interop.IntAsFloat(largest < 0x7F800000 ? (uint)(exponent - 9) << 23 : 0x7FC00000));
    }

    /// <summary>2^−s.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Inverse<TShared>(long record)
        where TShared : struct, IConstant => LoadFloat<TShared>(record + InverseAt);

    /// <summary>A record that must be unpacked anew for each pair of tokens: its last bits now depend on a sign that is never set.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRecord Hide<TTile>(TileRecord record, float inverse, bool copies = false)
        where TTile : struct, ITileFormat => TTile.Hide(record, Interop.FloatAsInt(inverse) >> 31, copies);

    /// <summary>Sum of the squares.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Squares<TShared>(long record)
        where TShared : struct, IConstant => LoadFloat<TShared>(record + SquaresAt);

    /// <summary>What the mins multiply: in digit column 0, nothing in the others.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static U2 Totals<TShared>(long record, int lane)
        where TShared : struct, IConstant
    {
        var totals = default(U2);
        if (((lane >> 2) & 3) == 0)
        {
            var at = record + TotalsAt + ((lane & 3) * 8);
            totals = TShared.Value != 0 ? Dev.LoadShared2(at) : Dev.LoadGlobal2(at);
        }
        return totals;
    }

    /// <summary>
    /// One record of weights times one record of each of two tokens, <paramref name="record"/> being that of this lane's column (g &gt;&gt; 2);
    /// in lane = 4·g + t the products of rows g and g + 8 with token t &gt;&gt; 1, without its 2^−s.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair Dot<TTile, TShared>(TileRecord weights, long record, int lane)
        where TTile : struct, ITileFormat
        where TShared : struct, IConstant
    {
        var at = Column(record, lane);
        var sums = TTile.Step(weights, 0, Load4<TShared>(at), default);
        sums = TTile.Step(weights, 1, Load4<TShared>(at + 256), sums);
        sums = TTile.Step(weights, 2, Load4<TShared>(at + 512), sums);
        sums = TTile.Step(weights, 3, Load4<TShared>(at + 768), sums);
        return Both(TTile.Finish(weights, sums, Totals<TShared>(record, lane), lane));
    }

    /// <summary>As <see cref="Dot"/> for two records of weights and the same token, whose digits are read once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Pair A, Pair B) Dot2<TTile, TShared>(TileRecord a, TileRecord b, long record, int lane)
        where TTile : struct, ITileFormat
        where TShared : struct, IConstant
    {
        var at = Column(record, lane);
        var digits = Load4<TShared>(at);
        var (sumsA, sumsB) = (TTile.Step(a, 0, digits, default), TTile.Step(b, 0, digits, default));
        digits = Load4<TShared>(at + 256);
        (sumsA, sumsB) = (TTile.Step(a, 1, digits, sumsA), TTile.Step(b, 1, digits, sumsB));
        digits = Load4<TShared>(at + 512);
        (sumsA, sumsB) = (TTile.Step(a, 2, digits, sumsA), TTile.Step(b, 2, digits, sumsB));
        digits = Load4<TShared>(at + 768);
        (sumsA, sumsB) = (TTile.Step(a, 3, digits, sumsA), TTile.Step(b, 3, digits, sumsB));
        var totals = Totals<TShared>(record, lane);
        return (Both(TTile.Finish(a, sumsA, totals, lane)), Both(TTile.Finish(b, sumsB, totals, lane)));
    }

    /// <summary>As <see cref="Dot"/> for four tokens: the weights are unpacked once for both pairs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Pair A, Pair B) DotTwice<TTile, TShared>(TileRecord weights, long a, long b, int lane)
        where TTile : struct, ITileFormat
        where TShared : struct, IConstant
    {
        var (atA, atB) = (Column(a, lane), Column(b, lane));
        var (sumsA, sumsB) = (TTile.Step(weights, 0, Load4<TShared>(atA), default), TTile.Step(weights, 0, Load4<TShared>(atB), default));
        (sumsA, sumsB) = (TTile.Step(weights, 1, Load4<TShared>(atA + 256), sumsA), TTile.Step(weights, 1, Load4<TShared>(atB + 256), sumsB));
        (sumsA, sumsB) = (TTile.Step(weights, 2, Load4<TShared>(atA + 512), sumsA), TTile.Step(weights, 2, Load4<TShared>(atB + 512), sumsB));
        (sumsA, sumsB) = (TTile.Step(weights, 3, Load4<TShared>(atA + 768), sumsA), TTile.Step(weights, 3, Load4<TShared>(atB + 768), sumsB));
        return (Both(TTile.Finish(weights, sumsA, Totals<TShared>(a, lane), lane)), Both(TTile.Finish(weights, sumsB, Totals<TShared>(b, lane), lane)));
    }

    /// <summary>The sum of values that lie apart in shared memory, in order, several on their way at once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(ArrayView<float> values, int at, int apart, int count)
    {
        var sum = 0f;
        var i = 0;
        for (; i + 4 <= count; i += 4)
        {
            var (a, b, c, d) = (values[at], values[at + apart], values[at + (2 * apart)], values[at + (3 * apart)]);
            sum = sum + a + b + c + d;
            at += 4 * apart;
        }
        for (; i < count; i++)
        {
            sum += values[at];
            at += apart;
        }
        return sum;
    }

    /// <summary>As <see cref="Sum"/> for eight values.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum8(ArrayView<float> values, int at, int apart)
    {
        var (a, b, c, d) = (values[at], values[at + apart], values[at + (2 * apart)], values[at + (3 * apart)]);
        var (e, f, g, h) = (values[at + (4 * apart)], values[at + (5 * apart)], values[at + (6 * apart)], values[at + (7 * apart)]);
        return 0f + a + b + c + d + e + f + g + h;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static U4 Load4<TShared>(long address)
        where TShared : struct, IConstant => TShared.Value != 0 ? Dev.LoadShared4(address) : Dev.LoadGlobal4(address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float LoadFloat<TShared>(long address)
        where TShared : struct, IConstant => TShared.Value != 0 ? Dev.LoadSharedFloat(address) : Dev.LoadFloat(address);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store2<TShared>(long address, U2 value)
        where TShared : struct, IConstant
    {
        if (TShared.Value != 0) Dev.StoreShared2(address, value);
        else Dev.StoreGlobal2(address, value);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreFloat<TShared>(long address, float value)
        where TShared : struct, IConstant
    {
        if (TShared.Value != 0) Dev.StoreSharedFloat(address, value);
        else Dev.StoreFloat(address, value);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Column(long record, int lane) => record + (((lane >> 2) & 3) * 64) + ((lane & 3) * 16);

    // Lanes t and t xor 1 have the lower and the upper digits.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Pair Both(Pair part) => new() { A = part.A + Warp.ShuffleXor(part.A, 1), B = part.B + Warp.ShuffleXor(part.B, 1) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Square(F4 v, float sum) => Dev.Fma(v.W, v.W, Dev.Fma(v.Z, v.Z, Dev.Fma(v.Y, v.Y, Dev.Fma(v.X, v.X, sum))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Times(F4 a, F4 b) => new() { X = a.X * b.X, Y = a.Y * b.Y, Z = a.Z * b.Z, W = a.W * b.W };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Largest(F4 v) => Dev.MaxMagnitude(Dev.MaxMagnitude(v.X, v.Y), Dev.MaxMagnitude(v.Z, v.W));

    /// <summary>Four integers as signed bytes: X the lowest of each, W the highest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static U4 Bytes(F4 values)
    {
        var (a, b, c, d) = (Signed(values.X), Signed(values.Y), Signed(values.Z), Signed(values.W));
        var (low0, low1) = (Dev.Permute(a, b, 0x5140), Dev.Permute(c, d, 0x5140));
        var (high0, high1) = (Dev.Permute(a, b, 0x7362), Dev.Permute(c, d, 0x7362));
        return new()
        {
            X = Dev.Permute(low0, low1, 0x5410),
            Y = Dev.Permute(low0, low1, 0x7632),
            Z = Dev.Permute(high0, high1, 0x5410),
            W = Dev.Permute(high0, high1, 0x7632),
        };
    }

    // 128 more in every byte makes them unsigned, carries and all; the sign bit turned round takes it off again.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Signed(float value) => ((uint)Dev.RoundToInt(value) + 0x80808080) ^ 0x80808080;
}
