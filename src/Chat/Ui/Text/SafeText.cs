using System.Globalization;
using System.Text;

namespace WarpDecode.Chat.Ui.Text;

/// <summary>
/// Makes text of a model, a file or a person harmless for a terminal, piece by piece: whatever the pieces, the result is the same. Kept are line
/// feeds, tabs and what can be seen; control characters become symbols (so that no escape sequence arrives as one), what changes the direction
/// of text or cannot be seen goes, and a cluster carries a limited number of marks.
/// </summary>
/// <remarks>
/// Variation selectors go too: terminals do not agree whether one makes a character wider, and a line would be drawn apart from where it is
/// thought to be. One filter belongs to one text.
/// </remarks>
internal sealed class SafeText
{
    /// <summary>How many combining marks, skin tones or tags one character carries; scripts need at most about five.</summary>
    public const int MaxMarks = 8;

    /// <summary>How many characters zero-width joiners join: families have four, the longest sequences in use seven.</summary>
    public const int MaxJoined = 8;

    private const int ZeroWidthJoiner = 0x200D;
    private const int BlackFlag = 0x1F3F4; // the flags of England, Scotland, Wales: this with tags
    private char held; // the first half of a pair, or a carriage return, that ended the last piece
    private int marks, joined;
    private int previous, stem; // the last character kept, and the last that was no mark

    /// <summary>A whole text at once.</summary>
    public static string Clean(string text)
    {
        if (text.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0) return text;
        var output = new StringBuilder(text.Length);
        var filter = new SafeText();
        filter.Append(text, output);
        filter.Complete(output);
        return output.ToString();
    }

    /// <summary>A whole text as one line: line feeds and tabs are spaces.</summary>
    public static string CleanLine(string text) => Clean(text).Replace('\n', ' ').Replace('\t', ' ');

    /// <summary>Filters one piece. A last half of a pair is kept back until the next.</summary>
    public void Append(ReadOnlySpan<char> piece, StringBuilder output)
    {
        var i = 0;
        if (held != 0 && piece.Length > 0)
        {
            var first = held;
            held = '\0';
            if (first == '\r')
            {
                if (piece[0] != '\n') Put(output, '\r');
            }
            else if (char.IsLowSurrogate(piece[0]))
            {
                Put(output, char.ConvertToUtf32(first, piece[0]));
                i = 1;
            }
            else
            {
                Put(output, 0xFFFD);
            }
        }
        while (i < piece.Length)
        {
            var plain = piece[i..].IndexOfAnyExceptInRange(' ', '~'); // most text is ASCII: taken as it is
            if (plain < 0) plain = piece.Length - i;
            if (plain > 0)
            {
                output.Append(piece.Slice(i, plain));
                i += plain;
                (marks, joined) = (0, 0);
                previous = stem = piece[i - 1];
                continue;
            }
            var c = piece[i++];
            var isLast = i == piece.Length;
            if (c == '\r')
            {
                if (isLast) held = c;
                else if (piece[i] != '\n') Put(output, c);
            }
            else if (char.IsHighSurrogate(c))
            {
                if (isLast) held = c;
                else if (char.IsLowSurrogate(piece[i])) Put(output, char.ConvertToUtf32(c, piece[i++]));
                else Put(output, 0xFFFD);
            }
            else
            {
                Put(output, char.IsLowSurrogate(c) ? 0xFFFD : c);
            }
        }
    }

    /// <summary>The text is over: what was kept back is written as what it is then.</summary>
    public void Complete(StringBuilder output)
    {
        if (held != 0) Put(output, held == '\r' ? '\r' : 0xFFFD);
        held = '\0';
    }

    private void Put(StringBuilder output, int rune)
    {
        if (rune is '\n' or 0x2028 or 0x2029)
        {
            output.Append('\n');
            Start('\n');
        }
        else if (rune == '\t')
        {
            output.Append('\t');
            Start('\t');
        }
        else if (rune < 0x20 || rune == 0x7F)
        {
            output.Append((char)(rune == 0x7F ? 0x2421 : 0x2400 + rune)); // the pictures of control characters: ␛ and so on
            Start('?');
        }
        else if (rune is >= 0x80 and < 0xA0)
        {
            output.Append('\u241B').Append((char)(rune - 0x40)); // a C1 control is short for an escape and a letter
            Start('?');
        }
        else if (IsDropped(rune))
        {
            return;
        }
        else if (IsMark(rune))
        {
            if (++marks > MaxMarks || (rune is >= 0xE0020 and <= 0xE007F && stem != BlackFlag)) return;
            Write(output, rune);
        }
        else if (rune == ZeroWidthJoiner)
        {
            if (previous == ZeroWidthJoiner || joined >= MaxJoined - 1) return;
            joined++;
            Write(output, rune);
        }
        else
        {
            if (previous != ZeroWidthJoiner) joined = 0;
            marks = 0;
            stem = (rune & 0xFFFE) == 0xFFFE ? 0xFFFD : rune; // U+FFFE, U+FFFF and their like are no characters
            Write(output, stem);
        }
    }

    private void Start(int rune)
    {
        (marks, joined) = (0, 0);
        previous = stem = rune;
    }

    private void Write(StringBuilder output, int rune)
    {
        previous = rune;
        if (rune < 0x10000) output.Append((char)rune);
        else output.Append((char)(0xD7C0 + (rune >> 10))).Append((char)(0xDC00 + (rune & 0x3FF)));
    }

    /// <summary>What is not seen: controls of direction, spaces without width, selectors of variants, annotations.</summary>
    private static bool IsDropped(int rune) => rune switch
    {
        0xAD or 0x34F or 0x61C or 0x180E or 0x200B or 0x200E or 0x200F or 0xFEFF => true,
        >= 0x202A and <= 0x202E => true,
        >= 0x2060 and <= 0x206F => true,
        >= 0xFE00 and <= 0xFE0F => true,
        >= 0xFFF9 and <= 0xFFFB => true,
        >= 0x1BCA0 and <= 0x1BCA3 => true,
        >= 0x1D173 and <= 0x1D17A => true,
        >= 0xE0000 and < 0xE0020 => true,
        >= 0xE0080 and <= 0xE0FFF => true,
        _ => false,
    };

    /// <summary>What joins the character before it.</summary>
    private static bool IsMark(int rune) => rune switch
    {
        < 0x300 => false,
        0x200C => true, // kept: Persian words need it
        >= 0x1F3FB and <= 0x1F3FF => true, // skin tones
        >= 0xE0020 and <= 0xE007F => true, // tags
        _ => CharUnicodeInfo.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.SpacingCombiningMark,
    };
}
