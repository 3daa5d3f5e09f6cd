using System.Globalization;
using System.Text;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Upper and lower case, and the questions about characters that Python's str answers.</summary>
internal static class Casing
{
    public static Str Change(string name, Str text) => text.Mapped(name switch
    {
        "upper" => Upper(text.Value),
        "lower" => Lower(text.Value),
        "casefold" => Lower(text.Value).Replace("ß", "ss", StringComparison.Ordinal).Replace('ς', 'σ'),
        "capitalize" => Capitalize(text.Value),
        "title" => Title(text.Value),
        _ => Swap(text.Value),
    });

    public static string Upper(string text)
    {
        var upper = text.ToUpperInvariant();
        if (Ascii.IsValid(text) || !text.Any(c => c is 'ß' or 'ŉ' or (>= 'ﬀ' and <= 'ﬆ'))) return upper;
        var all = new StringBuilder(upper.Length + 8);
        foreach (var c in upper)
        {
            all.Append(c switch
            {
                'ß' => "SS",
                'ﬀ' => "FF",
                'ﬁ' => "FI",
                'ﬂ' => "FL",
                'ﬃ' => "FFI",
                'ﬄ' => "FFL",
                'ﬅ' or 'ﬆ' => "ST",
                'ŉ' => "ʼN",
                _ => c.ToString(),
            });
        }
        return all.ToString();
    }

    public static string Lower(string text)
    {
        var lower = text.ToLowerInvariant();
        if (Ascii.IsValid(text) || !text.Any(c => c is 'Σ' or 'İ')) return lower;
        var all = new StringBuilder(lower.Length + 8);
        for (var i = 0; i < text.Length; i++)
        {
            all.Append(text[i] switch
            {
                // A sigma that ends a word has a form of its own.
                'Σ' => i > 0 && char.IsLetter(text[i - 1]) && (i + 1 == text.Length || !char.IsLetter(text[i + 1])) ? "ς" : "σ",
                'İ' => "i\u0307",
                _ => lower[i].ToString(),
            });
        }
        return all.ToString();
    }

    public static string Capitalize(string text)
    {
        if (text.Length == 0) return text;
        var head = char.IsHighSurrogate(text[0]) && text.Length > 1 ? 2 : 1;
        return (text[0] == 'ß' ? "Ss" : Upper(text[..head])) + Lower(text[head..]);
    }

    public static bool Is(string name, string text)
    {
        if (name == "isascii") return Ascii.IsValid(text);
        if (name == "isidentifier")
            return text.Length > 0 && (text[0] == '_' || char.IsLetter(text[0])) && text.All(c => c == '_' || char.IsLetterOrDigit(c));
        if (name == "isprintable") return Repr.Quote(text.Replace("\\", "", StringComparison.Ordinal)) is var shown && !shown.Contains('\\', StringComparison.Ordinal);
        if (text.Length == 0) return false;
        if (name == "istitle") return IsTitle(text);
        var cased = false;
        foreach (var rune in text.EnumerateRunes())
        {
            switch (name)
            {
                case "isspace" when !(rune.IsBmp && Str.IsSpace((char)rune.Value)): return false;
                case "isalpha" when !Rune.IsLetter(rune): return false;
                case "isdigit" when !Rune.IsDigit(rune) && !IsScript(rune): return false;
                case "isdecimal" when !Rune.IsDigit(rune): return false;
                case "isnumeric" when !Rune.IsNumber(rune): return false;
                case "isalnum" when !Rune.IsLetter(rune) && !Rune.IsNumber(rune): return false;
                case "isupper" when Rune.IsLower(rune) || Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter: return false;
                case "islower" when Rune.IsUpper(rune) || Rune.GetUnicodeCategory(rune) == UnicodeCategory.TitlecaseLetter: return false;
            }
            cased |= Rune.IsUpper(rune) || Rune.IsLower(rune);
        }
        return name is not ("isupper" or "islower") || cased;
    }

    private static bool IsScript(Rune rune) => Rune.GetUnicodeCategory(rune) == UnicodeCategory.OtherNumber
        && rune.Value is 0xb2 or 0xb3 or 0xb9 or (>= 0x2070 and <= 0x2089) or (>= 0x2460 and <= 0x2468);

    private static bool IsTitle(string text)
    {
        var (cased, after) = (false, false);
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.IsUpper(rune))
            {
                if (after) return false;
                cased = after = true;
            }
            else if (Rune.IsLower(rune))
            {
                if (!after) return false;
                cased = true;
            }
            else
            {
                after = false;
            }
        }
        return cased;
    }

    private static string Title(string text)
    {
        var all = new StringBuilder(text.Length);
        var after = false;
        foreach (var rune in text.EnumerateRunes())
        {
            var letter = Rune.IsUpper(rune) || Rune.IsLower(rune);
            all.Append(!letter ? rune.ToString() : after ? Lower(rune.ToString()) : Capitalize(rune.ToString()));
            after = letter;
        }
        return all.ToString();
    }

    private static string Swap(string text)
    {
        var all = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes()) all.Append(Rune.IsUpper(rune) ? Lower(rune.ToString()) : Rune.IsLower(rune) ? Upper(rune.ToString()) : rune.ToString());
        return all.ToString();
    }
}
