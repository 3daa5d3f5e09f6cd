using System.Text;

namespace WarpDecode.Runtime.Text.Tokenizers.Json;

/// <summary>How tokens become text again: one of tokenizer.json's decoders, or several.</summary>
internal sealed class JsonDecoder
{
    private const string Known = "BPEDecoder, ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence, Strip, WordPiece";
    private const int Deepest = 16;

    private readonly List<Func<List<string>, List<string>>> stages = [];

    public JsonDecoder(JsonPart root)
    {
        if (root.Has("decoder")) Add(root["decoder"], 0);
        else stages.Add(tokens => [string.Join(' ', tokens)]);
    }

    /// <summary>Whether tokens are spelled in the byte alphabet.</summary>
    public bool ByteLevel { get; private set; }

    /// <summary>What a token that goes on with a word begins with; null where tokens say themselves where words begin.</summary>
    public string? Continues { get; private set; }

    public string Decode(List<string> tokens)
    {
        foreach (var stage in stages) tokens = stage(tokens);
        return string.Concat(tokens);
    }

    private void Add(JsonPart part, int depth)
    {
        if (depth > Deepest) part.Wrong("fewer sequences within one another");
        switch (part.Type)
        {
            case "Sequence":
                foreach (var inner in part.Items("decoders")) Add(inner, depth + 1);
                break;
            case "ByteLevel":
                ByteLevel = true;
                stages.Add(Bytes);
                break;
            case "ByteFallback": stages.Add(FallenBack); break;
            case "Fuse": stages.Add(tokens => [string.Concat(tokens)]); break;
            case "Replace":
                var (pattern, with) = (new JsonPattern(part["pattern"]), part.Text("content"));
                stages.Add(tokens => tokens.ConvertAll(token => pattern.Replace(token, with)));
                break;
            case "Strip":
                var (content, start, stop) = (part.Text("content"), part.Integer("start", 0), part.Integer("stop", 0));
                if (content.Length != 1) part["content"].Wrong("one character");
                stages.Add(tokens => tokens.ConvertAll(token => Strip(token, content[0], start, stop)));
                break;
            case "Metaspace":
                var (mark, drops) = (part.Text("replacement", "▁"), part.Text("prepend_scheme", part.Flag("add_prefix_space", true) ? "always" : "never") != "never");
                stages.Add(tokens =>
                {
                    for (var i = 0; i < tokens.Count; i++) tokens[i] = tokens[i].Replace(mark, i == 0 && drops ? "" : " ", StringComparison.Ordinal);
                    return tokens;
                });
                break;
            case "WordPiece":
                var (prefix, cleanup) = (part.Text("prefix", "##"), part.Flag("cleanup", true));
                Continues = prefix;
                stages.Add(tokens =>
                {
                    for (var i = 0; i < tokens.Count; i++)
                    {
                        if (i > 0) tokens[i] = tokens[i].StartsWith(prefix, StringComparison.Ordinal) ? tokens[i][prefix.Length..] : " " + tokens[i];
                        if (cleanup) tokens[i] = DecodedText.CleanUp(tokens[i]).Replace(" do not", " don't", StringComparison.Ordinal);
                    }
                    return tokens;
                });
                break;
            case "BPEDecoder":
                var suffix = part.Text("suffix", "</w>");
                stages.Add(tokens =>
                {
                    for (var i = 0; i < tokens.Count && suffix.Length > 0; i++) tokens[i] = tokens[i].Replace(suffix, i == tokens.Count - 1 ? "" : " ", StringComparison.Ordinal);
                    return tokens;
                });
                break;
            default:
                part.Refuse(part.Type, "one of " + Known);
                break;
        }
    }

    private static List<string> Bytes(List<string> tokens)
    {
        var to = new System.Buffers.ArrayBufferWriter<byte>(16);
        foreach (var token in tokens)
        {
            var room = to.GetSpan(Encoding.UTF8.GetMaxByteCount(token.Length));
            to.Advance(ByteAlphabet.Decode(token, TokenType.Normal, room));
        }
        return [Encoding.UTF8.GetString(to.WrittenSpan)];
    }

    // Runs of byte tokens: the text that they are, or U+FFFD for each if they are none.
    private static List<string> FallenBack(List<string> tokens)
    {
        var (to, bytes) = (new List<string>(tokens.Count), new List<byte>());
        foreach (var token in tokens)
        {
            if (SpaceMark.ByteOf(token) is >= 0 and var value)
            {
                bytes.Add((byte)value);
                continue;
            }
            Flush();
            to.Add(token);
        }
        Flush();
        return to;

        void Flush()
        {
            if (bytes.Count == 0) return;
            var all = bytes.ToArray();
            to.Add(System.Text.Unicode.Utf8.IsValid(all) ? Encoding.UTF8.GetString(all) : new string('\uFFFD', all.Length));
            bytes.Clear();
        }
    }

    private static string Strip(string token, char content, int start, int stop)
    {
        var from = 0;
        while (from < token.Length && from < start && token[from] == content) from++;
        var end = token.Length;
        while (end > from && token.Length - end < stop && token[end - 1] == content) end--;
        return token[from..end];
    }
}
