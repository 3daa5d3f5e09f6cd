using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace WarpDecode.Formats;

/// <summary>
/// A model file that cannot be used, located: which file, which tensor or key, at which byte offset,
/// what was expected there and what was found.
/// </summary>
public sealed class ModelFileException : Exception
{
    internal ModelFileException(
        string what, string file, string? item = null, long? offset = null, string? expected = null, string? found = null,
        string? advice = null, Exception? inner = null)
        : base(Compose(what, file, item, offset, expected, found), inner)
    {
        File = file;
        Item = item;
        Offset = offset;
        Expected = expected;
        Found = found;
        Advice = advice;
    }

    /// <summary>Path of the file, as the caller gave it.</summary>
    public string File { get; }

    /// <summary>Name of the tensor or metadata key concerned, if it was known by then.</summary>
    public string? Item { get; }

    /// <summary>Byte offset in the file at which reading failed, if it failed at one place.</summary>
    public long? Offset { get; }

    /// <summary>What the format or the model asks for there.</summary>
    public string? Expected { get; }

    /// <summary>What the file holds there.</summary>
    public string? Found { get; }

    /// <summary>What the user can do about it, in one sentence.</summary>
    public string? Advice { get; }

    [DoesNotReturn]
    internal static void Throw(
        string what, string file, string? item = null, long? offset = null, string? expected = null, string? found = null,
        string? advice = null) => throw new ModelFileException(what, file, item, offset, expected, found, advice);

    private static string Compose(string what, string file, string? item, long? offset, string? expected, string? found)
    {
        var text = new StringBuilder(Printable(file)).Append(": ").Append(what);
        if (item is not null) text.Append(" '").Append(Printable(item)).Append('\'');
        if (offset is not null) text.Append(CultureInfo.InvariantCulture, $" at offset {offset}");
        if (expected is not null) text.Append(": expected ").Append(expected);
        if (found is not null) text.Append(expected is null ? ": found " : ", found ").Append(Printable(found));
        return text.ToString();
    }

    // Names come out of untrusted files: nothing in them may reach a terminal as a control sequence or fill a screen.
    internal static string Printable(string text)
    {
        const int longest = 200;
        var clean = new StringBuilder(Math.Min(text.Length, longest));
        foreach (var c in text)
        {
            if (clean.Length == longest) return clean.Append('…').ToString();
            clean.Append(char.IsControl(c) || c is '\u202E' or '\u2028' or '\u2029' ? '\uFFFD' : c);
        }
        return clean.ToString();
    }
}
