using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// Q8_0 in tiles of 16 rows × 256 columns: the bytes are operands as they are. Each of a row's eight blocks has a scale of its own, a
/// half, so that their products become FP32 one by one: added to 1.5 · 2²³ they are its last bits.
/// <code>
/// byte 0      lane · 16 in each of eight 512, one a block: word 0 of row g, of row g + 8, word 1 of row g, of row g + 8
///      4096   g · 32: eight scales (halves) of row g, eight of row g + 8
/// </code>
/// </summary>
internal struct Q8_0Tile : ITileFormat
{
    private const int BlockBytes = 34, ScalesAt = 4096;
    private const int Magic = 0x4B400000; // 12582912 as FP32

    public static WeightType Type => WeightType.Q8_0;

    public static int RecordBytes => 4352;

    public static bool Signed => true;

    public static int ScaleColumns => 32;

    public static bool HasMins => false;

    public static void Repack(long from, long rowBytes, long to, int lane)
    {
        var (g, t) = (lane >> 2, lane & 3);
        var a = from + (g * rowBytes);
        var b = from + ((g + 8) * rowBytes);
        for (var block = 0; block < 8; block++)
        {
            var at = (block * (long)BlockBytes) + 2 + (t * 4);
            TileBits.Store(to + (block * 512) + (lane * 16),
                TileBits.Word(a + at), TileBits.Word(b + at), TileBits.Word(a + at + 16), TileBits.Word(b + at + 16));
        }
        for (var block = t; block < 8; block += 4)
        {
            Dev.StoreU16(to + ScalesAt + (g * 32) + (block * 2), Dev.LoadU16(a + (block * BlockBytes)));
            Dev.StoreU16(to + ScalesAt + (g * 32) + 16 + (block * 2), Dev.LoadU16(b + (block * BlockBytes)));
        }
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
            Q4 = Dev.LoadWeights(at + 2048),
            Q5 = Dev.LoadWeights(at + 2560),
            Q6 = Dev.LoadWeights(at + 3072),
            Q7 = Dev.LoadWeights(at + 3584),
            S0 = Dev.LoadWeights(scales),
            S1 = Dev.LoadWeights(scales + 16),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRecord Hide(TileRecord record, uint zero, bool copies) => record;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileSums Step(TileRecord record, int part, U4 digits, TileSums sums)
    {
        var scalesA = part == 0 ? record.S0.X : part == 1 ? record.S0.Y : part == 2 ? record.S0.Z : record.S0.W;
        var scalesB = part == 0 ? record.S1.X : part == 1 ? record.S1.Y : part == 2 ? record.S1.Z : record.S1.W;
        var x = part == 0 ? record.Q0.X : part == 1 ? record.Q2.X : part == 2 ? record.Q4.X : record.Q6.X;
        var y = part == 0 ? record.Q0.Y : part == 1 ? record.Q2.Y : part == 2 ? record.Q4.Y : record.Q6.Y;
        var z = part == 0 ? record.Q0.Z : part == 1 ? record.Q2.Z : part == 2 ? record.Q4.Z : record.Q6.Z;
        var w = part == 0 ? record.Q0.W : part == 1 ? record.Q2.W : part == 2 ? record.Q4.W : record.Q6.W;
        sums = Add(x, y, z, w, digits.X, digits.Y, scalesA, scalesB, sums);
        x = part == 0 ? record.Q1.X : part == 1 ? record.Q3.X : part == 2 ? record.Q5.X : record.Q7.X;
        y = part == 0 ? record.Q1.Y : part == 1 ? record.Q3.Y : part == 2 ? record.Q5.Y : record.Q7.Y;
        z = part == 0 ? record.Q1.Z : part == 1 ? record.Q3.Z : part == 2 ? record.Q5.Z : record.Q7.Z;
        w = part == 0 ? record.Q1.W : part == 1 ? record.Q3.W : part == 2 ? record.Q5.W : record.Q7.W;
        return Add(x, y, z, w, digits.Z, digits.W, scalesA >> 16, scalesB >> 16, sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair Finish(TileRecord record, TileSums sums, U2 totals, int lane) =>
        new() { A = TileBits.Join(sums.F0, sums.F1, lane), B = TileBits.Join(sums.F2, sums.F3, lane) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static U4 Words(TileRecord record, int block)
    {
        var words = block < 4
            ? block < 2 ? block == 0 ? record.Q0 : record.Q1 : block == 2 ? record.Q2 : record.Q3
            : block < 6 ? block == 4 ? record.Q4 : record.Q5 : block == 6 ? record.Q6 : record.Q7;
        return words;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileScales Scales(TileRecord record, int block, int lane)
    {
        var a = block < 2 ? record.S0.X : block < 4 ? record.S0.Y : block < 6 ? record.S0.Z : record.S0.W;
        var b = block < 2 ? record.S1.X : block < 4 ? record.S1.Y : block < 6 ? record.S1.Z : record.S1.W;
        return new() { A0 = Dev.Half(a >> ((block & 1) * 16)), B0 = Dev.Half(b >> ((block & 1) * 16)) };
    }

    public static float Weight(long record, int row, int column)
    {
        var (block, lane, word) = (column >> 5, ((row & 7) * 4) + ((column >> 2) & 3), (column >> 4) & 1);
        var q = Dev.LoadU8(record + (block * 512) + (lane * 16) + (((word * 2) + (row >> 3)) * 4) + (column & 3));
        return Dev.Half(Dev.LoadU16(record + ScalesAt + ((row & 7) * 32) + ((row >> 3) * 16) + (block * 2))) * Bits.Signed(q);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TileSums Add(uint a0, uint a1, uint a2, uint a3, uint b0, uint b1, uint scaleA, uint scaleB, TileSums sums)
    {
        var c = Dev.MmaSigned(a0, a1, a2, a3, b0, b1, Magic);
        var (a, b) = (Dev.Half(scaleA), Dev.Half(scaleB));
        sums.F0 = Dev.Fma(a, Value(c.X), sums.F0);
        sums.F1 = Dev.Fma(a, Value(c.Y), sums.F1);
        sums.F2 = Dev.Fma(b, Value(c.Z), sums.F2);
        sums.F3 = Dev.Fma(b, Value(c.W), sums.F3);
        return sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Value(int sum) => ILGPU.Interop.IntAsFloat((uint)sum) - 12582912f;
}
