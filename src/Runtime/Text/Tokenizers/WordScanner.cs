using static WarpDecode.Runtime.Text.Tokenizers.CharClass;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>How the words of a <see cref="WordScanner"/> begin, go on and end; each is an expression of tokenizer.json.</summary>
internal enum WordShape : byte
{
    /// <summary>GPT-2: a space, then letters, numbers or others.</summary>
    Gpt2,

    /// <summary>Llama 3, Qwen 2 and many others: any one character, then letters.</summary>
    Letters,

    /// <summary>GPT-4o: any one character, then capitals, then small letters.</summary>
    Cased,

    /// <summary>DeepSeek V3: ASCII punctuation with ASCII letters, or any one character and letters.</summary>
    DeepSeek3,
}

/// <summary>
/// Cuts a text into words by hand instead of by a regular expression, with the same cuts (a test holds the two together), for the
/// expressions that most models use. It looks at every character a bounded number of times, whatever the text.
/// </summary>
internal sealed record WordScanner(WordShape Shape) : IPieceSplitter
{
    /// <summary>Longest run of numbers in one word.</summary>
    public int Numbers { get; init; } = 1;

    /// <summary>Whether 's, 't, 're … are words (after GPT-4o's words: belong to them).</summary>
    public bool Contractions { get; init; } = true;

    /// <summary>Whether combining marks count as letters.</summary>
    public bool Marks { get; init; }

    /// <summary>Whether words of letters go on over single spaces (EXAONE).</summary>
    public bool Phrases { get; init; }

    /// <summary>Whether ideographs are words of their own (Kimi K2).</summary>
    public bool Han { get; init; }

    /// <summary>Line breaks that belong to symbols before them: none, one or all.</summary>
    public int BreaksAfterSymbols { get; init; } = int.MaxValue;

    /// <summary>Whether slashes after symbols count as such line breaks.</summary>
    public bool Slash { get; init; }

    /// <summary>Whether white space is cut by powers of two (Jais 2).</summary>
    public bool SpacesByPowers { get; init; }

    /// <summary>Whether each line break is a word of its own (Spark).</summary>
    public bool SingleBreaks { get; init; }

    /// <summary>Appends the words of <paramref name="text"/>, whose first character has the number <paramref name="origin"/>.</summary>
    public void Split(ReadOnlySpan<char> text, int origin, List<(int Start, int Length)> to)
    {
        var run = new SpaceRun();
        for (var at = 0; at < text.Length;)
        {
            var end = Shape switch
            {
                WordShape.Gpt2 => Gpt2(text, at),
                WordShape.Letters => Letters(text, at, ref run),
                WordShape.Cased => Cased(text, at, ref run),
                _ => DeepSeek3(text, at, ref run),
            };
            if (end < 0) // no expression begins here: what lies up to the next word is one piece
            {
                end = at + 1;
                while (end < text.Length && DeepSeek3(text, end, ref run) < 0) end++;
            }
            to.Add((origin + at, end - at));
            at = end;
        }
    }

    /// <summary>The run of white space last looked at: where it ends, and the last line break in it.</summary>
    private struct SpaceRun
    {
        public int End;
        public int LastBreak;
    }

    // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)
    private static int Gpt2(ReadOnlySpan<char> text, int at)
    {
        var c = text[at];
        if (c == '\'' && Contraction(text, at, anyCase: false) is > 0 and var length) return at + length;
        var first = c == ' ' && at + 1 < text.Length ? at + 1 : at;
        var kind = CharClasses.Of(text[first]) & (Letter | Number | Space);
        if (kind != Space)
        {
            var end = first + 1;
            while (end < text.Length && (CharClasses.Of(text[end]) & (Letter | Number | Space)) == kind) end++;
            return end;
        }
        var stop = at + 1;
        while (stop < text.Length && (CharClasses.Of(text[stop]) & Space) != None) stop++;
        return stop < text.Length && stop - at > 1 ? stop - 1 : stop;
    }

    private int Letters(ReadOnlySpan<char> text, int at, ref SpaceRun run)
    {
        var c = text[at];
        if (c == '\'' && Contractions && Contraction(text, at, anyCase: true) is > 0 and var length) return at + length;
        var letter = Marks ? Letter | Mark : Letter;
        var kind = CharClasses.Of(c);

        // [^\r\n\p{L}\p{N}]?\p{L}+
        var first = (kind & Letter) != None ? at : (kind & (LineBreak | Number)) == None && at + 1 < text.Length && (CharClasses.Of(text[at + 1]) & letter) != None ? at + 1 : -1;
        if (first < 0 && (kind & letter) != None) first = at;
        if (first >= 0) return Phrases ? Phrase(text, first) : While(text, first + 1, letter);
        if ((kind & Number) != None) return Run(text, at, Number, Numbers);
        var symbol = Symbols(text, at, letter | Number | Space);
        return symbol > 0 ? symbol : Spaces(text, at, ref run);
    }

    private int Cased(ReadOnlySpan<char> text, int at, ref SpaceRun run)
    {
        var kind = CharClasses.Of(text[at]);
        if (Han && (kind & CharClass.Han) != None) return While(text, at + 1, CharClass.Han);

        // [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+ and then [^\r\n\p{L}\p{N}]?[Lu Lt Lm Lo M]+[Ll Lm Lo M]*, each
        // with the character before first and without it after.
        var (with, without) = ((kind & (LineBreak | Letter | Number)) == None, (kind & (Letter | Mark)) != None);
        var end = with ? EndsSmall(text, at + 1) : -1;
        if (end < 0 && without) end = EndsSmall(text, at);
        if (end < 0 && with) end = Capitals(text, at + 1) is var u && u > at + 1 ? u : -1;
        if (end < 0 && without) end = Capitals(text, at) is var v && v > at ? v : -1;
        if (end >= 0) return Contractions && end < text.Length && text[end] == '\'' ? end + Contraction(text, end, anyCase: true) : end;
        if ((kind & Number) != None) return Run(text, at, Number, Numbers);
        var symbol = Symbols(text, at, Letter | Number | Space);
        return symbol > 0 ? symbol : Spaces(text, at, ref run);
    }

    // [!-~ without letters and digits][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
    private int DeepSeek3(ReadOnlySpan<char> text, int at, ref SpaceRun run)
    {
        var kind = CharClasses.Of(text[at]);
        var next = at + 1 < text.Length ? CharClasses.Of(text[at + 1]) : None;
        if ((kind & AsciiPunctuation) != None && (next & AsciiLetter) != None) return While(text, at + 2, AsciiLetter);
        if ((kind & (Letter | Mark)) != None || ((kind & (LineBreak | Punctuation | Symbol)) == None && (next & (Letter | Mark)) != None))
            return While(text, at + 1, Letter | Mark);
        var first = text[at] == ' ' ? at + 1 : at;
        if (((first == at ? kind : next) & (Punctuation | Symbol)) != None) return Breaks(text, While(text, first + 1, Punctuation | Symbol));
        return (kind & Space) != None ? Spaces(text, at, ref run) : -1;
    }

    // U*W+ from there on, or -1: as many capitals as let a small letter follow.
    private int EndsSmall(ReadOnlySpan<char> text, int start)
    {
        var capitals = Capitals(text, start);
        var end = capitals;
        while (end < text.Length && IsSmall(text[end])) end++;
        if (end > capitals) return end;
        while (--capitals >= start)
        {
            if (IsSmall(text[capitals])) return capitals + 1;
        }
        return -1;
    }

    private int Capitals(ReadOnlySpan<char> text, int at)
    {
        while (at < text.Length && IsWord(CharClasses.Of(text[at])) && (CharClasses.Of(text[at]) & Lower) == None) at++;
        return at;
    }

    private bool IsSmall(char c) => IsWord(CharClasses.Of(c)) && (CharClasses.Of(c) & Upper) == None;

    private bool IsWord(CharClass kind) => (kind & (Letter | Mark)) != None && !(Han && (kind & CharClass.Han) != None);

    // \p{L}\p{M}*(?: \p{L}\p{M}*)*, again and again
    private static int Phrase(ReadOnlySpan<char> text, int at)
    {
        at++;
        while (at < text.Length)
        {
            if ((CharClasses.Of(text[at]) & (Letter | Mark)) != None) at++;
            else if (text[at] == ' ' && at + 1 < text.Length && (CharClasses.Of(text[at + 1]) & Letter) != None) at += 2;
            else break;
        }
        return at;
    }

    //  ?[^\s\p{L}\p{N}]+[\r\n]*
    private int Symbols(ReadOnlySpan<char> text, int at, CharClass others)
    {
        var first = text[at] == ' ' ? at + 1 : at;
        if (first >= text.Length || (CharClasses.Of(text[first]) & others) != None) return -1;
        var end = first + 1;
        while (end < text.Length && (CharClasses.Of(text[end]) & others) == None) end++;
        return Breaks(text, end);
    }

    private int Breaks(ReadOnlySpan<char> text, int at)
    {
        for (var most = BreaksAfterSymbols; most > 0 && at < text.Length; most--, at++)
        {
            if ((CharClasses.Of(text[at]) & LineBreak) == None && !(Slash && text[at] == '/')) break;
        }
        return at;
    }

    // \s*[\r\n]+|\s+(?!\S)|\s+
    private int Spaces(ReadOnlySpan<char> text, int at, ref SpaceRun run)
    {
        if (at >= run.End)
        {
            run = new SpaceRun { End = at, LastBreak = -1 };
            for (; run.End < text.Length && (CharClasses.Of(text[run.End]) & Space) != None; run.End++)
            {
                if ((CharClasses.Of(text[run.End]) & LineBreak) != None) run.LastBreak = run.End;
            }
        }
        var follows = run.End < text.Length;
        if (SingleBreaks)
        {
            if ((CharClasses.Of(text[at]) & LineBreak) != None) return at + 1;
        }
        else if (run.LastBreak >= at)
        {
            return run.LastBreak + 1;
        }
        if (!SpacesByPowers) return follows && run.End - at > 1 ? run.End - 1 : run.End;
        var most = run.End - at - (follows ? 1 : 0); // so many have no other character after them
        for (var power = 512; power >= 4; power /= 2)
        {
            if (most >= power) return at + power;
        }
        return at + Math.Clamp(most, 1, 2);
    }

    private static int While(ReadOnlySpan<char> text, int at, CharClass kinds)
    {
        while (at < text.Length && (CharClasses.Of(text[at]) & kinds) != None) at++;
        return at;
    }

    private static int Run(ReadOnlySpan<char> text, int at, CharClass kinds, int most)
    {
        var end = (int)Math.Min(text.Length, (long)at + most);
        var stop = at + 1;
        while (stop < end && (CharClasses.Of(text[stop]) & kinds) != None) stop++;
        return stop;
    }

    // Length of 's 't 're 've 'm 'll 'd at an apostrophe, or 0.
    private static int Contraction(ReadOnlySpan<char> text, int at, bool anyCase)
    {
        if (at + 1 >= text.Length) return 0;
        var (first, second) = (text[at + 1], at + 2 < text.Length ? text[at + 2] : '\0');
        if (anyCase)
        {
            if (char.IsAsciiLetterUpper(first)) first = (char)(first | 0x20);
            if (char.IsAsciiLetterUpper(second)) second = (char)(second | 0x20);
        }
        if (first is 's' or 't' or 'm' or 'd') return 2;
        return (first, second) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }
}
