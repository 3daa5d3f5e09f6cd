using System.Text.Json;

namespace WarpDecode.Formats.HuggingFace;

/// <summary>
/// tokenizer.json, tokenizer_config.json and chat_template.jinja (huggingface/tokenizers; transformers) as <c>tokenizer.*</c> of GGUF.
/// What GGUF has a form for is written in it: byte-level BPE that is cut as one of llama.cpp's list, and SentencePiece. Of any other tokenizer.json
/// the text is kept, for the runtime to do what it says. What cannot be read is told by the error that <see cref="Write(GgufWriter)"/> gives back,
/// since a model can be run on token ids without a tokenizer.
/// </summary>
internal sealed partial class TokenizerFiles(ModelFiles folder, JsonFile config, JsonFile? generation)
{
    private const string Prefix = "tokenizer.ggml.";
    private const string Advice = "This runtime cannot read text for this model yet: use one with a tokenizer.json or a tokenizer.model.";
    private const string Contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    private const string SymbolsAndSpace = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>
    /// How text is cut into words, by the expressions in tokenizer.json one after another, and the name that GGUF has for it. The last,
    /// "gpt2", stands for the expression that the byte level brings along itself.
    /// </summary>
    private static readonly (string Name, bool WholeWords, string[] Stages)[] PreTokenizers =
    [
        ("gpt-2", false, ["gpt2"]),
        ("qwen2", false, [Contraction + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + SymbolsAndSpace]),
        ("llama-bpe", true, [Contraction + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + SymbolsAndSpace]),
        ("gpt-4o", false,
        [
            @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + Contraction + "?"
            + @"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + Contraction + "?"
            + @"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ]),
        ("deepseek-v3", false,
        [
            @"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
        ]),
        ("starcoder", false, ["digits", "gpt2"]),
        ("starcoder", false, [@"\p{N}", "gpt2"]),
        ("chatglm-bpe", false, [Contraction + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + SymbolsAndSpace]),
        ("qwen35", false, [Contraction + @"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]),
        ("bailingmoe", false, [@"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"]),
        ("tekken", true,
        [
            @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
            + @"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ]),
    ];

    private static readonly string[] EndKeys = ["eos_token_id", "eot_token_id", "eom_token_id"];

    private readonly JsonFile? tokenizerConfig = folder.FindJson("tokenizer_config.json");

    /// <summary>Writes what there is; gives back why there is no tokenizer, or null if there is one.</summary>
    public ModelFileException? Write(GgufWriter to)
    {
        WriteTemplate(to);
        try
        {
            if (folder.FindJson("tokenizer.json") is not { } file)
            {
                if (folder.Find("tokenizer.model") is { } sentencePiece)
                {
                    WriteSentencePieceModel(sentencePiece, to);
                    return null;
                }
                string[] others = ["tekken.json", "tiktoken.model", "qwen.tiktoken", "vocab.json", "vocab.txt"];
                return new ModelFileException("tokenizer not supported yet:", folder.Path, null, null, "a tokenizer.json or a tokenizer.model",
                    others.FirstOrDefault(name => folder.Find(name) is not null) is { } other ? $"{other} alone" : "none", Advice);
            }
            Write(file, to);
            return null;
        }
        catch (ModelFileException e)
        {
            return e;
        }
    }

    private void Write(JsonFile file, GgufWriter to)
    {
        if (!file.TryGet("model", out var model)) file.Wrong("model", "an object", model);
        var byteLevel = ByteLevelName(file, model);
        var (texts, types) = Tokens(file, model);
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var id = texts.Length - 1; id >= 0; id--) ids[texts[id]] = id;
        var ends = Ends(ids, file);
        var bos = Named("bos_token", ids) ?? Ids("bos_token_id").Cast<int?>().FirstOrDefault();
        var (unknown, padding) = (Named("unk_token", ids), Named("pad_token", ids));
        var (begins, finishes) = Surround(file, ids, bos, ends.Count > 0 ? ends[0] : null);

        if (byteLevel is not null && IsAround(file, ids, bos, ends))
        {
            var merges = Merges(file, model);
            to.Add(Prefix + "model", "gpt2").Add(Prefix + "pre", byteLevel).Add(Prefix + "tokens", texts).Add(Prefix + "token_type", types).Add(Prefix + "merges", merges);
            if (file.TryGet("normalizer", out var normalizer) && Is(normalizer, "type", "NFC")) to.Add(Prefix + "normalizer", "NFC");
        }
        else if (byteLevel is null && IsAround(file, ids, bos, ends) && SentencePieceScores(file, model, texts, types) is { } scores)
        {
            to.Add(Prefix + "model", "llama").Add(Prefix + "pre", "default").Add(Prefix + "tokens", texts).Add(Prefix + "scores", scores).Add(Prefix + "token_type", types)
                .Add(Prefix + "add_space_prefix", Prepends(file));
        }
        else
        {
            to.Add(Prefix + "model", "huggingface").Add(Prefix + "tokens", texts).Add(Prefix + "token_type", types).Add("tokenizer.huggingface.json", ReadText(file.Path));
            if (tokenizerConfig?.Flag("clean_up_tokenization_spaces", false) == true) to.Add("tokenizer.huggingface.clean_up_tokenization_spaces", true);
        }
        Put("bos_token_id", bos);
        for (var i = 0; i < ends.Count; i++) Put(EndKeys[i], ends[i]);
        Put("unknown_token_id", unknown);
        Put("padding_token_id", padding);
        to.Add(Prefix + "add_bos_token", begins && bos is not null).Add(Prefix + "add_eos_token", finishes && ends.Count > 0);

        void Put(string name, int? id)
        {
            if (id is { } known && known < texts.Length) to.Add(Prefix + name, (uint)known);
        }
    }

    private static string ReadText(string path)
    {
        using var file = new MappedFile(path);
        if (file.Length > (long)Limits.StringBytes) ModelFileException.Throw("length", path, null, null, $"at most {Limits.StringBytes} bytes", file.Length.ToString(), "This is not a tokenizer of a model.");
        var text = System.Text.Encoding.UTF8.GetString(file.Span(0, (int)file.Length));
        file.CheckWhole();
        return text;
    }

    // The name that GGUF has for it, or null where it is not byte-level BPE or does more than GGUF can say.
    private static string? ByteLevelName(JsonFile file, JsonElement model)
    {
        if (JsonFile.TryGet(model, "type", out var type) ? !Is(model, "type", "BPE") : !JsonFile.TryGet(model, "merges", out _)) return null;
        if (IsTrue(model, "byte_fallback") || HasText(model, "continuing_subword_prefix") || HasText(model, "end_of_word_suffix")
            || (JsonFile.TryGet(model, "dropout", out var dropout) && dropout.ValueKind != JsonValueKind.Number) || HasFlaggedTokens(file))
        {
            return null;
        }
        if (file.TryGet("normalizer", out var normalizer) && !Is(normalizer, "type", "NFC")
            && !(Is(normalizer, "type", "Sequence") && JsonFile.TryGet(normalizer, "normalizers", out var list) && list.ValueKind == JsonValueKind.Array && list.GetArrayLength() == 0))
        {
            return null;
        }
        if (!file.TryGet("decoder", out var decoder) || !Is(decoder, "type", "ByteLevel")) return null;
        return PreTokenizer(file, IsTrue(model, "ignore_merges"));
    }

    private static bool HasText(JsonElement parent, string name) => JsonFile.TryGet(parent, name, out var value) && !(value.ValueKind == JsonValueKind.String && value.ValueEquals(""));

    // Added tokens that take space along or want borders of words.
    private static bool HasFlaggedTokens(JsonFile file) => file.TryGet("added_tokens", out var added) && added.ValueKind == JsonValueKind.Array
        && added.EnumerateArray().Any(token => IsTrue(token, "lstrip") || IsTrue(token, "rstrip") || IsTrue(token, "single_word"));

    private static string? PreTokenizer(JsonFile file, bool wholeWords)
    {
        var (stages, byteLevel) = (new List<string>(), false);
        if (file.TryGet("pre_tokenizer", out var pre)) Collect(pre);
        if (!byteLevel) return null;
        foreach (var known in PreTokenizers)
        {
            if (known.WholeWords == wholeWords && known.Stages.SequenceEqual(stages, StringComparer.Ordinal)) return known.Name;
        }
        return null;

        void Collect(JsonElement stage)
        {
            var kind = JsonFile.TryGet(stage, "type", out var type) ? file.TextOf("pre_tokenizer.type", type) : "none";
            switch (kind)
            {
                case "Sequence" when JsonFile.TryGet(stage, "pretokenizers", out var list) && list.ValueKind == JsonValueKind.Array:
                    foreach (var inner in list.EnumerateArray()) Collect(inner);
                    break;
                case "Split" when JsonFile.TryGet(stage, "pattern", out var pattern) && JsonFile.TryGet(pattern, "Regex", out var regex)
                    && Is(stage, "behavior", "Isolated") && !IsTrue(stage, "invert"):
                    stages.Add(file.TextOf("pre_tokenizer.pattern.Regex", regex));
                    break;
                case "Digits" when IsTrue(stage, "individual_digits"):
                    stages.Add("digits");
                    break;
                case "ByteLevel" when !byteLevel && JsonFile.TryGet(stage, "add_prefix_space", out var space) && space.ValueKind == JsonValueKind.False:
                    byteLevel = true;
                    // Left out it means yes.
                    if (!JsonFile.TryGet(stage, "use_regex", out var own) || own.ValueKind == JsonValueKind.True) stages.Add("gpt2");
                    break;
                default:
                    stages.Add(kind + " as it is set here");
                    break;
            }
        }
    }

    private (string[] Texts, int[] Types) Tokens(JsonFile file, JsonElement model)
    {
        const int normal = 1, control = 3, userDefined = 4, unused = 5;
        if (!JsonFile.TryGet(model, "vocab", out var vocabulary) || vocabulary.ValueKind is not (JsonValueKind.Object or JsonValueKind.Array)) file.Wrong("model.vocab", "an object", vocabulary);
        var most = (int)Math.Min(Limits.ArrayElements, 1 << 24);
        var tokens = new Dictionary<int, (string Text, int Type)>();
        if (vocabulary.ValueKind == JsonValueKind.Array) // Unigram: tokens and their scores in the order of their numbers
        {
            foreach (var entry in vocabulary.EnumerateArray())
            {
                if (entry.ValueKind != JsonValueKind.Array || entry.GetArrayLength() != 2) file.Wrong($"model.vocab[{tokens.Count}]", "a token and its score", entry);
                tokens.Add(tokens.Count, (file.TextOf($"model.vocab[{tokens.Count}]", entry[0]), normal));
            }
        }
        foreach (var entry in vocabulary.ValueKind == JsonValueKind.Object ? vocabulary.EnumerateObject() : default)
        {
            var (name, id) = (entry.Name, 0);
            if (entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetInt32(out id) || id < 0 || id >= most) file.Wrong($"model.vocab.{name}", "a token's number", entry.Value);
            if (!tokens.TryAdd(id, (name, normal))) file.Wrong($"model.vocab.{name}", "a number of its own", entry.Value);
        }
        if (file.TryGet("added_tokens", out var added) && added.ValueKind == JsonValueKind.Array)
        {
            foreach (var token in added.EnumerateArray())
            {
                var id = 0;
                if (!JsonFile.TryGet(token, "id", out var number) || number.ValueKind != JsonValueKind.Number || !number.TryGetInt32(out id) || id < 0 || id >= most) file.Wrong("added_tokens.id", "a token's number", number);
                if (!JsonFile.TryGet(token, "content", out var content)) file.Wrong("added_tokens.content", "a text", content);
                var text = file.TextOf("added_tokens.content", content);
                tokens[id] = (text, IsTrue(token, "special") || LooksSpecial(text) ? control : userDefined);
            }
        }
        // The table of embeddings may be higher than the vocabulary; what is between is no token.
        var count = Math.Max(tokens.Count == 0 ? 0 : tokens.Keys.Max() + 1, config.Integer("vocab_size", 0, most));
        // A lying number allocates no more than a few times the file: real gaps are filled up to a round size.
        if (count > (2L * tokens.Count) + 65_536) file.Wrong("model.vocab", $"numbers below {(2L * tokens.Count) + 65_536}", added);
        var (texts, types) = (new string[count], new int[count]);
        for (var id = 0; id < count; id++) (texts[id], types[id]) = tokens.TryGetValue(id, out var token) ? token : ($"[PAD{id}]", unused);
        return (texts, types);
    }

    // Models whose added tokens are not marked as special, though they are: llama.cpp's converter knows them by their looks as well.
    private static bool LooksSpecial(string text) => text is "<pad>" or "<mask>"
        || (text.StartsWith("<|", StringComparison.Ordinal) && text.EndsWith("|>", StringComparison.Ordinal))
        || (text.StartsWith("<｜", StringComparison.Ordinal) && text.EndsWith("｜>", StringComparison.Ordinal));

    private static string[] Merges(JsonFile file, JsonElement model)
    {
        if (!JsonFile.TryGet(model, "merges", out var list) || list.ValueKind != JsonValueKind.Array) file.Wrong("model.merges", "an array", list);
        var merges = new string[list.GetArrayLength()];
        var i = 0;
        foreach (var merge in list.EnumerateArray())
        {
            if (merge.ValueKind == JsonValueKind.String)
            {
                merges[i++] = file.TextOf("model.merges", merge);
                continue;
            }
            if (merge.ValueKind != JsonValueKind.Array || merge.GetArrayLength() != 2) file.Wrong($"model.merges[{i}]", "two tokens", merge);
            var (left, right) = (file.TextOf($"model.merges[{i}]", merge[0]), file.TextOf($"model.merges[{i}]", merge[1]));
            if (left.Contains(' ', StringComparison.Ordinal) || right.Contains(' ', StringComparison.Ordinal)) file.Wrong($"model.merges[{i}]", "tokens without spaces", merge);
            merges[i++] = $"{left} {right}";
        }
        return merges;
    }

    /// <summary>The tokens that end an answer, the one of the tokenizer first.</summary>
    private List<int> Ends(Dictionary<string, int> ids, JsonFile file)
    {
        var ends = new List<int>();
        if (Named("eos_token", ids) is { } eos) ends.Add(eos);
        foreach (var id in Ids("eos_token_id"))
        {
            if (!ends.Contains(id)) ends.Add(id);
        }
        if (ends.Count > EndKeys.Length) Refuse(file, "tokenizer not supported yet:", "eos_token_id", "at most three tokens that end an answer", ends.Count.ToString());
        return ends;
    }

    // As the makers of the answers say, else as the model's config does.
    private IEnumerable<int> Ids(string name)
    {
        foreach (var source in new[] { generation, config })
        {
            if (source is null || !source.TryGet(name, out var value)) continue;
            var list = value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToArray() : [value];
            foreach (var one in list)
            {
                var id = 0;
                if (one.ValueKind != JsonValueKind.Number || !one.TryGetInt32(out id) || id < 0) source.Wrong(name, "a token's number, or several", one);
                yield return id;
            }
            yield break;
        }
    }

    // A token of tokenizer_config.json, by its text or as an object with its text.
    private int? Named(string name, Dictionary<string, int> ids)
    {
        if (tokenizerConfig is null || !tokenizerConfig.TryGet(name, out var value)) return null;
        if (value.ValueKind == JsonValueKind.Object && !JsonFile.TryGet(value, "content", out value)) return null;
        return ids.TryGetValue(tokenizerConfig.TextOf(name, value), out var id) ? id : null;
    }

    // What is put around a text: by the template of the post-processor if it has one, else by the flags of tokenizer_config.json.
    private (bool Bos, bool Eos) Surround(JsonFile file, Dictionary<string, int> ids, int? bos, int? eos)
    {
        var found = file.TryGet("post_processor", out var processor) ? Template(processor) : null;
        if (found is null) return (tokenizerConfig?.Flag("add_bos_token", false) ?? false, tokenizerConfig?.Flag("add_eos_token", false) ?? false);
        return (Is(found.Value[0], bos), Is(found.Value[found.Value.GetArrayLength() - 1], eos));

        bool Is(JsonElement part, int? id) => id is not null && JsonFile.TryGet(part, "SpecialToken", out var token) && JsonFile.TryGet(token, "id", out var text)
            && ids.TryGetValue(file.TextOf("post_processor", text), out var known) && known == id;

        static JsonElement? Template(JsonElement processor)
        {
            if (TokenizerFiles.Is(processor, "type", "TemplateProcessing") && JsonFile.TryGet(processor, "single", out var single)
                && single.ValueKind == JsonValueKind.Array && single.GetArrayLength() > 0)
            {
                return single;
            }
            if (!JsonFile.TryGet(processor, "processors", out var list) || list.ValueKind != JsonValueKind.Array) return null;
            foreach (var inner in list.EnumerateArray())
            {
                if (Template(inner) is { } template) return template;
            }
            return null;
        }
    }

    // The usual template, and others by name: files go before what tokenizer_config.json has.
    private void WriteTemplate(GgufWriter to)
    {
        const string key = "tokenizer.chat_template";
        var templates = new SortedDictionary<string, string>(StringComparer.Ordinal);
        if (tokenizerConfig is not null && tokenizerConfig.TryGet("chat_template", out var value))
        {
            // One text, or several by name.
            if (value.ValueKind != JsonValueKind.Array) templates["default"] = tokenizerConfig.TextOf("chat_template", value);
            else foreach (var one in value.EnumerateArray())
            {
                if (JsonFile.TryGet(one, "name", out var name) && JsonFile.TryGet(one, "template", out var text))
                    templates[tokenizerConfig.TextOf("chat_template.name", name)] = tokenizerConfig.TextOf("chat_template.template", text);
            }
        }
        if (folder.Find("chat_template.jinja") is { } path) templates["default"] = TemplateOf(path);
        const string more = "additional_chat_templates";
        var others = Path.Combine(folder.Folder, more);
        if (Directory.Exists(others))
        {
            foreach (var file in Directory.EnumerateFiles(others, "*.jinja").Order(StringComparer.Ordinal))
            {
                if (folder.Find($"{more}/{Path.GetFileName(file)}") is { } found) templates[Path.GetFileNameWithoutExtension(file)] = TemplateOf(found);
            }
        }
        foreach (var (name, text) in templates) to.Add(name == "default" ? key : $"{key}.{name}", text);
    }

    private static string TemplateOf(string path)
    {
        using var file = new MappedFile(path);
        if (file.Length > (long)Limits.StringBytes)
            ModelFileException.Throw("length", path, null, null, $"at most {Limits.StringBytes} bytes", file.Length.ToString(), "This is not a chat template.");
        var text = System.Text.Encoding.UTF8.GetString(file.Span(0, (int)file.Length));
        file.CheckWhole();
        return text;
    }

    private static bool Is(JsonElement parent, string name, string text) =>
        JsonFile.TryGet(parent, name, out var value) && value.ValueKind == JsonValueKind.String && value.ValueEquals(text);

    private static bool IsTrue(JsonElement parent, string name) => JsonFile.TryGet(parent, name, out var value) && value.ValueKind == JsonValueKind.True;

    private static void Refuse(JsonFile file, string what, string item, string expected, string found) =>
        ModelFileException.Throw(what, file.Path, item, null, expected, found, Advice);
}
