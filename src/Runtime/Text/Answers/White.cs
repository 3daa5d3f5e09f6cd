namespace WarpDecode.Runtime.Text;

/// <summary>The white space that templates put around markers.</summary>
internal static class White
{
    public const string Space = " \t\r\n";

    public static bool Is(char c) => c is ' ' or '\t' or '\r' or '\n';

    public static int Count(ReadOnlySpan<char> text)
    {
        var at = text.IndexOfAnyExcept(Space);
        return at < 0 ? text.Length : at;
    }

    public static int CountAtEnd(ReadOnlySpan<char> text) => text.Length - 1 - text.LastIndexOfAnyExcept(Space);
}
