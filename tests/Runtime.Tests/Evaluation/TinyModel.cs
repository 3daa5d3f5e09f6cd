using System.Text.Json;
using WarpDecode.Formats;
using WarpDecode.Tests;

namespace WarpDecode.Runtime.Tests.Evaluation;

/// <summary>The tiny checkpoint that transformers computed logits of, and its prompts of 1, 7 and 33 tokens.</summary>
internal static class TinyModel
{
    public const int Vocabulary = 512;

    public static string Path { get; } = TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf");

    private static readonly JsonElement Golden = JsonDocument.Parse(File.ReadAllText(TestData.Golden("qwen3_moe/golden.json"))).RootElement;

    public static int[] Prompt(int index) => [.. Golden.GetProperty("prompts")[index].GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];

    /// <summary>Row of a prompt's first position in logits.f64.</summary>
    public static int Row(int index) => Golden.GetProperty("prompts")[index].GetProperty("logits_row").GetInt32();

    /// <summary>150 tokens.</summary>
    public static int[] Long => [.. Golden.GetProperty("long").GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];

    public static Engine Open(BackendKind backend = BackendKind.Cpu, int prefill = 64) =>
        Engine.Open(Path, new EngineOptions { Backend = backend, Threads = 2, PrefillTokens = prefill });

    /// <summary>Writes the model with other metadata, and, of the tensor that is named, BF16 weights as F32.</summary>
    public static unsafe void Write(string path, Func<string, bool>? keep = null, Action<GgufWriter>? more = null, string? widen = null)
    {
        using var file = ModelFile.Open(Path);
        var writer = new GgufWriter(file.Metadata.GetString("general.architecture"));
        foreach (var key in file.Metadata.Keys.Where(key => key is not ("general.architecture" or "general.alignment") && (keep?.Invoke(key) ?? true))) writer.Copy(file.Metadata, key);
        more?.Invoke(writer);
        foreach (var tensor in file.Tensors)
        {
            var bytes = new ReadOnlySpan<byte>(tensor.Data, (int)tensor.Bytes).ToArray();
            if (tensor.Name != widen) writer.Add(tensor.Name, tensor.Type, [.. tensor.Shape], stream => stream.Write(bytes));
            else writer.Add(tensor.Name, WeightType.F32, [.. tensor.Shape], stream => stream.Write(Widen(bytes)));
        }
        using var copy = File.Create(path);
        writer.Write(copy);
    }

    private static byte[] Widen(byte[] bf16)
    {
        var f32 = new byte[2 * bf16.Length];
        for (var i = 0; i < bf16.Length; i += 2) bf16.AsSpan(i, 2).CopyTo(f32.AsSpan((2 * i) + 2)); // the upper half of a float
        return f32;
    }
}
