using System.Globalization;
using System.Numerics;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Python's numbers: int without overflow (up to a limit), float, and how they are written and read.</summary>
internal static class Numbers
{
    private const int MaxBits = 4096;

    /// <summary>An int as small as it can be kept.</summary>
    public static object Whole(BigInteger value)
    {
        if (value >= long.MinValue && value <= long.MaxValue) return (long)value;
        if (value.GetBitLength() > MaxBits) RenderError.Limit($"the template computes a number of more than {MaxBits} bits");
        return value;
    }

    public static BigInteger Big(object value) => value switch
    {
        bool flag => flag ? 1 : 0,
        long number => number,
        BigInteger number => number,
        _ => throw new ArgumentException("not an int", nameof(value)),
    };

    public static double Real(object value) => value switch
    {
        double number => number,
        BigInteger big when double.IsInfinity((double)big) => throw new RenderError("OverflowError", "int too large to convert to float"),
        _ => (double)Big(value),
    };

    /// <summary>Order of two numbers, exact between int and float.</summary>
    public static int Compare(object a, object b)
    {
        if (a is long x && b is long y) return x.CompareTo(y);
        if (a is double || b is double)
        {
            var (p, q) = (a is double d ? d : (double)Big(a), b is double e ? e : (double)Big(b));
            if (double.IsNaN(p) || double.IsNaN(q)) return 2; // equal to nothing
            if (p != q || double.IsInfinity(p) || Math.Abs(p) < 9e15) return p < q ? -1 : p > q ? 1 : 0;
            return (a is double ? new BigInteger(p) : Big(a)).CompareTo(b is double ? new BigInteger(q) : Big(b));
        }
        return Big(a).CompareTo(Big(b));
    }

    /// <summary>Arithmetic of two numbers.</summary>
    public static object Compute(string sign, object a, object b)
    {
        if (a is long x && b is long y)
        {
            long result;
            switch (sign)
            {
                case "+" when !OverflowsAdd(x, y, out result): return result;
                case "-" when !OverflowsSubtract(x, y, out result): return result;
                case "*" when Math.BigMul(x, y, out result) is var high && high == result >> 63: return result;
            }
        }
        if (a is not double && b is not double && sign is not "/") return Integers(sign, Big(a), Big(b));
        if (sign is "/" && a is not double && b is not double)
        {
            var (n, d) = (Big(a), Big(b));
            if (d.IsZero) throw new RenderError("ZeroDivisionError", "division by zero");
            return Quotient(n, d);
        }
        return Reals(sign, Real(a), Real(b));
    }

    public static object Negate(object value) => value switch
    {
        double number => -number,
        _ => Whole(-Big(value)),
    };

    /// <summary>A float as Python writes it.</summary>
    public static string Show(double value)
    {
        if (double.IsNaN(value)) return "nan";
        if (double.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
        if (value == 0) return double.IsNegative(value) ? "-0.0" : "0.0";
        var text = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture); // the fewest digits that read back as the same number
        var power = 0;
        if (text.IndexOf('E', StringComparison.Ordinal) is >= 0 and var e)
        {
            power = int.Parse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
            text = text[..e];
        }
        var point = text.IndexOf('.', StringComparison.Ordinal) is >= 0 and var found ? found : text.Length;
        var all = text.Replace(".", "", StringComparison.Ordinal);
        var digits = all.TrimStart('0');
        var exponent = power + point - 1 - (all.Length - digits.Length);
        digits = digits.TrimEnd('0');
        var sign = value < 0 ? "-" : "";
        if (exponent is < -4 or >= 16)
        {
            var shown = $"{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
            return $"{sign}{digits[0]}{(digits.Length > 1 ? "." + digits[1..] : "")}e{shown}";
        }
        if (exponent < 0) return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        return digits.Length <= exponent + 1 ? $"{sign}{digits}{new string('0', exponent + 1 - digits.Length)}.0" : $"{sign}{digits[..(exponent + 1)]}.{digits[(exponent + 1)..]}";
    }

    /// <summary>Exactly this many decimals, ties to even, as C's %.Nf.</summary>
    public static string Fixed(double value, int decimals)
    {
        if (double.IsNaN(value)) return "nan";
        if (double.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
        var bits = BitConverter.DoubleToInt64Bits(value);
        var exponent = (int)((bits >> 52) & 0x7ff);
        var mantissa = new BigInteger(bits & 0xfffffffffffff) + (exponent == 0 ? 0 : BigInteger.One << 52);
        exponent = Math.Max(exponent, 1) - 1075;
        var scaled = mantissa * BigInteger.Pow(10, decimals);
        if (exponent >= 0)
        {
            scaled <<= exponent;
        }
        else
        {
            var half = BigInteger.One << (-exponent - 1);
            var rest = scaled & ((half << 1) - 1);
            scaled >>= -exponent;
            if (rest > half || (rest == half && !scaled.IsEven)) scaled += 1;
        }
        var digits = scaled.ToString(CultureInfo.InvariantCulture).PadLeft(decimals + 1, '0');
        var sign = bits < 0 ? "-" : "";
        return decimals == 0 ? sign + digits : $"{sign}{digits[..^decimals]}.{digits[^decimals..]}";
    }

    /// <summary>Reads what Python's int() reads, in a base of 2 to 36, or 0 for that of the prefix.</summary>
    public static bool TryParseInt(string text, int radix, out BigInteger value)
    {
        value = 0;
        var body = Trim(text);
        var negative = body.StartsWith('-');
        if (negative || body.StartsWith('+')) body = body[1..];
        var prefix = body.Length > 1 && body[0] == '0' ? char.ToLowerInvariant(body[1]) : ' ';
        var own = prefix switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 0 };
        if (own != 0 && (radix == 0 || radix == own))
        {
            (radix, body) = (own, body[2..]);
            if (body.StartsWith('_')) body = body[1..];
        }
        else if (radix == 0)
        {
            radix = 10;
        }
        if (body.Length is 0 or > 1200 || body[0] == '_' || body[^1] == '_' || body.Contains("__", StringComparison.Ordinal)) return false;
        foreach (var c in body)
        {
            if (c == '_') continue;
            var digit = char.IsDigit(c) ? (int)char.GetNumericValue(c) : char.IsAsciiLetter(c) ? char.ToLowerInvariant(c) - 'a' + 10 : 99;
            if (digit >= radix) return false;
            value = (value * radix) + digit;
        }
        if (negative) value = -value;
        return true;
    }

    /// <summary>Reads what Python's float() reads.</summary>
    public static bool TryParseFloat(string text, out double value)
    {
        var body = Trim(text);
        if (body.Length > 0 && body[0] != '_' && body[^1] != '_' && !body.Contains("__", StringComparison.Ordinal)) body = body.Replace("_", "", StringComparison.Ordinal);
        switch (body.TrimStart('+', '-').ToUpperInvariant())
        {
            case "INF" or "INFINITY":
                value = body[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
                return body.Length - body.TrimStart('+', '-').Length <= 1;
            case "NAN":
                value = double.NaN;
                return true;
        }
        value = 0;
        return body.Length > 0 && (char.IsAsciiDigit(body[^1]) || body[^1] == '.')
            && double.TryParse(body, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out value);
    }

    private static string Trim(string text)
    {
        var (start, end) = (0, text.Length);
        while (start < end && Str.IsSpace(text[start])) start++;
        while (end > start && Str.IsSpace(text[end - 1])) end--;
        return text[start..end];
    }

    private static object Integers(string sign, BigInteger a, BigInteger b)
    {
        switch (sign)
        {
            case "+": return Whole(a + b);
            case "-": return Whole(a - b);
            case "*": return Whole(a * b);
            case "//" or "%":
                if (b.IsZero) throw new RenderError("ZeroDivisionError", sign == "%" ? "integer modulo by zero" : "integer division or modulo by zero");
                var quotient = BigInteger.DivRem(a, b, out var rest);
                if (!rest.IsZero && rest.Sign != b.Sign) (quotient, rest) = (quotient - 1, rest + b); // towards minus infinity
                return Whole(sign == "%" ? rest : quotient);
            default:
                if (b.Sign < 0) return Reals("**", Real(Whole(a)), Real(Whole(b)));
                if (a.IsZero || a.IsOne) return b.IsZero ? 1L : (long)a;
                if (a == -1) return b.IsEven ? 1L : -1L;
                if (b > MaxBits || (long)a.GetBitLength() * (long)b > MaxBits * 2) RenderError.Limit($"the template computes a number of more than {MaxBits} bits");
                return Whole(BigInteger.Pow(a, (int)b));
        }
    }

    private static object Reals(string sign, double a, double b)
    {
        switch (sign)
        {
            case "+": return a + b;
            case "-": return a - b;
            case "*": return a * b;
            case "/":
                return b == 0 ? throw new RenderError("ZeroDivisionError", "float division by zero") : a / b;
            case "//" or "%":
                if (b == 0) throw new RenderError("ZeroDivisionError", sign == "%" ? "float modulo" : "float floor division by zero");
                var rest = a % b;
                var quotient = (a - rest) / b;
                if (rest != 0)
                {
                    if ((b < 0) != (rest < 0)) (rest, quotient) = (rest + b, quotient - 1);
                }
                else
                {
                    rest = Math.CopySign(0, b);
                }
                if (sign == "%") return rest;
                if (quotient == 0) return Math.CopySign(0, a / b);
                var floor = Math.Floor(quotient);
                return quotient - floor > 0.5 ? floor + 1 : floor;
            default:
                if (a == 0 && b < 0) throw new RenderError("ZeroDivisionError", "0.0 cannot be raised to a negative power");
                if (a < 0 && Math.Floor(b) != b) throw RenderError.OfType("complex numbers are not supported");
                var power = Math.Pow(a, b);
                if (double.IsInfinity(power) && !double.IsInfinity(a) && !double.IsInfinity(b)) throw new RenderError("OverflowError", "(34, 'Numerical result out of range')");
                return power;
        }
    }

    // The quotient of two ints, rounded once.
    private static object Quotient(BigInteger a, BigInteger b)
    {
        if (BigInteger.Abs(a) < 1L << 53 && BigInteger.Abs(b) < 1L << 53) return (double)a / (double)b;
        var negative = a.Sign * b.Sign < 0;
        (a, b) = (BigInteger.Abs(a), BigInteger.Abs(b));
        var shift = 66 - (int)(a.GetBitLength() - b.GetBitLength());
        var quotient = shift >= 0 ? BigInteger.DivRem(a << shift, b, out var rest) : BigInteger.DivRem(a, b << -shift, out rest);
        if (!rest.IsZero) quotient |= 1; // a sticky bit below all that count
        var value = Math.ScaleB((double)(long)((quotient >> 12) | ((quotient & 0xfff).IsZero ? 0 : 1)), 12 - shift);
        if (double.IsInfinity(value)) throw new RenderError("OverflowError", "integer division result too large for a float");
        return negative ? -value : value;
    }

    private static bool OverflowsAdd(long x, long y, out long result)
    {
        result = unchecked(x + y);
        return ((x ^ result) & (y ^ result)) < 0;
    }

    private static bool OverflowsSubtract(long x, long y, out long result)
    {
        result = unchecked(x - y);
        return ((x ^ y) & (x ^ result)) < 0;
    }
}
