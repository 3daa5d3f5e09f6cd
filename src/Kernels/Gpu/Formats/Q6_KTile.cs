using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// Q6_K in tiles of 16 rows × 256 columns, as many bytes as in the file. An operand byte is 4 · (q − 32): the low four bits from the
/// nibbles, moved up by two, above them the upper two bits, of which the first is stored inverted. A scale belongs to 16 columns, the
/// depth of the products here.
/// <code>
/// byte 0      lane · 16 in each of four 512: words 0, 1 of sub-block 2p, then of 2p + 1; low nibbles row g, high ones row g + 8
///      2048   lane · 16 in each of two 512: a word for each of four sub-blocks; two bits each, from below:
///             word 0 of row g, of row g + 8, word 1 of row g, of row g + 8
///      3072   g · 32: sixteen scales of row g, sixteen of row g + 8
///      3328   g · 4: d (half) of row g, of row g + 8
/// </code>
/// </summary>
internal struct Q6_KTile : ITileFormat
{
    private const int HighAt = 2048, ScalesAt = 3072, FactorsAt = 3328;

    public static WeightType Type => WeightType.Q6_K;

    public static int RecordBytes => 3360;

    public static bool Signed => true;

    public static int ScaleColumns => 16;

    public static bool HasMins => false;

    public static void Repack(long from, long rowBytes, long to, int lane)
    {
        var (g, t) = (lane >> 2, lane & 3);
        var a = from + (g * rowBytes);
        var b = from + ((g + 8) * rowBytes);
        for (var block = 0; block < 8; block++)
        {
            // Column 128·half + 32·quarter + l has its nibble in byte 64·half + 32·(quarter mod 2) + l, its upper bits in byte 32·half + l.
            var (half, quarter) = (block >> 2, block & 3);
            var low = (half * 64) + ((quarter & 1) * 32) + (t * 4);
            var high = 128 + (half * 32) + (t * 4);
            var (shift, upper) = (quarter >> 1 << 2, quarter * 2);
            var at = to + ((block >> 1) * 512) + (lane * 16) + ((block & 1) * 8);
            Dev.StoreInt(at, (int)Nibbles(TileBits.Word(a + low) >> shift, TileBits.Word(b + low) >> shift));
            Dev.StoreInt(at + 4, (int)Nibbles(TileBits.Word(a + low + 16) >> shift, TileBits.Word(b + low + 16) >> shift));
            var bits = Upper(TileBits.Word(a + high) >> upper) | (Upper(TileBits.Word(b + high) >> upper) << 2)
                | (Upper(TileBits.Word(a + high + 16) >> upper) << 4) | (Upper(TileBits.Word(b + high + 16) >> upper) << 6);
            Dev.StoreInt(to + HighAt + (half * 512) + (lane * 16) + (quarter * 4), (int)bits);
        }
        Dev.StoreInt(to + ScalesAt + (g * 32) + (t * 4), (int)TileBits.Word(a + 192 + (t * 4)));
        Dev.StoreInt(to + ScalesAt + (g * 32) + 16 + (t * 4), (int)TileBits.Word(b + 192 + (t * 4)));
        if (t == 0) Dev.StoreInt(to + FactorsAt + (g * 4), (int)(Dev.LoadU16(a + 208) | (Dev.LoadU16(b + 208) << 16)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRecord Load(long record, int offset, int lane)
    {
        var at = Dev.Offset(lane, 16, record) + offset;
        var scales = Dev.Offset(lane >> 2, 32, record) + (offset + ScalesAt);
        return new()
        {
            Q0 = Dev.LoadWeights(at),
            Q1 = Dev.LoadWeights(at + 512),
            Q2 = Dev.LoadWeights(at + 1024),
            Q3 = Dev.LoadWeights(at + 1536),
            Q4 = Dev.LoadWeights(at + HighAt),
            Q5 = Dev.LoadWeights(at + HighAt + 512),
            S0 = Dev.LoadWeights(scales),
            S1 = Dev.LoadWeights(scales + 16),
            M = Dev.LoadWeights1(Dev.Offset(lane >> 2, 4, record) + (offset + FactorsAt)),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRecord Hide(TileRecord record, uint zero, bool copies) => record;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileSums Step(TileRecord record, int part, U4 digits, TileSums sums)
    {
        var x = part == 0 ? record.Q0.X : part == 1 ? record.Q1.X : part == 2 ? record.Q2.X : record.Q3.X;
        var y = part == 0 ? record.Q0.Y : part == 1 ? record.Q1.Y : part == 2 ? record.Q2.Y : record.Q3.Y;
        var z = part == 0 ? record.Q0.Z : part == 1 ? record.Q1.Z : part == 2 ? record.Q2.Z : record.Q3.Z;
        var w = part == 0 ? record.Q0.W : part == 1 ? record.Q1.W : part == 2 ? record.Q2.W : record.Q3.W;
        var high = part == 0 ? record.Q4.X : part == 1 ? record.Q4.Z : part == 2 ? record.Q5.X : record.Q5.Z;
        var next = part == 0 ? record.Q4.Y : part == 1 ? record.Q4.W : part == 2 ? record.Q5.Y : record.Q5.W;
        var scalesA = part == 0 ? record.S0.X : part == 1 ? record.S0.Y : part == 2 ? record.S0.Z : record.S0.W;
        var scalesB = part == 0 ? record.S1.X : part == 1 ? record.S1.Y : part == 2 ? record.S1.Z : record.S1.W;
        sums = Add(x, high << 6, high << 4, digits.X, scalesA, scalesB, 0, sums);
        sums = Add(y, high << 2, high, digits.Y, scalesA, scalesB, 1, sums);
        sums = Add(z, next << 6, next << 4, digits.Z, scalesA, scalesB, 2, sums);
        return Add(w, next << 2, next, digits.W, scalesA, scalesB, 3, sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair Finish(TileRecord record, TileSums sums, U2 totals, int lane) => new()
    {
        A = Dev.Half(record.M) * 0.25f * TileBits.Join(sums.I0, sums.I1, lane),
        B = Dev.Half(record.M >> 16) * 0.25f * TileBits.Join(sums.I2, sums.I3, lane),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static U4 Words(TileRecord record, int block)
    {
        var words = block < 2 ? record.Q0 : block < 4 ? record.Q1 : block < 6 ? record.Q2 : record.Q3;
        var (first, second) = (block & 1) == 0 ? (words.X, words.Y) : (words.Z, words.W);
        var upper = block < 4 ? record.Q4 : record.Q5;
        var high = (block & 3) == 0 ? upper.X : (block & 3) == 1 ? upper.Y : (block & 3) == 2 ? upper.Z : upper.W;
        return new()
        {
            X = Dev.AndOr(first << 2, 0x3C3C3C3C, (high << 6) & 0xC0C0C0C0),
            Y = Dev.AndOr(first >> 2, 0x3C3C3C3C, (high << 4) & 0xC0C0C0C0),
            Z = Dev.AndOr(second << 2, 0x3C3C3C3C, (high << 2) & 0xC0C0C0C0),
            W = Dev.AndOr(second >> 2, 0x3C3C3C3C, high & 0xC0C0C0C0),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileScales Scales(TileRecord record, int block, int lane)
    {
        var a = block < 2 ? record.S0.X : block < 4 ? record.S0.Y : block < 6 ? record.S0.Z : record.S0.W;
        var b = block < 2 ? record.S1.X : block < 4 ? record.S1.Y : block < 6 ? record.S1.Z : record.S1.W;
        var (d, e) = (Dev.Half(record.M) * 0.25f, Dev.Half(record.M >> 16) * 0.25f);
        var index = (block & 1) * 2;
        return new()
        {
            A0 = d * TileBits.SignedByteValue(a, index),
            A1 = d * TileBits.SignedByteValue(a, index + 1),
            B0 = e * TileBits.SignedByteValue(b, index),
            B1 = e * TileBits.SignedByteValue(b, index + 1),
        };
    }

    public static float Weight(long record, int row, int column)
    {
        var (g, second) = (row & 7, row >> 3);
        var (block, lane, word) = (column >> 5, ((row & 7) * 4) + ((column >> 2) & 3), (column >> 4) & 1);
        var low = Dev.LoadU8(record + ((block >> 1) * 512) + (lane * 16) + ((((block & 1) * 2) + word) * 4) + (column & 3));
        var high = Dev.LoadU8(record + HighAt + ((block >> 2) * 512) + (lane * 16) + ((block & 3) * 4) + (column & 3));
        var q = ((low >> (second * 4)) & 15) | (((high >> ((word * 4) + (second * 2))) & 3) << 4);
        var scale = Dev.Half(Dev.LoadU16(record + FactorsAt + (g * 4) + (second * 2)))
            * Bits.Signed(Dev.LoadU8(record + ScalesAt + (g * 32) + (second * 16) + (column >> 4)));
        return Dev.Fma((int)(q ^ 32), scale, scale * -32f);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TileSums Add(uint low, uint highA, uint highB, uint digits, uint scalesA, uint scalesB, int scale, TileSums sums)
    {
        var c = Dev.MmaSigned16(
            Dev.AndOr(low << 2, 0x3C3C3C3C, highA & 0xC0C0C0C0), Dev.AndOr(low >> 2, 0x3C3C3C3C, highB & 0xC0C0C0C0), digits, 0);
        var (a, b) = (TileBits.SignedByte(scalesA, scale), TileBits.SignedByte(scalesB, scale));
        sums.I0 += a * c.X;
        sums.I1 += a * c.Y;
        sums.I2 += b * c.Z;
        sums.I3 += b * c.W;
        return sums;
    }

    private static uint Nibbles(uint a, uint b) => (a & 0x0F0F0F0F) | ((b & 0x0F0F0F0F) << 4);

    private static uint Upper(uint bits) => (bits & 0x03030303) ^ 0x02020202;
}
