using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// Q4_K in tiles of 16 rows × 256 columns. The nibbles of rows g and g + 8 lie in one byte, so that masks alone make the operands:
/// row g + 8 comes out 16 times too large. The scales are bytes already, and the mins, as a matrix of small halves, multiply the
/// activations' totals in one product.
/// <code>
/// byte 0      lane · 16 in each of four 512: words 0, 1 of sub-block 2p, then of 2p + 1; low nibbles row g, high ones row g + 8
///      2048   g · 16: eight scales of row g, eight of row g + 8
///      2176   lane · 4: mins 2t, 2t + 1 of row g, then of row g + 8
///      2304   g · 8: d and dmin (halves) of row g, then of row g + 8
/// </code>
/// </summary>
internal struct Q4_KTile : ITileFormat
{
    private const int ScalesAt = 2048, MinsAt = 2176, FactorsAt = 2304;

    public static WeightType Type => WeightType.Q4_K;

    public static int RecordBytes => 2368;

    public static bool Signed => false;

    public static int ScaleColumns => 32;

    public static bool HasMins => true;

    public static void Repack(long from, long rowBytes, long to, int lane)
    {
        var (g, t) = (lane >> 2, lane & 3);
        var a = from + (g * rowBytes);
        var b = from + ((g + 8) * rowBytes);
        for (var part = 0; part < 4; part++)
        {
            var (a0, a1) = ((uint)Dev.LoadInt(a + 16 + (part * 32) + (t * 4)), (uint)Dev.LoadInt(a + 32 + (part * 32) + (t * 4)));
            var (b0, b1) = ((uint)Dev.LoadInt(b + 16 + (part * 32) + (t * 4)), (uint)Dev.LoadInt(b + 32 + (part * 32) + (t * 4)));
            TileBits.Store(to + (part * 512) + (lane * 16), Both(a0, b0), Both(a1, b1), Both(a0 >> 4, b0 >> 4), Both(a1 >> 4, b1 >> 4));
        }
        var (second, half) = (t >> 1, (t & 1) * 16);
        Dev.StoreInt(to + MinsAt + (lane * 4), (int)(((Mins(a, second) >> half) & 0xFFFF) | ((Mins(b, second) >> half) << 16)));
        if (t != 0) return;
        TileBits.Store(to + ScalesAt + (g * 16), Scales(a, 0), Scales(a, 1), Scales(b, 0), Scales(b, 1));
        Dev.StoreInt(to + FactorsAt + (g * 8), Dev.LoadInt(a));
        Dev.StoreInt(to + FactorsAt + (g * 8) + 4, Dev.LoadInt(b));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRecord Load(long record, int offset, int lane)
    {
        var at = Dev.Offset(lane, 16, record) + offset;
        return new()
        {
            Q0 = Dev.LoadWeights(at),
            Q1 = Dev.LoadWeights(at + 512),
            Q2 = Dev.LoadWeights(at + 1024),
            Q3 = Dev.LoadWeights(at + 1536),
            S0 = Dev.LoadWeights(Dev.Offset(lane >> 2, 16, record) + (offset + ScalesAt)),
            M = Dev.LoadWeights1(Dev.Offset(lane, 4, record) + (offset + MinsAt)),
            D = Dev.LoadWeights2(Dev.Offset(lane >> 2, 8, record) + (offset + FactorsAt)),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRecord Hide(TileRecord record, uint zero, bool copies)
    {
        // One instruction with the masks that follow.
        record.Q0 = TileBits.Or(record.Q0, zero);
        record.Q1 = TileBits.Or(record.Q1, zero);
        record.Q2 = TileBits.Or(record.Q2, zero);
        record.Q3 = TileBits.Or(record.Q3, zero);
        if (!copies)
        {
            record.Zero = zero;
            return record;
        }
        record.S0 = TileBits.Or(record.S0, zero);
        record.M |= zero;
        record.D.X |= zero;
        record.D.Y |= zero;
        return record;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileSums Step(TileRecord record, int part, U4 digits, TileSums sums)
    {
        var x = part == 0 ? record.Q0.X : part == 1 ? record.Q1.X : part == 2 ? record.Q2.X : record.Q3.X;
        var y = part == 0 ? record.Q0.Y : part == 1 ? record.Q1.Y : part == 2 ? record.Q2.Y : record.Q3.Y;
        var z = part == 0 ? record.Q0.Z : part == 1 ? record.Q1.Z : part == 2 ? record.Q2.Z : record.Q3.Z;
        var w = part == 0 ? record.Q0.W : part == 1 ? record.Q1.W : part == 2 ? record.Q2.W : record.Q3.W;
        var scalesA = part < 2 ? record.S0.X : record.S0.Y;
        var scalesB = part < 2 ? record.S0.Z : record.S0.W;
        sums = Add(x, y, digits.X, digits.Y, scalesA, scalesB, record.Zero, (part * 2) & 3, sums);
        return Add(z, w, digits.Z, digits.W, scalesA, scalesB, record.Zero, ((part * 2) + 1) & 3, sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair Finish(TileRecord record, TileSums sums, U2 totals, int lane)
    {
        // Bytes m under the halves' exponent of 1024 are 1024 + m.
        var (m, d, e) = (record.M | record.Zero, record.D.X | record.Zero, record.D.Y | record.Zero);
        var minsA = Dev.SubtractHalves(Dev.Permute(m, 0x64646464, 0x4140), 0x64006400);
        var minsB = Dev.SubtractHalves(Dev.Permute(m, 0x64646464, 0x4342), 0x64006400);
        var mins = Dev.MmaHalf(minsA, minsB, minsA, minsB, totals.X, totals.Y, 0f);
        var a = Dev.Half(d) * TileBits.Join(sums.I0, sums.I1, lane);
        var b = Dev.Half(e) * (1f / 16) * TileBits.Join(sums.I2, sums.I3, lane);
        return new() { A = Dev.Fma(-Dev.Half(d >> 16), mins.X, a), B = Dev.Fma(-Dev.Half(e >> 16), mins.Z, b) };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static U4 Words(TileRecord record, int block)
    {
        var words = block < 2 ? record.Q0 : block < 4 ? record.Q1 : block < 6 ? record.Q2 : record.Q3;
        var (first, second) = (block & 1) == 0 ? (words.X, words.Y) : (words.Z, words.W);
        return new() { X = first & 0x0F0F0F0F, Y = first & 0xF0F0F0F0, Z = second & 0x0F0F0F0F, W = second & 0xF0F0F0F0 };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileScales Scales(TileRecord record, int block, int lane)
    {
        // Lane t of the four has the mins of sub-blocks 2t and 2t + 1.
        var mins = ILGPU.Warp.Shuffle(record.M, (lane & 28) | (block >> 1));
        var (d, e) = (record.D.X, record.D.Y);
        return new()
        {
            A0 = Dev.Half(d) * TileBits.ByteValue(block < 4 ? record.S0.X : record.S0.Y, block & 3),
            B0 = Dev.Half(e) * (1f / 16) * TileBits.ByteValue(block < 4 ? record.S0.Z : record.S0.W, block & 3),
            MinA = Dev.Half(d >> 16) * TileBits.ByteValue(mins, block & 1),
            MinB = Dev.Half(e >> 16) * TileBits.ByteValue(mins, 2 + (block & 1)),
        };
    }

    public static float Weight(long record, int row, int column)
    {
        var (g, second) = (row & 7, row >> 3);
        var (block, lane, word) = (column >> 5, ((row & 7) * 4) + ((column >> 2) & 3), (column >> 4) & 1);
        var pair = Dev.LoadU8(record + ((block >> 1) * 512) + (lane * 16) + ((((block & 1) * 2) + word) * 4) + (column & 3));
        var q = (pair >> (second * 4)) & 15;
        var scale = Dev.LoadU8(record + ScalesAt + (g * 16) + (second * 8) + block);
        var min = Dev.LoadU8(record + MinsAt + (((g * 4) + (block >> 1)) * 4) + (second * 2) + (block & 1));
        var factors = record + FactorsAt + (g * 8) + (second * 4);
        return Dev.Fma((int)q, Dev.Half(Dev.LoadU16(factors)) * (int)scale, -Dev.Half(Dev.LoadU16(factors + 2)) * (int)min);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TileSums Add(uint first, uint second, uint b0, uint b1, uint scalesA, uint scalesB, uint zero, int scale, TileSums sums)
    {
        var c = Dev.MmaUnsigned(first & 0x0F0F0F0F, first & 0xF0F0F0F0, second & 0x0F0F0F0F, second & 0xF0F0F0F0, b0, b1, 0);
        var (a, b) = (TileBits.Byte(scalesA, zero, scale), TileBits.Byte(scalesB, zero, scale));
        sums.I0 += a * c.X;
        sums.I1 += a * c.Y;
        sums.I2 += b * c.Z;
        sums.I3 += b * c.W;
        return sums;
    }

    private static uint Both(uint a, uint b) => (a & 0x0F0F0F0F) | ((b & 0x0F0F0F0F) << 4);

    // The block's twelve bytes hold eight scales and eight mins of six bits (src/Formats/Blocks/Q4_K.cs): four of them here, as bytes.
    private static uint Scales(long block, int second)
    {
        var s = (uint)Dev.LoadInt(block + 4);
        return second == 0 ? s & 0x3F3F3F3F : ((uint)Dev.LoadInt(block + 12) & 0x0F0F0F0F) | ((s >> 2) & 0x30303030);
    }

    private static uint Mins(long block, int second)
    {
        var m = (uint)Dev.LoadInt(block + 8);
        return second == 0 ? m & 0x3F3F3F3F : (((uint)Dev.LoadInt(block + 12) >> 4) & 0x0F0F0F0F) | ((m >> 2) & 0x30303030);
    }
}
