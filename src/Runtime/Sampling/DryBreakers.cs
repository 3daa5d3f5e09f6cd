using System.Text;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// Texts at which <see cref="Dry"/> stops to look for repetition, as tokens. As in llama.cpp: every token whose text contains the breaker, and
/// every token that ends with a beginning of it, followed by the tokens of the rest.
/// </summary>
internal sealed class DryBreakers
{
    /// <summary>Longest breaker in bytes.</summary>
    public const int LongestText = 40;

    private const int LongestTail = 20; // tokens after the first that are compared

    private readonly Dictionary<int, int[][]> tails = [];

    /// <summary>Breakers given as tokens: the first, and those that follow it.</summary>
    public DryBreakers(IEnumerable<int[]> sequences)
    {
        foreach (var of in sequences.GroupBy(s => s[0])) tails[of.Key] = [.. of.Select(s => s[1..])];
    }

    /// <summary>The tokens of texts. Goes over the vocabulary once for each.</summary>
    public static DryBreakers FromTexts(IEnumerable<string> texts, Tokenizer tokenizer)
    {
        var sequences = new List<int[]>();
        foreach (var text in texts.Distinct(StringComparer.Ordinal)) Add(text, tokenizer, sequences);
        return new DryBreakers(sequences);
    }

    private static void Add(string text, Tokenizer tokenizer, List<int[]> to)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var rests = new int[bytes.Length][]; // by the bytes that the first token has
        for (var id = 0; id < tokenizer.Count; id++)
        {
            var token = tokenizer.Bytes(id);
            if (token.IndexOf(bytes) >= 0)
            {
                to.Add([id]);
                continue;
            }
            for (var begun = Math.Min(bytes.Length - 1, token.Length); begun > 0; begun--)
            {
                // A rest that begins within a character has no text, and so no tokens of its own.
                if ((bytes[begun] & 0xC0) == 0x80 || !token.EndsWith(bytes.AsSpan(0, begun))) continue;
                var rest = rests[begun] ??= tokenizer.Encode(Encoding.UTF8.GetString(bytes.AsSpan(begun)), addSpecial: false, parseSpecial: false);
                to.Add([id, .. rest.AsSpan(0, Math.Min(rest.Length, LongestTail))]);
            }
        }
    }

    /// <summary>Whether a token alone is a breaker.</summary>
    public bool IsBreaker(int token)
    {
        if (!tails.TryGetValue(token, out var of)) return false;
        foreach (var tail in of)
        {
            if (tail.Length == 0) return true;
        }
        return false;
    }

    /// <summary>How many of the newest tokens stand after the last breaker; all where there is none.</summary>
    /// <param name="newest">The tokens, the newest first.</param>
    public int Since(ReadOnlySpan<int> newest)
    {
        if (tails.Count == 0) return newest.Length;
        for (var i = 0; i < newest.Length; i++)
        {
            if (!tails.TryGetValue(newest[i], out var of)) continue;
            var longest = -1;
            foreach (var tail in of)
            {
                if (tail.Length > longest && tail.Length <= i && Follows(newest[(i - tail.Length)..i], tail)) longest = tail.Length;
            }
            if (longest >= 0) return i - longest;
        }
        return newest.Length;
    }

    private static bool Follows(ReadOnlySpan<int> newest, int[] tail)
    {
        for (var i = 0; i < tail.Length; i++)
        {
            if (newest[^(i + 1)] != tail[i]) return false;
        }
        return true;
    }
}
