using System.CommandLine;
using System.Globalization;
using System.Numerics;

namespace WarpDecode.Chat;

/// <summary>Values checked while the command line is parsed, so that a bad one is bad usage and not a failure later.</summary>
internal static class OptionExtensions
{
    private const NumberStyles Whole = NumberStyles.AllowLeadingSign;
    private const NumberStyles Fraction = Whole | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    /// <summary>Makes the option take a number, whole for a whole type, without thousands separators: 0,5 is a mistake and not 5.</summary>
    /// <param name="option">The option.</param>
    /// <param name="allowed">Whether a number is in range.</param>
    /// <param name="range">The range in words.</param>
    public static Option<T> TakesNumber<T>(this Option<T> option, Func<T, bool> allowed, string range)
        where T : struct, INumber<T>
    {
        option.CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (T.TryParse(text, typeof(T) == typeof(double) ? Fraction : Whole, CultureInfo.InvariantCulture, out var value) && allowed(value)) return value;
            result.AddError($"{option.Name} takes {range}, not '{text}'");
            return default;
        };
        return option;
    }

    /// <summary>Makes the option take one of some names.</summary>
    public static Option<string> TakesOneOf(this Option<string> option, IReadOnlyList<string> names)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens.FirstOrDefault(t => !names.Contains(t.Value)) is { } other)
                result.AddError($"{option.Name} takes one of {string.Join(", ", names)}, not '{other.Value}'");
        });
        return option;
    }

    /// <summary>Makes the option refuse an empty text.</summary>
    public static Option<T> NotEmpty<T>(this Option<T> option, string what)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens.Any(t => t.Value.Length == 0)) result.AddError($"{option.Name} takes {what} that is not empty");
        });
        return option;
    }
}
