using Microsoft.Extensions.Options;
using WarpDecode.Formats;
using WarpDecode.Runtime.Sampling;

namespace WarpDecode.Runtime.Hosting;

/// <summary>Where the settings of some options are, for messages.</summary>
internal sealed record SettingsPlace(string Name, string Section);

/// <summary>Checks what can be checked without opening the model. Each failure names the setting, what was found, and what is allowed.</summary>
internal sealed class WarpDecodeOptionsValidator(IEnumerable<SettingsPlace> places) : IValidateOptions<WarpDecodeOptions>
{
    public ValidateOptionsResult Validate(string? name, WarpDecodeOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var section = places.LastOrDefault(place => place.Name == name)?.Section ?? WarpDecodeOptions.DefaultSection;
        var failures = new List<string>();
        void Fail(string setting, string what) => failures.Add($"{section}:{setting} {what}");

        CheckFiles(options, Fail);
        foreach (var setting in Setting.All)
        {
            if (setting.Show(options) is { } found) Fail(setting.Name, $"is {found}; it is {setting.Allowed}");
        }
        if (options.Stop is null) Fail(nameof(options.Stop), "is null; it is a list of texts");
        else if (options.Stop.Any(string.IsNullOrEmpty)) Fail(nameof(options.Stop), "has an empty text; a text that ends an answer has 1 character or more");
        CheckSampling(options, Fail);
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }

    private static void CheckFiles(WarpDecodeOptions options, Action<string, string> fail)
    {
        if (string.IsNullOrWhiteSpace(options.ModelPath)) fail(nameof(options.ModelPath), $"is not set; it is the path of a model: {MissingModel.Advice}");
        else if (!Exists(options.ModelPath)) fail(nameof(options.ModelPath), $"is '{options.ModelPath}', but there is no file {Full(options.ModelPath)}; {MissingModel.Advice}");
        if (options.ChatTemplateFile is { } template && !File.Exists(template))
            fail(nameof(options.ChatTemplateFile), $"is '{template}', but there is no file {Full(template)}; it is the path of a chat template in Jinja, or not set for the model's own");
    }

    // One at a time, because the sampler's own check ends at the first.
    private static void CheckSampling(WarpDecodeOptions o, Action<string, string> fail)
    {
        var defaults = new SamplerOptions();
        SamplerOptions[] each =
        [
            new WarpDecodeOptions { Temperature = o.Temperature }.Over(defaults), new WarpDecodeOptions { TopK = o.TopK }.Over(defaults),
            new WarpDecodeOptions { TopP = o.TopP }.Over(defaults), new WarpDecodeOptions { MinP = o.MinP }.Over(defaults),
            new WarpDecodeOptions { RepeatPenalty = o.RepeatPenalty }.Over(defaults), new WarpDecodeOptions { FrequencyPenalty = o.FrequencyPenalty }.Over(defaults),
            new WarpDecodeOptions { PresencePenalty = o.PresencePenalty }.Over(defaults),
        ];
        foreach (var sampling in each)
        {
            try
            {
                sampling.Validate();
            }
            catch (ArgumentOutOfRangeException e)
            {
                fail(e.ParamName!, $"is {e.ActualValue}; {e.Message.Split(" (Parameter", 2)[0]}");
            }
        }
    }

    private static bool Exists(string path) => File.Exists(path) || Directory.Exists(path);

    private static string Full(string path) => path.Contains('\0') ? "of that name" : Path.GetFullPath(path);
}
