using System.Diagnostics.CodeAnalysis;
using System.Text;
using WarpDecode.Formats;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>A file of items or of results that cannot be used, located: file, line, field, what was expected there and what was found.</summary>
/// <remarks><see cref="Exception.Message"/> is safe to print, whatever the file holds.</remarks>
public sealed class EvalFileException : Exception
{
    private const int LongestPath = 4096;

    internal EvalFileException(
        string what, string file, int? line = null, string? field = null, string? expected = null, string? found = null, string? advice = null,
        Exception? inner = null)
        : base(Compose(what, file, line, field, expected, found), inner)
    {
        File = file;
        Line = line;
        Field = field;
        Advice = advice;
    }

    /// <summary>Path of the file, as the caller gave it.</summary>
    public string File { get; }

    /// <summary>Line concerned, from 1.</summary>
    public int? Line { get; }

    /// <summary>Field of the line's JSON object, for example <c>choices[2]</c>.</summary>
    public string? Field { get; }

    /// <summary>What the user can do about it, in one sentence.</summary>
    public string? Advice { get; }

    [DoesNotReturn]
    internal static void Throw(
        string what, string file, int? line = null, string? field = null, string? expected = null, string? found = null, string? advice = null) =>
        throw new EvalFileException(what, file, line, field, expected, found, advice);

    private static string Compose(string what, string file, int? line, string? field, string? expected, string? found)
    {
        var text = new StringBuilder(ModelFileException.Printable(file, LongestPath));
        if (line is not null) text.Append(':').Append(line);
        text.Append(": ").Append(ModelFileException.Printable(what, LongestPath));
        if (field is not null) text.Append(" '").Append(ModelFileException.Printable(field)).Append('\'');
        if (expected is not null) text.Append(": expected ").Append(ModelFileException.Printable(expected, 600));
        if (found is not null) text.Append(expected is null ? ": found " : ", found ").Append(ModelFileException.Printable(found));
        return text.ToString();
    }
}
