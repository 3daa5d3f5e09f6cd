using System.Globalization;
using System.Text;
using Terminal.Gui.Text;

namespace WarpDecode.Chat.Ui.Text;

/// <summary>
/// What a reader takes for one character, and how many columns it takes. The widths are those of Terminal.Gui's screen: it gives each cluster the
/// sum of its characters' widths, at most 2, and a cell even to one without width, which therefore never reaches it (see <see cref="Fix"/>).
/// </summary>
internal static class Graphemes
{
    /// <summary>Longer clusters are cut: scripts allow endless ones (a row of leading Hangul letters is one).</summary>
    public const int MaxLength = 32;

    // Widths of the first plane plus 1, as they are asked for; 0 is not asked yet. Racing threads write the same.
    private static readonly byte[] Widths = new byte[0x10000];

    /// <summary>Length in characters of the cluster that a text begins with.</summary>
    public static int Next(ReadOnlySpan<char> text)
    {
        if (text.Length < 2 || (text[0] < 0x80 && text[1] < 0x80)) return Math.Min(text.Length, 1); // \r\n never comes: see SafeText
        var window = text.Length > MaxLength + 2 ? text[..(MaxLength + 2)] : text; // endless clusters are not read to their ends
        var length = StringInfo.GetNextTextElementLength(window);
        if (length <= MaxLength) return length;
        return char.IsHighSurrogate(text[MaxLength - 1]) ? MaxLength - 1 : MaxLength;
    }

    /// <summary>Columns of one cluster: 0, 1 or 2.</summary>
    public static int Width(ReadOnlySpan<char> cluster)
    {
        if (cluster.Length == 1 && cluster[0] < 0x7F) return cluster[0] >= ' ' ? 1 : 0;
        var sum = 0;
        foreach (var rune in cluster.EnumerateRunes()) sum += WidthOf(rune);
        return Math.Min(sum, 2);
    }

    /// <summary>Columns of a text, cluster by cluster.</summary>
    public static int Columns(ReadOnlySpan<char> text)
    {
        if (text.IndexOfAnyExceptInRange(' ', '~') < 0) return text.Length;
        var columns = 0;
        while (text.Length > 0)
        {
            var length = Next(text);
            columns += Width(text[..length]);
            text = text[length..];
        }
        return columns;
    }

    /// <summary>A cluster without width as something with: marks alone on a dotted circle; nothing if there is nothing to see.</summary>
    public static string Fix(ReadOnlySpan<char> cluster)
    {
        foreach (var rune in cluster.EnumerateRunes())
            if (Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.SpacingCombiningMark)
                return string.Concat("\u25CC", cluster);
        return "";
    }

    /// <summary>As much of a text as fits into some columns, with … where it was cut.</summary>
    public static string Cut(string text, int columns)
    {
        if (Columns(text) <= columns) return text;
        if (columns < 1) return "";
        var (end, used) = (0, 0);
        while (end < text.Length)
        {
            var length = Next(text.AsSpan(end));
            var width = Width(text.AsSpan(end, length));
            if (used + width > columns - 1) break;
            used += width;
            end += length;
        }
        return string.Concat(text.AsSpan(0, end), "…");
    }

    private static int WidthOf(Rune rune)
    {
        if (!rune.IsBmp) return Math.Max(0, rune.GetColumns());
        var width = Widths[rune.Value];
        if (width == 0) Widths[rune.Value] = width = (byte)(Math.Max(0, rune.GetColumns()) + 1);
        return width - 1;
    }
}
