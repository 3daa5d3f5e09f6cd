namespace WarpDecode.Runtime.Monitoring;

/// <summary>A part of a step.</summary>
internal enum StepPart
{
    /// <summary>The token's row of the embedding, and rope's angles.</summary>
    Embedding,

    /// <summary>Queries, keys, values, and the output of attention.</summary>
    Projections,

    /// <summary>Rope, the cache of keys and values, attention itself.</summary>
    Attention,

    /// <summary>Which experts.</summary>
    Router,

    /// <summary>The first half of the experts.</summary>
    GateUp,

    /// <summary>The second half of the experts.</summary>
    Down,

    /// <summary>The logits.</summary>
    Head,
}

/// <summary>A part of a step, on average.</summary>
/// <param name="Part">Which.</param>
/// <param name="Seconds">Its time; null where a step is not computed part by part, as on a GPU.</param>
/// <param name="Bytes">Weights, or keys and values, that it reads at least.</param>
internal readonly record struct PartProfile(StepPart Part, double? Seconds, double Bytes);

/// <summary>Where the time of a decode step goes, averaged over the last steps, of which older ones count less.</summary>
/// <param name="Steps">Steps measured so far.</param>
/// <param name="Tokens">Tokens of the last step.</param>
/// <param name="Seconds">Time of a step, until its logits are there.</param>
/// <param name="Parts">Its parts, in the order of <see cref="StepPart"/>.</param>
/// <param name="ReadBandwidth">GB/s that memory is read with at best; null while that is not known.</param>
internal sealed record StepProfile(long Steps, int Tokens, double Seconds, IReadOnlyList<PartProfile> Parts, double? ReadBandwidth)
{
    /// <summary>Bytes that a step reads at least: weights of what is active, once, and keys and values.</summary>
    public double Bytes => Parts.Sum(p => p.Bytes);

    /// <summary>Whether the times of the parts are known.</summary>
    public bool HasPartTimes => Parts.Count > 0 && Parts[0].Seconds is not null;

    /// <summary>GB/s of the whole step.</summary>
    public double Rate => Seconds > 0 ? Bytes / Seconds / 1e9 : 0;

    /// <summary>The rate as a share of what memory gives; null while that is not known.</summary>
    public double? OfRoofline => ReadBandwidth is > 0 ? Rate / ReadBandwidth : null;
}
