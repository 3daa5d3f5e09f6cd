namespace WarpDecode.Runtime.Monitoring;

/// <summary>Which experts one token went to in every layer, and with which weights. Reused: reading into it
/// allocates nothing. Not for several threads at once.</summary>
public sealed class RoutingSnapshot
{
    private readonly int[] ids;
    private readonly float[] weights;

    /// <summary>An empty one of those sizes.</summary>
    /// <param name="layers">Layers of the model.</param>
    /// <param name="topK">Experts of a token in a layer.</param>
    public RoutingSnapshot(int layers, int topK)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(layers);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(topK);
        (Layers, TopK) = (layers, topK);
        ids = new int[checked(layers * topK)];
        weights = new float[ids.Length];
    }

    /// <summary>One for the model of an engine.</summary>
    public RoutingSnapshot(Engine engine)
        : this((engine ?? throw new ArgumentNullException(nameof(engine))).Layers, engine.ExpertsPerToken)
    {
    }

    /// <summary>Layers of the model.</summary>
    public int Layers { get; }

    /// <summary>Experts of a token in a layer.</summary>
    public int TopK { get; }

    /// <summary>The token's position in its session; -1 while nothing was read.</summary>
    public int Position { get; internal set; } = -1;

    /// <summary>Experts [layers, topK].</summary>
    public ReadOnlySpan<int> Experts => ids;

    /// <summary>Their weights [layers, topK].</summary>
    public ReadOnlySpan<float> Weights => weights;

    /// <summary>Experts of a layer, best first.</summary>
    public ReadOnlySpan<int> ExpertsOf(int layer) => ids.AsSpan(layer * TopK, TopK);

    /// <summary>Weights of a layer's experts.</summary>
    public ReadOnlySpan<float> WeightsOf(int layer) => weights.AsSpan(layer * TopK, TopK);

    /// <summary>Takes over what another has.</summary>
    /// <exception cref="ArgumentException">It is of another size.</exception>
    internal void CopyFrom(RoutingSnapshot other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if ((other.Layers, other.TopK) != (Layers, TopK)) throw new ArgumentException($"routes of {other.Layers} layers × {other.TopK} experts do not fit {Layers} × {TopK}");
        Set(other.ids, other.weights, other.Position);
    }

    internal void Set(ReadOnlySpan<int> experts, ReadOnlySpan<float> factors, int position)
    {
        experts.CopyTo(ids);
        factors.CopyTo(weights);
        Position = position;
    }

    internal Span<int> RawExperts => ids;

    internal Span<float> RawWeights => weights;
}
