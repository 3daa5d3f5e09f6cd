using System.Buffers.Binary;
using System.Text;
using WarpDecode.Formats;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>
/// SentencePiece's precompiled table of replacements: a double-array trie over UTF-8 (darts-clone), whose values are places in a list of
/// texts that end in a zero.
/// </summary>
internal sealed class Charsmap
{
    private readonly uint[] units;
    private readonly byte[] texts;
    private readonly string file;

    public Charsmap(ReadOnlySpan<byte> blob, string file)
    {
        this.file = file;
        var size = blob.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(blob) : uint.MaxValue;
        if (blob.Length < 4 || size % 4 != 0 || size == 0 || size > blob.Length - 4) Damaged($"a trie of a length that is there, found {size} of {blob.Length} bytes");
        units = new uint[size / 4];
        for (var i = 0; i < units.Length; i++) units[i] = BinaryPrimitives.ReadUInt32LittleEndian(blob[(4 + (i * 4))..]);
        texts = blob[(4 + (int)size)..].ToArray();
    }

    /// <summary>Bytes of the longest beginning that is replaced, or 0, and what replaces it.</summary>
    public int Longest(ReadOnlySpan<byte> utf8, out ReadOnlySpan<byte> replacement) => Match(utf8, first: false, out replacement);

    /// <summary>The same of the shortest.</summary>
    public int Shortest(ReadOnlySpan<byte> utf8, out ReadOnlySpan<byte> replacement) => Match(utf8, first: true, out replacement);

    /// <summary>A text with its replacements, each the longest that fits, from the left.</summary>
    public string Replace(ReadOnlySpan<char> text)
    {
        var utf8 = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        var rest = utf8.AsSpan(0, Encoding.UTF8.GetBytes(text, utf8));
        var to = new System.Buffers.ArrayBufferWriter<byte>(rest.Length + 16);
        while (!rest.IsEmpty)
        {
            var length = Longest(rest, out var replacement);
            if (length == 0)
            {
                Rune.DecodeFromUtf8(rest, out _, out length);
                replacement = rest[..length];
            }
            System.Buffers.BuffersExtensions.Write(to, replacement);
            rest = rest[length..];
        }
        return Encoding.UTF8.GetString(to.WrittenSpan);
    }

    private int Match(ReadOnlySpan<byte> utf8, bool first, out ReadOnlySpan<byte> replacement)
    {
        var (found, value) = (0, 0u);
        var node = Offset(units[0]);
        for (var i = 0; i < utf8.Length && utf8[i] != 0; i++)
        {
            node ^= utf8[i];
            if (node >= units.Length) break;
            var unit = units[node];
            if ((unit & 0x8000_00FF) != utf8[i]) break;
            node ^= Offset(unit);
            if ((unit & 0x100) == 0) continue;
            if (node >= units.Length) Damaged("values within the trie");
            (found, value) = (i + 1, units[node] & int.MaxValue);
            if (first) break;
        }
        replacement = default;
        if (found == 0) return 0;
        if (value >= texts.Length) Damaged("replacements within the list");
        var end = texts.AsSpan((int)value).IndexOf((byte)0);
        if (end < 0) Damaged("replacements that end");
        replacement = texts.AsSpan((int)value, end);
        return found;
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private void Damaged(string expected) =>
        ModelFileException.Throw("damaged table of replacements", file, "precompiled_charsmap", null, expected, null, "The file is damaged: get it again.");
}
