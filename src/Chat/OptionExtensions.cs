using System.CommandLine;

namespace WarpDecode.Chat;

/// <summary>Range checks while the command line is parsed, so that a bad value is bad usage and not a failure later.</summary>
internal static class OptionExtensions
{
    public static void RequireAtLeast(this Option<int> option, int least) => option.Require(v => v >= least, $"{least} or more");

    public static void RequireAtLeast(this Option<int?> option, int least) => option.Require(v => v is null || v >= least, $"{least} or more");

    public static void Require<T>(this Option<T> option, Func<T, bool> allowed, string range) => option.Validators.Add(result =>
    {
        // A value that could not be converted has its own error already.
        if (result.Tokens.Count == 0 || result.Errors.Any()) return;
        T? value;
        try
        {
            value = result.GetValueOrDefault<T>();
        }
        catch (InvalidOperationException)
        {
            return;
        }
        if (!allowed(value!)) result.AddError($"{option.Name} takes {range}, not {result.Tokens[0].Value}");
    });
}
