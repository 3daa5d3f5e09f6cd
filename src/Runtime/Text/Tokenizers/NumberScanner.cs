using static WarpDecode.Runtime.Text.Tokenizers.CharClass;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>Cuts runs of numbers out of a text and into groups.</summary>
internal enum NumberGroups : byte
{
    /// <summary>One, or <c>\p{N}{1,3}</c>: groups of at most so many, from the left.</summary>
    FromLeft,

    /// <summary>Thousands: groups of three from the right (AFMoE; SuperBPE's <c>(?=(\d{3})+(?!\d))</c> after <c>\p{N}+</c>).</summary>
    FromRight,

    /// <summary><c>\d{1,3}(?=(?:\d{3})*\b)</c>: thousands, unless a letter follows the last of them.</summary>
    FromRightOfWords,
}

/// <summary>See <see cref="NumberGroups"/>. What is not grouped stays as it is.</summary>
internal sealed record NumberScanner(NumberGroups Groups, int Size = 3) : IPieceSplitter
{
    public void Split(ReadOnlySpan<char> text, int origin, List<(int Start, int Length)> to)
    {
        var kinds = Groups == NumberGroups.FromRightOfWords ? Digit : Number;
        var done = 0;
        for (var at = 0; at < text.Length; at++)
        {
            if ((CharClasses.Of(text[at]) & kinds) == None) continue;
            var end = at + 1;
            while (end < text.Length && (CharClasses.Of(text[end]) & kinds) != None) end++;
            if (Groups == NumberGroups.FromRightOfWords && end < text.Length && IsWord(text[end]))
            {
                at = end;
                continue;
            }
            if (at > done) to.Add((origin + done, at - done));
            var first = Groups == NumberGroups.FromLeft ? 0 : (end - at) % Size;
            if (first > 0) to.Add((origin + at, first));
            for (at += first; at < end; at += Size) to.Add((origin + at, Math.Min(Size, end - at)));
            done = end;
            at = end - 1;
        }
        if (done < text.Length) to.Add((origin + done, text.Length - done));
    }

    private static bool IsWord(char c) => (CharClasses.Of(c) & (Letter | Mark | Digit)) != None || char.GetUnicodeCategory(c) == System.Globalization.UnicodeCategory.ConnectorPunctuation;
}
