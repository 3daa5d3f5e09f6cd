namespace WarpDecode.Runtime.Monitoring;

/// <summary>Over which tokens a load is taken.</summary>
internal enum LoadWindow
{
    /// <summary>The last tokens: an older token counts half as much after every half-life.</summary>
    Recent,

    /// <summary>All tokens since the beginning.</summary>
    All,
}

/// <summary>How often each expert of each layer was chosen, how even that is, and how much is left to chance. Not thread-safe.</summary>
internal sealed class RoutingStatistics
{
    // Instead of making all older counts smaller with every token, each token counts more than the last; before that overflows, all is scaled back.
    private const double LargestUnit = 1e200;

    private readonly long[] counts; // [layers, experts]
    private readonly double[] recent; // in units that grow
    private readonly double growth;
    private double unit = 1;

    /// <summary>Empty ones.</summary>
    /// <param name="layers">Layers of the model.</param>
    /// <param name="experts">Experts of a layer.</param>
    /// <param name="halfLife">Tokens after which a token counts half in <see cref="LoadWindow.Recent"/>.</param>
    public RoutingStatistics(int layers, int experts, double halfLife = 64)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(layers);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(experts);
        if (!(halfLife > 0)) throw new ArgumentOutOfRangeException(nameof(halfLife), halfLife, "a half-life is more than 0 tokens");
        (Layers, Experts, HalfLife) = (layers, experts, halfLife);
        growth = Math.Pow(2, 1 / halfLife);
        counts = new long[checked(layers * experts)];
        recent = new double[counts.Length];
    }

    /// <summary>Layers of the model.</summary>
    public int Layers { get; }

    /// <summary>Experts of a layer.</summary>
    public int Experts { get; }

    /// <summary>Tokens after which a token counts half in <see cref="LoadWindow.Recent"/>.</summary>
    public double HalfLife { get; }

    /// <summary>Tokens counted.</summary>
    public long Tokens { get; private set; }

    /// <summary>Bits of a layer's entropy when all experts are chosen equally often.</summary>
    public double MostEntropy => Math.Log2(Experts);

    /// <summary>Counts a token.</summary>
    /// <param name="experts">Its experts [layers, topK].</param>
    /// <exception cref="ArgumentException">There is no such expert, or not as many in each layer.</exception>
    public void Add(ReadOnlySpan<int> experts)
    {
        if (experts.Length == 0 || experts.Length % Layers != 0) throw new ArgumentException($"{experts.Length} experts in {Layers} layers", nameof(experts));
        foreach (var expert in experts)
        {
            if ((uint)expert >= (uint)Experts) throw new ArgumentException($"expert {expert} of {Experts}", nameof(experts));
        }
        unit *= growth;
        if (!(unit < LargestUnit))
        {
            for (var i = 0; i < recent.Length; i++) recent[i] /= unit;
            unit = 1;
        }
        var topK = experts.Length / Layers;
        for (var i = 0; i < experts.Length; i++)
        {
            var at = (i / topK * Experts) + experts[i];
            counts[at]++;
            recent[at] += unit;
        }
        Tokens++;
    }

    /// <summary>How often an expert was chosen.</summary>
    public long Count(int layer, int expert) => counts[At(layer, expert)];

    /// <summary>How often an expert is chosen, relative to the mean of its layer: 1 is as often as all; 0 if there are no tokens.</summary>
    public double Load(int layer, int expert, LoadWindow window)
    {
        var total = Total(layer, window);
        return total > 0 ? Value(At(layer, expert), window) * Experts / total : 0;
    }

    /// <summary>The loads of a layer's experts, each relative to their mean.</summary>
    public void Loads(int layer, LoadWindow window, Span<double> loads)
    {
        var total = Total(layer, window);
        for (var expert = 0; expert < Experts; expert++) loads[expert] = total > 0 ? Value(At(layer, expert), window) * Experts / total : 0;
    }

    /// <summary>Bits of entropy of which expert a slot goes to: <see cref="MostEntropy"/> if all alike, 0 if always one; 0 if there are no tokens.</summary>
    public double Entropy(int layer, LoadWindow window)
    {
        var total = Total(layer, window);
        if (!(total > 0)) return 0;
        var sum = 0.0;
        for (var expert = 0; expert < Experts; expert++)
        {
            var share = Value(At(layer, expert), window) / total;
            if (share > 0) sum -= share * Math.Log2(share);
        }
        return Math.Max(0, sum);
    }

    /// <summary>The busiest expert's load over the mean of its layer: 1 if all are alike; 0 if there are no tokens.</summary>
    public double Imbalance(int layer, LoadWindow window)
    {
        var (most, total) = (0.0, Total(layer, window));
        for (var expert = 0; expert < Experts; expert++) most = Math.Max(most, Value(At(layer, expert), window));
        return total > 0 ? most * Experts / total : 0;
    }

    /// <summary>Experts of a layer that were never chosen.</summary>
    public int Unused(int layer) => counts.AsSpan(layer * Experts, Experts).Count(0L);

    /// <summary>Forgets all tokens.</summary>
    public void Clear()
    {
        Array.Clear(counts);
        Array.Clear(recent);
        (unit, Tokens) = (1, 0);
    }

    /// <summary>Takes over what another has.</summary>
    /// <exception cref="ArgumentException">It is of another size, or of another half-life.</exception>
    public void CopyFrom(RoutingStatistics other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if ((other.Layers, other.Experts, other.HalfLife) != (Layers, Experts, HalfLife))
            throw new ArgumentException($"{other.Layers} layers × {other.Experts} experts, half-life {other.HalfLife}, do not fit {Layers} × {Experts}, {HalfLife}");
        other.counts.CopyTo(counts, 0);
        other.recent.CopyTo(recent, 0);
        (unit, Tokens) = (other.unit, other.Tokens);
    }

    private int At(int layer, int expert)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(layer, Layers);
        ArgumentOutOfRangeException.ThrowIfNegative(expert);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(expert, Experts);
        return (layer * Experts) + expert;
    }

    private double Value(int at, LoadWindow window) => window == LoadWindow.All ? counts[at] : recent[at] / unit;

    private double Total(int layer, LoadWindow window)
    {
        var sum = 0.0;
        for (var expert = 0; expert < Experts; expert++) sum += Value(At(layer, expert), window);
        return sum;
    }
}
