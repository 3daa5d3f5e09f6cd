using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace WarpDecode.Formats.Tests;

/// <summary>A folder with a small Qwen3-MoE model as Hugging Face lays it out, to be changed by a test, and deleted at its end.</summary>
internal sealed class TempModel : IDisposable
{
    public const int Hidden = 8;
    public const int Ff = 6;
    public const int Experts = 3;

    private static readonly string[] Parts = ["gate", "up", "down"];

    public TempModel()
    {
        Directory.CreateDirectory(Folder);
        for (var e = 0; e < Experts; e++)
        {
            Add($"{Layer}mlp.experts.{e}.gate_proj.weight", Ff, Hidden);
            Add($"{Layer}mlp.experts.{e}.up_proj.weight", Ff, Hidden);
            Add($"{Layer}mlp.experts.{e}.down_proj.weight", Hidden, Ff);
        }
    }

    public const string Layer = "model.layers.0.";

    public string Folder { get; } = Directory.CreateTempSubdirectory("wd-hf-").FullName;

    /// <summary>Members of config.json as JSON text.</summary>
    public Dictionary<string, string> Config { get; } = new(StringComparer.Ordinal)
    {
        ["model_type"] = "\"qwen3_moe\"",
        ["num_hidden_layers"] = "1",
        ["max_position_embeddings"] = "64",
        ["hidden_size"] = $"{Hidden}",
        ["intermediate_size"] = "16",
        ["moe_intermediate_size"] = $"{Ff}",
        ["num_attention_heads"] = "2",
        ["num_experts"] = $"{Experts}",
        ["num_experts_per_tok"] = "2",
        ["rms_norm_eps"] = "1e-6",
        ["rope_theta"] = "1e6",
        ["rope_scaling"] = "null",
        ["vocab_size"] = "4",
        ["norm_topk_prob"] = "true",
    };

    /// <summary>The tensors: type, shape, bytes.</summary>
    public Dictionary<string, (string Type, long[] Shape, byte[] Bytes)> Tensors { get; } = new(StringComparer.Ordinal);

    public static float[] Values(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }

    /// <summary>Adds FP32 numbers that follow from the name.</summary>
    public TempModel Add(string name, params long[] shape) =>
        Add(name, "F32", shape, Floats(Values(name.Aggregate(7, (hash, c) => unchecked((hash * 31) + c)), (int)shape.Aggregate(1L, (a, b) => a * b))));

    public TempModel Add(string name, string type, long[] shape, byte[] bytes)
    {
        Tensors[name] = (type, shape, bytes);
        return this;
    }

    public static byte[] Floats(float[] values) => MemoryMarshal.AsBytes<float>(values).ToArray();

    /// <summary>Writes config.json and model.safetensors, and opens the folder.</summary>
    public ModelFile Open()
    {
        WriteConfig();
        Write("model.safetensors", [.. Tensors.Keys]);
        return ModelFile.Open(Folder);
    }

    public void WriteConfig() => Put("config.json", "{" + string.Join(",", Config.Select(c => $"\"{c.Key}\":{c.Value}")) + "}");

    public void Put(string name, string text) => File.WriteAllText(Path.Combine(Folder, name), text);

    /// <summary>Writes a safetensors file of some of the tensors.</summary>
    public void Write(string name, params string[] tensors)
    {
        var header = new StringBuilder("{");
        var at = 0;
        foreach (var tensor in tensors)
        {
            var (type, shape, bytes) = Tensors[tensor];
            if (at > 0) header.Append(',');
            header.Append($"\"{tensor}\":{{\"dtype\":\"{type}\",\"shape\":[{string.Join(",", shape)}],\"data_offsets\":[{at},{at += bytes.Length}]}}");
        }
        var text = Encoding.UTF8.GetBytes(header.Append('}').ToString());
        var length = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)text.Length);
        File.WriteAllBytes(Path.Combine(Folder, name), [.. length, .. text, .. tensors.SelectMany(t => Tensors[t].Bytes)]);
    }

    /// <summary>Writes an index of tensors by shard, without the shards.</summary>
    public void WriteIndex(IEnumerable<(string Tensor, string Shard)> map) =>
        Put("model.safetensors.index.json", "{\"metadata\":{},\"weight_map\":{" + string.Join(",", map.Select(m => $"\"{m.Tensor}\":\"{m.Shard}\"")) + "}}");

    /// <summary>Puts the experts into gate_up_proj and down_proj, as rows, or as columns.</summary>
    public void Fuse(bool transposed)
    {
        float[] Of(int expert, string part) => MemoryMarshal.Cast<byte, float>(Tensors[$"{Layer}mlp.experts.{expert}.{part}_proj.weight"].Bytes).ToArray();
        static float[] Turn(float[] values, int columns) =>
            [.. Enumerable.Range(0, columns).SelectMany(c => Enumerable.Range(0, values.Length / columns).Select(r => values[(r * columns) + c]))];
        var (both, down) = (new List<float>(), new List<float>());
        for (var e = 0; e < Experts; e++)
        {
            float[] gateUp = [.. Of(e, "gate"), .. Of(e, "up")];
            both.AddRange(transposed ? Turn(gateUp, Hidden) : gateUp);
            down.AddRange(transposed ? Turn(Of(e, "down"), Ff) : Of(e, "down"));
            foreach (var part in Parts) Tensors.Remove($"{Layer}mlp.experts.{e}.{part}_proj.weight");
        }
        Add($"{Layer}mlp.experts.gate_up_proj", "F32", transposed ? [Experts, Hidden, 2 * Ff] : [Experts, 2 * Ff, Hidden], Floats([.. both]));
        Add($"{Layer}mlp.experts.down_proj", "F32", transposed ? [Experts, Ff, Hidden] : [Experts, Hidden, Ff], Floats([.. down]));
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
