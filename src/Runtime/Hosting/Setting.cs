using System.Globalization;
using WarpDecode.Formats;

namespace WarpDecode.Runtime.Hosting;

/// <summary>One setting of <see cref="WarpDecodeOptions"/> in words: how it is read from a text, and what it may be.</summary>
/// <param name="Name">Name of the property.</param>
/// <param name="Allowed">What it may be.</param>
/// <param name="TrySet">Reads it; false for what it cannot be.</param>
/// <param name="Show">Its value, if it is one that it may not have.</param>
internal sealed record Setting(string Name, string Allowed, Func<WarpDecodeOptions, string, bool> TrySet, Func<WarpDecodeOptions, string?> Show)
{
    private const string Floor = "0 or more";

    /// <summary>All settings but the lists, whose elements are settings of their own.</summary>
    public static IReadOnlyList<Setting> All { get; } =
    [
        Text(nameof(WarpDecodeOptions.ModelPath), (o, v) => o.ModelPath = v),
        Choice(nameof(WarpDecodeOptions.Backend), Enum.GetValues<BackendKind>(), o => o.Backend, (o, v) => o.Backend = v),
        Whole(nameof(WarpDecodeOptions.Threads), "1 or more, or 0 for one a core", 0, o => o.Threads, (o, v) => o.Threads = v),
        Whole(nameof(WarpDecodeOptions.ContextLength), "1 token or more", 1, o => o.ContextLength, (o, v) => o.ContextLength = v),
        Whole(nameof(WarpDecodeOptions.Sessions), "1 or more", 1, o => o.Sessions, (o, v) => o.Sessions = v),
        Choice(nameof(WarpDecodeOptions.KvType), [WeightType.F32, WeightType.F16, WeightType.BF16], o => o.KvType, (o, v) => o.KvType = v),
        Whole(nameof(WarpDecodeOptions.GpuLayers), Floor, 0, o => o.GpuLayers, (o, v) => o.GpuLayers = v),
        Whole(nameof(WarpDecodeOptions.CpuMoe), Floor, 0, o => o.CpuMoe, (o, v) => o.CpuMoe = v),
        Choice(nameof(WarpDecodeOptions.Moe), Enum.GetValues<MoeForm>(), o => o.Moe, (o, v) => o.Moe = v),
        Text(nameof(WarpDecodeOptions.PreTokenizer), (o, v) => o.PreTokenizer = v),
        Text(nameof(WarpDecodeOptions.ChatTemplateFile), (o, v) => o.ChatTemplateFile = v),
        AnswerFormat(),
        Text(nameof(WarpDecodeOptions.ModelId), (o, v) => o.ModelId = v),
        Whole(nameof(WarpDecodeOptions.MaxOutputTokens), "1 or more", 1, o => o.MaxOutputTokens, (o, v) => o.MaxOutputTokens = v),
        // What the numbers of a sampler may be, it says itself.
        Number(nameof(WarpDecodeOptions.Temperature), (o, v) => o.Temperature = v),
        Whole(nameof(WarpDecodeOptions.TopK), Floor, int.MinValue, o => o.TopK, (o, v) => o.TopK = v),
        Number(nameof(WarpDecodeOptions.TopP), (o, v) => o.TopP = v),
        Number(nameof(WarpDecodeOptions.MinP), (o, v) => o.MinP = v),
        Number(nameof(WarpDecodeOptions.RepeatPenalty), (o, v) => o.RepeatPenalty = v),
        Number(nameof(WarpDecodeOptions.FrequencyPenalty), (o, v) => o.FrequencyPenalty = v),
        Number(nameof(WarpDecodeOptions.PresencePenalty), (o, v) => o.PresencePenalty = v),
        Seed(),
        new(nameof(WarpDecodeOptions.LoadAtStartup), "true or false", (o, text) => bool.TryParse(text, out var v) && Then(() => o.LoadAtStartup = v), _ => null),
    ];

    private static Setting Text(string name, Action<WarpDecodeOptions, string> set) => new(name, "a text", (o, text) => Then(() => set(o, text)), _ => null);

    private static Setting Whole(string name, string allowed, int least, Func<WarpDecodeOptions, int?> get, Action<WarpDecodeOptions, int> set) => new(
        name, allowed,
        (o, text) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var v) && Then(() => set(o, v)),
        o => get(o) is { } v && v < least ? v.ToString(CultureInfo.InvariantCulture) : null);

    private static Setting Number(string name, Action<WarpDecodeOptions, double> set) => new(
        name, "a number",
        (o, text) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var v) && Then(() => set(o, v)),
        _ => null);

    private static Setting Choice<T>(string name, T[] choices, Func<WarpDecodeOptions, T?> get, Action<WarpDecodeOptions, T> set)
        where T : struct, Enum => new(
        name, string.Join(", ", choices),
        (o, text) =>
        {
            // As configuration is: by any case. And warp-fp32, as wd-run has it, is WarpFp32.
            var at = Array.FindIndex(choices, c => string.Equals(c.ToString(), text.Replace("-", ""), StringComparison.OrdinalIgnoreCase));
            return at >= 0 && Then(() => set(o, choices[at]));
        },
        o => get(o) is { } v && !choices.Contains(v) ? v.ToString() : null);

    private static Setting AnswerFormat()
    {
        var names = Runtime.Text.AnswerFormat.Names;
        return new(nameof(WarpDecodeOptions.AnswerFormat), string.Join(", ", names), (o, text) => Then(() => o.AnswerFormat = text),
            o => o.AnswerFormat is { } v && !names.Contains(v, StringComparer.Ordinal) ? v : null);
    }

    private static Setting Seed() => new(
        nameof(WarpDecodeOptions.Seed), "0 or more",
        (o, text) => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var v) && Then(() => o.Seed = v),
        o => o.Seed is < 0 and var v ? v.ToString(CultureInfo.InvariantCulture) : null);

    private static bool Then(Action set)
    {
        set();
        return true;
    }
}
