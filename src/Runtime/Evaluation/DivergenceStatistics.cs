namespace WarpDecode.Runtime.Evaluation;

/// <summary>How far a run is from a base, over all scored positions.</summary>
public sealed record Divergence
{
    /// <summary>Mean Kullback–Leibler divergence of the run from the base, in nats.</summary>
    public required Estimate Mean { get; init; }

    /// <summary>Median of the positions' divergences; percentiles are interpolated between the two nearest.</summary>
    public required double Median { get; init; }

    /// <summary>90th percentile.</summary>
    public required double P90 { get; init; }

    /// <summary>95th percentile.</summary>
    public required double P95 { get; init; }

    /// <summary>99th percentile.</summary>
    public required double P99 { get; init; }

    /// <summary>99.9th percentile.</summary>
    public required double P999 { get; init; }

    /// <summary>The largest.</summary>
    public required double Maximum { get; init; }

    /// <summary>Share of positions at which both find the same token likeliest.</summary>
    public required Estimate SameTop { get; init; }

    /// <summary>Mean of Δp, the run's probability of the token that follows less the base's.</summary>
    public required Estimate DeltaMean { get; init; }

    /// <summary>Root of the mean of Δp².</summary>
    public required Estimate DeltaRms { get; init; }

    /// <summary>The base's perplexity.</summary>
    public required Estimate BasePerplexity { get; init; }

    /// <summary>The run's perplexity over the base's. Its error is that of the mean of the positions' differences.</summary>
    public required Estimate Ratio { get; init; }
}

/// <summary>Gathers what <see cref="Divergence"/> says.</summary>
internal sealed class DivergenceStatistics(long positions)
{
    private readonly double[] divergences = new double[positions];
    private Moments divergence;
    private Moments sameTop;
    private Moments delta;
    private Moments deltaSquared;
    private Moments baseNll;
    private Moments ratio;

    public Estimate Mean => divergence.Mean;

    public void Add(in PositionScore score)
    {
        divergences[divergence.Count] = score.Divergence;
        divergence.Add(score.Divergence);
        sameTop.Add(score.SameTop ? 1 : 0);
        var difference = Math.Exp(score.LogP) - Math.Exp(score.BaseLogP);
        delta.Add(difference);
        deltaSquared.Add(difference * difference);
        baseNll.Add(-score.BaseLogP);
        ratio.Add(score.BaseLogP - score.LogP);
    }

    public Divergence Result()
    {
        Array.Sort(divergences);
        return new Divergence
        {
            Mean = divergence.Mean,
            Median = Percentile(divergences, 0.5),
            P90 = Percentile(divergences, 0.9),
            P95 = Percentile(divergences, 0.95),
            P99 = Percentile(divergences, 0.99),
            P999 = Percentile(divergences, 0.999),
            Maximum = divergences[^1],
            SameTop = sameTop.Mean,
            DeltaMean = delta.Mean,
            DeltaRms = deltaSquared.Mean.Sqrt(),
            BasePerplexity = baseNll.Mean.Exp(),
            Ratio = ratio.Mean.Exp(),
        };
    }

    /// <summary>The value below which a share of the values lies, interpolated between its two neighbours.</summary>
    /// <param name="sorted">At least one value, in order.</param>
    /// <param name="share">From 0 to 1.</param>
    internal static double Percentile(ReadOnlySpan<double> sorted, double share)
    {
        var at = share * (sorted.Length - 1);
        var below = (int)at;
        var above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((at - below) * (sorted[above] - sorted[below]));
    }
}
