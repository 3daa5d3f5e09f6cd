using WarpDecode.Formats;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Text;

/// <summary>The tokenizer's files of a folder, without weights: what is read of them must be what the tokenizers library does with them.</summary>
public sealed class FolderTokenizerTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("wd-tokenizer-").FullName;

    public FolderTokenizerTests()
    {
        var config = File.ReadAllText(TestData.Golden("mixtral/config.json"));
        foreach (var end in new[] { "bos", "eos" }) config = config.Replace($"\"{end}_token_id\"", $"\"no_{end}\"", StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(folder, "config.json"), config);
        File.WriteAllBytes(Path.Combine(folder, "model.safetensors"), [2, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}']);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("gpt2")]
    [InlineData("qwen2")]
    [InlineData("gpt4o")]
    [InlineData("deepseek3")]
    public void AgreesWithTheTokenizersLibrary(string kind)
    {
        foreach (var name in new[] { "tokenizer.json", "tokenizer_config.json" }) File.Copy(TestData.Golden($"tokenizers/{kind}/{name}"), Path.Combine(folder, name));
        var (made, template, golden) = TokenizerModels.Golden(kind);
        using var file = ModelFile.Open(folder);
        var read = Tokenizer.FromMetadata(file);
        Assert.Equal($"gpt2 / {golden.GetProperty("info").GetProperty("pre").GetString()}", read.Kind);
        Assert.Equal(made.Bos, read.Bos);
        Assert.Equal(made.Eos, read.Eos);
        Assert.Equal((made.AddBos, made.AddEos), (read.AddBos, read.AddEos));
        Assert.True(read.EndOfTurn.IsSupersetOf(made.EndOfTurn));
        Agrees(read, golden);
        ChatMessage[] messages = [new("user", "Hello")];
        Assert.Equal(template.Render(messages, addGenerationPrompt: true), ChatTemplate.FromMetadata(file).Render(messages, addGenerationPrompt: true));
    }

    private static void Agrees(Tokenizer tokenizer, System.Text.Json.JsonElement golden, bool pieces = true)
    {
        foreach (var c in golden.GetProperty("cases").EnumerateArray())
        {
            var text = c.GetProperty("text").GetString()!;
            var ids = c.GetProperty("ids").Ints();
            Assert.Equal(ids, tokenizer.Encode(text, addSpecial: false, parseSpecial: true));
            Assert.Equal(c.GetProperty("ids_special").Ints(), tokenizer.Encode(text, addSpecial: true, parseSpecial: true));
            if (!pieces) continue;
            Assert.Equal(c.GetProperty("decoded").GetString(), tokenizer.Decode(ids, special: true));
            if (tokenizer.Count == 512 && text.Contains("<｜User｜>", StringComparison.Ordinal)) continue; // special by their looks only
            if (!text.Contains("<｜User｜>", StringComparison.Ordinal)) Assert.Equal(c.GetProperty("decoded_skip_special").GetString(), tokenizer.Decode(ids));
        }
    }

    [Fact]
    public void SentencePieceAgreesByItsJsonAndByItsModel()
    {
        var golden = TokenizerModels.Json("tokenizers/spm/tokenizer_golden.json");
        foreach (var name in new[] { "tokenizer.json", "tokenizer_config.json", "tokenizer.model" }) File.Copy(TestData.Golden($"tokenizers/spm/{name}"), Path.Combine(folder, name));
        using (var file = ModelFile.Open(folder))
        {
            Assert.Equal("llama", file.Metadata.GetString("tokenizer.ggml.model"));
            Agrees(Tokenizer.FromMetadata(file), golden);
        }
        File.Delete(Path.Combine(folder, "tokenizer.json"));
        using (var file = ModelFile.Open(folder)) Agrees(Tokenizer.FromMetadata(file), golden);
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("qwen2")]
    [InlineData("gpt4o")]
    [InlineData("deepseek3")]
    [InlineData("spm")]
    public void ThePipelineOfTokenizerJsonAgrees(string kind)
    {
        // A stage that changes nothing and that GGUF has no name for: the file is computed as it says.
        var json = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(TestData.Golden($"tokenizers/{kind}/tokenizer.json")))!;
        var nothing = System.Text.Json.Nodes.JsonNode.Parse("""{"type":"Replace","pattern":{"Regex":"\\uE123"},"content":""}""");
        json["normalizer"] = new System.Text.Json.Nodes.JsonObject { ["type"] = "Sequence", ["normalizers"] = json["normalizer"] is { } own ? new System.Text.Json.Nodes.JsonArray(nothing, own.DeepClone()) : new System.Text.Json.Nodes.JsonArray(nothing) };
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), json.ToJsonString());
        File.Copy(TestData.Golden($"tokenizers/{kind}/tokenizer_config.json"), Path.Combine(folder, "tokenizer_config.json"));
        using var file = ModelFile.Open(folder);
        Assert.Equal("huggingface", file.Metadata.GetString("tokenizer.ggml.model"));
        Agrees(Tokenizer.FromMetadata(file), TokenizerModels.Json($"tokenizers/{kind}/tokenizer_golden.json"));
    }

    [Theory]
    [InlineData("{}", "model")]
    [InlineData("""{"model":{"type":"Unigram"}}""", "model.vocab")]
    [InlineData("""{"model":{"type":"Letters","vocab":{"a":0}}}""", "Letters")]
    [InlineData("""{"normalizer":{"type":"Upper"},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}""", "Upper")]
    [InlineData("""{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated"},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}""", "(a")]
    [InlineData("""{"pre_tokenizer":{"type":"UnicodeScripts"},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}""", "UnicodeScripts")]
    [InlineData("""{"decoder":{"type":"CTC"},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}""", "CTC")]
    [InlineData("""{"post_processor":{"type":"Other"},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}""", "Other")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}""", "tokens of the vocabulary")]
    [InlineData("""{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE"}}""", "model.vocab")]
    [InlineData("""{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE","vocab":{"a":-1}}}""", "model.vocab.a")]
    [InlineData("""{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE","vocab":{"a":9000000}}}""", "model.vocab")]
    [InlineData("""{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE","vocab":{"a":0,"b":0}}}""", "a number of its own")]
    [InlineData("""{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}}""", "merges[0]")]
    [InlineData("""{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE","vocab":{"\ud800":0},"merges":[]}}""", "UTF-16")]
    [InlineData("{", "JSON")]
    public void SaysWhatItDoesNotReadOnceItIsAskedFor(string json, string says)
    {
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), json);
        using var file = ModelFile.Open(folder);
        var error = Assert.Throws<ModelFileException>(() => Tokenizer.FromMetadata(file));
        Assert.Equal(Path.Combine(folder, "tokenizer.json"), error.File);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Advice);
    }

    [Fact]
    public void WithoutATokenizerItSaysSo()
    {
        using var file = ModelFile.Open(folder);
        Assert.Contains("expected a tokenizer.json or a tokenizer.model, found none", Assert.Throws<ModelFileException>(() => Tokenizer.FromMetadata(file)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TheTemplateOfItsOwnFileIsPreferred()
    {
        File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), "of the file");
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), """{"chat_template":[{"name":"tool_use","template":"of a tool"},{"name":"default","template":"of the config"}]}""");
        using (var file = ModelFile.Open(folder)) Assert.Equal("of the file", file.Metadata.GetString("tokenizer.chat_template"));
        File.Delete(Path.Combine(folder, "chat_template.jinja"));
        using (var file = ModelFile.Open(folder)) Assert.Equal("of the config", file.Metadata.GetString("tokenizer.chat_template"));
    }

    [Fact]
    public void SamplingIsAsTheMakersSuggest()
    {
        File.WriteAllText(Path.Combine(folder, "generation_config.json"), """{"temperature":0.5,"top_p":0.75,"top_k":20,"repetition_penalty":1.25}""");
        using var file = ModelFile.Open(folder);
        var m = file.Metadata;
        Assert.Equal((0.5, 0.75, 20, 1.25), (m.GetNumber("general.sampling.temp"), m.GetNumber("general.sampling.top_p"), m.GetInt32("general.sampling.top_k"), m.GetNumber("general.sampling.penalty_repeat")));
        Assert.False(m.Contains("general.sampling.min_p"));
    }
}
