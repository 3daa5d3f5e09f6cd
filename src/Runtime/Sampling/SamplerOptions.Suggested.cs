using System.Collections.Immutable;
using WarpDecode.Formats;

namespace WarpDecode.Runtime.Sampling;

/// <content>What a model's makers suggest.</content>
public sealed partial record SamplerOptions
{
    private const string SuggestedPrefix = "general.sampling.";

    /// <summary>
    /// What the makers of a model suggest (<c>general.sampling.*</c>: order of the stages, temperature, top-k, top-p, min-p, XTC, the repeat penalty and
    /// how far it looks back, mirostat), and this type's defaults for the rest. The values are as the file has them: <see cref="Validate"/> checks them.
    /// </summary>
    /// <param name="model">Metadata of the model.</param>
    /// <param name="except">Names of properties that the caller sets, so that it does not matter what the file has for them.</param>
    /// <exception cref="ModelFileException">A suggestion is of the wrong type, or out of the range of its type.</exception>
    /// <exception cref="FormatException">The order names a stage that there is not, or one twice.</exception>
    public static SamplerOptions Suggested(Metadata model, IReadOnlySet<string>? except = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        var defaults = new SamplerOptions();
        return defaults with
        {
            Order = Has(nameof(Order), "sequence", out var sequence) ? ParseOrder(sequence, model.GetString(sequence)) : defaults.Order,
            Temperature = Number(nameof(Temperature), "temp", defaults.Temperature),
            TopK = Integer(nameof(TopK), "top_k", 0, defaults.TopK),
            TopP = Number(nameof(TopP), "top_p", defaults.TopP),
            MinP = Number(nameof(MinP), "min_p", defaults.MinP),
            XtcProbability = Number(nameof(XtcProbability), "xtc_probability", defaults.XtcProbability),
            XtcThreshold = Number(nameof(XtcThreshold), "xtc_threshold", defaults.XtcThreshold),
            RepeatLastN = Integer(nameof(RepeatLastN), "penalty_last_n", -1, defaults.RepeatLastN) is >= 0 and var lastN ? lastN : LongestLookBack,
            RepeatPenalty = Number(nameof(RepeatPenalty), "penalty_repeat", defaults.RepeatPenalty),
            Mirostat = Integer(nameof(Mirostat), "mirostat", 0, defaults.Mirostat),
            MirostatTau = Number(nameof(MirostatTau), "mirostat_tau", defaults.MirostatTau),
            MirostatEta = Number(nameof(MirostatEta), "mirostat_eta", defaults.MirostatEta),
        };

        bool Has(string property, string name, out string key)
        {
            key = SuggestedPrefix + name;
            return model.Contains(key) && except?.Contains(property) != true;
        }

        double Number(string property, string name, double otherwise) => Has(property, name, out var key) ? model.GetNumber(key) : otherwise;
        int Integer(string property, string name, int least, int otherwise) => Has(property, name, out var key) ? model.GetInt32(key, least) : otherwise;
    }

    private static ImmutableArray<SamplerStage> ParseOrder(string key, string text)
    {
        try
        {
            return SamplerStages.Parse(text);
        }
        catch (FormatException e)
        {
            throw new FormatException($"{key} of the file: {e.Message}", e);
        }
    }
}
