using System.Globalization;
using System.Text;
using WarpDecode.Chat.Conversations;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Sampling;

namespace WarpDecode.Chat.Ui;

/// <summary>Something that <c>/set</c> changes.</summary>
/// <param name="Name">What is typed.</param>
/// <param name="Range">What it takes, in words.</param>
/// <param name="Help">What it does.</param>
/// <param name="Format">The value it has, as it is typed.</param>
/// <param name="Parse">The options with a value as it was typed; null if it is none.</param>
internal sealed record Setting(string Name, string Range, string Help, Func<GenerationOptions, string> Format, Func<GenerationOptions, string, GenerationOptions?> Parse);

/// <summary>The settings that <c>/set</c> knows: a new one is one line.</summary>
internal static class Settings
{
    /// <summary>The table, in the order of help.</summary>
    public static readonly IReadOnlyList<Setting> Table =
    [
        Real("temp", "a number from 0 to 100", "temperature; 0 always takes the likeliest token", s => s.Temperature, (s, v) => s with { Temperature = v }),
        Whole("top-k", "0 or more", "keep the likeliest so many tokens; 0 keeps all", s => s.TopK, (s, v) => s with { TopK = v }),
        Real("top-p", "a number above 0, up to 1", "keep the likeliest tokens up to this probability together; 1 keeps all", s => s.TopP, (s, v) => s with { TopP = v }),
        Real("min-p", "a number from 0 to 1", "keep tokens at least this share as probable as the likeliest; 0 keeps all", s => s.MinP, (s, v) => s with { MinP = v }),
        Real("repeat-penalty", "a number above 0, up to 100", "above 1 makes recent tokens less likely; 1 is off", s => s.RepeatPenalty, (s, v) => s with { RepeatPenalty = v }),
        Whole("repeat-last-n", "0 to 1048576", "how many tokens count as recent", s => s.RepeatLastN, (s, v) => s with { RepeatLastN = v }),
        new("seed", "0 or more, or -1 for a random one", "the same seed gives the same answer", o => o.Sampling.Seed is { } seed ? seed.ToString(CultureInfo.InvariantCulture) : "-1",
            (o, t) => t == "-1" ? o with { Sampling = o.Sampling with { Seed = null } } : ulong.TryParse(t, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? o with { Sampling = o.Sampling with { Seed = n } } : null),
        new("max-tokens", "1 or more, or -1 for no limit", "most tokens of an answer", o => (o.MaxTokens ?? -1).ToString(CultureInfo.InvariantCulture),
            (o, t) => t == "-1" ? o with { MaxTokens = null } : int.TryParse(t, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n > 0 ? o with { MaxTokens = n } : null),
        new("stop", "a text, or \"\" for none", "a text that ends the answer and is not part of it", o => o.Stop.Count == 0 ? "\"\"" : string.Join(' ', o.Stop.Select(SlashWords.Quoted)),
            (o, t) => o with { Stop = t.Length == 0 ? [] : [t] }),
    ];

    /// <summary>The setting of a name.</summary>
    /// <exception cref="CommandException">There is none.</exception>
    public static Setting Find(string name)
    {
        if (Table.FirstOrDefault(s => s.Name.Equals(name, StringComparison.OrdinalIgnoreCase)) is { } setting) return setting;
        var near = SlashWords.Nearest(name, Table.Select(s => s.Name));
        throw new CommandException($"there is no setting '{ConversationTree.OneLine(name, 40)}'", near is null ? $"Settings are {Names()}." : $"{near} is the nearest; settings are {Names()}.");
    }

    /// <summary>The options with one of them changed.</summary>
    /// <exception cref="CommandException">There is no such setting, or it does not take that value.</exception>
    public static GenerationOptions Change(GenerationOptions options, string name, string value)
    {
        var setting = Find(name);
        try
        {
            if (setting.Parse(options, value) is { } changed)
            {
                changed.Sampling.Validate();
                return changed;
            }
        }
        catch (ArgumentOutOfRangeException)
        {
            // The sampler knows its ranges best; the words are the table's.
        }
        throw new CommandException($"{setting.Name} takes {setting.Range}, not '{ConversationTree.OneLine(value, 40)}'", $"It is {setting.Format(options)} now: {setting.Help}.");
    }

    /// <summary>Does what follows <c>/set</c>: the options as they are then, and what to say.</summary>
    /// <exception cref="CommandException">It cannot be done.</exception>
    public static (GenerationOptions Options, string Said) Apply(GenerationOptions options, string argument)
    {
        // temp=0.7 and temp = 0.7 are written as often as temp 0.7; an = in the value stays.
        var sign = argument.IndexOf('=', StringComparison.Ordinal);
        if (sign > 0 && argument.AsSpan(0, sign).TrimEnd().IndexOfAny(" \"'") < 0) argument = argument[..sign] + " " + argument[(sign + 1)..];
        var words = SlashWords.Split(argument);
        switch (words)
        {
            case []:
                return (options, Show(options));
            case [var name]:
                var one = Find(name);
                return (options, $"{one.Name} is {one.Format(options)}: {one.Help} ({one.Range})");
            case [var name, var value]:
                var changed = Change(options, name, value);
                return (changed, $"{Find(name).Name} is {Find(name).Format(changed)} from the next answer on");
            default:
                throw new CommandException($"/set takes a name and one value, not {words.Count} words", "Quotes keep a value with spaces together: /set stop \"the end\".");
        }
    }

    /// <summary>All settings with their values, for the record of an answer.</summary>
    public static IReadOnlyDictionary<string, string> Values(GenerationOptions options) => Table.ToDictionary(s => s.Name, s => s.Format(options), StringComparer.Ordinal);

    /// <summary>All settings with what they take.</summary>
    public static string Help() => Lines(s => $"{s.Help} ({s.Range})");

    private static string Show(GenerationOptions options) => Lines(s => $"{s.Format(options),-10} {s.Help}");

    private static string Lines(Func<Setting, string> what)
    {
        var width = Table.Max(s => s.Name.Length) + 2;
        var text = new StringBuilder();
        foreach (var s in Table) text.Append(text.Length > 0 ? "\n" : "").Append(s.Name.PadRight(width)).Append(what(s));
        return text.ToString();
    }

    private static string Names() => string.Join(", ", Table.Select(s => s.Name));

    private static Setting Real(string name, string range, string help, Func<SamplerOptions, double> get, Func<SamplerOptions, double, SamplerOptions> with) => new(
        name, range, help, o => get(o.Sampling).ToString("0.######", CultureInfo.InvariantCulture),
        (o, t) => double.TryParse(t, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out var v) && double.IsFinite(v) ? o with { Sampling = with(o.Sampling, v) } : null);

    private static Setting Whole(string name, string range, string help, Func<SamplerOptions, int> get, Func<SamplerOptions, int, SamplerOptions> with) => new(
        name, range, help, o => get(o.Sampling).ToString(CultureInfo.InvariantCulture),
        (o, t) => int.TryParse(t, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var v) ? o with { Sampling = with(o.Sampling, v) } : null);
}
