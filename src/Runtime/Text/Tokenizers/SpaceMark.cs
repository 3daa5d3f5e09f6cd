using System.Globalization;
using System.Text;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>SentencePiece's spelling of text: ▁ (U+2581) for a space, and <c>&lt;0x0A&gt;</c> for a byte that no other token has.</summary>
internal static class SpaceMark
{
    public const char Mark0 = '\u2581';

    /// <summary>A text with marks for its spaces and one before it, in well-formed UTF-16.</summary>
    public static string Mark(ReadOnlySpan<char> text, bool prefix)
    {
        var marked = new char[text.Length + (prefix ? 1 : 0)];
        var to = marked.AsSpan();
        if (prefix)
        {
            to[0] = Mark0;
            to = to[1..];
        }
        text.Replace(to, ' ', Mark0);
        if (text.ContainsAnyInRange('\uD800', '\uDFFF'))
        {
            for (var i = 0; i < to.Length; i++)
            {
                if (!char.IsSurrogate(to[i])) continue;
                if (char.IsHighSurrogate(to[i]) && i + 1 < to.Length && char.IsLowSurrogate(to[i + 1])) i++;
                else to[i] = '\uFFFD';
            }
        }
        return new string(marked);
    }

    /// <summary>UTF-16 units of the character at a place of well-formed text.</summary>
    public static int CharacterLength(ReadOnlySpan<char> text, int at) => char.IsHighSurrogate(text[at]) && at + 1 < text.Length ? 2 : 1;

    /// <summary>Bytes of a stored token: spaces for marks; of a byte token the byte.</summary>
    public static int Decode(string token, TokenType type, Span<byte> to)
    {
        if (type == TokenType.Byte && ByteOf(token) is >= 0 and var value)
        {
            to[0] = (byte)value;
            return 1;
        }
        return Encoding.UTF8.GetBytes(token.Contains(Mark0, StringComparison.Ordinal) ? token.Replace(Mark0, ' ') : token, to);
    }

    /// <summary>The byte that a text such as <c>&lt;0x0A&gt;</c> stands for, or -1.</summary>
    public static int ByteOf(ReadOnlySpan<char> token) =>
        token is ['<', '0', 'x', _, _, '>'] && byte.TryParse(token[3..5], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) ? value : -1;

    /// <summary>Ids of the 256 byte tokens, -1 for those that are missing.</summary>
    public static int[] FindBytes(TextTable ids)
    {
        var found = new int[256];
        for (var value = 0; value < 256; value++)
        {
            found[value] = ids.Find(string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>"));
            // A vocabulary may have the characters themselves instead (those below 0x80).
            if (found[value] < 0 && value < 0x80) found[value] = ids.Find([(char)value]);
        }
        return found;
    }

    /// <summary>Appends the byte tokens of a character; where one of them is missing, the unknown token if there is one.</summary>
    public static void AppendBytes(ReadOnlySpan<char> character, int[] byteIds, int unknown, List<int> to)
    {
        Span<byte> utf8 = stackalloc byte[4];
        utf8 = utf8[..Encoding.UTF8.GetBytes(character, utf8)];
        var whole = true;
        foreach (var value in utf8) whole &= byteIds[value] >= 0;
        if (!whole && unknown >= 0)
        {
            to.Add(unknown);
            return;
        }
        foreach (var value in utf8)
        {
            if (byteIds[value] >= 0) to.Add(byteIds[value]);
        }
    }
}
