using System.Runtime.CompilerServices;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>
/// Where a text with marks for spaces can be cut without changing its tokens: before a mark, where no token of the vocabulary has the
/// character before it and a mark together. No token, and so no merge, then lies across the cut; each word can be encoded, and
/// remembered, alone.
/// </summary>
internal sealed class SpaceSeams
{
    private readonly HashSet<char> joined = []; // characters that some token has before a mark

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // runs once, over the whole vocabulary
    public SpaceSeams(string[] tokens)
    {
        foreach (var token in tokens)
        {
            for (var i = 1; i < token.Length; i++)
            {
                if (token[i] == SpaceMark.Mark0 && token[i - 1] != SpaceMark.Mark0) joined.Add(token[i - 1]);
            }
        }
    }

    /// <summary>End of the word that begins at a place.</summary>
    public int End(ReadOnlySpan<char> text, int at)
    {
        while (at < text.Length && text[at] == SpaceMark.Mark0) at++;
        while (at < text.Length)
        {
            var step = text[at..].IndexOf(SpaceMark.Mark0);
            if (step < 0) return text.Length;
            at += step;
            if (step > 0 && !joined.Contains(text[at - 1])) return at;
            at++;
        }
        return text.Length;
    }
}
