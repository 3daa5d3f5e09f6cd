using System.Text;

namespace WarpDecode.Chat.Ui;

/// <summary>Words of a command's argument: split at spaces; in quotes spaces stay. A backslash keeps a quote or space behind it, in double quotes a quote or backslash.</summary>
internal static class SlashWords
{
    public static IReadOnlyList<string> Split(string text)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        var (quote, inWord) = ('\0', false);
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c == '\\' && i + 1 < text.Length && (quote == '"' ? text[i + 1] is '"' or '\\' : quote == 0 && text[i + 1] is ('"' or '\'' or ' ')))
            {
                word.Append(text[++i]);
                inWord = true;
            }
            else if (quote != 0)
            {
                if (c == quote) quote = '\0';
                else word.Append(c);
            }
            else if (c is '"' or '\'' && !inWord)
            {
                (quote, inWord) = (c, true);
            }
            else if (char.IsWhiteSpace(c))
            {
                if (inWord) words.Add(word.ToString());
                word.Clear();
                inWord = false;
            }
            else
            {
                word.Append(c);
                inWord = true;
            }
        }
        if (quote != 0) throw new CommandException($"the quote {quote} has no end", $"Put {quote} at the end of it.");
        if (inWord) words.Add(word.ToString());
        return words;
    }

    /// <summary>A text in quotes if it has spaces, quotes or backslashes, so that it is one word.</summary>
    public static string Quoted(string text) =>
        text.Length > 0 && !text.Any(c => char.IsWhiteSpace(c) || c is '"' or '\'' or '\\') ? text : "\"" + text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal) + "\"";

    /// <summary>The candidate that a mistyped word is nearest to; null if none is near.</summary>
    public static string? Nearest(string word, IEnumerable<string> candidates)
    {
        if (word.Length > 40) return null;
        var (best, distance) = ((string?)null, Math.Max(1, word.Length / 2) + 1);
        foreach (var c in candidates)
        {
            // What was cut short is nearer than what was mistyped.
            var d = word.Length > 1 && c.StartsWith(word, StringComparison.OrdinalIgnoreCase) ? 0 : Distance(word.ToLowerInvariant(), c);
            if (d < distance) (best, distance) = (c, d);
        }
        return best;
    }

    // Letters left out, put in, changed, or two exchanged.
    private static int Distance(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++) d[i, 0] = i;
        for (var j = 0; j <= b.Length; j++) d[0, j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            for (var j = 1; j <= b.Length; j++)
            {
                d[i, j] = Math.Min(Math.Min(d[i - 1, j], d[i, j - 1]) + 1, d[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        }
        return d[a.Length, b.Length];
    }
}
