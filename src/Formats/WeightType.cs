namespace WarpDecode.Formats;

/// <summary>
/// How the weights of a tensor are stored. The numbers are those of the GGUF specification (ggml's type ids),
/// so that a value read from a file is a value of this enumeration; those from 1000 on are our own.
/// </summary>
#pragma warning disable CS1591 // the names are the specification's own
public enum WeightType
{
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q8_1 = 9,
    Q2_K = 10,
    Q3_K = 11,
    Q4_K = 12,
    Q5_K = 13,
    Q6_K = 14,
    Q8_K = 15,
    IQ2_XXS = 16,
    IQ2_XS = 17,
    IQ3_XXS = 18,
    IQ1_S = 19,
    IQ4_NL = 20,
    IQ3_S = 21,
    IQ2_S = 22,
    IQ4_XS = 23,
    I8 = 24,
    I16 = 25,
    I32 = 26,
    I64 = 27,
    F64 = 28,
    IQ1_M = 29,
    BF16 = 30,
    TQ1_0 = 34,
    TQ2_0 = 35,
    MXFP4 = 39,
    NVFP4 = 40,
    Q1_0 = 41,
    Q2_0 = 42,

    // Beyond the specification's numbers: what weights of safetensors are packed into. No GGUF file holds them.
    FP8_E4M3 = 1000,
    FP8_E5M2 = 1001,
    MXFP8 = 1002,
}
#pragma warning restore CS1591

/// <summary>Sizes of the weight types: a row is a whole number of blocks of <see cref="BlockValues"/> weights.</summary>
public static class WeightTypes
{
    // (weights per block, bytes per block), by the definitions in the GGUF specification.
    private static readonly Dictionary<WeightType, (int Values, int Bytes)> Sizes = new()
    {
        [WeightType.F32] = (1, 4),
        [WeightType.F16] = (1, 2),
        [WeightType.BF16] = (1, 2),
        [WeightType.F64] = (1, 8),
        [WeightType.I8] = (1, 1),
        [WeightType.I16] = (1, 2),
        [WeightType.I32] = (1, 4),
        [WeightType.I64] = (1, 8),
        [WeightType.Q4_0] = (32, 18),
        [WeightType.Q4_1] = (32, 20),
        [WeightType.Q5_0] = (32, 22),
        [WeightType.Q5_1] = (32, 24),
        [WeightType.Q8_0] = (32, 34),
        [WeightType.Q8_1] = (32, 36),
        [WeightType.Q2_K] = (256, 84),
        [WeightType.Q3_K] = (256, 110),
        [WeightType.Q4_K] = (256, 144),
        [WeightType.Q5_K] = (256, 176),
        [WeightType.Q6_K] = (256, 210),
        [WeightType.Q8_K] = (256, 292),
        [WeightType.IQ1_S] = (256, 50),
        [WeightType.IQ1_M] = (256, 56),
        [WeightType.IQ2_XXS] = (256, 66),
        [WeightType.IQ2_XS] = (256, 74),
        [WeightType.IQ2_S] = (256, 82),
        [WeightType.IQ3_XXS] = (256, 98),
        [WeightType.IQ3_S] = (256, 110),
        [WeightType.IQ4_NL] = (32, 18),
        [WeightType.IQ4_XS] = (256, 136),
        [WeightType.TQ1_0] = (256, 54),
        [WeightType.TQ2_0] = (256, 66),
        [WeightType.MXFP4] = (32, 17),
        [WeightType.NVFP4] = (64, 36),
        [WeightType.Q1_0] = (128, 18),
        [WeightType.Q2_0] = (64, 18),
        [WeightType.FP8_E4M3] = (128, 132),
        [WeightType.FP8_E5M2] = (128, 132),
        [WeightType.MXFP8] = (32, 33),
    };

    /// <summary>Whether <paramref name="type"/> is a type of the GGUF specification, whose size this runtime knows.</summary>
    internal static bool IsKnown(this WeightType type) => Sizes.ContainsKey(type) && type < WeightType.FP8_E4M3;

    /// <summary>Weights in one block of <paramref name="type"/> (1 for plain numbers).</summary>
    public static int BlockValues(this WeightType type) => Sizes[type].Values;

    /// <summary>Bytes of one block of <paramref name="type"/>.</summary>
    public static int BlockBytes(this WeightType type) => Sizes[type].Bytes;

    /// <summary>Bytes of a row (or of several) of <paramref name="values"/> weights.</summary>
    /// <param name="type">How they are stored.</param>
    /// <param name="values">How many weights.</param>
    /// <exception cref="ArgumentException"><paramref name="values"/> does not fill whole blocks.</exception>
    public static long RowBytes(this WeightType type, long values)
    {
        var (blockValues, blockBytes) = Sizes[type];
        var (blocks, rest) = Math.DivRem(values, blockValues);
        if (rest != 0) throw new ArgumentException($"{values} weights are not a whole number of {type} blocks of {blockValues}", nameof(values));
        return checked(blocks * blockBytes);
    }
}
