namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>
/// A string of a template, and which of its stretches are the template's own (trusted) and which came from messages, tools or
/// other variables. Lengths and indices of Python count code points; they are UTF-16 here only inside.
/// </summary>
internal sealed class Str
{
    public static readonly Str Empty = new("", trusted: true);
    private readonly int[]? flips; // where trust changes, ascending; null: nowhere
    private readonly bool first;
    private int points = -1; // code points; computed when first asked for

    private Str(string value, bool first, int[]? flips) => (Value, this.first, this.flips) = (value, first, flips);

    public Str(string value, bool trusted) => (Value, first) = (value, trusted);

    /// <summary>The text.</summary>
    public string Value { get; }

    /// <summary>Whether it is marked as safe to stand in HTML.</summary>
    public bool Markup { get; init; }

    /// <summary>Whether all of it is the template's own.</summary>
    public bool Trusted => flips is null && first;

    /// <summary>Code points.</summary>
    public int Length => points >= 0 ? points : points = CountPoints(Value);

    /// <summary>Whether a code point is one char everywhere.</summary>
    private bool Plain => Length == Value.Length;

    public static Str Of(string value) => value.Length == 0 ? Empty : new Str(value, trusted: true);

    /// <summary>With trust that begins as <paramref name="first"/> and changes at <paramref name="flips"/>.</summary>
    public static Str WithRuns(string value, bool first, List<int>? flips) =>
        value.Length == 0 ? Empty : new Str(value, first, flips is { Count: > 0 } ? [.. flips] : null);

    public Str AsMarkup(bool markup) => markup == Markup ? this : new Str(Value, first, flips) { Markup = markup };

    /// <summary>A text made of this one as a whole: of the same trust if that is the same everywhere, or if every char kept its place.</summary>
    public Str Mapped(string value) => ReferenceEquals(value, Value) ? this
        : value.Length == 0 ? Empty
        : flips is null ? new Str(value, first)
        : value.Length == Value.Length ? new Str(value, first, flips)
        : new Str(value, trusted: false);

    /// <summary>A text made of several: trusted if all of them are.</summary>
    public static Str Joined(string value, bool trusted) => value.Length == 0 ? Empty : new Str(value, trusted);

    /// <summary>Stretches of equal trust as (start, end, trusted), in UTF-16.</summary>
    public IEnumerable<(int Start, int End, bool Trusted)> Runs(int from, int to)
    {
        var trusted = first;
        var at = 0;
        for (var i = 0; i <= (flips?.Length ?? 0); i++)
        {
            var end = flips is not null && i < flips.Length ? flips[i] : Value.Length;
            var (start, stop) = (Math.Max(at, from), Math.Min(end, to));
            if (start < stop) yield return (start, stop, trusted);
            if (end >= to) yield break;
            (at, trusted) = (end, !trusted);
        }
    }

    /// <summary>All stretches.</summary>
    public IEnumerable<(int Start, int End, bool Trusted)> Runs() => Runs(0, Value.Length);

    /// <summary>If trust is the same everywhere, which.</summary>
    public bool IsUniform(out bool trusted)
    {
        trusted = first;
        return flips is null;
    }

    /// <summary>A stretch in UTF-16.</summary>
    public Str Cut(int start, int end)
    {
        if (start >= end) return Empty;
        if (start == 0 && end == Value.Length) return this;
        if (flips is null) return new Str(Value[start..end], first) { Markup = Markup };
        List<int>? kept = null;
        var trusted = first;
        foreach (var flip in flips)
        {
            if (flip <= start) trusted = !trusted;
            else if (flip < end) (kept ??= []).Add(flip - start);
        }
        return new Str(Value[start..end], trusted, kept?.ToArray()) { Markup = Markup };
    }

    /// <summary>The place in UTF-16 of a code point.</summary>
    public int Place(int point)
    {
        if (Plain) return point;
        var at = 0;
        for (; point > 0 && at < Value.Length; point--) at += char.IsHighSurrogate(Value[at]) && at + 1 < Value.Length && char.IsLowSurrogate(Value[at + 1]) ? 2 : 1;
        return at;
    }

    /// <summary>The code point at a place in UTF-16.</summary>
    public int PointAt(int place) => Plain ? place : CountPoints(Value.AsSpan(0, place));

    /// <summary>Code points <paramref name="start"/> to <paramref name="end"/> (exclusive).</summary>
    public Str Slice(int start, int end)
    {
        if (start >= end) return Empty;
        if (Plain) return Cut(start, end);
        var from = Place(start);
        return Cut(from, end >= Length ? Value.Length : Place(end));
    }

    /// <summary>Code points one by one.</summary>
    public IEnumerable<Str> Characters()
    {
        for (var at = 0; at < Value.Length;)
        {
            var next = at + (char.IsHighSurrogate(Value[at]) && at + 1 < Value.Length && char.IsLowSurrogate(Value[at + 1]) ? 2 : 1);
            yield return Cut(at, next);
            at = next;
        }
    }

    public override string ToString() => Value;

    /// <summary>What Python calls whitespace in a str.</summary>
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f';

    private static int CountPoints(ReadOnlySpan<char> text)
    {
        if (text.IndexOfAnyInRange('\ud800', '\udbff') < 0) return text.Length;
        var count = text.Length;
        for (var i = 1; i < text.Length; i++)
        {
            if (char.IsLowSurrogate(text[i]) && char.IsHighSurrogate(text[i - 1])) count--;
        }
        return count;
    }
}
