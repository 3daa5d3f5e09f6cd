using System.Globalization;
using System.Numerics;

namespace WarpDecode.Runtime.Grammars.JsonSchemas;

/// <summary>The decimal spellings of the numbers between bounds, digit by digit: exactly those, without exponents.</summary>
internal static class NumberRange
{
    private const int WholeDigits = 18;      // where there is no bound
    private const int FractionDigits = 16;

    /// <summary>Whole numbers.</summary>
    public static Node Integers(NumberBounds bounds)
    {
        BigInteger? low = bounds.Low is { } l ? -l.Negated.Floor : null;
        if (bounds is { Low: { IsInteger: true }, LowExcluded: true }) low++;
        var high = bounds.High?.Floor;
        if (bounds is { High: { IsInteger: true }, HighExcluded: true }) high--;
        var options = new List<Node>();
        if (high is null or { Sign: >= 0 }) AddNaturals(low is { Sign: > 0 } ? low.Value : 0, high, "");
        if (low is null or { Sign: < 0 }) AddNaturals(high is { Sign: < 0 } ? -high.Value : 1, -low, "-");
        return Node.Choice([.. options]);

        void AddNaturals(BigInteger from, BigInteger? to, string sign)
        {
            if (Naturals(from, to) is { } range) options.Add(Node.Sequence(Node.Text(sign), range));
        }
    }

    /// <summary>Numbers with or without a fraction.</summary>
    public static Node Numbers(NumberBounds bounds)
    {
        var options = new List<Node>();
        var zero = default(JsonNumber);
        if (bounds.High is not { } high || high.CompareTo(zero) >= 0)
            Add("", bounds.Low is { } l && l.CompareTo(zero) > 0 ? l : zero, bounds.LowExcluded && bounds.Low?.CompareTo(zero) >= 0, bounds.High, bounds.HighExcluded);
        if (bounds.Low is not { } low || low.CompareTo(zero) < 0)
        {
            Add("-", bounds.High is { } h && h.CompareTo(zero) < 0 ? h.Negated : zero, bounds.HighExcluded && bounds.High?.CompareTo(zero) <= 0,
                bounds.Low?.Negated, bounds.LowExcluded);
        }
        return Node.Choice([.. options]);

        void Add(string sign, JsonNumber from, bool fromExcluded, JsonNumber? to, bool toExcluded)
        {
            foreach (var option in NotNegative(from, fromExcluded, to, toExcluded)) options.Add(Node.Sequence(Node.Text(sign), option));
        }
    }

    private static IEnumerable<Node> NotNegative(JsonNumber from, bool fromExcluded, JsonNumber? to, bool toExcluded)
    {
        var low = from.Floor;
        var high = to?.Floor;
        if (low > high) yield break;
        if (low == high)
        {
            yield return Fraction(low, from.Fraction, fromExcluded, to!.Value.Fraction, toExcluded);
            yield break;
        }
        yield return Fraction(low, from.Fraction, fromExcluded, null, false);
        if (Naturals(low + 1, high - 1) is { } between) yield return Node.Sequence(between, Fraction(null, null, false, null, false));
        if (high is { } last) yield return Fraction(last, null, false, to!.Value.Fraction, toExcluded);
    }

    /// <summary>Whole numbers from 0 on; null if there is none.</summary>
    private static Node? Naturals(BigInteger low, BigInteger? high)
    {
        // Where there is no bound above, one digit more than what is below, if that is long.
        var last = high ?? BigInteger.Max(BigInteger.Pow(10, WholeDigits) - 1, low * 10);
        if (low > last) return null;
        var (shortest, longest) = (Length(low), Length(last));
        var options = new List<Node>();
        for (var length = shortest; length <= longest; length++)
        {
            var from = length == shortest ? low : BigInteger.Pow(10, length - 1);
            var to = length == longest ? last : BigInteger.Pow(10, length) - 1;
            options.Add(OfLength(from.ToString(CultureInfo.InvariantCulture), to.ToString(CultureInfo.InvariantCulture), 0, true, true));
        }
        return Node.Choice([.. options]);
    }

    private static int Length(BigInteger value) => value.ToString(CultureInfo.InvariantCulture).Length;

    private static Node OfLength(string low, string high, int at, bool atLow, bool atHigh)
    {
        var left = low.Length - at;
        if (left == 0) return Node.Empty;
        if (!atLow && !atHigh) return Node.Repeat(JsonText.Digit, left, left);
        return Digits(atLow ? low[at] : '0', atHigh ? high[at] : '9', atLow, atHigh, (l, h) => OfLength(low, high, at + 1, l, h));
    }

    /// <summary>A digit and what follows it, which is freer after a digit that is not at a bound.</summary>
    private static Node Digits(char low, char high, bool atLow, bool atHigh, Func<bool, bool, Node> rest)
    {
        if (low > high) return Node.Nothing;
        var options = new List<Node>();
        var (first, last) = (low, high);
        if (low == high && atLow && atHigh) return Node.Sequence(Node.Text(low.ToString()), rest(true, true));
        if (atLow) options.Add(Node.Sequence(Node.Text(first++.ToString()), rest(true, atHigh && low == high)));
        if (atHigh && first <= last) options.Add(Node.Sequence(Node.Text(last--.ToString()), rest(atLow && low == high, true)));
        if (first <= last) options.Add(Node.Sequence(Node.In((first, last)), rest(false, false)));
        return Node.Choice([.. options]);
    }

    /// <summary>A whole part, if given, and a fraction between bounds, null for none; where the bound is met exactly it may be excluded.</summary>
    private static Node Fraction(BigInteger? whole, string? low, bool lowExcluded, string? high, bool highExcluded)
    {
        var most = Math.Max(FractionDigits, Math.Max(low?.Length ?? 0, high?.Length ?? 0) + 2);
        var end = Ends(0, low is not null, high is not null) ? Node.Empty : Node.Nothing;
        var fraction = Node.Choice(end, Node.Sequence(Node.Text("."), From(0, low is not null, high is not null, mayEnd: false)));
        return whole is { } w ? Node.Sequence(Node.Text(w.ToString(CultureInfo.InvariantCulture)), fraction) : fraction;

        bool Ends(int at, bool atLow, bool atHigh) =>
            (!atLow || (at >= low!.Length && !lowExcluded)) && (!atHigh || at < high!.Length || !highExcluded);

        Node From(int at, bool atLow, bool atHigh, bool mayEnd)
        {
            if (!atLow && !atHigh) return Node.Repeat(JsonText.Digit, mayEnd ? 0 : 1, Math.Max(1, most - at));
            var end = mayEnd && Ends(at, atLow, atHigh) ? Node.Empty : Node.Nothing;
            if (at == most) return end;
            var (first, last) = (atLow && at < low!.Length ? low[at] : '0', atHigh ? at < high!.Length ? high[at] : '0' : '9');
            return Node.Choice(end, Digits(first, last, atLow, atHigh, (l, h) => From(at + 1, l, h, mayEnd: true)));
        }
    }
}
