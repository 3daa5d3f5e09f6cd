using System.Globalization;
using System.Text;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>How BERT cleans text and cuts it into words.</summary>
internal static class BertText
{
    /// <summary>Removes control characters, makes all white space spaces, puts spaces around ideographs, removes accents, lowers case; each if asked.</summary>
    public static string Clean(ReadOnlySpan<char> text, bool clean, bool ideographs, bool stripAccents, bool lower)
    {
        var to = new StringBuilder(text.Length + 16);
        Span<char> room = stackalloc char[2];
        foreach (var rune in text.EnumerateRunes())
        {
            if (clean && (rune.Value is 0 or 0xFFFD || IsControl(rune))) continue;
            var wide = ideographs && IsIdeograph(rune.Value);
            if (wide) to.Append(' ');
            if (clean && Rune.IsWhiteSpace(rune)) to.Append(' ');
            else to.Append(room[..rune.EncodeToUtf16(room)]);
            if (wide) to.Append(' ');
        }
        var result = to.ToString();
        if (stripAccents) result = StripAccents(Normalization.Normalize(result, NormalForm.D));
        return lower ? Lower(result) : result;
    }

    /// <summary>Removes marks that take no space of their own.</summary>
    public static string StripAccents(string text)
    {
        if (Ascii.IsValid(text)) return text;
        var to = new StringBuilder(text.Length);
        Span<char> room = stackalloc char[2];
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.GetUnicodeCategory(rune) != UnicodeCategory.NonSpacingMark) to.Append(room[..rune.EncodeToUtf16(room)]);
        }
        return to.ToString();
    }

    /// <summary>Small letters as Unicode has them, in no language's own way; a final sigma stays as others.</summary>
    public static string Lower(string text) => text.Contains('\u0130', StringComparison.Ordinal)
        ? text.Replace("\u0130", "i\u0307", StringComparison.Ordinal).ToLowerInvariant()
        : text.ToLowerInvariant();

    /// <summary>Appends the words: runs without white space, each punctuation mark for itself.</summary>
    public static void Split(ReadOnlySpan<char> text, List<(int Start, int Length)> to)
    {
        var start = 0;
        for (var at = 0; at < text.Length;)
        {
            Rune.DecodeFromUtf16(text[at..], out var rune, out var length);
            var space = Rune.IsWhiteSpace(rune);
            if (space || IsPunctuation(rune))
            {
                if (at > start) to.Add((start, at - start));
                if (!space) to.Add((at, length));
                start = at + length;
            }
            at += length;
        }
        if (start < text.Length) to.Add((start, text.Length - start));
    }

    public static bool IsPunctuation(Rune rune) => rune.IsAscii ? rune.Value > ' ' && rune.Value < 127 && !Rune.IsLetterOrDigit(rune) : Rune.IsPunctuation(rune);

    private static bool IsControl(Rune rune) => rune.Value is not ('\t' or '\n' or '\r') && Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse;

    private static bool IsIdeograph(int c) => c is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x20000 and <= 0x2A6DF) or (>= 0x2A700 and <= 0x2B73F)
        or (>= 0x2B740 and <= 0x2B81F) or (>= 0x2B920 and <= 0x2CEAF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);
}
