using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// How keys and values lie in the cache, and how tensor cores multiply them without losing FP32 activations: those are split into a
/// high and a low term, whose products with an element are exact, and all sums are FP32.
/// <para>
/// A piece is what a lane loads at once: 16 bytes, 16 / Bytes elements of one key, or of one dimension of so many values. The words of
/// an activation's terms are in the order of a piece's elements: two to a word where elements have two bytes, else one.
/// </para>
/// What is stored is always finite: what a page held before is multiplied by zero.
/// </summary>
internal interface IKvFormat
{
    /// <summary>Bytes of an element: 2 or 4.</summary>
    static abstract int Bytes { get; }

    /// <summary>The element nearest to a value.</summary>
    static abstract uint Element(float value);

    /// <summary>High terms of two neighbours; with two bytes an element X has both.</summary>
    static abstract U2 High(float a, float b);

    /// <summary>What the high terms leave of two neighbours.</summary>
    static abstract U2 Low(float a, float b);

    /// <summary>
    /// sum + activations · pieces: rows 0 … 7 of the sum with the high terms, 8 … 15 with the low ones. Lane 4g + t gives row g's terms and
    /// column g's piece, both at its place t.
    /// </summary>
    static abstract F4 Multiply(U4 high, U4 low, U4 piece, F4 sum);

    /// <summary>
    /// 16 rows of activations for 32 columns, as <see cref="Multiply(Chunk, PiecePair, F4)"/> wants them: a lane has four columns of rows g (upper) and
    /// g + 8 (lower), and four others of both.
    /// </summary>
    static abstract Chunk Split(F4 upper0, F4 lower0, F4 upper1, F4 lower1);

    /// <summary>sum + activations · pieces, 16 rows and 32 columns in one product.</summary>
    static abstract F4 Multiply(Chunk activations, PiecePair pieces, F4 sum);
}

/// <summary>A lane's part of 16 rows and 32 columns of activations; what its words are is the format's affair.</summary>
internal struct Chunk
{
    public U4 A;
    public U4 B;
    public U4 C;
    public U4 D;
}

/// <summary>One or two pieces: 32 dimensions of a key, or 32 positions of a dimension.</summary>
internal struct PiecePair
{
    public U4 A;
    public U4 B;
}
