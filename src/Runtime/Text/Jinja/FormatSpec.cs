using System.Globalization;
using System.Numerics;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>How one value is written by <c>%</c> or <c>format()</c>.</summary>
internal record struct FormatSpec
{
    public Str? Fill { get; set; }

    /// <summary>&lt;, &gt;, ^, = or none.</summary>
    public char Align { get; set; }

    /// <summary>+, a space, or none.</summary>
    public char Sign { get; set; }

    public bool Alternate { get; set; }

    public long Width { get; set; }

    /// <summary>A comma or an underscore between groups of digits, or none.</summary>
    public char Group { get; set; }

    public long Precision { get; set; }

    public char Type { get; set; }

    /// <summary>Digits of a number and its sign and prefix, filled to the width.</summary>
    public readonly void Write(string digits, bool negative, string prefix, TextBuilder to)
    {
        var sign = negative ? "-" : Sign is '+' or ' ' ? Sign.ToString() : "";
        var head = sign + prefix;
        var missing = Width - head.Length - digits.Length;
        if (Align == '=')
        {
            to.Append(head);
            Repeat(to, missing);
            to.Append(digits);
            return;
        }
        var left = Align == '<' ? 0 : Align == '^' ? missing / 2 : missing;
        Repeat(to, left);
        to.Append(head).Append(digits);
        Repeat(to, missing - left);
    }

    /// <summary>A text, cut to the precision and filled to the width.</summary>
    public readonly void Write(Str text, char align, TextBuilder to)
    {
        if (Precision >= 0 && Precision < text.Length) text = text.Slice(0, (int)Precision);
        var missing = Width - text.Length;
        var left = align == '>' ? missing : align == '^' ? missing / 2 : 0;
        Repeat(to, left);
        to.Append(text);
        Repeat(to, missing - left);
    }

    /// <summary>A float without its sign, in the way of the type.</summary>
    public readonly string Digits(double value)
    {
        value = Math.Abs(value);
        var upper = Type is 'E' or 'F' or 'G';
        if (!double.IsFinite(value)) return double.IsNaN(value) ? upper ? "NAN" : "nan" : upper ? "INF" : "inf";
        if (Precision > 1000) RenderError.Limit("a number is written with at most 1000 digits");
        var precision = Precision < 0 ? 6 : (int)Precision;
        var text = char.ToLowerInvariant(Type) switch
        {
            'f' or '%' => Numbers.Fixed(value, precision) + (Alternate && precision == 0 ? "." : ""),
            'e' => Scientific(value, precision),
            _ => General(value, Math.Max(1, precision)),
        };
        return Grouped(upper ? text.ToUpperInvariant() : text);
    }

    /// <summary>Digits of an int, grouped.</summary>
    public readonly string Grouped(string digits)
    {
        if (Group == '\0') return digits;
        var size = Type is 'x' or 'X' or 'o' or 'b' ? 4 : 3;
        var end = digits.IndexOfAny(['.', 'e', 'E']) is >= 0 and var point && Type is not ('x' or 'X') ? point : digits.Length;
        for (var at = end - size; at > 0; at -= size) digits = digits.Insert(at, Group.ToString());
        return digits;
    }

    private readonly void Repeat(TextBuilder to, long count)
    {
        if (count <= 0) return;
        to.Budget.Take(count);
        if (Fill is null || Fill.Value.Length == 1) to.Append(Fill is null ? ' ' : Fill.Value[0], trusted: Fill?.Trusted ?? true, (int)count);
        else for (var i = 0L; i < count; i++) to.Append(Fill);
    }

    private static string Scientific(double value, int precision)
    {
        var text = value.ToString("E" + precision.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        var at = text.IndexOf('E', StringComparison.Ordinal);
        var exponent = int.Parse(text.AsSpan(at + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return $"{text[..at]}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
    }

    private readonly string General(double value, int precision)
    {
        if (value == 0) return "0";
        var scientific = Scientific(value, precision - 1);
        var at = scientific.IndexOf('e', StringComparison.Ordinal);
        var exponent = int.Parse(scientific.AsSpan(at + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        if (exponent < -4 || exponent >= precision) return (Alternate ? scientific[..at] : Trimmed(scientific[..at])) + scientific[at..];
        var plain = Numbers.Fixed(value, precision - 1 - exponent);
        return Alternate ? plain : Trimmed(plain);

        static string Trimmed(string digits) => digits.Contains('.', StringComparison.Ordinal) ? digits.TrimEnd('0').TrimEnd('.') : digits;
    }

    /// <summary>An int without its sign in the base of a type, and the prefix of that base.</summary>
    public static (string Digits, string Prefix) InBase(BigInteger value, char type)
    {
        value = BigInteger.Abs(value);
        if (type is not ('x' or 'X' or 'o' or 'b')) return (value.ToString(CultureInfo.InvariantCulture), "");
        var bits = type == 'o' ? 3 : type == 'b' ? 1 : 4;
        var digits = new System.Text.StringBuilder();
        do
        {
            digits.Insert(0, "0123456789abcdef"[(int)(value & ((1 << bits) - 1))]);
            value >>= bits;
        }
        while (!value.IsZero);
        return type == 'X' ? (digits.ToString().ToUpperInvariant(), "0X") : (digits.ToString(), "0" + type);
    }
}
