using System.Text.RegularExpressions;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>One stage of a <see cref="PreTokenizer"/>.</summary>
internal interface IPieceSplitter
{
    /// <summary>Appends what a piece falls into, nothing left out; its first character has the number <paramref name="origin"/>.</summary>
    void Split(ReadOnlySpan<char> text, int origin, List<(int Start, int Length)> to);
}

/// <summary>Isolates what an expression matches.</summary>
internal sealed class RegexSplitter(Regex expression) : IPieceSplitter
{
    public void Split(ReadOnlySpan<char> text, int origin, List<(int Start, int Length)> to)
    {
        var end = 0;
        foreach (var match in expression.EnumerateMatches(text))
        {
            if (match.Index > end) to.Add((origin + end, match.Index - end));
            if (match.Length > 0) to.Add((origin + match.Index, match.Length));
            end = match.Index + match.Length;
        }
        if (end < text.Length) to.Add((origin + end, text.Length - end));
    }
}
