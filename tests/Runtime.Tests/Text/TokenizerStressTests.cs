using System.Diagnostics;
using System.Text;
using WarpDecode.Formats;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Text;

/// <summary>Long texts: what goes in comes out, and no text takes more than its length's time.</summary>
public sealed class TokenizerStressTests
{
    // Folders, so that each kind is read as it is laid out.
    private static T WithFolder<T>(string kind, Func<Tokenizer, T> use)
    {
        var folder = Directory.CreateTempSubdirectory("wd-stress-").FullName;
        try
        {
            File.Copy(TestData.Golden("mixtral/config.json"), Path.Combine(folder, "config.json"));
            File.WriteAllBytes(Path.Combine(folder, "model.safetensors"), [2, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}']);
            foreach (var name in new[] { "tokenizer.json", "tokenizer_config.json" }) File.Copy(TestData.Golden($"tokenizers/{kind}/{name}"), Path.Combine(folder, name));
            using var file = ModelFile.Open(folder);
            return use(Tokenizer.FromMetadata(file));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("gpt2")]
    [InlineData("gpt4o")]
    [InlineData("deepseek3")]
    [InlineData("spm")]
    public void AMegabyteComesBackAsItWas(string kind) => WithFolder(kind, tokenizer =>
    {
        var random = new Random(7);
        var text = new StringBuilder();
        while (text.Length < 200_000) // of any character
        {
            var point = random.Next(0x110000);
            if (point is >= 0xD800 and < 0xE000 or 0x2581) continue; // SentencePiece reads its mark as a space
            text.Append(char.ConvertFromUtf32(point));
        }
        var words = new[] { "the", "Hello", "don't", "12", "345678", "naïve", "中文", "\n", "\n\n", "  ", "\t", "!?", "…", "e\u0301", "𝐀", "한국", "{", "}" };
        while (text.Length < 500_000) text.Append(words[random.Next(words.Length)]).Append(random.Next(3) == 0 ? "" : " ");
        var whole = text.ToString();
        Assert.Equal(whole, tokenizer.Decode(tokenizer.Encode(whole, addSpecial: false, parseSpecial: false)));
        return true;
    });

    [Theory]
    [InlineData("gpt2")]
    [InlineData("qwen2")]
    [InlineData("gpt4o")]
    [InlineData("deepseek3")]
    [InlineData("spm")]
    public void MuchOfAnythingTakesItsTimeOnly(string kind) => WithFolder(kind, tokenizer =>
    {
        var clock = new Stopwatch();
        foreach (var unit in new[] { "a", " ", "\n", "7", "\u0301", "A", "中", " a", "'", "<|", "e\u0301", "\U0001F680", "t h e" })
        {
            var text = string.Concat(Enumerable.Repeat(unit, 300_000 / unit.Length));
            clock.Restart();
            var ids = tokenizer.Encode(text, addSpecial: false, parseSpecial: true);
            Assert.NotEmpty(ids);
            // Quadratic work is nearly 10¹¹ steps here.
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(10), $"'{unit}' took {clock.Elapsed}");
        }
        return true;
    });

    [Fact]
    public void WikiTextComesBackAsItWas()
    {
        var text = File.ReadAllText(TestData.Shared("text/wikitext-2-test.txt"));
        foreach (var name in new[] { "gpt-2", "llama-spm", "deepseek-llm", "starcoder" })
        {
            using var file = ModelFile.Open(TestData.Shared($"vocab/ggml-vocab-{name}.gguf"));
            var tokenizer = Tokenizer.FromMetadata(file);
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text, addSpecial: false, parseSpecial: false)));
        }
    }
}
