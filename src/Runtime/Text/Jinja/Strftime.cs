using System.Globalization;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>strftime of C and Python, in English, of a time without a zone.</summary>
internal static class Strftime
{
    public static Str Format(Renderer r, object? format)
    {
        if (format is Undefined undefined) throw undefined.Error(r.Budget);
        if (format is not Str text) throw RenderError.OfType($"strftime() argument 1 must be str, not {Py.TypeName(format)}");
        var now = r.Now;
        var to = new TextBuilder(r.Budget);
        Write(text.Value, now, to, text.Trusted);
        return to.ToStr();
    }

    private static void Write(string format, DateTimeOffset now, TextBuilder to, bool trusted)
    {
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                to.Append(format[i], trusted);
                continue;
            }
            var from = i++;
            var flag = format[i] is '-' or '_' or '0' or '^' or '#' && i + 1 < format.Length ? format[i++] : ' ';
            if (Compound(format[i]) is { } all)
            {
                Write(all, now, to, trusted);
                continue;
            }
            var (text, width, fill) = Field(format[i], now);
            if (text is null)
            {
                to.Append(format.AsSpan(from, i - from + 1), trusted); // as C leaves what it does not know
                continue;
            }
            if (flag == '_') fill = ' ';
            if (flag == '0') fill = '0';
            if (flag != '-') text = text.PadLeft(width, fill);
            if (flag is '^') text = text.ToUpperInvariant();
            if (flag is '#') text = text.Any(char.IsLower) && format[i] != 'p' ? text.ToUpperInvariant() : text.ToLowerInvariant();
            to.Append(text, trusted);
        }
    }

    private static string? Compound(char code) => code switch
    {
        'c' => "%a %b %e %H:%M:%S %Y",
        'D' or 'x' => "%m/%d/%y",
        'F' => "%Y-%m-%d",
        'r' => "%I:%M:%S %p",
        'R' => "%H:%M",
        'T' or 'X' => "%H:%M:%S",
        _ => null,
    };

    // The text, and to what width and with what it is filled unless a flag says otherwise.
    private static (string? Text, int Width, char Fill) Field(char code, DateTimeOffset now)
    {
        var names = CultureInfo.InvariantCulture.DateTimeFormat;
        var hour = now.Hour % 12 == 0 ? 12 : now.Hour % 12;
        var weekday = (int)now.DayOfWeek;
        return code switch
        {
            'a' => Text(names.AbbreviatedDayNames[weekday]),
            'A' => Text(names.DayNames[weekday]),
            'b' or 'h' => Text(names.AbbreviatedMonthNames[now.Month - 1]),
            'B' => Text(names.MonthNames[now.Month - 1]),
            'C' => Number(now.Year / 100, 2),
            'd' => Number(now.Day, 2),
            'e' => Number(now.Day, 2, ' '),
            'f' => Number((int)(now.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond), 6),
            'G' => Number(ISOWeek.GetYear(now.DateTime), 4),
            'g' => Number(ISOWeek.GetYear(now.DateTime) % 100, 2),
            'H' => Number(now.Hour, 2),
            'I' => Number(hour, 2),
            'j' => Number(now.DayOfYear, 3),
            'k' => Number(now.Hour, 2, ' '),
            'l' => Number(hour, 2, ' '),
            'm' => Number(now.Month, 2),
            'M' => Number(now.Minute, 2),
            'n' => Text("\n"),
            'p' => Text(now.Hour < 12 ? "AM" : "PM"),
            'P' => Text(now.Hour < 12 ? "am" : "pm"),
            's' => Text(now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture)),
            'S' => Number(now.Second, 2),
            't' => Text("\t"),
            'u' => Number(weekday == 0 ? 7 : weekday, 1),
            'U' => Number((now.DayOfYear + 6 - weekday) / 7, 2),
            'V' => Number(ISOWeek.GetWeekOfYear(now.DateTime), 2),
            'w' => Number(weekday, 1),
            'W' => Number((now.DayOfYear + 6 - ((weekday + 6) % 7)) / 7, 2),
            'y' => Number(now.Year % 100, 2),
            'Y' => Text(now.Year.ToString(CultureInfo.InvariantCulture)),
            'z' or 'Z' => Text(""), // Python's datetime.now() has no zone
            '%' => Text("%"),
            _ => (null, 0, ' '),
        };

        static (string?, int, char) Text(string text) => (text, 0, ' ');
        static (string?, int, char) Number(int value, int width, char fill = '0') => (value.ToString(CultureInfo.InvariantCulture), width, fill);
    }
}
