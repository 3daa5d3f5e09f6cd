using System.Globalization;
using System.Text.Json;

namespace WarpDecode.Runtime.Text.Tokenizers.Json;

/// <summary>How the words of a tokenizer.json become tokens: one of its models.</summary>
internal abstract class JsonModel
{
    /// <summary>Appends the ids of a word.</summary>
    public abstract void Encode(string word, List<int> to);

    /// <summary>Reads the model.</summary>
    public static JsonModel Read(JsonPart root)
    {
        var part = root["model"];
        var type = part.Has("type") ? part.Type : part.Has("merges") ? "BPE" : part.Has("unk_id") ? "Unigram" : part.Has("continuing_subword_prefix") ? "WordPiece" : "WordLevel";
        return type switch
        {
            "BPE" => new Bpe(part),
            "Unigram" => new Unigram(part),
            "WordPiece" => new WordPiece(part),
            "WordLevel" => new WordLevel(part),
            _ => Refuse(part, type),
        };
    }

    private static JsonModel Refuse(JsonPart part, string type)
    {
        part["type"].Refuse(type, "BPE, Unigram, WordPiece or WordLevel");
        return null!;
    }

    // The vocabulary of the model alone, without added tokens.
    private static (TextTable Table, int[] Ids) Vocabulary(JsonPart part)
    {
        var vocabulary = part["vocab"];
        if (vocabulary.Value.ValueKind != JsonValueKind.Object) vocabulary.Wrong("an object");
        var (texts, ids) = (new List<string>(), new List<int>());
        foreach (var entry in vocabulary.Value.EnumerateObject())
        {
            texts.Add(entry.Name);
            ids.Add((vocabulary with { Value = entry.Value }).AsInteger());
        }
        return (new TextTable([.. texts]), [.. ids]);
    }

    private static int Unknown(JsonPart part, Func<string, int> find) => part.Has("unk_token") ? find(part.Text("unk_token")) : -1;

    private sealed class Bpe : JsonModel
    {
        private readonly TextTable table;
        private readonly int[] ids;
        private readonly PairMerger merger;
        private readonly int[]? byteIds;
        private readonly int unknown;
        private readonly bool fuse;
        private readonly bool wholeWords;
        private readonly string prefix;
        private readonly string suffix;

        public Bpe(JsonPart part)
        {
            (table, ids) = Vocabulary(part);
            if (part.Has("dropout") && part["dropout"].Value is { ValueKind: JsonValueKind.Number } dropout && dropout.GetDouble() != 0) part["dropout"].Refuse("a dropout", "none");
            unknown = Unknown(part, Find);
            fuse = part.Flag("fuse_unk", false);
            wholeWords = part.Flag("ignore_merges", false);
            (prefix, suffix) = (part.Text("continuing_subword_prefix", ""), part.Text("end_of_word_suffix", ""));
            if (part.Flag("byte_fallback", false))
            {
                byteIds = new int[256];
                for (var value = 0; value < 256; value++) byteIds[value] = Find(string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>"));
            }
            merger = new PairMerger(ReadMerges(part));
        }

        public override void Encode(string word, List<int> to)
        {
            if (wholeWords && Find(word) is >= 0 and var whole)
            {
                to.Add(whole);
                return;
            }
            var parts = new List<int>(word.Length);
            var wasUnknown = false;
            Span<char> room = stackalloc char[2];
            for (var at = 0; at < word.Length;)
            {
                var length = SpaceMark.CharacterLength(word, at);
                var id = prefix.Length == 0 && suffix.Length == 0 ? Find(word.AsSpan(at, length)) : Find(Spelled(word, at, length));
                if (id >= 0)
                {
                    parts.Add(id);
                    wasUnknown = false;
                }
                else if (byteIds is not null && Bytes(Spelled(word, at, length), parts))
                {
                    wasUnknown = false;
                }
                else if (unknown >= 0)
                {
                    if (!(wasUnknown && fuse)) parts.Add(unknown);
                    wasUnknown = true;
                }
                at += length;
            }
            var merged = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(parts);
            to.AddRange(merged[..merger.Merge(merged)]);
        }

        private string Spelled(string word, int at, int length) =>
            string.Concat(at > 0 ? prefix : "", word.AsSpan(at, length), at + length == word.Length ? suffix : "");

        private bool Bytes(string text, List<int> parts)
        {
            var utf8 = System.Text.Encoding.UTF8.GetBytes(text);
            if (utf8.Any(value => byteIds![value] < 0)) return false;
            foreach (var value in utf8) parts.Add(byteIds![value]);
            return true;
        }

        private int Find(ReadOnlySpan<char> text) => table.Find(text) is >= 0 and var at ? ids[at] : -1;

        private int Find(string text) => Find(text.AsSpan());

        private MergeTable ReadMerges(JsonPart part)
        {
            var merges = new MergeTable(part["merges"].Value.ValueKind == JsonValueKind.Array ? part["merges"].Value.GetArrayLength() : 0);
            var rank = 0;
            foreach (var merge in part.Items("merges"))
            {
                string left, right;
                if (merge.Value.ValueKind == JsonValueKind.String)
                {
                    var line = merge.AsText();
                    var space = line.IndexOf(' ', StringComparison.Ordinal);
                    if (space < 0) merge.Wrong("two tokens and a space between them");
                    (left, right) = (line[..space], line[(space + 1)..]);
                }
                else
                {
                    if (merge.Value.ValueKind != JsonValueKind.Array || merge.Value.GetArrayLength() != 2) merge.Wrong("two tokens");
                    (left, right) = ((merge with { Value = merge.Value[0] }).AsText(), (merge with { Value = merge.Value[1] }).AsText());
                }
                var rest = prefix.Length > 0 && right.StartsWith(prefix, StringComparison.Ordinal) ? right[prefix.Length..] : right;
                var (l, r, m) = (Find(left), Find(right), Find(left + rest));
                if (l < 0 || r < 0 || m < 0) merge.Wrong("tokens of the vocabulary that together are one");
                merges.Add(l, r, rank++, m);
            }
            return merges;
        }
    }

    private sealed class Unigram : JsonModel
    {
        private readonly UnigramModel model;

        public Unigram(JsonPart part)
        {
            var (texts, scores) = (new List<string>(), new List<double>());
            foreach (var entry in part.Items("vocab"))
            {
                var score = 0.0;
                if (entry.Value.ValueKind != JsonValueKind.Array || entry.Value.GetArrayLength() != 2 || entry.Value[1].ValueKind != JsonValueKind.Number
                    || !entry.Value[1].TryGetDouble(out score) || !double.IsFinite(score))
                {
                    entry.Wrong("a token and its score");
                }
                texts.Add((entry with { Value = entry.Value[0] }).AsText());
                scores.Add(score);
            }
            var unknown = part.Has("unk_id") ? part.Integer("unk_id") : -1;
            if (unknown >= texts.Count) part["unk_id"].Wrong($"a token's number below {texts.Count}");
            int[]? bytes = null;
            if (part.Flag("byte_fallback", false)) bytes = SpaceMark.FindBytes(new TextTable([.. texts]));
            model = new UnigramModel([.. texts], [.. scores], _ => true, _ => true, unknown, bytes);
        }

        public override void Encode(string word, List<int> to) => model.Encode(word, fuseUnknown: true, to);
    }

    private sealed class WordPiece : JsonModel
    {
        private readonly TextTable table;
        private readonly int[] ids;
        private readonly int unknown;
        private readonly string prefix;
        private readonly int longest;

        public WordPiece(JsonPart part)
        {
            (table, ids) = Vocabulary(part);
            unknown = table.Find(part.Text("unk_token", "[UNK]")) is >= 0 and var at ? ids[at] : -1;
            prefix = part.Text("continuing_subword_prefix", "##");
            longest = part.Integer("max_input_chars_per_word", 100);
        }

        public override void Encode(string word, List<int> to)
        {
            var from = to.Count;
            var characters = 0;
            for (var at = 0; at < word.Length && characters <= longest; at += SpaceMark.CharacterLength(word, at)) characters++;
            for (var at = 0; at < word.Length && characters <= longest;)
            {
                var (end, found) = (word.Length, -1);
                for (; end > at; end--)
                {
                    found = at == 0 ? table.Find(word.AsSpan(0, end)) : table.Find(prefix + word[at..end]);
                    if (found >= 0) break;
                }
                if (found < 0)
                {
                    characters = int.MaxValue;
                    break;
                }
                to.Add(ids[found]);
                at = end;
            }
            if (characters <= longest) return;
            to.RemoveRange(from, to.Count - from);
            if (unknown >= 0) to.Add(unknown);
        }
    }

    private sealed class WordLevel : JsonModel
    {
        private readonly TextTable table;
        private readonly int[] ids;
        private readonly int unknown;

        public WordLevel(JsonPart part)
        {
            (table, ids) = Vocabulary(part);
            unknown = table.Find(part.Text("unk_token", "<unk>")) is >= 0 and var at ? ids[at] : -1;
        }

        public override void Encode(string word, List<int> to)
        {
            var at = table.Find(word);
            if (at >= 0) to.Add(ids[at]);
            else if (unknown >= 0) to.Add(unknown);
        }
    }
}
