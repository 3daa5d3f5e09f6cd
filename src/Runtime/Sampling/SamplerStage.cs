using System.Collections.Immutable;

namespace WarpDecode.Runtime.Sampling;

/// <summary>A stage of the sampler.</summary>
public enum SamplerStage
{
    /// <summary>Repeat, frequency and presence penalties.</summary>
    Penalties,

    /// <summary>Penalty on sequences that have been before.</summary>
    Dry,

    /// <summary>Keeps logits within some standard deviations of the best.</summary>
    TopNSigma,

    /// <summary>Keeps the k likeliest.</summary>
    TopK,

    /// <summary>Keeps the most typical.</summary>
    Typical,

    /// <summary>Keeps the likeliest up to a sum.</summary>
    TopP,

    /// <summary>Keeps what is probable enough beside the likeliest.</summary>
    MinP,

    /// <summary>Drops the likeliest now and then.</summary>
    Xtc,

    /// <summary>Temperature, fixed or dynamic.</summary>
    Temperature,
}

/// <summary>Names of the stages, as llama.cpp has them.</summary>
internal static class SamplerStages
{
    private static readonly (SamplerStage Stage, string[] Names)[] All =
    [
        (SamplerStage.Penalties, ["penalties"]),
        (SamplerStage.Dry, ["dry"]),
        (SamplerStage.TopNSigma, ["top_n_sigma"]),
        (SamplerStage.TopK, ["top_k"]),
        (SamplerStage.Typical, ["typ_p", "typical_p", "typical", "typ"]),
        (SamplerStage.TopP, ["top_p", "nucleus"]),
        (SamplerStage.MinP, ["min_p"]),
        (SamplerStage.Xtc, ["xtc"]),
        (SamplerStage.Temperature, ["temperature", "temp"]),
    ];

    /// <summary>The stages of a list of names with semicolons between; a hyphen is as good as an underscore.</summary>
    /// <exception cref="FormatException">A name is unknown or stands there twice; the message says which, and what there is.</exception>
    public static ImmutableArray<SamplerStage> Parse(string names)
    {
        ArgumentNullException.ThrowIfNull(names);
        var order = ImmutableArray.CreateBuilder<SamplerStage>();
        foreach (var part in names.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var name = part.Replace('-', '_');
            var at = Array.FindIndex(All, s => s.Names.Contains(name, StringComparer.Ordinal));
            if (at < 0) throw new FormatException($"there is no stage '{part}', but {Text(SamplerOptions.DefaultOrder)}");
            if (order.Contains(All[at].Stage)) throw new FormatException($"the stage '{part}' is there twice");
            order.Add(All[at].Stage);
        }
        return order.ToImmutable();
    }

    /// <summary>The names of stages, with semicolons between.</summary>
    public static string Text(IEnumerable<SamplerStage> order) => string.Join(';', order.Select(stage => Array.Find(All, s => s.Stage == stage).Names[0]));
}
