using System.Globalization;
using System.Text;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Formats.Tests;

/// <summary>Damaged JSON files of a model's folder: it is opened, or refused with an error that names the file.</summary>
public sealed class FolderFuzzTests : IDisposable
{
    // Of each file; WD_FUZZ_SECONDS, 20 where it is not said, makes them more.
    private static readonly int Inputs = 20 * (int)(double.TryParse(Environment.GetEnvironmentVariable("WD_FUZZ_SECONDS"), CultureInfo.InvariantCulture, out var asked) ? asked : 20);

    private static readonly string[] Numbers =
        ["0", "-1", "1", "2147483647", "2147483648", "-9223372036854775809", "1e308", "1e999", "0.5", "null", "true", "\"x\"", "[]", "{}", "[[[[1]]]]", "\"\\ud800\"", "\"../../etc/passwd\""];

    private readonly string folder = Directory.CreateTempSubdirectory("wd-folder-fuzz-").FullName;

    public FolderFuzzTests()
    {
        foreach (var path in Directory.GetFiles(Path.GetDirectoryName(TestData.Golden("mixtral/config.json"))!))
        {
            if (!path.Contains("logits", StringComparison.Ordinal) && !path.EndsWith(".gguf", StringComparison.Ordinal)) File.Copy(path, Path.Combine(folder, Path.GetFileName(path)));
        }
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("config.json")]
    [InlineData("generation_config.json")]
    [InlineData("tokenizer_config.json")]
    [InlineData("tokenizer.json")]
    [InlineData("model.safetensors.index.json")]
    public void OpensOrRefuses(string name)
    {
        var random = new Random(1);
        var path = Path.Combine(folder, name);
        if (!File.Exists(path))
        {
            using var whole = new Safetensors(Path.Combine(folder, "model.safetensors"));
            File.WriteAllText(path, $"{{\"metadata\": {{\"total_size\": 1}}, \"weight_map\": {{{string.Join(", ", whole.Tensors.Select(t => $"\"{t.Name}\": \"model.safetensors\""))}}}}}");
        }
        var good = File.ReadAllText(path);
        Open(); // as it is
        var (opened, messages) = (0, new HashSet<string>(StringComparer.Ordinal));
        for (var i = 0; i < Inputs; i++)
        {
            var bytes = Damaged(good, random);
            File.WriteAllBytes(path, bytes);
            try
            {
                Open();
                opened++;
            }
            catch (ModelFileException e)
            {
                Assert.DoesNotContain(e.Message, char.IsControl);
                Assert.EndsWith(".", e.Advice, StringComparison.Ordinal);
                messages.Add(e.Item ?? e.Message);
            }
            catch (Exception e)
            {
                Assert.Fail($"{e}\n{Encoding.UTF8.GetString(bytes)}");
            }
        }
        Assert.True(opened > 0 || name == "model.safetensors.index.json", "none was opened");
        Assert.True(messages.Count > 2 || opened > Inputs / 2, $"{messages.Count} kinds of error");
    }

    private void Open()
    {
        using var model = ModelFile.Open(folder);
        foreach (var key in model.Metadata.Keys) _ = model.Metadata.Show(key);
        foreach (var tensor in model.Tensors) _ = tensor.ToString();
    }

    // Mostly one value in the place of another, which stays JSON; else bytes.
    private static byte[] Damaged(string text, Random random)
    {
        var at = random.Next(text.Length);
        if (random.Next(4) == 0)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            at = random.Next(bytes.Length);
            if (random.Next(3) == 0) return bytes[..at];
            bytes[at] = (byte)random.Next(256);
            return bytes;
        }
        var colon = text.IndexOf(':', at);
        if (colon < 0) colon = text.IndexOf(':', StringComparison.Ordinal);
        var end = text.AsSpan(colon + 1).IndexOfAny(",}\n") + colon + 1;
        return Encoding.UTF8.GetBytes(string.Concat(text.AsSpan(0, colon + 1), " ", Numbers[random.Next(Numbers.Length)], text.AsSpan(end)));
    }
}
