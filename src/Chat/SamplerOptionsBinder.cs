using System.Collections.Immutable;
using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;
using WarpDecode.Formats;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Sampling;

namespace WarpDecode.Chat;

/// <summary>The options that say how an answer is generated; names as llama.cpp's.</summary>
internal sealed class SamplerOptionsBinder
{
    private static readonly SamplerOptions Defaults = new();

    private readonly Option<int> maxTokens = Number("--max-tokens", "N", "Most tokens of an answer; -1 until it ends by itself.", -1,
        n => n is -1 or > 0, "1 or more, or -1 for no limit", "-n");

    private readonly Option<string[]> stop = new Option<string[]>("--stop")
    {
        Description = "A text that ends the answer and is not part of it; may be given several times.",
        HelpName = "TEXT",
    }.NotEmpty("a text");

    private readonly Option<string[]> banned = new Option<string[]>("--banned-string")
    {
        Description = "A text that must not appear in the answer; may be given several times.",
        HelpName = "TEXT",
    }.NotEmpty("a text");

    private readonly Option<double> temperature = Number("--temp", "X", "Temperature; 0 always takes the likeliest token.", Defaults.Temperature,
        x => x is >= 0 and <= 100, "a number from 0 to 100");

    private readonly Option<double> dynamicRange = Number("--dynatemp-range", "X", "How far the temperature goes up where the model is unsure, down where it is sure; 0 is off.",
        Defaults.DynamicTemperatureRange, x => x is >= 0 and <= 100, "a number from 0 to 100");

    private readonly Option<double> dynamicExponent = Number("--dynatemp-exp", "X", "Exponent of the dynamic temperature.",
        Defaults.DynamicTemperatureExponent, x => x is >= 0 and <= 100, "a number from 0 to 100");

    private readonly Option<int> topK = Number("--top-k", "K", "Keep the likeliest K tokens; 0 keeps all.", Defaults.TopK, k => k >= 0, "0 or more");

    private readonly Option<double> topP = Number("--top-p", "X", "Keep the likeliest tokens up to this probability together; 1 keeps all.", Defaults.TopP,
        x => x is > 0 and <= 1, "a number above 0, up to 1");

    private readonly Option<double> minP = Number("--min-p", "X", "Keep tokens at least this share as probable as the likeliest; 0 keeps all.", Defaults.MinP,
        x => x is >= 0 and <= 1, "a number from 0 to 1");

    private readonly Option<double> typical = Number("--typical", "X", "Keep the most typical tokens up to this probability together; 1 keeps all.", Defaults.Typical,
        x => x is > 0 and <= 1, "a number above 0, up to 1");

    private readonly Option<double> topNSigma = Number("--top-nsigma", "N", "Keep tokens whose logit is within N standard deviations of the best; 0 or -1 keeps all.",
        Defaults.TopNSigma, x => x is -1 or (>= 0 and <= 1000), "a number from 0 to 1000, or -1 for all");

    private readonly Option<double> xtcProbability = Number("--xtc-probability", "X", "How often XTC drops all likely tokens but the least likely of them; 0 is off.",
        Defaults.XtcProbability, x => x is >= 0 and <= 1, "a number from 0 to 1");

    private readonly Option<double> xtcThreshold = Number("--xtc-threshold", "X", "From which probability on a token is likely for XTC.", Defaults.XtcThreshold,
        x => x is >= 0 and <= 1, "a number from 0 to 1");

    private readonly Option<int> repeatLastN = LookBack("--repeat-last-n", "How many tokens the next three penalties look back; -1 is all.", Defaults.RepeatLastN);

    private readonly Option<double> repeatPenalty = Number("--repeat-penalty", "X", "Above 1 makes recent tokens less likely; 1 is off.", Defaults.RepeatPenalty,
        x => x is > 0 and <= 100, "a number above 0, up to 100");

    private readonly Option<double> presence = Number("--presence-penalty", "X", "Taken off the logits of recent tokens; 0 is off.", Defaults.PresencePenalty,
        x => x is >= -100 and <= 100, "a number from -100 to 100");

    private readonly Option<double> frequency = Number("--frequency-penalty", "X", "Taken off the logits of recent tokens for each time they occur; 0 is off.",
        Defaults.FrequencyPenalty, x => x is >= -100 and <= 100, "a number from -100 to 100");

    private readonly Option<double> dryMultiplier = Number("--dry-multiplier", "X", "DRY: how much repeated sequences are held back; 0 is off.", Defaults.DryMultiplier,
        x => x is >= 0 and <= 100, "a number from 0 to 100");

    private readonly Option<double> dryBase = Number("--dry-base", "X", "DRY: growth with each further token.", Defaults.DryBase,
        x => x is >= 1 and <= 100, "a number from 1 to 100");

    private readonly Option<int> dryAllowed = Number("--dry-allowed-length", "N", "DRY: length that may be repeated.", Defaults.DryAllowedLength,
        n => n is >= 0 and <= SamplerOptions.LongestLookBack, "0 to 1048576");

    private readonly Option<int> dryLastN = LookBack("--dry-penalty-last-n", "DRY: how many tokens it looks back; -1 is all.", -1);

    private readonly Option<string[]> dryBreakers = new Option<string[]>("--dry-sequence-breaker")
    {
        Description = "DRY: a text that no repeated sequence goes over, instead of newline, colon, quote and star; may be given several times; none is for none.",
        HelpName = "TEXT",
    }.NotEmpty("a text");

    private readonly Option<int> mirostat = new("--mirostat")
    {
        Description = "2 is mirostat 2, instead of all other stages but the temperature; 0 is off.",
        HelpName = "N",
        DefaultValueFactory = _ => Defaults.Mirostat,
        CustomParser = result => result.Tokens[0].Value switch
        {
            "0" => 0,
            "2" => 2,
            "1" => Refuse<int>(result, "--mirostat 1 is not supported: use 2"),
            var other => Refuse<int>(result, $"--mirostat takes 0 or 2, not '{other}'"),
        },
    };

    private readonly Option<double> mirostatEta = Number("--mirostat-lr", "X", "Mirostat's learning rate.", Defaults.MirostatEta, x => x is >= 0 and <= 1, "a number from 0 to 1");

    private readonly Option<double> mirostatTau = Number("--mirostat-ent", "X", "Mirostat's target surprise, in bits.", Defaults.MirostatTau,
        x => x is >= 0 and <= 100, "a number from 0 to 100");

    private readonly Option<ImmutableDictionary<int, double>> bias = new("--logit-bias", "-l")
    {
        Description = "Added to a token's logit, for example 15043+1 or 15043-1; 15043-inf rules it out; may be given several times.",
        HelpName = "ID(+|-)X",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
        CustomParser = ParseBias,
        DefaultValueFactory = _ => ImmutableDictionary<int, double>.Empty,
    };

    private readonly Option<bool> ignoreEos = new("--ignore-eos") { Description = "Rule out the tokens that end an answer." };

    private readonly Option<ImmutableArray<SamplerStage>> order = new("--samplers")
    {
        Description = $"The stages in their order, with semicolons between; what is left out is off. Default: {SamplerStages.Text(Defaults.Order)}.",
        HelpName = "NAMES",
        CustomParser = ParseOrder,
    };

    private readonly Option<long> seed = Number("--seed", "N", "Seed of the draws: the same seed gives the same answer; -1 takes one at random.", -1L,
        n => n >= -1, "0 or more, or -1 for a random one");

    // What a model's file may suggest, by the name of the property.
    private (Option Option, string Property)[] Suggestible =>
    [
        (order, nameof(SamplerOptions.Order)), (temperature, nameof(SamplerOptions.Temperature)), (topK, nameof(SamplerOptions.TopK)),
        (topP, nameof(SamplerOptions.TopP)), (minP, nameof(SamplerOptions.MinP)), (xtcProbability, nameof(SamplerOptions.XtcProbability)),
        (xtcThreshold, nameof(SamplerOptions.XtcThreshold)), (repeatLastN, nameof(SamplerOptions.RepeatLastN)), (repeatPenalty, nameof(SamplerOptions.RepeatPenalty)),
        (mirostat, nameof(SamplerOptions.Mirostat)), (mirostatEta, nameof(SamplerOptions.MirostatEta)), (mirostatTau, nameof(SamplerOptions.MirostatTau)),
    ];

    public void AddTo(Command command)
    {
        Option[] all =
        [
            maxTokens, stop, banned, seed, order, temperature, dynamicRange, dynamicExponent, topK, topP, minP, typical, topNSigma, xtcProbability, xtcThreshold,
            repeatLastN, repeatPenalty, presence, frequency, dryMultiplier, dryBase, dryAllowed, dryLastN, dryBreakers, mirostat, mirostatEta, mirostatTau, bias, ignoreEos,
        ];
        foreach (var option in all) command.Options.Add(option);
    }

    /// <summary>What the command line says; what it leaves open is as the model's makers suggest, then as the option's default.</summary>
    /// <exception cref="UsageException">What the file suggests, or a token id, is not possible.</exception>
    public GenerationOptions Bind(ParseResult parsed, Metadata model)
    {
        var suggested = Suggested(model, Suggestible.Where(o => IsGiven(o.Option)).Select(o => o.Property).ToHashSet(StringComparer.Ordinal));
        var sampling = new SamplerOptions
        {
            Order = Given(order, suggested.Order),
            Temperature = Given(temperature, suggested.Temperature),
            DynamicTemperatureRange = parsed.GetValue(dynamicRange),
            DynamicTemperatureExponent = parsed.GetValue(dynamicExponent),
            TopK = Given(topK, suggested.TopK),
            TopP = Given(topP, suggested.TopP),
            MinP = Given(minP, suggested.MinP),
            Typical = parsed.GetValue(typical),
            TopNSigma = Math.Max(0, parsed.GetValue(topNSigma)),
            XtcProbability = Given(xtcProbability, suggested.XtcProbability),
            XtcThreshold = Given(xtcThreshold, suggested.XtcThreshold),
            RepeatLastN = All(Given(repeatLastN, suggested.RepeatLastN)),
            RepeatPenalty = Given(repeatPenalty, suggested.RepeatPenalty),
            PresencePenalty = parsed.GetValue(presence),
            FrequencyPenalty = parsed.GetValue(frequency),
            DryMultiplier = parsed.GetValue(dryMultiplier),
            DryBase = parsed.GetValue(dryBase),
            DryAllowedLength = parsed.GetValue(dryAllowed),
            DryLastN = All(parsed.GetValue(dryLastN)),
            DrySequenceBreakers = parsed.GetValue(dryBreakers) is { Length: > 0 } breakers ? [.. breakers.Where(b => b != "none")] : Defaults.DrySequenceBreakers,
            Mirostat = Given(mirostat, suggested.Mirostat),
            MirostatEta = Given(mirostatEta, suggested.MirostatEta),
            MirostatTau = Given(mirostatTau, suggested.MirostatTau),
            LogitBias = parsed.GetValue(bias) ?? ImmutableDictionary<int, double>.Empty,
            IgnoreEndOfTurn = parsed.GetValue(ignoreEos),
            BannedStrings = parsed.GetValue(banned) ?? [],
            Seed = parsed.GetValue(seed) is >= 0 and var s ? (ulong)s : null,
        };
        Check(sampling, model);
        return new GenerationOptions
        {
            MaxTokens = parsed.GetValue(maxTokens) is > 0 and var n ? n : null,
            Stop = parsed.GetValue(stop) ?? [],
            Sampling = sampling,
        };

        bool IsGiven(Option option) => parsed.GetResult(option) is { Implicit: false };
        T Given<T>(Option<T> option, T otherwise) => IsGiven(option) ? parsed.GetValue(option)! : otherwise;
        int All(int lastN) => lastN == -1 ? SamplerOptions.LongestLookBack : lastN;
    }

    private static SamplerOptions Suggested(Metadata model, IReadOnlySet<string> given)
    {
        try
        {
            return SamplerOptions.Suggested(model, given);
        }
        catch (FormatException e)
        {
            throw new UsageException(e.Message, "Give another order with --samplers.");
        }
    }

    // Each option was checked as it was parsed: what is wrong here is the file's suggestion, or the options together.
    private static void Check(SamplerOptions sampling, Metadata model)
    {
        try
        {
            sampling.Validate();
        }
        catch (ArgumentOutOfRangeException e)
        {
            var what = e.Message.Split(" (Parameter", 2)[0];
            throw new UsageException($"{what}; it is {e.ActualValue}", "Give another value: what the command line says goes before what the file suggests.");
        }
        const string tokens = "tokenizer.ggml.tokens";
        if (sampling.LogitBias.Count == 0 || !model.Contains(tokens)) return;
        var count = model.Describe(tokens).Count;
        if (sampling.LogitBias.Keys.Max() is var id && id >= count)
            throw new UsageException($"--logit-bias: there is no token {id} in a vocabulary of {count}", "wd-run tokenize shows the ids of a text.");
    }

    private static Option<T> Number<T>(string name, string help, string description, T value, Func<T, bool> allowed, string range, params string[] aliases)
        where T : struct, INumber<T> =>
        new Option<T>(name, aliases) { Description = description, HelpName = help, DefaultValueFactory = _ => value }.TakesNumber(allowed, range);

    private static Option<int> LookBack(string name, string description, int value) =>
        Number(name, "N", description, value, n => n is >= -1 and <= SamplerOptions.LongestLookBack, "0 to 1048576, or -1 for all");

    private static ImmutableArray<SamplerStage> ParseOrder(ArgumentResult result)
    {
        try
        {
            return SamplerStages.Parse(result.Tokens[0].Value);
        }
        catch (FormatException e)
        {
            return Refuse<ImmutableArray<SamplerStage>>(result, $"--samplers: {e.Message}");
        }
    }

    private static ImmutableDictionary<int, double> ParseBias(ArgumentResult result)
    {
        var biases = ImmutableDictionary.CreateBuilder<int, double>();
        foreach (var token in result.Tokens)
        {
            var text = token.Value.AsSpan();
            var sign = text.IndexOfAny('+', '-');
            if (sign <= 0 || !int.TryParse(text[..sign], NumberStyles.None, CultureInfo.InvariantCulture, out var id) || !TryNumber(text[(sign + 1)..], out var size)
                || (text[sign] == '+' && double.IsInfinity(size)))
            {
                return Refuse<ImmutableDictionary<int, double>>(result, $"--logit-bias takes a token id, + or -, and a number up to 1000000 (or -inf), not '{token.Value}'")!;
            }
            biases[id] = text[sign] == '-' ? -size : size;
        }
        return biases.ToImmutable();

        static bool TryNumber(ReadOnlySpan<char> text, out double value)
        {
            value = double.PositiveInfinity;
            return text is "inf" or "infinity"
                || (double.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out value) && value <= 1e6);
        }
    }

    private static T? Refuse<T>(ArgumentResult result, string why)
    {
        result.AddError(why);
        return default;
    }
}
