using System.Text;

namespace WarpDecode.Runtime.Text.Tokenizers.Json;

/// <summary>What tokenizer.json does to a text before it is cut: one of its normalizers, or several.</summary>
internal sealed class JsonNormalizer
{
    private const string Known = "BertNormalizer, ByteLevel, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Precompiled, Prepend, Replace, Sequence, Strip, StripAccents";
    private const int Deepest = 16;

    private readonly List<Func<string, string>> stages = [];

    public JsonNormalizer(JsonPart root)
    {
        if (root.Has("normalizer")) Add(root["normalizer"], 0);
    }

    public string Apply(string text)
    {
        foreach (var stage in stages) text = stage(text);
        return text;
    }

    private void Add(JsonPart part, int depth)
    {
        if (depth > Deepest) part.Wrong("fewer sequences within one another");
        switch (part.Type)
        {
            case "Sequence":
                foreach (var inner in part.Items("normalizers")) Add(inner, depth + 1);
                break;
            case "NFC": stages.Add(text => Normalization.Normalize(text, NormalForm.C)); break;
            case "NFD": stages.Add(text => Normalization.Normalize(text, NormalForm.D)); break;
            case "NFKC": stages.Add(text => Normalization.Normalize(text, NormalForm.KC)); break;
            case "NFKD": stages.Add(text => Normalization.Normalize(text, NormalForm.KD)); break;
            case "Lowercase": stages.Add(BertText.Lower); break;
            case "StripAccents": stages.Add(BertText.StripAccents); break;
            case "Strip":
                var (left, right) = (part.Flag("strip_left", true), part.Flag("strip_right", true));
                stages.Add(text => left && right ? text.Trim() : left ? text.TrimStart() : right ? text.TrimEnd() : text);
                break;
            case "Prepend":
                var prefix = part.Text("prepend");
                stages.Add(text => text.Length == 0 ? text : prefix + text);
                break;
            case "Replace":
                var (pattern, content) = (new JsonPattern(part["pattern"]), part.Text("content"));
                stages.Add(text => pattern.Replace(text, content));
                break;
            case "ByteLevel": stages.Add(ByteAlphabet.Encode); break;
            case "BertNormalizer":
                var (clean, ideographs, lower) = (part.Flag("clean_text", true), part.Flag("handle_chinese_chars", true), part.Flag("lowercase", true));
                var strip = part.Flag("strip_accents", lower);
                stages.Add(text => BertText.Clean(text, clean, ideographs, strip, lower));
                break;
            case "Nmt": stages.Add(Nmt); break;
            case "Precompiled":
                var encoded = part.Text("precompiled_charsmap");
                var blob = new byte[((encoded.Length / 4) + 1) * 3];
                if (!Convert.TryFromBase64String(encoded, blob, out var length)) part["precompiled_charsmap"].Wrong("base64");
                if (length == 0) break;
                var map = new Charsmap(blob.AsSpan(0, length), part.File);
                stages.Add(text => Precompiled(text, map));
                break;
            default:
                part.Refuse(part.Type, "one of " + Known);
                break;
        }
    }

    // By graphemes: one of fewer than six bytes as a whole, else character by character; and what matches first is the shortest.
    private static string Precompiled(string text, Charsmap map)
    {
        var to = new StringBuilder(text.Length);
        Span<byte> room = stackalloc byte[32];
        for (var at = 0; at < text.Length;)
        {
            var length = System.Globalization.StringInfo.GetNextTextElementLength(text, at);
            var grapheme = text.AsSpan(at, length);
            at += length;
            if (length < 6 && Encoding.UTF8.GetByteCount(grapheme) < 6)
            {
                var utf8 = room[..Encoding.UTF8.GetBytes(grapheme, room)];
                if (map.Shortest(utf8, out var whole) > 0)
                {
                    to.Append(Encoding.UTF8.GetString(whole));
                    continue;
                }
            }
            foreach (var rune in grapheme.EnumerateRunes())
            {
                var utf8 = room[..rune.EncodeToUtf8(room)];
                to.Append(map.Shortest(utf8, out var one) > 0 ? Encoding.UTF8.GetString(one) : rune.ToString());
            }
        }
        return to.ToString();
    }

    private static string Nmt(string text)
    {
        var to = new StringBuilder(text.Length);
        foreach (var c in text)
        {
            if (c is (>= '\u0001' and <= '\u0008') or '\u000B' or (>= '\u000E' and <= '\u001F') or '\u007F' or '\u008F' or '\u009F') continue;
            to.Append(c is '\t' or '\n' or '\u000C' or '\r' or '\u1680' or (>= '\u200B' and <= '\u200F') or '\u2028' or '\u2029' or '\u2581' or '\uFEFF' or '\uFFFD' ? ' ' : c);
        }
        return to.ToString();
    }
}
