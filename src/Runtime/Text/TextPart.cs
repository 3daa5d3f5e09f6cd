namespace WarpDecode.Runtime.Text;

/// <summary>A piece of a text to encode, and whether control tokens written in it are meant.</summary>
/// <param name="Text">The piece.</param>
/// <param name="Trusted">True for a template's own text, false for what people or tools wrote.</param>
internal readonly record struct TextPart(string Text, bool Trusted)
{
    /// <summary>A stretch of the joined text: up to <c>End</c> (exclusive) from where the one before ended.</summary>
    internal readonly record struct Run(int End, bool Trusted);

    /// <summary>Joins parts; neighbours of equal trust become one run.</summary>
    public static string Join(ReadOnlySpan<TextPart> parts, out Run[] runs)
    {
        var list = new List<Run>(parts.Length);
        var texts = new string[parts.Length];
        var end = 0;
        for (var i = 0; i < parts.Length; i++)
        {
            texts[i] = parts[i].Text;
            end = checked(end + texts[i].Length);
            if (texts[i].Length == 0) continue;
            if (list.Count > 0 && list[^1].Trusted == parts[i].Trusted) list[^1] = new Run(end, parts[i].Trusted);
            else list.Add(new Run(end, parts[i].Trusted));
        }
        runs = [.. list];
        return texts.Length == 1 ? texts[0] : string.Concat(texts);
    }
}
