namespace WarpDecode.Runtime.Grammars;

/// <summary>A set of Unicode scalar values: ranges in order, apart from each other, without surrogates.</summary>
internal sealed class CodePoints
{
    private const int Last = 0x10FFFF;

    private CodePoints((int Low, int High)[] ranges) => Ranges = ranges;

    public static CodePoints All { get; } = Of([(0, Last)]);

    public (int Low, int High)[] Ranges { get; }

    public bool IsEmpty => Ranges.Length == 0;

    /// <summary>The union of ranges in any order.</summary>
    public static CodePoints Of(IEnumerable<(int Low, int High)> ranges)
    {
        var joined = new List<(int Low, int High)>();
        foreach (var range in ranges.SelectMany(WithoutSurrogates).Order())
        {
            if (joined.Count > 0 && range.Low <= joined[^1].High + 1 && (range.Low != 0xE000 || joined[^1].High >= range.Low))
                joined[^1] = (joined[^1].Low, Math.Max(joined[^1].High, range.High));
            else
                joined.Add(range);
        }
        return new CodePoints([.. joined]);
    }

    public static CodePoints Of(params ReadOnlySpan<char> chars)
    {
        var ranges = new (int, int)[chars.Length];
        for (var i = 0; i < chars.Length; i++) ranges[i] = (chars[i], chars[i]);
        return Of(ranges);
    }

    public CodePoints Complement()
    {
        var rest = new List<(int, int)>();
        var next = 0;
        foreach (var (low, high) in Ranges)
        {
            if (low > next) rest.Add((next, low - 1));
            next = high + 1;
        }
        if (next <= Last) rest.Add((next, Last));
        return Of(rest);
    }

    public CodePoints Union(CodePoints other) => Of(Ranges.Concat(other.Ranges));

    public CodePoints Except(CodePoints other) => Complement().Union(other).Complement();

    public bool Contains(int point)
    {
        foreach (var (low, high) in Ranges)
        {
            if (point <= high) return point >= low;
        }
        return false;
    }

    private static IEnumerable<(int Low, int High)> WithoutSurrogates((int Low, int High) range)
    {
        if (range.Low < 0xD800) yield return (range.Low, Math.Min(range.High, 0xD7FF));
        if (range.High > 0xDFFF) yield return (Math.Max(range.Low, 0xE000), range.High);
    }
}
