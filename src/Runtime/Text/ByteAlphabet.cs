using System.Text;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// GPT-2's spelling of bytes as printable characters, in which byte-level vocabularies are stored: the printable bytes of
/// Latin-1 stand for themselves, the other 68 take U+0100 onwards in order (so a space is Ġ, U+0120).
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] Chars = MakeChars();
    private static readonly short[] Bytes = MakeBytes(); // -1 where no byte is spelled so

    public static char CharOf(byte value) => Chars[value];

    /// <summary>
    /// Appends the bytes that <paramref name="token"/> spells. A token with any character outside the alphabet was added to
    /// the vocabulary as plain text, and its own UTF-8 is meant (as Hugging Face's byte-level decoder reads it).
    /// </summary>
    public static int Decode(string token, TokenType type, Span<byte> to)
    {
        for (var i = 0; i < token.Length; i++)
        {
            var value = token[i] < Bytes.Length ? Bytes[token[i]] : -1;
            if (value < 0) return Encoding.UTF8.GetBytes(token, to);
            to[i] = (byte)value;
        }
        return token.Length;
    }

    /// <summary>Spells the UTF-8 of a text.</summary>
    public static string Encode(string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        return string.Create(utf8.Length, utf8, static (to, from) =>
        {
            for (var i = 0; i < to.Length; i++) to[i] = CharOf(from[i]);
        });
    }

    private static bool IsPrintable(int value) => value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);

    private static char[] MakeChars()
    {
        var chars = new char[256];
        var next = 256;
        for (var value = 0; value < 256; value++) chars[value] = (char)(IsPrintable(value) ? value : next++);
        return chars;
    }

    private static short[] MakeBytes()
    {
        var bytes = new short[256 + 68];
        Array.Fill(bytes, (short)-1);
        for (var value = 0; value < 256; value++) bytes[Chars[value]] = (short)value;
        return bytes;
    }
}
