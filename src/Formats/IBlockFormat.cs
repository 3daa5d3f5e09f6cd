using System.Runtime.Intrinsics;

namespace WarpDecode.Formats;

/// <summary>
/// The contract of a weight format: a block is a plain unmanaged struct laid out as in the file, so that kernels can be
/// generic over it. A new format is one new file in <c>Blocks/</c> and one row in the kernels' <c>Dispatch</c>.
/// </summary>
/// <typeparam name="TSelf">The block struct itself.</typeparam>
internal interface IBlockFormat<TSelf>
    where TSelf : unmanaged, IBlockFormat<TSelf>
{
    /// <summary>The type in a file.</summary>
    static abstract WeightType Type { get; }

    /// <summary>Weights in one block.</summary>
    static abstract int Values { get; }

    /// <summary>Weight <paramref name="i"/> of a block: the definition, in scalar arithmetic, that every fast path is checked against.</summary>
    static abstract float At(ref TSelf block, int i);
}

/// <summary>
/// A format whose weights are small integers under scales: weight = scale · integer + offset, with one scale (and offset) for
/// each group of <see cref="Group"/> consecutive weights. All quantized formats of GGML are of this form, table-driven ones too.
/// Vector kernels need no more than the two methods here, at any vector width.
/// <para>
/// Scales are halves times small integers (or powers of two), so for these formats scale · integer is exact in FP32, and a kernel may
/// apply the scale to the weight, to the product or to a sum as it likes; ours widen to the exact weight first. (Q8_K alone, whose scale
/// is any FP32 number, rounds there.)
/// </para>
/// </summary>
/// <typeparam name="TSelf">The block struct itself.</typeparam>
internal unsafe interface IQuantFormat<TSelf> : IBlockFormat<TSelf>
    where TSelf : unmanaged, IQuantFormat<TSelf>
{
    /// <summary>Weights that share a scale: 16 or 32.</summary>
    static abstract int Group { get; }

    /// <summary>
    /// Weights of a part: the stretch of a block whose bits lie together. Kernels loop over the parts of a block and take the
    /// sixteenths of a part with constant numbers, so that what depends on them (shifts, masks) costs nothing when it runs.
    /// 32, 64 or 128.
    /// </summary>
    static abstract int Part { get; }

    /// <summary>
    /// Whether integers are stored as nibbles: low ones for the first half of a part, high ones for the second, each within a group.
    /// A machine with a register of sixteen floats looks such weights up there instead of computing them.
    /// </summary>
    static virtual bool Nibbles => false;

    /// <summary>Whether a nibble stands for an integer of <see cref="Codebook"/>, not for itself.</summary>
    static virtual bool HasCodebook => false;

    /// <summary>Where <see cref="HasCodebook"/>: the integers that nibbles 0 … 15 stand for.</summary>
    static virtual Vector128<sbyte> Codebook => throw new NotSupportedException();

    /// <summary>Whether integers are 0 … 63, never negative: integer products with them are simpler.</summary>
    static virtual bool IsUnsigned => false;

    /// <summary>Whether groups have an offset that is not always 0.</summary>
    static abstract bool HasOffset { get; }

    /// <summary>Writes the scale of each group of the block and, if the format has them, the offsets.</summary>
    static abstract void Scales(TSelf* block, float* scales, float* offsets);

    /// <summary>The integers of weights 16·<paramref name="i"/> … +15 of part <paramref name="part"/>; inlined, with a constant i.</summary>
    static abstract Vector128<sbyte> Load16(TSelf* block, nint part, int i);

    /// <summary>Where <see cref="Nibbles"/>: the bytes whose low nibbles are sixteenth <paramref name="i"/> of a part's first half.</summary>
    static virtual Vector128<byte> Nibbles16(TSelf* block, nint part, int i) => throw new NotSupportedException();
}

/// <summary>
/// A format of plain numbers, one a block, read as FP32 without a scale. The vector loads equal
/// <see cref="IBlockFormat{TSelf}.At"/> bit for bit on every finite number; infinities and NaN, which no weight is, may come
/// out as other numbers (see <see cref="Blocks.F16"/>).
/// </summary>
/// <typeparam name="TSelf">The number's struct itself.</typeparam>
internal unsafe interface IFloatFormat<TSelf> : IBlockFormat<TSelf>
    where TSelf : unmanaged, IFloatFormat<TSelf>
{
    /// <summary>Numbers <c>at[0…3]</c> as FP32.</summary>
    static abstract Vector128<float> Load4(TSelf* at);

    /// <summary>Numbers <c>at[0…7]</c> as FP32.</summary>
    static abstract Vector256<float> Load8(TSelf* at);

    /// <summary>Numbers <c>at[0…15]</c> as FP32.</summary>
    static abstract Vector512<float> Load16(TSelf* at);
}

/// <summary>
/// A format whose weights are no small integers under scales, and no plain numbers either. Its blocks are widened whole; on finite
/// weights that equals <see cref="IBlockFormat{TSelf}.At"/> bit for bit.
/// </summary>
/// <typeparam name="TSelf">The block struct itself.</typeparam>
internal unsafe interface IWidenFormat<TSelf> : IBlockFormat<TSelf>
    where TSelf : unmanaged, IWidenFormat<TSelf>
{
    /// <summary>All weights of a block as FP32; their number is a multiple of 16.</summary>
    static abstract void Widen(TSelf* block, float* to);
}
