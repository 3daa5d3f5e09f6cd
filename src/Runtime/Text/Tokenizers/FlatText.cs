using System.Globalization;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>
/// A text with one UTF-16 unit for each character. .NET's expressions see UTF-16 units: each character above U+FFFF is one stand-in here, of
/// its category and like it in no range that an expression names, so that classes and counts come out as they do on code points.
/// </summary>
internal static class FlatText
{
    /// <param name="text">Any text; a lone surrogate becomes U+FFFD, as which it will be encoded.</param>
    /// <param name="han">Whether ideographs above U+FFFF get an ideograph as their stand-in.</param>
    /// <param name="origin">Where each character was, and then the length of the text.</param>
    public static ReadOnlySpan<char> Of(ReadOnlySpan<char> text, bool han, out int[] origin)
    {
        var flat = new char[text.Length];
        origin = new int[text.Length + 1];
        var count = 0;
        for (var i = 0; i < text.Length; count++)
        {
            origin[count] = i;
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                flat[count] = StandIn(char.ConvertToUtf32(text[i], text[i + 1]), han);
                i += 2;
            }
            else
            {
                flat[count] = char.IsSurrogate(text[i]) ? '\uFFFD' : text[i];
                i++;
            }
        }
        origin[count] = text.Length;
        return flat.AsSpan(0, count);
    }

    // deepseek-llm names ranges of cased letters above U+FFFF (Deseret, Osage, Old Hungarian, Warang Citi, Adlam): inside them the
    // stand-in is a letter its class holds, outside them one that neither it nor the East Asian class holds.
    private static char StandIn(int codePoint, bool han)
    {
        var named = codePoint is (>= 0x10400 and <= 0x1044F) or (>= 0x104B0 and <= 0x104D3) or (>= 0x104D8 and <= 0x104FB)
            or (>= 0x10C80 and <= 0x10CB2) or (>= 0x10CC0 and <= 0x10CF2) or (>= 0x118A0 and <= 0x118DF) or (>= 0x1E900 and <= 0x1E943);
        return CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
        {
            UnicodeCategory.UppercaseLetter => named ? '\u0410' : '\uA790',
            UnicodeCategory.LowercaseLetter => named ? '\u0430' : '\uA791',
            UnicodeCategory.TitlecaseLetter => '\u01C5',
            UnicodeCategory.ModifierLetter => '\u02B0',
            UnicodeCategory.OtherLetter => han && codePoint is (>= 0x20000 and <= 0x3FFFF) or (>= 0x16FE2 and <= 0x16FF6) ? '\u9FFF' : '\u05D0',
            UnicodeCategory.NonSpacingMark => '\u0300',
            UnicodeCategory.SpacingCombiningMark => '\uA823',
            UnicodeCategory.EnclosingMark => '\u0488',
            UnicodeCategory.DecimalDigitNumber => '\u0660',
            UnicodeCategory.LetterNumber => '\uA6E6',
            UnicodeCategory.OtherNumber => '\u00B2',
            UnicodeCategory.ConnectorPunctuation or UnicodeCategory.DashPunctuation or UnicodeCategory.OpenPunctuation
                or UnicodeCategory.ClosePunctuation or UnicodeCategory.InitialQuotePunctuation
                or UnicodeCategory.FinalQuotePunctuation or UnicodeCategory.OtherPunctuation => '\u055A',
            UnicodeCategory.MathSymbol => '\u00D7',
            UnicodeCategory.CurrencySymbol => '\u00A4',
            UnicodeCategory.ModifierSymbol => '\u02C2',
            UnicodeCategory.OtherSymbol => '\u00A6',
            UnicodeCategory.Format => '\u00AD',
            _ => '\uE000', // private use and unassigned
        };
    }
}
