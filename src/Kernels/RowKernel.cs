namespace WarpDecode.Kernels;

/// <summary>
/// Arithmetic on rows of one weight type. The order of additions for one (row, x) is the same in every method, so that a
/// token's results do not depend on how many others share the pass over the weights.
/// </summary>
internal abstract unsafe class RowKernel
{
    /// <summary>Products of such rows with quantized activations, for the conventional path; null for floating-point weights.</summary>
    public Cpu.IntegerRows? Integers { get; init; }

    /// <summary>Dot products of two rows with one x, in one pass over x.</summary>
    /// <param name="a">First row.</param>
    /// <param name="b">Second row; may be the first again.</param>
    /// <param name="x">FP32 values [columns].</param>
    /// <param name="columns">Length of the rows.</param>
    /// <param name="ya">Receives a·x.</param>
    /// <param name="yb">Receives b·x.</param>
    public abstract void Dot(byte* a, byte* b, float* x, int columns, float* ya, float* yb);

    /// <summary>
    /// Dot products of two pairs of rows with one x: <see cref="Dot"/> of rows a and b, and of those <paramref name="next"/> bytes on. Four
    /// rows at once, since the sum of one waits for its last addition longer than the machine needs for two.
    /// </summary>
    /// <param name="a">First row.</param>
    /// <param name="b">Second row.</param>
    /// <param name="next">Bytes to the rows of the second pair.</param>
    /// <param name="x">FP32 values [columns].</param>
    /// <param name="columns">Length of the rows.</param>
    /// <param name="ya">Receives the products of a and of the row after it [2].</param>
    /// <param name="yb">Receives the products of b and of the row after it [2].</param>
    public virtual void DotPairs(byte* a, byte* b, long next, float* x, int columns, float* ya, float* yb)
    {
        Dot(a, b, x, columns, ya, yb);
        Dot(a + next, b + next, x, columns, ya + 1, yb + 1);
    }

    /// <summary>Dot products of two rows with four x, the weights widened once for all four.</summary>
    /// <param name="a">First row.</param>
    /// <param name="b">Second row; may be the first again.</param>
    /// <param name="x">Four pointers to FP32 values [columns].</param>
    /// <param name="columns">Length of the rows.</param>
    /// <param name="ya">Receives a·x[0…3].</param>
    /// <param name="yb">Receives b·x[0…3].</param>
    public abstract void Dot4(byte* a, byte* b, float** x, int columns, float* ya, float* yb);

    /// <summary>Widens a row to FP32.</summary>
    public abstract void Widen(byte* row, float* to, int columns);

    /// <summary>Whether <see cref="Split"/> can: weights are integers under scales, without offsets.</summary>
    public virtual bool CanSplit => false;

    /// <summary>Takes a row of quantized weights without offsets apart, exactly: weight i = scales[i / 16] · integers[i].</summary>
    /// <param name="row">The row.</param>
    /// <param name="integers">Receives signed bytes [columns].</param>
    /// <param name="scales">Receives FP32 values [columns / 16].</param>
    /// <param name="columns">Length of the row.</param>
    public virtual void Split(byte* row, sbyte* integers, float* scales, int columns) =>
        throw new NotSupportedException("only quantized weights without offsets have integers and scales");

    /// <summary>Weight <paramref name="column"/> of a row by the format's scalar definition.</summary>
    public abstract float At(byte* row, int column);
}
