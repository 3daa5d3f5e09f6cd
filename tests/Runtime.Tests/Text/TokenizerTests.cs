using System.Buffers;
using System.Text;
using CsCheck;
using Microsoft.ML.Tokenizers;
using WarpDecode.Formats;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;
using Tokenizer = WarpDecode.Runtime.Text.Tokenizer;

namespace WarpDecode.Runtime.Tests.Text;

public sealed class TokenizerTests
{
    // Any UTF-16, with the characters that pre-tokenizers tell apart in good measure.
    internal static readonly Gen<string> AnyText = Gen.OneOf(
        Gen.Char['a', 'z'].Select(c => c.ToString()),
        Gen.Char.Select(c => c.ToString()), // lone surrogates too
        Gen.Int[0, 0x10FFFF].Select(c => c is >= 0xD800 and < 0xE000 ? "\uD800" : char.ConvertFromUtf32(c)),
        TokenizerModels.AnyOf(" ", "  ", "\n", "\r\n", "\t", "1", "12345", "'s", "'LL", "É", "ß", "e\u0301", "中文", "日本語の", "カタ", "한국", "नमस्ते", "١٢",
            "🚀", "👨‍👩‍👧", "𝐀𝐛", "𐐀𐐨", "𠀀", "\u3000", "\u00A0", "\u200B", "!", "...", "``", "$", "~", "<", "|", "<|im_end|>", "<think>", "_", "A", "Hello"))
        .Array[0, 20].Select(string.Concat);

    /// <summary>The vocabularies of llama.cpp with test vectors: those that are known to be there, and what else lies beside them.</summary>
    public static TheoryData<string> Vocabularies
    {
        get
        {
            var names = new SortedSet<string>(["gpt-2", "starcoder", "deepseek-llm", "llama-spm"], StringComparer.Ordinal);
            var folder = Path.Combine(Environment.GetEnvironmentVariable("WD_TEST_DATA") ?? Path.Combine(TestData.Root, "..", "shared", "data"), "vocab");
            if (Directory.Exists(folder))
            {
                foreach (var path in Directory.GetFiles(folder, "ggml-vocab-*.gguf"))
                {
                    if (File.Exists(path + ".inp") && File.Exists(path + ".out")) names.Add(Path.GetFileNameWithoutExtension(path)["ggml-vocab-".Length..]);
                }
            }
            return [.. names];
        }
    }

    [Theory]
    [MemberData(nameof(Vocabularies))]
    public void AgreesWithTheVectorsOfLlamaCpp(string name)
    {
        var path = TestData.Shared($"vocab/ggml-vocab-{name}.gguf");
        using var file = ModelFile.Open(path);
        var tokenizer = Tokenizer.FromMetadata(file);
        var inputs = File.ReadAllText(path + ".inp").Split("\n__ggml_vocab_test__\n");
        var outputs = File.ReadAllLines(path + ".out");
        Assert.True(outputs.Length >= 40, $"{outputs.Length} vectors");
        for (var i = 0; i < outputs.Length; i++)
        {
            var expected = outputs[i].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse);
            var ids = tokenizer.Encode(inputs[i], addSpecial: false, parseSpecial: false);
            // Vectors of BERT's kinds come with the tokens around the text.
            Assert.Equal(expected, tokenizer.Kind.StartsWith("bert", StringComparison.Ordinal) && expected.FirstOrDefault() == tokenizer.Bos ? tokenizer.Encode(inputs[i], true, false) : ids);
            if (tokenizer.Kind.StartsWith("gpt2", StringComparison.Ordinal) || tokenizer.Kind.StartsWith("llama", StringComparison.Ordinal)) Assert.Equal(inputs[i], tokenizer.Decode(ids));
        }
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("qwen2")]
    [InlineData("gpt4o")]
    [InlineData("deepseek3")]
    public void AgreesWithTheTokenizersLibrary(string kind)
    {
        var (tokenizer, _, golden) = TokenizerModels.Golden(kind);
        Agree(tokenizer, golden, kind == "qwen2");
    }

    [Theory]
    [InlineData("qwen3_moe-bf16", "qwen2")]
    [InlineData("qwen2_moe-bf16", "qwen2")]
    [InlineData("olmoe-f16", "gpt2")]
    [InlineData("gpt_oss-bf16", "gpt4o")]
    [InlineData("deepseek_v3-bf16", "deepseek3")]
    [InlineData("mixtral-bf16", "spm")]
    public void AgreesOnFilesOfLlamaCppsConverter(string name, string kind)
    {
        using var file = ModelFile.Open(TestData.Shared($"golden/gguf/{name}.gguf"));
        var tokenizer = Tokenizer.FromMetadata(file);
        Agree(tokenizer, TokenizerModels.Json($"tokenizers/{kind}/tokenizer_golden.json"), kind == "qwen2");
        if (kind == "spm") return;
        Assert.True(tokenizer.IsControl(511)); // [PAD511], unused
        Assert.Equal("", tokenizer.Decode([511]));
    }

    private static void Agree(Tokenizer tokenizer, System.Text.Json.JsonElement golden, bool normalizes)
    {
        var cases = golden.GetProperty("cases").EnumerateArray().ToList();
        Assert.Equal(62, cases.Count);
        foreach (var c in cases)
        {
            var text = c.GetProperty("text").GetString()!;
            // The one string that Qwen's NFC changes: a GGUF does not carry a normalizer. Its ids are those of the composed text.
            if (normalizes && text == "cafe\u0301 e\u0301 é") text = "café é é";
            var ids = c.GetProperty("ids").Ints();
            Assert.Equal(ids, tokenizer.Encode(text, addSpecial: false, parseSpecial: true));
            Assert.Equal(c.GetProperty("ids_special").Ints(), tokenizer.Encode(text, addSpecial: true, parseSpecial: true));
            Assert.Equal(c.GetProperty("decoded").GetString(), tokenizer.Decode(ids, special: true));
            // The converter makes control tokens of DeepSeek's <｜User｜> and <｜Assistant｜>, which tokenizer.json does not.
            if (tokenizer.Count == 512 && text.Contains("<｜User｜>", StringComparison.Ordinal)) continue;
            Assert.Equal(c.GetProperty("decoded_skip_special").GetString(), tokenizer.Decode(ids));
        }
    }

    [Theory]
    [InlineData("gpt-2")]
    [InlineData("deepseek-llm")]
    public void MergesAsMicrosoftMLTokenizers(string name)
    {
        using var file = ModelFile.Open(TestData.Shared($"vocab/ggml-vocab-{name}.gguf"));
        var tokenizer = Tokenizer.FromMetadata(file);
        var vocabulary = new Dictionary<string, int>();
        var tokens = file.Metadata.GetStrings("tokenizer.ggml.tokens");
        for (var id = 0; id < tokens.Length; id++) vocabulary.TryAdd(tokens[id], id);
        // Their merging on our words, so that the merge loop alone is compared.
        var theirs = BpeTokenizer.Create(new BpeOptions(vocabulary)
        {
            Merges = file.Metadata.GetStrings("tokenizer.ggml.merges"),
            PreTokenizer = new OurWords(Runtime.Text.PreTokenizer.Find(name)!),
            ByteLevel = true,
        });
        // User-defined tokens (deepseek-llm has single letters) are split off before merging, which theirs does not know.
        var types = file.Metadata.GetIntegers("tokenizer.ggml.token_type");
        var defined = tokens.Where((t, id) => types[id] == 4 && t.Length > 0).ToList();
        AnyText.Where(text => !text.Any(char.IsSurrogate) && !text.Contains("<|", StringComparison.Ordinal) && !defined.Exists(t => text.Contains(t, StringComparison.Ordinal))).Sample(text =>
            Assert.Equal(theirs.EncodeToIds(text), tokenizer.Encode(text, false, false)), iter: 2000);
        var lines = File.ReadLines(TestData.Shared("text/wikitext-2-test.txt")).Take(500);
        foreach (var line in lines) Assert.Equal(theirs.EncodeToIds(line), tokenizer.Encode(line, false, false));
        // Words beyond the short merge loop.
        Gen.Char["abcehrst "].Array[60, 400].Select(c => new string(c)).Sample(text =>
            Assert.Equal(theirs.EncodeToIds(text.Replace(' ', 'e')), tokenizer.Encode(text.Replace(' ', 'e'), false, false)), iter: 300);
    }

    private sealed class OurWords(Runtime.Text.PreTokenizer pre) : Microsoft.ML.Tokenizers.PreTokenizer
    {
        public override IEnumerable<(int Offset, int Length)> PreTokenize(string text) => pre.Split(text);

        public override IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text) => pre.Split(text);
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("qwen2")]
    [InlineData("gpt4o")]
    [InlineData("deepseek3")]
    public void DecodingGivesTheTextBack(string kind)
    {
        var (tokenizer, _, _) = TokenizerModels.Golden(kind);
        AnyText.Sample(text =>
        {
            var wellFormed = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)); // lone surrogates as U+FFFD
            Assert.Equal(wellFormed, tokenizer.Decode(tokenizer.Encode(text, addSpecial: false, parseSpecial: false)));
            Assert.Equal(wellFormed, tokenizer.Decode(tokenizer.Encode(text, addSpecial: false, parseSpecial: true), special: true));
        });
    }

    [Fact]
    public void ControlTokensAreReadOnlyWhenAskedAndUserDefinedOnesAlways()
    {
        var (tokenizer, _, _) = TokenizerModels.Golden("qwen2");
        var parsed = tokenizer.Encode("a<|im_end|><think>b", addSpecial: false, parseSpecial: true);
        Assert.Equal([64, 490, 491, 65], parsed);
        var plain = tokenizer.Encode("a<|im_end|><think>b", addSpecial: false, parseSpecial: false);
        Assert.DoesNotContain(490, plain);
        Assert.Equal([491, 65], plain[^2..]);
        Assert.Equal("a<think>b", tokenizer.Decode(parsed)); // user-defined tokens are text
        Assert.Equal("a<|im_end|><think>b", tokenizer.Decode(parsed, special: true));
        Assert.Equal("a<|im_end|><think>b", tokenizer.Decode(plain));
        Assert.True(tokenizer.IsControl(490));
        Assert.False(tokenizer.IsControl(491));
        Assert.Equal("<|im_end|>"u8, tokenizer.Bytes(490));
    }

    [Fact]
    public void OfOverlappingSpecialTokensTheLongestAtTheLeftmostPlaceWins()
    {
        var tokenizer = TokenizerModels.Bytes("gpt-2", ("<a", 3), ("<a>", 3), ("a>b", 4), ("  ", 4), ("    ", 4)).Add("tokenizer.ggml.merges", (string[])[]).Open();
        Assert.Equal([257, 'b'], tokenizer.Encode("<a>b", false, true));
        Assert.Equal(['<', 258], tokenizer.Encode("<a>b", false, false)); // the control tokens are text here, the user-defined one is not
        Assert.Equal([256, '<'], tokenizer.Encode("<a<", false, true)[..2]);
        Assert.Equal([260, 259, ' '], tokenizer.Encode("       ", false, false));
    }

    [Fact]
    public void BosAndEosAreAddedWhereTheModelSaysSo()
    {
        GgufWriter Model(string pre) => TokenizerModels.Bytes(pre, ("<s>", 3), ("</s>", 3)).Add("tokenizer.ggml.merges", (string[])[])
            .Add("tokenizer.ggml.bos_token_id", 256u).Add("tokenizer.ggml.eos_token_id", 257u);
        Assert.Equal(['a'], Model("gpt-2").Open().Encode("a", addSpecial: true, parseSpecial: false));
        Assert.Equal([256, 'a'], Model("llama-bpe").Open().Encode("a", addSpecial: true, parseSpecial: false)); // implied by the kind
        var both = Model("gpt-2").Add("tokenizer.ggml.add_bos_token", true).Add("tokenizer.ggml.add_eos_token", true).Open();
        Assert.Equal([256, 'a', 257], both.Encode("a", addSpecial: true, parseSpecial: false));
        Assert.Equal([256, 257], both.Encode("", addSpecial: true, parseSpecial: false));
        Assert.Equal(['a'], both.Encode("a", addSpecial: false, parseSpecial: false));
        Assert.Equal((256, 257, true, true), (both.Bos, both.Eos, both.AddBos, both.AddEos));
        Assert.Equal("gpt2 / gpt-2", both.Kind);
        Assert.Equal(258, both.Count);
    }

    [Fact]
    public void WholeWordsComeBeforeMergesWhereThePreTokenizerSaysSo()
    {
        // "abc" is a token that merging cannot reach, for (b, c) goes first.
        GgufWriter Model(string pre) => TokenizerModels.Bytes(pre, ("ab", 1), ("bc", 1), ("abc", 1), ("<s>", 3)).Add("tokenizer.ggml.merges", ["b c", "a b", "ab c"])
            .Add("tokenizer.ggml.bos_token_id", 259u);
        Assert.Equal(['a', 257], Model("qwen2").Open().Encode("abc", false, false));
        Assert.Equal([258], Model("llama-bpe").Open().Encode("abc", false, false));
    }

    [Theory]
    [InlineData("<|im_end|>,<|endoftext|>,<|end|>", "<|im_end|>,<|endoftext|>,<|end|>")]
    [InlineData("<|end|>,<|return|>,<|call|>", "<|return|>,<|call|>")] // harmony: <|end|> ends a message only
    [InlineData("<|eot_id|>,<|end_of_turn|>,<end_of_turn>,</s>,other", "<|eot_id|>,<|end_of_turn|>,<end_of_turn>,</s>")]
    public void EndsOfTurnsAreKnownByTheirTexts(string tokens, string ends)
    {
        var added = tokens.Split(',');
        var tokenizer = TokenizerModels.Bytes("qwen2", [.. added.Select(t => (t, 3))]).Add("tokenizer.ggml.merges", (string[])[]).Open();
        Assert.Equal(ends.Split(',').Select(t => 256 + Array.IndexOf(added, t)), tokenizer.EndOfTurn.Order());
        // Not control tokens: text of the model.
        Assert.Empty(TokenizerModels.Bytes("qwen2", [.. added.Select(t => (t, 4))]).Add("tokenizer.ggml.merges", (string[])[]).Open().EndOfTurn);
    }

    [Fact]
    public void EndsOfTurnsAreKnownByTheirKeys()
    {
        var tokenizer = TokenizerModels.Bytes("qwen2", ("x", 3), ("y", 3), ("z", 3)).Add("tokenizer.ggml.merges", (string[])[])
            .Add("tokenizer.ggml.eos_token_id", 256u).Add("tokenizer.ggml.eot_token_id", 257u).Add("tokenizer.ggml.eom_token_id", 258u).Open();
        Assert.Equal([256, 257, 258], tokenizer.EndOfTurn.Order());
        Assert.Null(tokenizer.Bos);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(256)]
    [InlineData(int.MaxValue)]
    public void IdsOutsideTheVocabularyAreRefused(int id)
    {
        var tokenizer = TokenizerModels.Bytes("gpt-2").Add("tokenizer.ggml.merges", (string[])[]).Open();
        Assert.Contains("0 to 255", Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.IsControl(id)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Bytes(id).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.AppendBytes(id, new ArrayBufferWriter<byte>(), special: true));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Decode([0, id]));
    }

    [Fact]
    public void WhatIsNotSupportedIsNamed()
    {
        Refused(TokenizerModels.Bytes("tekken-9").Add("tokenizer.ggml.merges", (string[])[]), "tokenizer.ggml.pre", "tekken-9");
        Refused(new GgufWriter("test").Add("tokenizer.ggml.model", "rwkv"), "not supported yet", "rwkv");
        Refused(new GgufWriter("test"), "tokenizer.ggml.model");
    }

    [Fact]
    public void BrokenVocabulariesAreRefused()
    {
        var none = (string[])[];
        Refused(TokenizerModels.Bytes("gpt-2"), "tokenizer.ggml.merges");
        Refused(TokenizerModels.Bytes("gpt-2").Add("tokenizer.ggml.merges", ["ab"]), "merge 0", "ab");
        Refused(TokenizerModels.Bytes("gpt-2").Add("tokenizer.ggml.merges", [" ab"]), "merge 0");
        Refused(TokenizerModels.Bytes("gpt-2").Add("tokenizer.ggml.merges", [""]), "merge 0");
        Refused(TokenizerModels.Bytes("gpt-2").Add("tokenizer.ggml.merges", none).Add("tokenizer.ggml.eos_token_id", 256u), "eos_token_id", "0 to 255");
        Refused(TokenizerModels.Bytes("gpt-2").Add("tokenizer.ggml.merges", none).Add("tokenizer.ggml.add_bos_token", true), "bos_token_id");
        Refused(TokenizerModels.Bytes("llama-bpe").Add("tokenizer.ggml.merges", none), "bos_token_id");
        GgufWriter Model(IReadOnlyCollection<string> tokens) => new GgufWriter("test").Add("tokenizer.ggml.model", "gpt2").Add("tokenizer.ggml.tokens", tokens).Add("tokenizer.ggml.merges", none);
        Refused(Model([]), "tokenizer.ggml.tokens", "empty");
        Refused(Model(["a"]), "a token for byte 0x0A");
        Refused(Model(["a"]).Add("tokenizer.ggml.token_type", [1, 1]), "tokenizer.ggml.token_type", "2 types");
    }

    private static void Refused(GgufWriter writer, params string[] words)
    {
        var error = Assert.Throws<ModelFileException>(() => writer.Open());
        foreach (var word in words) Assert.Contains(word, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void BytesOutsideAsciiMayBeMissingAndAreLeftOut()
    {
        var kept = Enumerable.Range(0, 256).Where(b => b is not (0xC0 or 0xC1 or >= 0xF1)).Select(b => ByteAlphabet.CharOf((byte)b).ToString()).ToList();
        var tokenizer = new GgufWriter("test").Add("tokenizer.ggml.model", "gpt2").Add("tokenizer.ggml.tokens", kept).Add("tokenizer.ggml.merges", (string[])[]).Open();
        Assert.Equal("é🚀\uFFFD", tokenizer.Decode(tokenizer.Encode("é🚀\uD800", false, false)));
        Assert.Equal([0x80, 0x80, 0x80], tokenizer.Encode("\U00040000", false, false).Select(id => (int)tokenizer.Bytes(id)[0])); // F1 80 80 80
        Assert.Equal("gpt2 / default", tokenizer.Kind);
    }

    [Fact]
    public void TokensOutsideTheByteAlphabetAreTheirOwnText()
    {
        var tokenizer = TokenizerModels.Bytes("gpt-2", ("Ġé", 1), ("中", 1), ("a b", 1)).Add("tokenizer.ggml.merges", (string[])[]).Open();
        Assert.Equal([0x20, 0xE9], tokenizer.Bytes(256).ToArray()); // both letters spell one byte
        Assert.Equal("中"u8, tokenizer.Bytes(257));
        Assert.Equal("a b"u8, tokenizer.Bytes(258));
    }

    [Fact]
    public void AMegabyteOfOneLetterIsNoProblem()
    {
        // Quadratic merging would take hours here.
        var tokenizer = TokenizerModels.Bytes("qwen2", ("aa", 1), ("aaaa", 1)).Add("tokenizer.ggml.merges", ["a a", "aa aa"]).Open();
        var ids = tokenizer.Encode(new string('a', 1_000_003), false, false);
        Assert.Equal(250_000 + 2, ids.Length);
        Assert.Equal([257, 256, 'a'], ids[^3..]);
    }
}
