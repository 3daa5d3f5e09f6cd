using System.Text;

namespace WarpDecode.Runtime.Text.Tokenizers.Json;

/// <summary>How tokenizer.json cuts a text into words: one of its pre-tokenizers, or several.</summary>
internal sealed class JsonPreTokenizer
{
    private const string Known = "BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, FixedLength, Metaspace, Punctuation, Sequence, Split, Whitespace, WhitespaceSplit";
    private const int Deepest = 16;

    private static readonly WordScanner Gpt2 = new(WordShape.Gpt2);

    private readonly List<Action<Piece, List<Piece>>> stages = [];

    public JsonPreTokenizer(JsonPart root)
    {
        if (root.Has("pre_tokenizer")) Add(root["pre_tokenizer"], 0);
    }

    /// <summary>A word, and whether it is at the beginning of the text.</summary>
    internal readonly record struct Piece(string Text, bool AtStart);

    private enum Behavior
    {
        Removed,
        Isolated,
        MergedWithPrevious,
        MergedWithNext,
        Contiguous,
    }

    public List<Piece> Split(string text, bool atStart)
    {
        var pieces = new List<Piece> { new(text, atStart) };
        foreach (var stage in stages)
        {
            var next = new List<Piece>(pieces.Count * 2);
            foreach (var piece in pieces) stage(piece, next);
            pieces = next;
        }
        return pieces;
    }

    private void Add(JsonPart part, int depth)
    {
        if (depth > Deepest) part.Wrong("fewer sequences within one another");
        switch (part.Type)
        {
            case "Sequence":
                foreach (var inner in part.Items("pretokenizers")) Add(inner, depth + 1);
                break;
            case "ByteLevel":
                var (space, useRegex) = (part.Flag("add_prefix_space", true), part.Flag("use_regex", true));
                stages.Add((piece, to) => ByteLevel(piece, space, useRegex, to));
                break;
            case "Split":
                var (pattern, behavior) = (new JsonPattern(part["pattern"]), BehaviorOf(part, null));
                var invert = part.Flag("invert", false);
                if (pattern.Known is { } known && behavior == Behavior.Isolated)
                    stages.Add((piece, to) => Scan(piece, known, to));
                else
                    stages.Add((piece, to) => Cut(piece, pattern.Matches(piece.Text), behavior, invert, to));
                break;
            case "Digits":
                var each = part.Flag("individual_digits", false);
                stages.Add((piece, to) => Cut(piece, Each(piece.Text, Rune.IsNumber), each ? Behavior.Isolated : Behavior.Contiguous, invert: false, to));
                break;
            case "Whitespace": stages.Add((piece, to) => Cut(piece, Words(piece.Text), Behavior.Removed, invert: true, to)); break;
            case "WhitespaceSplit": stages.Add((piece, to) => Cut(piece, Each(piece.Text, Rune.IsWhiteSpace), Behavior.Removed, invert: false, to)); break;
            case "Punctuation":
                var kept = BehaviorOf(part, "Isolated");
                stages.Add((piece, to) => Cut(piece, Each(piece.Text, BertText.IsPunctuation), kept, invert: false, to));
                break;
            case "BertPreTokenizer":
                stages.Add((piece, to) => Cut(piece, Each(piece.Text, Rune.IsWhiteSpace), Behavior.Removed, invert: false, to));
                stages.Add((piece, to) => Cut(piece, Each(piece.Text, BertText.IsPunctuation), Behavior.Isolated, invert: false, to));
                break;
            case "CharDelimiterSplit":
                var delimiter = CharacterOf(part, "delimiter");
                stages.Add((piece, to) => Cut(piece, Each(piece.Text, r => r == delimiter), Behavior.Removed, invert: false, to));
                break;
            case "FixedLength":
                var length = part.Integer("length", 5);
                if (length == 0) part["length"].Wrong("a number from 1 on");
                stages.Add((piece, to) => Chunks(piece, length, to));
                break;
            case "Metaspace":
                AddMetaspace(part);
                break;
            default:
                part.Refuse(part.Type, "one of " + Known);
                break;
        }
    }

    private void AddMetaspace(JsonPart part)
    {
        var mark = CharacterOf(part, "replacement", "▁").ToString();
        var scheme = part.Text("prepend_scheme", part.Flag("add_prefix_space", true) ? "always" : "never");
        if (scheme is not ("always" or "first" or "never")) part.Refuse(scheme, "a prepend_scheme of always, first or never");
        var split = part.Flag("split", true);
        stages.Add((piece, to) =>
        {
            var text = piece.Text.Replace(" ", mark, StringComparison.Ordinal);
            if ((scheme == "always" || (scheme == "first" && piece.AtStart)) && !text.StartsWith(mark, StringComparison.Ordinal)) text = mark + text;
            var marked = new Piece(text, piece.AtStart);
            if (split) Cut(marked, Each(text, r => mark == r.ToString()), Behavior.MergedWithNext, invert: false, to);
            else if (text.Length > 0) to.Add(marked);
        });
    }

    private static void ByteLevel(Piece piece, bool space, bool useRegex, List<Piece> to)
    {
        var text = space && !piece.Text.StartsWith(' ') ? " " + piece.Text : piece.Text;
        if (!useRegex)
        {
            if (text.Length > 0) to.Add(new Piece(ByteAlphabet.Encode(text), piece.AtStart));
            return;
        }
        var from = to.Count;
        Scan(new Piece(text, piece.AtStart), Gpt2, to);
        for (var i = from; i < to.Count; i++) to[i] = to[i] with { Text = ByteAlphabet.Encode(to[i].Text) };
    }

    private static void Scan(Piece piece, IPieceSplitter splitter, List<Piece> to)
    {
        var words = new List<(int Start, int Length)>();
        var text = piece.Text;
        if (!text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF'))
        {
            splitter.Split(text, 0, words);
            foreach (var (start, length) in words) to.Add(new Piece(text.Substring(start, length), piece.AtStart && start == 0));
            return;
        }
        splitter.Split(FlatText.Of(text, han: false, out var origin), 0, words);
        foreach (var (start, length) in words) to.Add(new Piece(text[origin[start]..origin[start + length]], piece.AtStart && start == 0));
    }

    // Matches and what lies between them, as the behavior keeps, joins or drops them.
    private static void Cut(Piece piece, List<(int Start, int End)> matches, Behavior behavior, bool invert, List<Piece> to)
    {
        var text = piece.Text;
        var parts = new List<(int Start, int End, bool Match)>((matches.Count * 2) + 1);
        var done = 0;
        foreach (var (start, end) in matches)
        {
            if (start > done) parts.Add((done, start, invert));
            parts.Add((start, end, !invert));
            done = end;
        }
        if (done < text.Length || text.Length == 0) parts.Add((done, text.Length, invert));

        var kept = new List<(int Start, int End)>(parts.Count);
        var previous = false;
        switch (behavior)
        {
            case Behavior.Removed:
                foreach (var (start, end, match) in parts)
                {
                    if (!match) kept.Add((start, end));
                }
                break;
            case Behavior.MergedWithPrevious:
                foreach (var (start, end, match) in parts)
                {
                    if (match && !previous && kept.Count > 0) kept[^1] = (kept[^1].Start, end);
                    else kept.Add((start, end));
                    previous = match;
                }
                break;
            case Behavior.MergedWithNext:
                for (var i = parts.Count - 1; i >= 0; i--)
                {
                    var (start, end, match) = parts[i];
                    if (match && !previous && kept.Count > 0) kept[^1] = (start, kept[^1].End);
                    else kept.Add((start, end));
                    previous = match;
                }
                kept.Reverse();
                break;
            case Behavior.Contiguous:
                foreach (var (start, end, match) in parts)
                {
                    if (kept.Count > 0 && match == previous) kept[^1] = (kept[^1].Start, end);
                    else kept.Add((start, end));
                    previous = match;
                }
                break;
            default:
                foreach (var (start, end, _) in parts) kept.Add((start, end));
                break;
        }
        foreach (var (start, end) in kept)
        {
            if (end > start) to.Add(new Piece(text[start..end], piece.AtStart && start == 0));
        }
    }

    private static List<(int Start, int End)> Each(string text, Predicate<Rune> matches)
    {
        var found = new List<(int, int)>();
        for (var at = 0; at < text.Length;)
        {
            Rune.DecodeFromUtf16(text.AsSpan(at), out var rune, out var length);
            if (matches(rune)) found.Add((at, at + length));
            at += length;
        }
        return found;
    }

    private static void Chunks(Piece piece, int length, List<Piece> to)
    {
        var (start, count) = (0, 0);
        for (var at = 0; at < piece.Text.Length;)
        {
            at += SpaceMark.CharacterLength(piece.Text, at);
            if (++count < length && at < piece.Text.Length) continue;
            to.Add(new Piece(piece.Text[start..at], piece.AtStart && start == 0));
            (start, count) = (at, 0);
        }
    }

    // \w+|[^\w\s]+
    private static List<(int Start, int End)> Words(string text)
    {
        var found = new List<(int Start, int End)>();
        var last = -1;
        for (var at = 0; at < text.Length;)
        {
            Rune.DecodeFromUtf16(text.AsSpan(at), out var rune, out var length);
            var kind = Rune.IsWhiteSpace(rune) ? 0 : IsWord(rune) ? 1 : 2;
            if (kind != 0 && kind == last) found[^1] = (found[^1].Start, at + length);
            else if (kind != 0) found.Add((at, at + length));
            last = kind;
            at += length;
        }
        return found;
    }

    private static bool IsWord(Rune rune) => Rune.IsLetterOrDigit(rune) || rune.Value is 0x200C or 0x200D or (>= 0x24B6 and <= 0x24E9) || Rune.GetUnicodeCategory(rune)
        is System.Globalization.UnicodeCategory.NonSpacingMark or System.Globalization.UnicodeCategory.SpacingCombiningMark or System.Globalization.UnicodeCategory.EnclosingMark
        or System.Globalization.UnicodeCategory.LetterNumber or System.Globalization.UnicodeCategory.ConnectorPunctuation;

    private static Behavior BehaviorOf(JsonPart part, string? otherwise)
    {
        if (!Enum.TryParse<Behavior>(part.Text("behavior", otherwise), ignoreCase: false, out var behavior)) part["behavior"].Wrong("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
        return behavior;
    }

    private static Rune CharacterOf(JsonPart part, string name, string? otherwise = null)
    {
        var text = part.Text(name, otherwise);
        if (!Rune.TryGetRuneAt(text.Length == 0 ? " " : text, 0, out var rune) || rune.Utf16SequenceLength != text.Length) part[name].Wrong("one character");
        return rune;
    }
}
