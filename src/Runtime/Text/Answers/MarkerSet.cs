using System.Buffers;

namespace WarpDecode.Runtime.Text;

/// <summary>Finds the first of some markers in a text that is still growing. No marker is part of another.</summary>
internal sealed class MarkerSet(params string[] markers)
{
    private readonly SearchValues<string> values = SearchValues.Create(markers, StringComparison.Ordinal);

    /// <summary>A set that finds nothing.</summary>
    public static MarkerSet Empty { get; } = new();

    /// <summary>Place and number of the first marker, or -1.</summary>
    public (int At, int Which) Find(ReadOnlySpan<char> text)
    {
        if (markers.Length == 0) return (-1, -1);
        var at = text.IndexOfAny(values);
        if (at < 0) return (-1, -1);
        for (var i = 0; i < markers.Length; i++)
        {
            if (text[at..].StartsWith(markers[i], StringComparison.Ordinal)) return (at, i);
        }
        throw new InvalidOperationException("a marker was found that is none"); // the search would be wrong
    }

    /// <summary>How many characters at the end could begin a marker, or are the first half of a character.</summary>
    public int Undecided(ReadOnlySpan<char> text)
    {
        var longest = 0;
        foreach (var marker in markers)
        {
            for (var length = Math.Min(marker.Length - 1, text.Length); length > longest; length--)
            {
                if (!text[^length..].SequenceEqual(marker.AsSpan(0, length))) continue;
                longest = length;
                break;
            }
        }
        return longest == 0 && text.Length > 0 && char.IsHighSurrogate(text[^1]) ? 1 : longest;
    }

    /// <summary>The text of a marker.</summary>
    public string this[int which] => markers[which];
}
