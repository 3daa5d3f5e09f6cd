using System.Globalization;
using System.Text;

namespace WarpDecode.Runtime.Grammars.JsonSchemas;

/// <summary>Part of a pattern: its symbol in a JSON string, and how many characters it takes.</summary>
internal readonly record struct PatternPart(Node Node, long Min, long? Max);

/// <summary>
/// Reads the regular expressions of "pattern" (ECMA-262): literals, classes, groups, alternatives, repetitions, and anchors at the ends of
/// the whole. What looks back or ahead is no regular language and is refused.
/// </summary>
internal sealed class Pattern
{
    private static readonly CodePoints Digits = CodePoints.Of([('0', '9')]);
    private static readonly CodePoints Words = CodePoints.Of([('0', '9'), ('a', 'z'), ('A', 'Z'), ('_', '_')]);
    private static readonly CodePoints Spaces = CodePoints.Of(
        [(9, 13), (' ', ' '), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)]);

    private static readonly CodePoints Dot = CodePoints.Of('\n', '\r', '\u2028', '\u2029').Complement();

    private readonly string text;
    private readonly Func<string, GrammarException> error;
    private int at;
    private int nesting;

    private Pattern(string text, Func<string, GrammarException> error) => (this.text, this.error) = (text, error);

    /// <summary>The content of strings that match, and of how many characters they are.</summary>
    public static PatternPart Read(string text, Func<string, GrammarException> error)
    {
        var pattern = new Pattern(text, error);
        var whole = pattern.Alternatives();
        return pattern.at == text.Length ? whole : throw pattern.Fail("unexpected ')'");
    }

    private PatternPart Alternatives()
    {
        var options = new List<PatternPart> { Sequence() };
        while (at < text.Length && text[at] == '|')
        {
            at++;
            options.Add(Sequence());
        }
        return new PatternPart(
            Node.Choice([.. options.Select(o => o.Node)]), options.Min(o => o.Min), options.Exists(o => o.Max is null) ? null : options.Max(o => o.Max));
    }

    private PatternPart Sequence()
    {
        var parts = new List<PatternPart>();
        var any = new PatternPart(Node.Star(JsonText.Character), 0, null);
        var (begins, ends) = (nesting > 0, nesting > 0);
        if (nesting == 0 && at < text.Length && text[at] == '^')
        {
            at++;
            begins = true;
        }
        while (at < text.Length && text[at] is not ('|' or ')'))
        {
            if (nesting == 0 && text[at] == '$' && (at + 1 == text.Length || text[at + 1] == '|'))
            {
                at++;
                ends = true;
                break;
            }
            parts.Add(Repeated(Atom()));
        }
        if (!begins) parts.Insert(0, any);
        if (!ends) parts.Add(any);
        return new PatternPart(
            Node.Sequence([.. parts.Select(p => p.Node)]), Cap(parts.Sum(p => p.Min)), parts.Exists(p => p.Max is null) ? null : Cap(parts.Sum(p => p.Max!.Value)));
    }

    private PatternPart Repeated(PatternPart part)
    {
        if (at == text.Length) return part;
        int min;
        int? max;
        switch (text[at])
        {
            case '*':
                (min, max) = (0, null);
                at++;
                break;
            case '+':
                (min, max) = (1, null);
                at++;
                break;
            case '?':
                (min, max) = (0, 1);
                at++;
                break;
            case '{':
                at++;
                min = Count();
                max = min;
                if (at < text.Length && text[at] == ',')
                {
                    at++;
                    max = at < text.Length && text[at] == '}' ? null : Count();
                }
                if (at == text.Length || text[at] != '}') throw Fail("expected {m}, {m,} or {m,n}");
                at++;
                if (max < min) throw Fail("a repetition has a maximum below its minimum");
                break;
            default:
                return part;
        }
        if (at < text.Length && text[at] == '?') at++; // lazy: the same texts
        if (at < text.Length && text[at] is '*' or '+' or '{') throw Fail("a repetition of a repetition needs a group");
        return new PatternPart(Node.Repeat(part.Node, min, max), Cap(part.Min * min), max is null ? part.Max == 0 ? 0 : null : part.Max is { } m ? Cap(m * max.Value) : null);
    }

    private int Count()
    {
        var start = at;
        var value = 0L;
        while (at < text.Length && char.IsAsciiDigit(text[at])) value = Math.Min(int.MaxValue, (value * 10) + (text[at++] - '0'));
        if (start == at) throw Fail("expected a number");
        return value <= GrammarLimits.Repeat ? (int)value : throw Fail($"a repetition goes up to {GrammarLimits.Repeat}");
    }

    private PatternPart Atom()
    {
        switch (text[at])
        {
            case '(':
                if (++nesting > GrammarLimits.Nesting) throw Fail("groups are nested too deep");
                at++;
                if (at < text.Length && text[at] == '?')
                {
                    if (!text.AsSpan(at).StartsWith("?:", StringComparison.Ordinal)) throw Fail("of groups with '?' only (?:…) is supported");
                    at += 2;
                }
                var group = Alternatives();
                if (at == text.Length) throw Fail("a '(' has no ')'");
                at++;
                nesting--;
                return group;
            case '[':
                return One(Class());
            case '.':
                at++;
                return One(Dot);
            case '^' or '$':
                throw Fail("^ and $ are supported at the ends of the whole pattern only");
            case '*' or '+' or '?' or '{':
                throw Fail($"'{text[at]}' has nothing to repeat");
            default:
                return One(Character(inClass: false));
        }
    }

    private CodePoints Class()
    {
        at++;
        var negated = at < text.Length && text[at] == '^';
        if (negated) at++;
        var set = CodePoints.Of(Array.Empty<(int, int)>());
        while (true)
        {
            if (at == text.Length) throw Fail("a '[' has no ']'");
            if (text[at] == ']') break;
            var part = Character(inClass: true);
            if (at + 1 < text.Length && text[at] == '-' && text[at + 1] != ']')
            {
                at++;
                var end = Character(inClass: true);
                if (part.Ranges is not [(var low, var same)] || low != same || end.Ranges is not [(var high, var alike)] || high != alike || high < low)
                    throw Fail("a range goes from one character to a higher one");
                part = CodePoints.Of([(low, high)]);
            }
            set = set.Union(part);
        }
        at++;
        if (negated) set = set.Complement();
        return set;
    }

    private CodePoints Character(bool inClass)
    {
        if (text[at] != '\\')
        {
            if (Rune.DecodeFromUtf16(text.AsSpan(at), out var rune, out var length) != System.Buffers.OperationStatus.Done) throw Fail("half of a surrogate pair");
            at += length;
            return CodePoints.Of([(rune.Value, rune.Value)]);
        }
        if (++at == text.Length) throw Fail("'\\' at the end");
        var c = text[at++];
        switch (c)
        {
            case 'd': return Digits;
            case 'D': return Digits.Complement();
            case 'w': return Words;
            case 'W': return Words.Complement();
            case 's': return Spaces;
            case 'S': return Spaces.Complement();
            case 'n': return CodePoints.Of('\n');
            case 'r': return CodePoints.Of('\r');
            case 't': return CodePoints.Of('\t');
            case 'f': return CodePoints.Of('\f');
            case 'v': return CodePoints.Of('\v');
            case '0' when at == text.Length || !char.IsAsciiDigit(text[at]): return CodePoints.Of('\0');
            case 'b' when inClass: return CodePoints.Of('\b');
            case 'x': return Hex(2);
            case 'u': return Hex(4);
            default:
                if (char.IsAsciiLetterOrDigit(c)) throw Fail($"\\{c} is not supported");
                return CodePoints.Of(c);
        }
    }

    private CodePoints Hex(int digits)
    {
        if (at + digits > text.Length || !int.TryParse(text.AsSpan(at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
            throw Fail($"this escape has {digits} hexadecimal digits");
        at += digits;
        if (char.IsSurrogate((char)value)) throw Fail("half of a surrogate pair");
        return CodePoints.Of([(value, value)]);
    }

    private PatternPart One(CodePoints set) => set.IsEmpty ? throw Fail("a class without characters matches nothing") : new(JsonText.Spelled(set), 1, 1);

    private static long Cap(long value) => Math.Min(value, 1L << 40);

    private GrammarException Fail(string what) => error($"at character {at + 1}: {what}");
}
