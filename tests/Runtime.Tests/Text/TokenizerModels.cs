using System.Text.Json;
using CsCheck;
using WarpDecode.Formats;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;

namespace WarpDecode.Runtime.Tests.Text;

/// <summary>Model files that hold a tokenizer and nothing else.</summary>
internal static class TokenizerModels
{
    /// <summary>A byte-level vocabulary without merges: the 256 bytes, then <paramref name="added"/> from id 256.</summary>
    public static GgufWriter Bytes(string? pre, params (string Text, int Type)[] added)
    {
        var writer = new GgufWriter("test");
        writer.Add("tokenizer.ggml.model", "gpt2");
        if (pre is not null) writer.Add("tokenizer.ggml.pre", pre);
        var tokens = Enumerable.Range(0, 256).Select(b => ByteAlphabet.CharOf((byte)b).ToString()).Concat(added.Select(a => a.Text)).ToList();
        writer.Add("tokenizer.ggml.tokens", tokens);
        writer.Add("tokenizer.ggml.token_type", [.. Enumerable.Repeat(1, 256), .. added.Select(a => a.Type)]);
        return writer;
    }

    public static Tokenizer Open(this GgufWriter writer) => writer.WithFile(Tokenizer.FromMetadata);

    public static T WithFile<T>(this GgufWriter writer, Func<ModelFile, T> use)
    {
        var path = Path.Combine(Path.GetTempPath(), $"wd-{Guid.NewGuid():N}.gguf");
        try
        {
            using (var stream = File.Create(path)) writer.Write(stream);
            using var file = ModelFile.Open(path);
            return use(file);
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>The tokenizer of tests/Golden/tokenizers/kind, and what the tokenizers library says of it.</summary>
    public static (Tokenizer Tokenizer, ChatTemplate Template, JsonElement Golden) Golden(string kind)
    {
        var model = Json($"tokenizers/{kind}/tokenizer.json");
        var config = Json($"tokenizers/{kind}/tokenizer_config.json");
        var golden = Json($"tokenizers/{kind}/tokenizer_golden.json");
        var info = golden.GetProperty("info");

        var count = info.GetProperty("n_tokens").GetInt32();
        var tokens = new string[count];
        var types = Enumerable.Repeat(1, count).ToArray();
        foreach (var entry in model.GetProperty("model").GetProperty("vocab").EnumerateObject()) tokens[entry.Value.GetInt32()] = entry.Name;
        foreach (var added in model.GetProperty("added_tokens").EnumerateArray())
        {
            var id = added.GetProperty("id").GetInt32();
            tokens[id] = added.GetProperty("content").GetString()!;
            types[id] = added.GetProperty("special").GetBoolean() ? 3 : 4;
        }
        var merges = model.GetProperty("model").GetProperty("merges").EnumerateArray().Select(m => $"{m[0].GetString()} {m[1].GetString()}").ToList();

        var writer = new GgufWriter("test")
            .Add("tokenizer.ggml.model", "gpt2").Add("tokenizer.ggml.pre", info.GetProperty("pre").GetString()!)
            .Add("tokenizer.ggml.tokens", tokens).Add("tokenizer.ggml.token_type", types).Add("tokenizer.ggml.merges", merges)
            .Add("tokenizer.ggml.add_bos_token", config.GetProperty("add_bos_token").GetBoolean())
            .Add("tokenizer.ggml.add_eos_token", config.GetProperty("add_eos_token").GetBoolean())
            .Add("tokenizer.chat_template", config.GetProperty("chat_template").GetString()!);
        foreach (var name in new[] { "bos", "eos" })
        {
            if (info.GetProperty(name).ValueKind == JsonValueKind.Number) writer.Add($"tokenizer.ggml.{name}_token_id", (uint)info.GetProperty(name).GetInt32());
        }
        return writer.WithFile(file => (Tokenizer.FromMetadata(file), ChatTemplate.FromMetadata(file), golden));
    }

    public static JsonElement Json(string golden) => JsonDocument.Parse(File.ReadAllBytes(TestData.Golden(golden))).RootElement;

    public static Gen<T> AnyOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    public static int[] Ints(this JsonElement element) => [.. element.EnumerateArray().Select(e => e.GetInt32())];
}
