using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace WarpDecode.Runtime.Hosting;

/// <summary>
/// Reads <see cref="WarpDecodeOptions"/> from a section, without reflection, so that it works trimmed and compiled ahead of time. Unlike the framework's binder it says what a
/// setting may be, and refuses a name that is none: it would have no effect, and nobody would know.
/// </summary>
/// <param name="of">Name of the options.</param>
/// <param name="section">The section.</param>
internal sealed class WarpDecodeConfiguration(string of, IConfigurationSection section) : IConfigureNamedOptions<WarpDecodeOptions>
{
    public void Configure(WarpDecodeOptions options) => Configure(Options.DefaultName, options);

    /// <exception cref="OptionsValidationException">A setting is unknown, or cannot be read; the message says which, what was found and what is allowed.</exception>
    public void Configure(string? name, WarpDecodeOptions options)
    {
        if (name != of) return;
        var failures = new List<string>();
        foreach (var child in section.GetChildren())
        {
            if (string.Equals(child.Key, nameof(WarpDecodeOptions.Stop), StringComparison.OrdinalIgnoreCase))
            {
                ReadStop(child, options, failures);
                continue;
            }
            var setting = Setting.All.FirstOrDefault(s => string.Equals(s.Name, child.Key, StringComparison.OrdinalIgnoreCase));
            if (setting is null)
                failures.Add($"{child.Path} is no setting; there are {string.Join(", ", Setting.All.Select(s => s.Name).Append(nameof(WarpDecodeOptions.Stop)))}");
            else if (child.GetChildren().Any())
                failures.Add($"{child.Path} has settings below it; it is {setting.Allowed}");
            else if (!string.IsNullOrEmpty(child.Value) && !setting.TrySet(options, child.Value)) // null in JSON is an empty value: the default
                failures.Add($"{child.Path} is '{child.Value}'; it is {setting.Allowed}");
        }
        if (failures.Count > 0) throw new OptionsValidationException(of, typeof(WarpDecodeOptions), failures);
    }

    private static void ReadStop(IConfigurationSection stop, WarpDecodeOptions options, List<string> failures)
    {
        var texts = stop.GetChildren().ToList();
        if (texts.Count == 0 && !string.IsNullOrEmpty(stop.Value)) options.Stop = [.. options.Stop, stop.Value];
        foreach (var text in texts)
        {
            if (text.Value is { } value) options.Stop = [.. options.Stop, value];
            else failures.Add($"{text.Path} has settings below it; it is a text");
        }
    }
}
