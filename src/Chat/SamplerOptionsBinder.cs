using System.CommandLine;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Sampling;

namespace WarpDecode.Chat;

/// <summary>The options that say how an answer is generated.</summary>
internal sealed class SamplerOptionsBinder
{
    private static readonly SamplerOptions Defaults = new();

    private readonly Option<int> maxTokens = new("--max-tokens", "-n") { Description = "Most tokens of an answer; -1 until it ends by itself.", HelpName = "N", DefaultValueFactory = _ => -1 };
    private readonly Option<string[]> stop = new("--stop") { Description = "A text that ends the answer; may be given several times.", HelpName = "TEXT" };
    private readonly Option<double> temperature = new("--temp") { Description = "Temperature; 0 always takes the likeliest token.", HelpName = "X", DefaultValueFactory = _ => Defaults.Temperature };
    private readonly Option<int> topK = new("--top-k") { Description = "Keep the likeliest K tokens; 0 keeps all.", HelpName = "K", DefaultValueFactory = _ => Defaults.TopK };
    private readonly Option<double> topP = new("--top-p") { Description = "Keep the likeliest tokens up to this probability together; 1 keeps all.", HelpName = "X", DefaultValueFactory = _ => Defaults.TopP };
    private readonly Option<double> minP = new("--min-p") { Description = "Keep tokens at least this share as probable as the likeliest; 0 keeps all.", HelpName = "X", DefaultValueFactory = _ => Defaults.MinP };
    private readonly Option<double> repeatPenalty = new("--repeat-penalty") { Description = "Make recent tokens less likely; 1 is off.", HelpName = "X", DefaultValueFactory = _ => Defaults.RepeatPenalty };
    private readonly Option<ulong?> seed = new("--seed") { Description = "Seed of the draws; the same seed gives the same answer. Default: random.", HelpName = "N" };

    public SamplerOptionsBinder()
    {
        maxTokens.Require(n => n is -1 or > 0, "1 or more, or -1 for no limit");
        temperature.Require(x => x is >= 0 and <= 100, "0 to 100");
        topK.RequireAtLeast(0);
        topP.Require(x => x is > 0 and <= 1, "a number above 0, up to 1");
        minP.Require(x => x is >= 0 and <= 1, "0 to 1");
        repeatPenalty.Require(x => x is > 0 and <= 100, "a number above 0, up to 100");
        stop.Require(texts => texts.All(t => t.Length > 0), "a text that is not empty");
    }

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { maxTokens, stop, temperature, topK, topP, minP, repeatPenalty, seed }) command.Options.Add(option);
    }

    public GenerationOptions Bind(ParseResult parsed) => new()
    {
        MaxTokens = parsed.GetValue(maxTokens) is > 0 and var n ? n : null,
        Stop = parsed.GetValue(stop) ?? [],
        Sampling = new SamplerOptions
        {
            Temperature = parsed.GetValue(temperature),
            TopK = parsed.GetValue(topK),
            TopP = parsed.GetValue(topP),
            MinP = parsed.GetValue(minP),
            RepeatPenalty = parsed.GetValue(repeatPenalty),
            Seed = parsed.GetValue(seed),
        },
    };
}
