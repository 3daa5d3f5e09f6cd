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
        foreach (var text in golden.GetProperty("cases").EnumerateArray().Select(c => c.GetProperty("text").GetString()!))
        {
            foreach (var special in new[] { false, true }) Assert.Equal(made.Encode(text, special, parseSpecial: true), read.Encode(text, special, parseSpecial: true));
        }
        ChatMessage[] messages = [new("user", "Hello")];
        Assert.Equal(template.Render(messages, addGenerationPrompt: true), ChatTemplate.FromMetadata(file).Render(messages, addGenerationPrompt: true));
    }

    [Theory]
    [InlineData("{}", "model")]
    [InlineData("""{"model":{"type":"Unigram"}}""", "Unigram")]
    [InlineData("""{"model":{"type":"WordPiece"}}""", "WordPiece")]
    [InlineData("""{"model":{"type":"BPE","byte_fallback":true}}""", "SentencePiece")]
    [InlineData("""{"normalizer":{"type":"NFKC"},"model":{"type":"BPE"}}""", "NFKC")]
    [InlineData("""{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"a+"},"behavior":"Isolated"},"model":{"type":"BPE"}}""", "a+")]
    [InlineData("""{"pre_tokenizer":{"type":"Whitespace"},"model":{"type":"BPE"}}""", "Whitespace")]
    [InlineData("""{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE"}}""", "model.vocab")]
    [InlineData("""{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE","vocab":{"a":-1}}}""", "model.vocab.a")]
    [InlineData("""{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE","vocab":{"a":9000000}}}""", "model.vocab")]
    [InlineData("""{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE","vocab":{"a":0,"b":0}}}""", "a number of its own")]
    [InlineData("""{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}}""", "model.merges[0]")]
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
        Assert.Contains("expected a tokenizer.json, found none", Assert.Throws<ModelFileException>(() => Tokenizer.FromMetadata(file)).Message, StringComparison.Ordinal);
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
