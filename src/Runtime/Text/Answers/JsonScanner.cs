namespace WarpDecode.Runtime.Text;

/// <summary>What a scan of JSON came to.</summary>
internal enum JsonScan
{
    /// <summary>The value goes on.</summary>
    More,

    /// <summary>The value is over.</summary>
    Done,

    /// <summary>It is no JSON.</summary>
    Bad,
}

/// <summary>
/// Finds the end of a JSON object, array or string that arrives in pieces. It refuses what cannot become JSON as soon as that is
/// seen, but leaves the spelling of numbers and literals to the parser that reads the whole.
/// </summary>
internal struct JsonScanner
{
    private const int MaxDepth = 60; // the parser takes 64

    private ulong objects; // one bit a level, the innermost lowest: whether it is an object
    private int depth;
    private Expect expect;
    private bool inString;
    private bool isKey;
    private int escape;    // 1 after a backslash, then 2 to 5 for digits after \u

    private enum Expect : byte
    {
        Value,
        FirstElement, // a value, or the end of an array
        FirstKey,     // a key, or the end of an object
        Key,
        Colon,
        Next,         // a comma or the end
        Word,         // the rest of a number or literal, then as Next
    }

    /// <summary>Reads on; where the value ends, or is refused, <paramref name="read"/> says how far it was read.</summary>
    public JsonScan Read(ReadOnlySpan<char> text, out int read)
    {
        for (read = 0; read < text.Length;)
        {
            if (inString && escape == 0)
            {
                var rest = text[read..];
                var end = rest.IndexOfAny('"', '\\');
                var control = (end < 0 ? rest : rest[..end]).IndexOfAnyInRange('\0', '\u001f');
                if (control >= 0)
                {
                    read += control;
                    return JsonScan.Bad;
                }
                if (end < 0)
                {
                    read = text.Length;
                    return JsonScan.More;
                }
                read += end;
            }
            var scan = Take(text[read]);
            if (scan == JsonScan.Bad) return scan;
            read++;
            if (scan == JsonScan.Done) return scan;
        }
        return JsonScan.More;
    }

    private JsonScan Take(char c)
    {
        if (inString) return TakeInString(c);
        if (expect == Expect.Word)
        {
            if (char.IsAsciiLetterOrDigit(c) || c is '.' or '+' or '-') return JsonScan.More;
            expect = Expect.Next;
        }
        if (White.Is(c)) return JsonScan.More;
        switch (expect)
        {
            case Expect.Value or Expect.FirstElement:
                if (c == ']' && expect == Expect.FirstElement) return Close(isObject: false);
                return TakeValue(c);
            case Expect.FirstKey or Expect.Key:
                if (c == '}' && expect == Expect.FirstKey) return Close(isObject: true);
                inString = isKey = true;
                return c == '"' ? JsonScan.More : JsonScan.Bad;
            case Expect.Colon:
                expect = Expect.Value;
                return c == ':' ? JsonScan.More : JsonScan.Bad;
            default:
                if (c is '}' or ']') return Close(isObject: c == '}');
                expect = (objects & 1) != 0 ? Expect.Key : Expect.Value;
                return c == ',' ? JsonScan.More : JsonScan.Bad;
        }
    }

    private JsonScan TakeValue(char c)
    {
        switch (c)
        {
            case '{' or '[':
                if (depth == MaxDepth) return JsonScan.Bad;
                depth++;
                objects = (objects << 1) | (c == '{' ? 1UL : 0);
                expect = c == '{' ? Expect.FirstKey : Expect.FirstElement;
                return JsonScan.More;
            case '"':
                inString = true;
                isKey = false;
                return JsonScan.More;
            default:
                if (depth == 0 || !(char.IsAsciiDigit(c) || c is '-' or 't' or 'f' or 'n')) return JsonScan.Bad;
                expect = Expect.Word;
                return JsonScan.More;
        }
    }

    private JsonScan TakeInString(char c)
    {
        if (escape > 1)
        {
            if (!char.IsAsciiHexDigit(c)) return JsonScan.Bad;
            escape = escape == 5 ? 0 : escape + 1;
        }
        else if (escape == 1)
        {
            escape = c == 'u' ? 2 : 0;
            if (c is not ('u' or '"' or '\\' or '/' or 'b' or 'f' or 'n' or 'r' or 't')) return JsonScan.Bad;
        }
        else if (c == '\\')
        {
            escape = 1;
        }
        else
        {
            inString = false; // the quotation mark that Read stopped at
            if (depth == 0) return JsonScan.Done;
            expect = isKey ? Expect.Colon : Expect.Next;
        }
        return JsonScan.More;
    }

    private JsonScan Close(bool isObject)
    {
        if (depth == 0 || (objects & 1) != 0 != isObject) return JsonScan.Bad;
        objects >>= 1;
        depth--;
        expect = Expect.Next;
        return depth == 0 ? JsonScan.Done : JsonScan.More;
    }
}
