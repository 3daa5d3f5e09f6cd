namespace WarpDecode.Runtime.Sampling;

/// <summary>What of the options does anything, and how much of the logits it needs.</summary>
internal sealed class SamplerPlan
{
    public SamplerPlan(SamplerOptions options, bool penalties, bool dry)
    {
        var mirostat = options.Mirostat == 2;
        DynamicRange = mirostat ? 0 : options.DynamicTemperatureRange;
        IReadOnlyList<SamplerStage> order = mirostat ? [SamplerStage.Temperature] : options.Order;
        Stages = [.. order.Where(IsActive)];
        while (Lead < Stages.Length && Stages[Lead] is SamplerStage.Penalties or SamplerStage.Dry) Lead++;
        Greedy = options.Temperature == 0 && DynamicRange == 0 && order.Contains(SamplerStage.Temperature);
        GreedyAtOnce = Greedy && Stages[Lead..Array.IndexOf(Stages, SamplerStage.Temperature)].All(KeepsTheBest);
        Needed = GreedyAtOnce ? 1 : mirostat ? 0 : NeededByRank(options.TopK);

        bool IsActive(SamplerStage stage) => stage switch
        {
            SamplerStage.Penalties => penalties,
            SamplerStage.Dry => dry,
            SamplerStage.TopNSigma => options.TopNSigma > 0,
            SamplerStage.TopK => options.TopK > 0,
            SamplerStage.Typical => options.Typical < 1,
            SamplerStage.TopP => options.TopP < 1,
            SamplerStage.MinP => options.MinP > 0,
            SamplerStage.Xtc => Xtc.IsActive(options.XtcProbability, options.XtcThreshold),
            _ => options.Temperature != 1 || DynamicRange > 0,
        };
    }

    /// <summary>The stages that do anything, in their order.</summary>
    public SamplerStage[] Stages { get; }

    /// <summary>How many of them, from the first on, change logits and choose nothing.</summary>
    public int Lead { get; }

    /// <summary>Range of the dynamic temperature.</summary>
    public double DynamicRange { get; }

    /// <summary>Whether the temperature leaves one token, so that nothing is drawn.</summary>
    public bool Greedy { get; }

    /// <summary>Whether that is the best after the leading stages.</summary>
    public bool GreedyAtOnce { get; }

    /// <summary>How many of the best tokens after the leading stages decide; 0 if all.</summary>
    public int Needed { get; }

    private static bool KeepsTheBest(SamplerStage stage) => stage is SamplerStage.TopK or SamplerStage.TopP or SamplerStage.MinP or SamplerStage.TopNSigma;

    // What comes before top-k must look at ranks and at the best only, for the other tokens not to matter.
    private int NeededByRank(int k)
    {
        for (var i = Lead; i < Stages.Length; i++)
        {
            if (Stages[i] == SamplerStage.TopK) return k;
            if (Stages[i] == SamplerStage.MinP || (Stages[i] == SamplerStage.Temperature && DynamicRange == 0)) continue;
            return 0;
        }
        return 0;
    }
}
