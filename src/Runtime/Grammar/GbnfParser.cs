using System.Globalization;
using System.Text;

namespace WarpDecode.Runtime.Grammars;

/// <summary>
/// Reads GBNF, the notation of grammars of llama.cpp: rules <c>name ::= …</c> of literals, character classes, references, groups, alternatives
/// and repetitions. A rule ends at the end of its line, but for what is in parentheses and around <c>|</c>.
/// </summary>
internal sealed class GbnfParser
{
    private readonly string text;
    private readonly RuleSet rules = new();
    private readonly Dictionary<string, int> numbers = new(StringComparer.Ordinal);
    private readonly List<int> firstUse = []; // of each rule, where it is first named
    private readonly HashSet<int> defined = [];
    private int at;
    private int nesting;

    private GbnfParser(string text) => this.text = text;

    private char Here => at < text.Length ? text[at] : '\0';

    private bool AtEnd => at >= text.Length;

    /// <summary>The rules of a grammar, its root first.</summary>
    /// <exception cref="GrammarException">It is not GBNF; the message has line and column.</exception>
    public static RuleSet Parse(string text, string root = "root")
    {
        if (text.Length > GrammarLimits.Text) GrammarLimits.ThrowTooLarge($"{text.Length} characters; up to {GrammarLimits.Text} are read");
        var parser = new GbnfParser(text);
        parser.Number(root, 0);
        parser.Space(lines: true);
        while (!parser.AtEnd) parser.Rule();
        parser.CheckDefined(root);
        return parser.rules;
    }

    private void Rule()
    {
        var start = at;
        var name = Name("a rule's name");
        var rule = Number(name, start);
        if (!defined.Add(rule)) Fail($"the rule '{name}' is defined twice", start);
        Space(lines: false);
        if (!Take("::=")) Fail($"expected ::= after the rule's name '{name}'");
        Space(lines: true);
        rules.Bodies[rule] = Alternatives();
        if (!AtEnd && Here is not ('\n' or '\r')) Fail(Here == ')' ? "')' without a '('" : $"unexpected '{Shown()}'");
        Space(lines: true);
    }

    private Node Alternatives()
    {
        var options = new List<Node> { Sequence() };
        while (true)
        {
            var before = at;
            Space(lines: true); // the next alternative may stand on a line of its own
            if (Here != '|')
            {
                at = before;
                return Node.Choice([.. options]);
            }
            at++;
            Space(lines: true);
            options.Add(Sequence());
        }
    }

    private Node Sequence()
    {
        var parts = new List<Node>();
        while (true)
        {
            Node part;
            switch (Here)
            {
                case '"':
                    part = Literal();
                    break;
                case '[':
                    part = Class();
                    break;
                case '.':
                    at++;
                    part = Node.Char(CodePoints.All);
                    break;
                case '(':
                    part = Group();
                    break;
                case '<' or '!':
                    part = Token();
                    break;
                case '*' or '+' or '?' or '{':
                    Fail($"'{Here}' repeats what is before it, and there is nothing");
                    return Node.Empty;
                default:
                    if (!IsWord(Here)) return Node.Sequence([.. parts]);
                    var start = at;
                    part = new RuleNode(Number(Name("a rule's name"), start));
                    break;
            }
            var repetitions = 0;
            while (true)
            {
                Space(lines: nesting > 0);
                if (Here is not ('*' or '+' or '?' or '{')) break;
                if (++repetitions > GrammarLimits.Nesting) Fail("too many repetitions of one part");
                part = Repetition(part);
            }
            parts.Add(part);
        }
    }

    private Node Group()
    {
        var start = at++;
        if (++nesting > GrammarLimits.Nesting) Fail($"groups are nested more than {GrammarLimits.Nesting} deep");
        Space(lines: true);
        var node = Alternatives();
        Space(lines: true);
        if (Here != ')' || AtEnd) Fail(AtEnd ? "this '(' has no ')'" : $"unexpected '{Shown()}' in a group", AtEnd ? start : at);
        at++;
        nesting--;
        return node;
    }

    private Node Repetition(Node part)
    {
        var start = at;
        switch (text[at++])
        {
            case '*': return Node.Star(part);
            case '+': return Node.Repeat(part, 1, null);
            case '?': return Node.Optional(part);
        }
        Space(lines: nesting > 0);
        var min = Here == ',' ? 0 : Count();
        int? max = min;
        Space(lines: nesting > 0);
        if (Here == ',')
        {
            at++;
            Space(lines: nesting > 0);
            max = Here == '}' ? null : Count();
            Space(lines: nesting > 0);
        }
        if (Here != '}') Fail("expected {m}, {m,} or {m,n}", start);
        at++;
        if (max < min) Fail($"{{{min},{max}}} has a maximum below its minimum", start);
        return Node.Repeat(part, min, max);
    }

    private int Count()
    {
        var start = at;
        var value = 0L;
        while (char.IsAsciiDigit(Here)) value = Math.Min(int.MaxValue, (value * 10) + (text[at++] - '0'));
        if (at == start) Fail("expected a number");
        if (value > GrammarLimits.Repeat) Fail($"a repetition goes up to {GrammarLimits.Repeat}", start);
        return (int)value;
    }

    private Node Literal()
    {
        var start = at++;
        var literal = new StringBuilder();
        while (Here != '"' || AtEnd)
        {
            if (AtEnd || Here is '\n' or '\r') Fail("this literal has no closing '\"'", start);
            literal.Append(Character());
        }
        at++;
        return Node.Text(literal.ToString());
    }

    private Node Class()
    {
        var start = at++;
        var negated = Here == '^';
        if (negated) at++;
        var ranges = new List<(int, int)>();
        while (Here != ']' || AtEnd)
        {
            if (AtEnd || Here is '\n' or '\r') Fail("this character class has no closing ']'", start);
            var from = at;
            var low = Character().Value;
            var high = low;
            if (Here == '-' && at + 1 < text.Length && text[at + 1] != ']')
            {
                at++;
                if (Here is '\n' or '\r') Fail("this character class has no closing ']'", start);
                high = Character().Value;
                if (high < low) Fail("a range of characters goes from the lower to the higher", from);
            }
            ranges.Add((low, high));
        }
        at++;
        if (ranges.Count == 0) Fail("a character class without characters matches nothing", start);
        var set = CodePoints.Of(ranges);
        return Node.Char(negated ? set.Complement() : set);
    }

    private Rune Character()
    {
        if (Here != '\\')
        {
            if (Rune.DecodeFromUtf16(text.AsSpan(at), out var rune, out var length) != System.Buffers.OperationStatus.Done)
                Fail("half of a surrogate pair is no character");
            at += length;
            return rune;
        }
        var start = at++;
        var kind = Here;
        at++;
        switch (kind)
        {
            case 'n': return new Rune('\n');
            case 'r': return new Rune('\r');
            case 't': return new Rune('\t');
            case '\\' or '"' or '[' or ']' or '-' or '^': return new Rune(kind);
            case 'x': return Hex(2, start);
            case 'u': return Hex(4, start);
            case 'U': return Hex(8, start);
            default:
                Fail("unknown escape: known are \\n \\r \\t \\\\ \\\" \\[ \\] \\- \\^ \\xXX \\uXXXX \\UXXXXXXXX", start);
                return default;
        }
    }

    private Rune Hex(int digits, int start)
    {
        if (at + digits > text.Length || !uint.TryParse(text.AsSpan(at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
        {
            Fail($"this escape has {digits} hexadecimal digits", start);
            return default;
        }
        if (!Rune.TryCreate(value, out var rune)) Fail($"U+{value:X4} is no character", start);
        at += digits;
        return rune;
    }

    private Node Token()
    {
        var start = at;
        var negated = Here == '!';
        if (negated) at++;
        if (Here != '<') Fail("'!' negates a token: !<token> or !<[id]>", start);
        var end = text.IndexOf('>', at);
        if (end < 0 || text.AsSpan(at, end - at).ContainsAny('\n', '\r')) Fail("this token has no closing '>'", start);
        var named = text[at..(end + 1)];
        at = end + 1;
        int? id = null;
        if (named.StartsWith("<[", StringComparison.Ordinal))
        {
            if (!named.EndsWith("]>", StringComparison.Ordinal) || named.Length < 5
                || !int.TryParse(named.AsSpan(2, named.Length - 4), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                Fail("a token by its number is <[id]>", start);
                return Node.Nothing;
            }
            id = number;
        }
        if (named == "<>") Fail("a token needs a text or a number: <token> or <[id]>", start);
        rules.Tokens.Add(new TokenReference(id, id is null ? named : null, negated));
        return new TokenNode(rules.Tokens.Count - 1);
    }

    private string Name(string what)
    {
        var start = at;
        while (IsWord(Here)) at++;
        if (at == start) Fail(AtEnd ? $"expected {what}" : $"expected {what}, not '{Shown()}'");
        return text[start..at];
    }

    private int Number(string name, int place)
    {
        if (numbers.TryGetValue(name, out var number)) return number;
        numbers.Add(name, number = rules.Add(name));
        firstUse.Add(place);
        return number;
    }

    private void CheckDefined(string root)
    {
        if (!defined.Contains(0)) throw new GrammarException($"the grammar has no rule '{root}'", $"Add a rule '{root} ::= …': it says what the whole text is.");
        for (var rule = 1; rule < rules.Names.Count; rule++)
        {
            if (!defined.Contains(rule)) Fail($"the rule '{rules.Names[rule]}' is not defined", firstUse[rule]);
        }
    }

    private void Space(bool lines)
    {
        while (!AtEnd)
        {
            if (Here == '#')
            {
                while (!AtEnd && Here is not ('\n' or '\r')) at++;
            }
            else if (Here is ' ' or '\t' or '\uFEFF' || (lines && Here is '\n' or '\r')) at++;
            else return;
        }
    }

    private bool Take(string word)
    {
        if (!text.AsSpan(at).StartsWith(word, StringComparison.Ordinal)) return false;
        at += word.Length;
        return true;
    }

    private string Shown() => Rune.DecodeFromUtf16(text.AsSpan(at), out var rune, out _) == System.Buffers.OperationStatus.Done && !Rune.IsControl(rune)
        ? rune.ToString()
        : $"\\u{(int)Here:X4}";

    private static bool IsWord(char c) => char.IsAsciiLetterOrDigit(c) || c is '-' or '_';

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private void Fail(string what) => Fail(what, at);

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private void Fail(string what, int place)
    {
        var before = text.AsSpan(0, Math.Min(place, text.Length));
        var line = before.Count('\n') + 1;
        var column = before.Length - (before.LastIndexOf('\n') + 1) + 1;
        throw new GrammarException($"line {line}, column {column} of the grammar: {what}", "Correct it there; the notation is GBNF, as in llama.cpp.");
    }
}
