using System.Globalization;
using System.Runtime.CompilerServices;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>What pre-tokenizers ask of a character, as bits; those of every UTF-16 unit in one table.</summary>
[Flags]
internal enum CharClass : ushort
{
    None = 0,
    Letter = 1,
    Number = 2,
    Space = 4,
    Mark = 8,
    Punctuation = 16,
    Symbol = 32,

    /// <summary>Upper or title case.</summary>
    Upper = 64,
    Lower = 128,
    LineBreak = 256,
    Han = 512,
    AsciiLetter = 1024,
    AsciiPunctuation = 2048,

    /// <summary>A decimal digit (Nd), which is a number too.</summary>
    Digit = 4096,
}

/// <summary>The table of <see cref="CharClass"/>.</summary>
internal static class CharClasses
{
    private static readonly CharClass[] Table = Make();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CharClass Of(char c) => Table[c];

    // Ideographs and what belongs to the Han script besides (Unicode's Scripts.txt), up to U+FFFF.
    private static bool IsHan(int c) => c is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or 0x3005 or 0x3007 or (>= 0x2E80 and <= 0x2E99)
        or (>= 0x2E9B and <= 0x2EF3) or (>= 0x2F00 and <= 0x2FD5) or (>= 0x3021 and <= 0x3029) or (>= 0x3038 and <= 0x303B)
        or (>= 0xF900 and <= 0xFA6D) or (>= 0xFA70 and <= 0xFAD9);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // runs once, at the first word
    private static CharClass[] Make()
    {
        var table = new CharClass[65536];
        for (var c = 0; c < table.Length; c++)
        {
            var bits = CharUnicodeInfo.GetUnicodeCategory((char)c) switch
            {
                UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter => CharClass.Letter | CharClass.Upper,
                UnicodeCategory.LowercaseLetter => CharClass.Letter | CharClass.Lower,
                UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => CharClass.Letter,
                UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark => CharClass.Mark,
                UnicodeCategory.DecimalDigitNumber => CharClass.Number | CharClass.Digit,
                UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => CharClass.Number,
                UnicodeCategory.ConnectorPunctuation or UnicodeCategory.DashPunctuation or UnicodeCategory.OpenPunctuation
                    or UnicodeCategory.ClosePunctuation or UnicodeCategory.InitialQuotePunctuation
                    or UnicodeCategory.FinalQuotePunctuation or UnicodeCategory.OtherPunctuation => CharClass.Punctuation,
                UnicodeCategory.MathSymbol or UnicodeCategory.CurrencySymbol or UnicodeCategory.ModifierSymbol
                    or UnicodeCategory.OtherSymbol => CharClass.Symbol,
                _ => CharClass.None,
            };
            if (char.IsWhiteSpace((char)c)) bits |= CharClass.Space;
            if (c is '\r' or '\n') bits |= CharClass.LineBreak;
            if (IsHan(c)) bits |= CharClass.Han;
            if (c < 128 && char.IsAsciiLetter((char)c)) bits |= CharClass.AsciiLetter;
            if (c < 128 && (bits & (CharClass.Punctuation | CharClass.Symbol)) != CharClass.None) bits |= CharClass.AsciiPunctuation;
            table[c] = bits;
        }
        return table;
    }
}
