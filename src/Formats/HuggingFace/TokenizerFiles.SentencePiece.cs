using System.Text.Json;

namespace WarpDecode.Formats.HuggingFace;

/// <content>SentencePiece's tokenizers: a tokenizer.json that says one in huggingface/tokenizers' stages, and tokenizer.model.</content>
internal sealed partial class TokenizerFiles
{
    private const int Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Byte = 6;

    // Whether a space is put before every text.
    private static bool Prepends(JsonFile file) => file.TryGet("normalizer", out var normalizer) && Is(normalizer, "type", "Sequence");

    /// <summary>
    /// Scores with which SentencePiece's way of merging gives what the list of merges gives, or null where there are none or the stages do
    /// other things. Gives byte tokens and the unknown one their types.
    /// </summary>
    private static float[]? SentencePieceScores(JsonFile file, JsonElement model, string[] texts, int[] types)
    {
        if (!Is(model, "type", "BPE") || !IsTrue(model, "byte_fallback") || IsTrue(model, "ignore_merges") || HasText(model, "continuing_subword_prefix")
            || HasText(model, "end_of_word_suffix") || HasFlaggedTokens(file) || !HasItsStages(file))
        {
            return null;
        }
        // Tokens that are looked for in normalized text, which has a mark before it.
        if (file.TryGet("added_tokens", out var added) && added.ValueKind == JsonValueKind.Array && added.EnumerateArray().Any(t => IsTrue(t, "normalized") && !IsTrue(t, "special"))) return null;

        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var id = texts.Length - 1; id >= 0; id--) ids[texts[id]] = id;
        var (least, most, pairs) = (new int[texts.Length], new int[texts.Length], new HashSet<(int, int)>());
        Array.Fill(least, int.MaxValue);
        var merges = Merges(file, model);
        for (var rank = 0; rank < merges.Length; rank++)
        {
            var space = merges[rank].IndexOf(' ', StringComparison.Ordinal);
            if (space <= 0 || !ids.TryGetValue(merges[rank][..space], out var left) || !ids.TryGetValue(merges[rank][(space + 1)..], out var right)
                || !ids.TryGetValue(string.Concat(merges[rank].AsSpan(0, space), merges[rank].AsSpan(space + 1)), out var merged))
            {
                return null;
            }
            pairs.Add((left, right));
            least[merged] = Math.Min(least[merged], rank);
            most[merged] = rank;
        }
        // SentencePiece merges whatever is a token together: all such pairs must be in the list, and those of one token side by side in it.
        var byText = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        for (var id = 0; id < texts.Length; id++)
        {
            var text = texts[id].AsSpan();
            if (text.Length > 512) return null;
            for (var cut = 1; cut < text.Length; cut++)
            {
                if (byText.TryGetValue(text[..cut], out var left) && byText.TryGetValue(text[cut..], out var right) && !pairs.Contains((left, right))) return null;
            }
        }
        var merging = Enumerable.Range(0, texts.Length).Where(id => least[id] != int.MaxValue).OrderBy(id => least[id]).ToArray();
        for (var i = 1; i < merging.Length; i++)
        {
            if (least[merging[i]] < most[merging[i - 1]]) return null;
        }
        for (var id = 0; id < texts.Length; id++)
        {
            if (types[id] == Normal && texts[id] is ['<', '0', 'x', _, _, '>']) types[id] = Byte;
        }
        if (JsonFile.TryGet(model, "unk_token", out var unknown) && ids.TryGetValue(file.TextOf("model.unk_token", unknown), out var unknownId)) types[unknownId] = Unknown;
        return Array.ConvertAll(least, rank => rank == int.MaxValue ? 0f : -(float)rank);
    }

    private static bool HasItsStages(JsonFile file)
    {
        if (!file.TryGet("normalizer", out var normalizer) || !file.TryGet("decoder", out var decoder)) return false;
        var prepends = Is(normalizer, "type", "Sequence");
        if (prepends)
        {
            if (!JsonFile.TryGet(normalizer, "normalizers", out var list) || list.ValueKind != JsonValueKind.Array || list.GetArrayLength() != 2
                || !Is(list[0], "type", "Prepend") || !Is(list[0], "prepend", "\u2581"))
            {
                return false;
            }
            normalizer = list[1];
        }
        if (!Replaces(normalizer, " ", "\u2581")) return false;
        // Gemma's cuts at spaces, of which the normalizer has left none.
        if (file.TryGet("pre_tokenizer", out var pre) && !(Is(pre, "type", "Split") && JsonFile.TryGet(pre, "pattern", out var pattern) && Is(pattern, "String", " "))) return false;
        if (!Is(decoder, "type", "Sequence") || !JsonFile.TryGet(decoder, "decoders", out var stages) || stages.ValueKind != JsonValueKind.Array) return false;
        return stages.GetArrayLength() == (prepends ? 4 : 3) && Replaces(stages[0], "\u2581", " ") && Is(stages[1], "type", "ByteFallback") && Is(stages[2], "type", "Fuse")
            && (!prepends || (Is(stages[3], "type", "Strip") && Is(stages[3], "content", " ") && Number(stages[3], "start") == 1 && Number(stages[3], "stop") == 0));
    }

    private static bool Replaces(JsonElement stage, string what, string with) =>
        Is(stage, "type", "Replace") && JsonFile.TryGet(stage, "pattern", out var pattern) && Is(pattern, "String", what) && Is(stage, "content", with);

    private static int Number(JsonElement parent, string name) => JsonFile.TryGet(parent, name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number : -1;

    /// <summary>Whether what is put around a text is what two flags can say: the first token before it, the last after it, or not.</summary>
    private bool IsAround(JsonFile file, Dictionary<string, int> ids, int? bos, List<int> ends)
    {
        return !file.TryGet("post_processor", out var processor) || Fits(processor);

        bool Fits(JsonElement stage)
        {
            if (Is(stage, "type", "ByteLevel")) return true;
            if (Is(stage, "type", "Sequence") && JsonFile.TryGet(stage, "processors", out var list) && list.ValueKind == JsonValueKind.Array)
                return list.EnumerateArray().Count(p => Is(p, "type", "TemplateProcessing")) < 2 && list.EnumerateArray().All(p => !Is(p, "type", "Sequence") && Fits(p));
            if (!Is(stage, "type", "TemplateProcessing") || !JsonFile.TryGet(stage, "single", out var single) || single.ValueKind != JsonValueKind.Array) return false;
            var parts = single.EnumerateArray().Select(part => JsonFile.TryGet(part, "Sequence", out _) ? "A"
                : JsonFile.TryGet(part, "SpecialToken", out var token) && JsonFile.TryGet(token, "id", out var text) && ids.TryGetValue(file.TextOf("post_processor", text), out var id)
                    ? id == bos ? "B" : ends.Count > 0 && id == ends[0] ? "E" : "?" : "?");
            return string.Concat(parts) is "A" or "BA" or "AE" or "BAE";
        }
    }

    private void WriteSentencePieceModel(string path, GgufWriter to)
    {
        var model = SentencePieceModel.Read(path);
        if (model.SpacesAsSuffix) ModelFileException.Throw("tokenizer not supported yet:", path, "treat_whitespace_as_suffix", null, "spaces before words", "after them", Advice);
        if (model.Kind is not (SentencePieceModel.Unigram or SentencePieceModel.BytePairs))
            ModelFileException.Throw("tokenizer not supported yet:", path, "model_type", null, "unigram or bpe", model.Kind.ToString(), Advice);
        var (texts, types, scores) = (model.Texts, model.Types, model.Scores);
        AddTokens(texts, types, scores);
        var unigram = model.Kind == SentencePieceModel.Unigram;
        to.Add(Prefix + "model", unigram ? "t5" : "llama").Add(Prefix + "pre", "default").Add(Prefix + "tokens", texts).Add(Prefix + "scores", scores).Add(Prefix + "token_type", types)
            .Add(Prefix + "add_space_prefix", model.AddsSpace);
        if (model.RemovesExtraSpaces) to.Add(Prefix + "remove_extra_whitespaces", true);
        if (model.Charsmap.Length > 0) to.Add(Prefix + "precompiled_charsmap", model.Charsmap);
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var id = texts.Count - 1; id >= 0; id--) ids[texts[id]] = id;
        var bos = Named("bos_token", ids) ?? model.Bos;
        var eos = Named("eos_token", ids) ?? model.Eos;
        Put("bos_token_id", bos);
        Put("eos_token_id", eos);
        Put("unknown_token_id", model.UnknownId);
        Put("padding_token_id", Named("pad_token", ids));
        to.Add(Prefix + "add_bos_token", (tokenizerConfig?.Flag("add_bos_token", !unigram) ?? !unigram) && bos >= 0)
            .Add(Prefix + "add_eos_token", (tokenizerConfig?.Flag("add_eos_token", unigram) ?? unigram) && eos >= 0);

        void Put(string name, int? id)
        {
            if (id >= 0 && id < texts.Count) to.Add(Prefix + name, (uint)id);
        }
    }

    // Tokens that tokenizer_config.json adds to the model's own, or says to be special.
    private void AddTokens(List<string> texts, List<int> types, List<float> scores)
    {
        if (tokenizerConfig is null || !tokenizerConfig.TryGet("added_tokens_decoder", out var added) || added.ValueKind != JsonValueKind.Object) return;
        foreach (var (id, token) in added.EnumerateObject()
            .Select(entry => (Id: int.TryParse(entry.Name, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var id) ? id : -1, Token: entry.Value))
            .OrderBy(entry => entry.Id))
        {
            if (id < 0 || id > texts.Count + 65_536) tokenizerConfig.Wrong("added_tokens_decoder", "numbers of tokens", added);
            if (!JsonFile.TryGet(token, "content", out var content)) tokenizerConfig.Wrong("added_tokens_decoder.content", "a text", token);
            while (texts.Count <= id)
            {
                texts.Add($"[PAD{texts.Count}]");
                types.Add(5);
                scores.Add(0);
            }
            texts[id] = tokenizerConfig.TextOf("added_tokens_decoder.content", content);
            if (types[id] != Unknown) types[id] = IsTrue(token, "special") ? Control : UserDefined;
        }
    }
}
