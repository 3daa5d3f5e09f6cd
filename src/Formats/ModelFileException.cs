using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace WarpDecode.Formats;

/// <summary>
/// A model file that cannot be used, located: which file, which tensor or key, at which byte offset,
/// what was expected there and what was found.
/// </summary>
/// <remarks>
/// <see cref="Exception.Message"/> is safe to print. <see cref="File"/>, <see cref="Item"/>, <see cref="Expected"/> and
/// <see cref="Found"/> are for programs: they may hold text of the file as it is, control characters included.
/// </remarks>
public sealed class ModelFileException : Exception
{
    private const int LongestPart = 200; // characters: enough for any real name, too few to fill a screen
    private const int LongestPath = 4096; // Linux's own limit: the end of a path says most, so it is not cut

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

    /// <summary>The same again, thrown at another place.</summary>
    internal ModelFileException(ModelFileException first)
        : base(first.Message, first)
    {
        (File, Item, Offset) = (first.File, first.Item, first.Offset);
        (Expected, Found, Advice) = (first.Expected, first.Found, first.Advice);
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

    /// <summary>
    /// Text that may be untrusted, made safe to print and cut to <paramref name="longest"/> characters: control characters
    /// could drive a terminal, line separators could fake lines, and invisible format characters (those that turn the
    /// direction of writing above all) could make a name look like another.
    /// </summary>
    internal static string Printable(string text, int longest = LongestPart)
    {
        var clean = new StringBuilder(Math.Min(text.Length, longest));
        foreach (var rune in text.EnumerateRunes()) // lone surrogates come out as U+FFFD
        {
            if (clean.Length + rune.Utf16SequenceLength > longest) return clean.Append('…').ToString();
            var safe = Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format
                or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
            clean.Append(safe ? rune.ToString() : "\uFFFD");
        }
        return clean.ToString();
    }

    private static string Compose(string what, string file, string? item, long? offset, string? expected, string? found)
    {
        var text = new StringBuilder(Printable(file, LongestPath)).Append(": ").Append(Printable(what, LongestPath));
        if (item is not null) text.Append(" '").Append(Printable(item)).Append('\'');
        if (offset is not null) text.Append(" at offset ").Append(offset);
        if (expected is not null) text.Append(": expected ").Append(Printable(expected));
        if (found is not null) text.Append(expected is null ? ": found " : ", found ").Append(Printable(found));
        return text.ToString();
    }
}
