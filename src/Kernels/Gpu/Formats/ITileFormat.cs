using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// The contract of a block format on tensor cores: a weight is a grid of tiles, 16 rows × 256 columns, each one record of bytes, laid
/// out at load so that a warp takes it by whole 16-byte loads and feeds it to the products with next to no work. Records follow each
/// other along the columns, then down the rows, then over the experts.
/// <para>
/// A tile multiplies activations that are split into digits (<see cref="Digits"/>): the products are those of integers, exact. In a
/// lane = 4·g + t the rows are g and g + 8. Columns of a sub-block of 32: word j of lane t holds 16j + 4t … 16j + 4t + 3.
/// </para>
/// </summary>
internal interface ITileFormat
{
    /// <summary>The type in a file.</summary>
    static abstract WeightType Type { get; }

    /// <summary>Bytes of a record, a multiple of 16.</summary>
    static abstract int RecordBytes { get; }

    /// <summary>Lays out one record anew, a warp together; <paramref name="from"/> is the first block of the tile's first row in the file's layout.</summary>
    static abstract void Repack(long from, long rowBytes, long to, int lane);

    /// <summary>
    /// Loads a lane's part of the record at <paramref name="record"/> + <paramref name="offset"/>: loads only, so that several records are in
    /// flight. Records at constant offsets from each other share their addresses' registers.
    /// </summary>
    static abstract TileRecord Load(long record, int offset, int lane);

    /// <summary>
    /// The same record, for <paramref name="zero"/> is 0, which the compiler cannot know: in a loop over tokens it would unpack the weights
    /// once before the loop, into more registers than there are.
    /// </summary>
    /// <param name="record">What <see cref="Load"/> gave.</param>
    /// <param name="zero">0.</param>
    /// <param name="copies">Whether what is used more than once is hidden once, in registers of its own, or again at each use.</param>
    static abstract TileRecord Hide(TileRecord record, uint zero, bool copies);

    /// <summary>Adds the products of sub-blocks 2·part and 2·part + 1; inlined with a constant part.</summary>
    static abstract TileSums Step(TileRecord record, int part, U4 digits, TileSums sums);

    /// <summary>The products of this lane's two digits with its two rows, scaled; <paramref name="totals"/> as <see cref="Digits.Totals"/> gives them.</summary>
    static abstract Pair Finish(TileRecord record, TileSums sums, U2 totals, int lane);

    /// <summary>Whether <see cref="Words"/> are signed bytes.</summary>
    static abstract bool Signed { get; }

    /// <summary>Columns that share a scale: 16 or 32.</summary>
    static abstract int ScaleColumns { get; }

    /// <summary>Whether a weight is scale · byte − min, or scale · byte.</summary>
    static abstract bool HasMins { get; }

    /// <summary>
    /// The integers of a sub-block as operands of bytes: word 0 of row g, of row g + 8, word 1 of row g, of row g + 8. With these members a
    /// record can be multiplied with other activations than <see cref="Digits"/>; inlined with a constant <paramref name="block"/>.
    /// </summary>
    static abstract U4 Words(TileRecord record, int block);

    /// <summary>The scales of a sub-block, and its mins.</summary>
    static abstract TileScales Scales(TileRecord record, int block, int lane);

    /// <summary>One weight of a record, exact.</summary>
    static abstract float Weight(long record, int row, int column);
}

/// <summary>What a lane has loaded of a record; a format uses the fields that it needs, the others cost nothing.</summary>
internal struct TileRecord
{
    public U4 Q0;
    public U4 Q1;
    public U4 Q2;
    public U4 Q3;
    public U4 Q4;
    public U4 Q5;
    public U4 Q6;
    public U4 Q7;
    public U4 S0;
    public U4 S1;
    public U2 D;
    public uint M;

    /// <summary>0; in a hidden record a 0 that the compiler cannot know.</summary>
    public uint Zero;
}

/// <summary>Running sums of a record: rows g (0, 1) and g + 8 (2, 3) with digits 2t and 2t + 1, as integers or as FP32.</summary>
internal struct TileSums
{
    public int I0;
    public int I1;
    public int I2;
    public int I3;
    public float F0;
    public float F1;
    public float F2;
    public float F3;
}

/// <summary>What the bytes of a sub-block are multiplied by in rows g (A) and g + 8 (B), in its first and its second 16 columns, and what is taken off.</summary>
internal struct TileScales
{
    public float A0;
    public float A1;
    public float B0;
    public float B1;
    public float MinA;
    public float MinB;
}

/// <summary>Values of rows g and g + 8.</summary>
internal struct Pair
{
    public float A;
    public float B;
}

/// <summary>What the tile formats share.</summary>
internal static class TileBits
{
    /// <summary>Unsigned byte <paramref name="index"/> of a word, the others from <paramref name="zero"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Byte(uint word, uint zero, int index) => (int)Dev.Permute(word, zero, 0x4440u | (uint)index);

    /// <summary>Signed byte <paramref name="index"/> of a word.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int SignedByte(uint word, int index) => (int)Dev.Permute(word, 0, (0x8880u + (0x1110u * (uint)index)) | (uint)index);

    /// <summary>Unsigned byte <paramref name="index"/> of a word as FP32: under the exponent of 2²³ it is the last bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ByteValue(uint word, int index) => ILGPU.Interop.IntAsFloat(Dev.Permute(word, 0x4B000000, 0x7440u | (uint)index)) - 8388608f;

    /// <summary>Signed byte <paramref name="index"/> of a word as FP32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float SignedByteValue(uint word, int index) => ILGPU.Interop.IntAsFloat(Dev.Permute(word ^ 0x80808080, 0x4B000000, 0x7440u | (uint)index)) - 8388736f;

    /// <summary>
    /// Two digits of a row made one number: odd t has the digits 2 and 3, 2¹⁶ above the others. Digits count steps of 2⁻²⁰; the result,
    /// added over lanes t and t xor 1, is the product with the scaled activations.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Join(float low, float high, int lane) => Dev.Fma(high, 256f, low) * ((lane & 1) != 0 ? 1f / 16 : 1f / 1048576);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static U4 Or(U4 words, uint bits) => new() { X = words.X | bits, Y = words.Y | bits, Z = words.Z | bits, W = words.W | bits };

    /// <summary>Four bytes that begin at any even address.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Word(long address) => Dev.LoadU16(address) | (Dev.LoadU16(address + 2) << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(long address, uint x, uint y, uint z, uint w)
    {
        Dev.StoreInt(address, (int)x);
        Dev.StoreInt(address + 4, (int)y);
        Dev.StoreInt(address + 8, (int)z);
        Dev.StoreInt(address + 12, (int)w);
    }
}
