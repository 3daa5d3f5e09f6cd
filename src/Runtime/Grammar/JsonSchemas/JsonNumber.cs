using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace WarpDecode.Runtime.Grammars.JsonSchemas;

/// <summary>A decimal number as it is written: <c>Digits · 10^−Scale</c>, exactly.</summary>
internal readonly record struct JsonNumber(BigInteger Digits, int Scale) : IComparable<JsonNumber>
{
    private const int Most = 300; // digits before and after the point

    /// <summary>Reads a number; null where it is not one, or has too many digits to be handled.</summary>
    public static JsonNumber? Read(JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Number) return null;
        var text = value.GetRawText();
        var mark = text.AsSpan().IndexOfAny('e', 'E');
        var exponent = 0;
        if (mark >= 0 && !int.TryParse(text.AsSpan(mark + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent)) return null;
        var mantissa = mark < 0 ? text : text[..mark];
        var point = mantissa.IndexOf('.', StringComparison.Ordinal);
        if (mantissa.Length > Most || Math.Abs((long)exponent) > Most) return null;
        var scale = (point < 0 ? 0 : mantissa.Length - point - 1) - exponent;
        var digits = BigInteger.Parse(mantissa.Replace(".", "", StringComparison.Ordinal), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        if (scale < 0) (digits, scale) = (digits * BigInteger.Pow(10, -scale), 0);
        while (scale > 0 && digits % 10 == 0) (digits, scale) = (digits / 10, scale - 1);
        return new JsonNumber(digits, scale);
    }

    public bool IsInteger => Scale == 0;

    public JsonNumber Negated => new(-Digits, Scale);

    /// <summary>The whole number at or below it.</summary>
    public BigInteger Floor
    {
        get
        {
            var whole = BigInteger.DivRem(Digits, BigInteger.Pow(10, Scale), out var rest);
            return rest.Sign < 0 ? whole - 1 : whole;
        }
    }

    /// <summary>Of one that is not negative, the digits after the point.</summary>
    public string Fraction => Scale == 0 ? "" : (Digits % BigInteger.Pow(10, Scale)).ToString(CultureInfo.InvariantCulture).PadLeft(Scale, '0');

    public int CompareTo(JsonNumber other) =>
        (Digits * BigInteger.Pow(10, other.Scale)).CompareTo(other.Digits * BigInteger.Pow(10, Scale));
}

/// <summary>Bounds of a number: null where there is none.</summary>
internal struct NumberBounds
{
    public JsonNumber? Low { get; private set; }

    public JsonNumber? High { get; private set; }

    public bool LowExcluded { get; private set; }

    public bool HighExcluded { get; private set; }

    public readonly bool Any => Low is not null || High is not null;

    public void AtLeast(JsonNumber bound, bool excluded)
    {
        var order = Low is { } low ? bound.CompareTo(low) : 1;
        if (order > 0) (Low, LowExcluded) = (bound, excluded);
        else if (order == 0) LowExcluded |= excluded;
    }

    public void AtMost(JsonNumber bound, bool excluded)
    {
        var order = High is { } high ? bound.CompareTo(high) : -1;
        if (order < 0) (High, HighExcluded) = (bound, excluded);
        else if (order == 0) HighExcluded |= excluded;
    }

    /// <summary>Whether no number is within both.</summary>
    public readonly bool IsApartFrom(NumberBounds other) => Below(this, other) || Below(other, this);

    private static bool Below(NumberBounds a, NumberBounds b) =>
        a.High is { } high && b.Low is { } low && (high.CompareTo(low) is var c && (c < 0 || (c == 0 && (a.HighExcluded || b.LowExcluded))));
}
