using WarpDecode.Formats;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>What SentencePiece does to a text before it looks for tokens: replacements, spaces made one, a space before it, marks for spaces.</summary>
internal sealed class SentencePieceNormalizer(Charsmap? charsmap, bool removeExtraSpaces)
{
    private const string CharsmapKey = "tokenizer.ggml.precompiled_charsmap";

    /// <summary>Of a BPE model: null where there is nothing to do but to mark spaces.</summary>
    public static SentencePieceNormalizer? OfBpe(ModelFile file)
    {
        var made = Of(file);
        return made.Charsmap is null && !made.RemovesExtraSpaces ? null : made;
    }

    public static SentencePieceNormalizer Of(ModelFile file)
    {
        Charsmap? map = null;
        if (file.Metadata.Contains(CharsmapKey))
        {
            var numbers = file.Metadata.GetIntegers(CharsmapKey);
            var blob = new byte[numbers.Length];
            for (var i = 0; i < blob.Length; i++)
            {
                if (numbers[i] is < -128 or > 255) ModelFileException.Throw("metadata", file.Path, CharsmapKey, null, "bytes", numbers[i].ToString());
                blob[i] = (byte)numbers[i];
            }
            if (blob.Length > 0) map = new Charsmap(blob, file.Path);
        }
        return new SentencePieceNormalizer(map, Vocabulary.Flag(file, "remove_extra_whitespaces", false));
    }

    public Charsmap? Charsmap => charsmap;

    public bool RemovesExtraSpaces => removeExtraSpaces;

    public string Normalize(ReadOnlySpan<char> text, bool prefix)
    {
        if (charsmap is not null) text = charsmap.Replace(text);
        if (removeExtraSpaces) text = Single(text);
        return text.IsEmpty ? "" : SpaceMark.Mark(text, prefix);
    }

    // No space at either end, and no two together.
    private static ReadOnlySpan<char> Single(ReadOnlySpan<char> text)
    {
        text = text.Trim(' ');
        if (!text.Contains("  ", StringComparison.Ordinal)) return text;
        var to = new char[text.Length];
        var count = 0;
        foreach (var c in text)
        {
            if (c != ' ' || to[count - 1] != ' ') to[count++] = c;
        }
        return to.AsSpan(0, count);
    }
}
