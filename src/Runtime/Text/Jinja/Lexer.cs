using System.Globalization;
using System.Numerics;
using System.Text;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>
/// Cuts a template into tokens, with Jinja's rules for whitespace when trim_blocks and lstrip_blocks are on: a newline after a
/// block tag or a comment is dropped, and so is whitespace between the start of a line and one.
/// </summary>
internal sealed class Lexer
{
    private readonly string source;
    private readonly List<Token> tokens = [];
    private readonly Stack<char> open = new(); // brackets that are to be closed
    private int at;
    private bool lineStart = true; // what was read last ended in a newline

    private Lexer(string source) => this.source = source;

    /// <summary>Makes every newline \n and drops one at the end.</summary>
    public static string Normalize(string template)
    {
        var source = template.Contains('\r', StringComparison.Ordinal)
            ? template.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n') : template;
        return source.EndsWith('\n') ? source[..^1] : source;
    }

    /// <summary>The tokens of a normalized template; the last is an end or an error.</summary>
    public static List<Token> Read(string source)
    {
        var lexer = new Lexer(source);
        while (lexer.ReadPart())
        {
        }
        return lexer.tokens;
    }

    private bool Fail(string message, int place)
    {
        tokens.Add(new Token(TokenKind.Error, message, place));
        return false;
    }

    private bool Looking(string text) => string.CompareOrdinal(source, at, text, 0, text.Length) == 0;

    private char Peek(int ahead) => at + ahead < source.Length ? source[at + ahead] : '\0';

    private bool ReadPart()
    {
        var tag = NextTag(source, at);
        if (tag < 0)
        {
            AddData(at, source.Length);
            tokens.Add(new Token(TokenKind.End, "", source.Length));
            return false;
        }
        var kind = source[tag + 1];
        var from = at;
        at = tag + 2;
        var sign = Peek(0) is '-' or '+' ? source[at++] : ' ';
        AddData(from, Strip(from, tag, sign, isVariable: kind == '{'));
        switch (kind)
        {
            case '#': return ReadComment(tag);
            case '{':
                tokens.Add(new Token(TokenKind.VariableBegin, "", tag));
                lineStart = false;
                return ReadExpression("}}", TokenKind.VariableEnd);
        }
        if (IsRaw(out var after))
        {
            at = after;
            return ReadRaw(tag);
        }
        tokens.Add(new Token(TokenKind.BlockBegin, "", tag));
        lineStart = false;
        return ReadExpression("%}", TokenKind.BlockEnd);
    }

    private void AddData(int from, int to)
    {
        if (to > from) tokens.Add(new Token(TokenKind.Data, source[from..to], from));
    }

    // Where text before a tag ends when the tag's way with whitespace is followed.
    private int Strip(int from, int to, char sign, bool isVariable)
    {
        if (sign == '-')
        {
            while (to > from && Str.IsSpace(source[to - 1])) to--;
            return to;
        }
        if (sign == '+' || isVariable) return to;
        var line = to;
        while (line > from && source[line - 1] != '\n')
        {
            if (!Str.IsSpace(source[line - 1])) return to;
            line--;
        }
        return line > from || lineStart ? line : to;
    }

    private static int NextTag(string source, int from)
    {
        for (var i = source.IndexOf('{', from); i >= 0 && i + 1 < source.Length; i = source.IndexOf('{', i + 1))
        {
            if (source[i + 1] is '{' or '%' or '#') return i;
        }
        return -1;
    }

    private bool ReadComment(int tag)
    {
        var end = source.IndexOf("#}", at, StringComparison.Ordinal);
        if (end < 0) return Fail("Missing end of comment tag", tag);
        var sign = end > at ? source[end - 1] : ' ';
        at = end + 2;
        AfterTag(sign, trims: true);
        return true;
    }

    // What stands after a tag's end: with - whitespace goes, with + nothing, else one newline after blocks and comments.
    private void AfterTag(char sign, bool trims)
    {
        var end = at;
        if (sign == '-')
        {
            while (at < source.Length && Str.IsSpace(source[at])) at++;
        }
        else if (sign != '+' && trims && Peek(0) == '\n')
        {
            at++;
        }
        lineStart = at > end && source[at - 1] == '\n';
    }

    private bool IsRaw(out int after)
    {
        after = at;
        while (after < source.Length && Str.IsSpace(source[after])) after++;
        if (string.CompareOrdinal(source, after, "raw", 0, 3) != 0) return false;
        after += 3;
        while (after < source.Length && Str.IsSpace(source[after])) after++;
        if (string.CompareOrdinal(source, after, "-%}", 0, 3) == 0)
        {
            after += 3;
            while (after < source.Length && Str.IsSpace(source[after])) after++;
            lineStart = source[after - 1] == '\n';
            return true;
        }
        if (string.CompareOrdinal(source, after, "%}", 0, 2) != 0) return false;
        after += 2;
        lineStart = false;
        return true;
    }

    private bool ReadRaw(int tag)
    {
        var from = at;
        for (var end = source.IndexOf("{%", at, StringComparison.Ordinal); end >= 0; end = source.IndexOf("{%", end + 2, StringComparison.Ordinal))
        {
            at = end + 2;
            var sign = Peek(0) is '-' or '+' ? source[at++] : ' ';
            while (at < source.Length && Str.IsSpace(source[at])) at++;
            if (!Looking("endraw")) continue;
            at += 6;
            while (at < source.Length && Str.IsSpace(source[at])) at++;
            var closing = Peek(0) is '-' or '+' ? source[at++] : ' ';
            if (!Looking("%}")) continue;
            at += 2;
            AddData(from, Strip(from, end, sign, isVariable: false));
            AfterTag(closing, trims: true);
            return true;
        }
        return Fail("Missing end of raw directive", tag);
    }

    private bool ReadExpression(string close, TokenKind end)
    {
        open.Clear();
        while (true)
        {
            if (at >= source.Length)
            {
                tokens.Add(new Token(TokenKind.End, "", source.Length));
                return false;
            }
            var c = source[at];
            if (open.Count == 0)
            {
                var sign = c == '-' || (c == '+' && end == TokenKind.BlockEnd) ? c : ' ';
                if (string.CompareOrdinal(source, sign == ' ' ? at : at + 1, close, 0, 2) == 0)
                {
                    tokens.Add(new Token(end, "", at));
                    at += sign == ' ' ? 2 : 3;
                    AfterTag(sign, trims: end == TokenKind.BlockEnd);
                    return true;
                }
            }
            if (Str.IsSpace(c)) at++;
            else if (char.IsAsciiDigit(c)) ReadNumber();
            else if (c == '_' || char.IsLetter(c) || (c > 127 && !char.IsPunctuation(c) && !char.IsSymbol(c))) ReadName();
            else if (c is '\'' or '"')
            {
                if (!ReadString()) return false;
            }
            else if (!ReadOperator())
            {
                return false;
            }
        }
    }

    private void ReadName()
    {
        var from = at;
        while (at < source.Length && (source[at] == '_' || char.IsLetterOrDigit(source[at]))) at++;
        if (at == from) at++;
        var name = source[from..at];
        if (name.All(c => c == '_' || char.IsLetterOrDigit(c))) tokens.Add(new Token(TokenKind.Name, string.Intern(name), from));
        else Fail("Invalid character in identifier", from);
    }

    private void ReadNumber()
    {
        var from = at;
        var afterDot = from > 0 && source[from - 1] == '.';
        if (!afterDot && FloatEnd() is > 0 and var end)
        {
            at = end;
            if (!Numbers.TryParseFloat(source[from..end].Replace("_", "", StringComparison.Ordinal), out var real)) Fail("the number cannot be read", from);
            else tokens.Add(new Token(TokenKind.Float, source[from..end], from, real));
            return;
        }
        var radix = source[at] != '0' ? 10 : char.ToLowerInvariant(Peek(1)) switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 1 };
        if (radix is 16 or 8 or 2)
        {
            var digits = Digits(at + 2, radix, leading: true);
            if (digits == at + 2) radix = 1;
            else at = digits;
        }
        if (radix == 10) at = Digits(at, 10, leading: false);
        while (radix == 1 && (at == from || Peek(0) == '0' || (Peek(0) == '_' && Peek(1) == '0'))) at++;
        if (Numbers.TryParseInt(source[from..at], 0, out var value) || Numbers.TryParseInt(source[from..at], 10, out value)) AddInteger(value, from);
        else Fail("the number is too long", from);
    }

    private void AddInteger(BigInteger value, int from)
    {
        if (value.GetBitLength() > 4000) Fail("the number is too long", from);
        else tokens.Add(new Token(TokenKind.Integer, source[from..at], from, Numbers.Whole(value)));
    }

    // Past digits that single underscores may stand between (or, after a prefix, before).
    private int Digits(int from, int radix, bool leading)
    {
        var end = from;
        while (end < source.Length)
        {
            var c = source[end];
            var digit = end;
            if (c == '_' && (end > from || leading) && end + 1 < source.Length) c = source[++digit];
            var value = char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetter(c) ? char.ToLowerInvariant(c) - 'a' + 10 : 99;
            if (value >= radix) break;
            end = digit + 1;
        }
        return end;
    }

    // The end of a float that begins here, or 0 if none does.
    private int FloatEnd()
    {
        var end = Digits(at, 10, leading: false);
        var isFloat = false;
        if (end + 1 < source.Length && source[end] == '.' && char.IsAsciiDigit(source[end + 1]))
        {
            end = Digits(end + 1, 10, leading: false);
            isFloat = true;
        }
        if (end < source.Length && source[end] is 'e' or 'E')
        {
            var power = end + 1 < source.Length && source[end + 1] is '+' or '-' ? end + 2 : end + 1;
            if (power < source.Length && char.IsAsciiDigit(source[power])) return Digits(power, 10, leading: false);
        }
        return isFloat ? end : 0;
    }

    private bool ReadString()
    {
        var (from, quote) = (at, source[at]);
        var end = at + 1;
        while (end < source.Length && source[end] != quote) end += source[end] == '\\' ? 2 : 1;
        if (end >= source.Length) return Fail($"unexpected char {Repr.Quote(quote.ToString())} at {from}", from);
        at = end + 1;
        var raw = source[(from + 1)..end];
        if (!raw.Contains('\\', StringComparison.Ordinal))
        {
            tokens.Add(new Token(TokenKind.String, raw, from));
            return true;
        }
        if (Unescape(raw) is not { } text) return Fail("the string has a broken escape", from);
        tokens.Add(new Token(TokenKind.String, text, from));
        return true;
    }

    private static string? Unescape(string raw)
    {
        var text = new StringBuilder(raw.Length);
        for (var i = 0; i < raw.Length; i++)
        {
            if (raw[i] != '\\' || i + 1 == raw.Length)
            {
                text.Append(raw[i]);
                continue;
            }
            var c = raw[++i];
            var digits = c switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
            if (digits > 0)
            {
                if (i + digits >= raw.Length || !uint.TryParse(raw.AsSpan(i + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code)
                    || code > 0x10ffff)
                {
                    return null;
                }
                if (code < 0x10000) text.Append((char)code);
                else text.Append(char.ConvertFromUtf32((int)code));
                i += digits;
            }
            else if (c is >= '0' and <= '7')
            {
                var (code, count) = (0, 0);
                for (; count < 3 && i + count < raw.Length && raw[i + count] is >= '0' and <= '7'; count++) code = (code * 8) + raw[i + count] - '0';
                text.Append((char)code);
                i += count - 1;
            }
            else if (c == 'N')
            {
                return null; // names of characters
            }
            else if (Simple(c) is { } simple)
            {
                text.Append(simple);
            }
            else
            {
                text.Append('\\').Append(c);
            }
        }
        return text.ToString();
    }

    private static string? Simple(char c) => c switch
    {
        'n' => "\n",
        't' => "\t",
        'r' => "\r",
        'a' => "\a",
        'b' => "\b",
        'f' => "\f",
        'v' => "\v",
        '\\' or '\'' or '"' => c.ToString(),
        '\n' => "",
        _ => null,
    };

    private bool ReadOperator()
    {
        var c = source[at];
        var next = Peek(1);
        var two = (c, next) is ('/', '/') or ('*', '*') or ('=', '=') or ('!', '=') or ('>', '=') or ('<', '=');
        if (!two && !"+-/*%~[](){}><=.:|,;".Contains(c, StringComparison.Ordinal)) return Fail($"unexpected char {Repr.Quote(c.ToString())} at {at}", at);
        switch (c)
        {
            case '(' or '[' or '{':
                open.Push(c == '(' ? ')' : c == '[' ? ']' : '}');
                break;
            case ')' or ']' or '}':
                if (open.Count == 0) return Fail($"unexpected '{c}'", at);
                if (open.Pop() is var expected && expected != c) return Fail($"unexpected '{c}', expected '{expected}'", at);
                break;
        }
        tokens.Add(new Token(TokenKind.Operator, two ? source.Substring(at, 2) : Sign(c), at));
        at += two ? 2 : 1;
        return true;
    }

    private static string Sign(char c) => string.Intern(c.ToString());
}
