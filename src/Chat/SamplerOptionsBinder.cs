using System.CommandLine;
using WarpDecode.Formats;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Sampling;

namespace WarpDecode.Chat;

/// <summary>The options that say how an answer is generated.</summary>
internal sealed class SamplerOptionsBinder
{
    private static readonly SamplerOptions Defaults = new();

    private readonly Option<int> maxTokens = new Option<int>("--max-tokens", "-n")
    {
        Description = "Most tokens of an answer; -1 until it ends by itself.",
        HelpName = "N",
        DefaultValueFactory = _ => -1,
    }.TakesNumber(n => n is -1 or > 0, "1 or more, or -1 for no limit");

    private readonly Option<string[]> stop = new Option<string[]>("--stop")
    {
        Description = "A text that ends the answer and is not part of it; may be given several times.",
        HelpName = "TEXT",
    }.NotEmpty("a text");

    private readonly Option<double> temperature = new Option<double>("--temp")
    {
        Description = "Temperature; 0 always takes the likeliest token.",
        HelpName = "X",
        DefaultValueFactory = _ => Defaults.Temperature,
    }.TakesNumber(x => x is >= 0 and <= 100, "a number from 0 to 100");

    private readonly Option<int> topK = new Option<int>("--top-k")
    {
        Description = "Keep the likeliest K tokens; 0 keeps all.",
        HelpName = "K",
        DefaultValueFactory = _ => Defaults.TopK,
    }.TakesNumber(k => k >= 0, "0 or more");

    private readonly Option<double> topP = new Option<double>("--top-p")
    {
        Description = "Keep the likeliest tokens up to this probability together; 1 keeps all.",
        HelpName = "X",
        DefaultValueFactory = _ => Defaults.TopP,
    }.TakesNumber(x => x is > 0 and <= 1, "a number above 0, up to 1");

    private readonly Option<double> minP = new Option<double>("--min-p")
    {
        Description = "Keep tokens at least this share as probable as the likeliest; 0 keeps all.",
        HelpName = "X",
        DefaultValueFactory = _ => Defaults.MinP,
    }.TakesNumber(x => x is >= 0 and <= 1, "a number from 0 to 1");

    private readonly Option<double> repeatPenalty = new Option<double>("--repeat-penalty")
    {
        Description = $"Above 1 makes the last {Defaults.RepeatLastN} tokens less likely; 1 is off.",
        HelpName = "X",
        DefaultValueFactory = _ => Defaults.RepeatPenalty,
    }.TakesNumber(x => x is > 0 and <= 100, "a number above 0, up to 100");

    private readonly Option<long> seed = new Option<long>("--seed")
    {
        Description = "Seed of the draws: the same seed gives the same answer; -1 takes one at random.",
        HelpName = "N",
        DefaultValueFactory = _ => -1,
    }.TakesNumber(n => n >= -1, "0 or more, or -1 for a random one");

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { maxTokens, stop, temperature, topK, topP, minP, repeatPenalty, seed }) command.Options.Add(option);
    }

    public GenerationOptions Bind(ParseResult parsed, Metadata model)
    {
        var sampling = new SamplerOptions
        {
            Temperature = Number(temperature, "temp"),
            TopK = parsed.GetResult(topK) is { Implicit: false } || !model.Contains(Suggested("top_k")) ? parsed.GetValue(topK) : model.GetInt32(Suggested("top_k")),
            TopP = Number(topP, "top_p"),
            MinP = Number(minP, "min_p"),
            RepeatPenalty = Number(repeatPenalty, "penalty_repeat"),
            Seed = parsed.GetValue(seed) is >= 0 and var s ? (ulong)s : null,
        };
        return new GenerationOptions
        {
            MaxTokens = parsed.GetValue(maxTokens) is > 0 and var n ? n : null,
            Stop = parsed.GetValue(stop) ?? [],
            Sampling = sampling,
        };

        // What the command line leaves open is as the model's makers suggest, then as the option's default.
        double Number(Option<double> option, string key) =>
            parsed.GetResult(option) is { Implicit: false } || !model.Contains(Suggested(key)) ? parsed.GetValue(option) : model.GetNumber(Suggested(key));
        static string Suggested(string key) => "general.sampling." + key;
    }
}
