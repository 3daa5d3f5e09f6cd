namespace WarpDecode.Formats.Quantization;

/// <summary>A weight that its target type cannot hold.</summary>
internal sealed class WeightRangeException(string message) : Exception(message);

/// <summary>
/// Turns FP32 weights into blocks of one type. Encoders have no state: a block depends on its own weights and their importance
/// alone, so that the bytes are the same however rows are divided among threads.
/// </summary>
internal abstract class RowEncoder
{
    /// <summary>The type that it writes.</summary>
    public abstract WeightType Type { get; }

    /// <summary>Whether the importance of weights changes what it writes.</summary>
    public abstract bool UsesImportance { get; }

    /// <summary>Encodes a stretch of whole blocks.</summary>
    /// <param name="x">Finite weights [n], n a multiple of the block's.</param>
    /// <param name="importance">How much the squared error of each counts [n], none below 0; empty for all alike.</param>
    /// <param name="to">Receives the blocks.</param>
    /// <exception cref="WeightRangeException">A weight or a scale is beyond what the type holds.</exception>
    public abstract void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> importance, Span<byte> to);

    /// <summary>The types that can be written.</summary>
    public static IReadOnlyList<WeightType> Types { get; } = [.. Enum.GetValues<WeightType>().Where(type => TryOf(type) is not null)];

    /// <summary>The encoder of a type.</summary>
    /// <exception cref="NotSupportedException">There is none.</exception>
    public static RowEncoder Of(WeightType type) => TryOf(type) ?? throw new NotSupportedException($"weights of type {type} cannot be written");

    private static RowEncoder? TryOf(WeightType type) => type switch
    {
        WeightType.F32 => new F32Encoder(),
        WeightType.F16 => new F16Encoder(),
        WeightType.BF16 => new BF16Encoder(),
        WeightType.Q8_0 => new BlockRows<Q8_0Encoder>(),
        WeightType.Q4_0 => new BlockRows<Q4_0Encoder>(),
        WeightType.Q4_1 => new BlockRows<Q4_1Encoder>(),
        WeightType.Q5_0 => new BlockRows<Q5_0Encoder>(),
        WeightType.Q5_1 => new BlockRows<Q5_1Encoder>(),
        WeightType.Q2_K => new BlockRows<Q2_KEncoder>(),
        WeightType.Q3_K => new BlockRows<Q3_KEncoder>(),
        WeightType.Q4_K => new BlockRows<Q4_KEncoder>(),
        WeightType.Q5_K => new BlockRows<Q5_KEncoder>(),
        WeightType.Q6_K => new BlockRows<Q6_KEncoder>(),
        WeightType.IQ4_NL => new BlockRows<IQ4_NLEncoder>(),
        WeightType.IQ4_XS => new BlockRows<IQ4_XSEncoder>(),
        WeightType.MXFP4 => new BlockRows<MXFP4Encoder>(),
        _ => null,
    };
}

/// <summary>How one block is made. A new type is one file with its encoder and one row in <see cref="RowEncoder"/>.</summary>
internal interface IBlockEncoder
{
    /// <inheritdoc cref="RowEncoder.Type"/>
    static abstract WeightType Type { get; }

    /// <inheritdoc cref="RowEncoder.UsesImportance"/>
    static virtual bool UsesImportance => true;

    /// <summary>Encodes a block.</summary>
    /// <param name="x">Its weights, as many as a block has.</param>
    /// <param name="w">How much the squared error of each counts: as many numbers, none below 0.</param>
    /// <param name="block">Receives its bytes, as many as a block has; all of them are written.</param>
    static abstract void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<byte> block);
}

/// <summary>Rows of blocks.</summary>
/// <typeparam name="TEncoder">How a block is made.</typeparam>
internal sealed class BlockRows<TEncoder> : RowEncoder
    where TEncoder : IBlockEncoder
{
    private static readonly float[] Alike = [.. Enumerable.Repeat(1f, TEncoder.Type.BlockValues())];

    public override WeightType Type => TEncoder.Type;

    public override bool UsesImportance => TEncoder.UsesImportance;

    public override void Encode(ReadOnlySpan<float> x, ReadOnlySpan<float> importance, Span<byte> to)
    {
        var (values, bytes) = (Type.BlockValues(), Type.BlockBytes());
        for (int at = 0, block = 0; at < x.Length; at += values, block += bytes)
            TEncoder.Encode(x.Slice(at, values), importance.IsEmpty ? Alike : importance.Slice(at, values), to.Slice(block, bytes));
    }
}
