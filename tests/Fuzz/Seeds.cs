using System.Text;
using WarpDecode.Formats;

namespace WarpDecode.Fuzz;

/// <summary>Makes the corpus: one small input for each feature of a format.</summary>
internal static class Seeds
{
    public static void Write(string folder)
    {
        var gguf = Directory.CreateDirectory(Path.Combine(folder, "gguf")).FullName;
        foreach (var (name, bytes) in Gguf()) File.WriteAllBytes(Path.Combine(gguf, name + ".gguf"), bytes);
        var safetensors = Directory.CreateDirectory(Path.Combine(folder, "safetensors")).FullName;
        foreach (var (name, bytes) in Safetensors()) File.WriteAllBytes(Path.Combine(safetensors, name + ".safetensors"), bytes);
    }

    private static IEnumerable<(string Name, byte[] Bytes)> Gguf()
    {
        yield return ("empty", [.. "GGUF"u8, 3, 0, 0, 0, .. new byte[16]]);
        yield return ("version2", [.. "GGUF"u8, 2, 0, 0, 0, .. new byte[16]]);
        yield return ("scalars", Bytes(new GgufWriter("x").Add("a", (byte)1).Add("b", (sbyte)-1).Add("c", (ushort)2).Add("d", (short)-2).Add("e", 3u).Add("f", -3)
            .Add("g", 4UL).Add("h", -4L).Add("i", 1.5f).Add("j", 2.5).Add("k", true)));
        yield return ("texts", Bytes(new GgufWriter("x").Add("empty", "").Add("long", new string('a', 300)).Add("invalid", MetadataType.String, [2, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xC0])));
        yield return ("arrays", Bytes(new GgufWriter("x").Add("u8", new byte[] { 1, 2 }).Add("i32", new[] { 1, -2, 3 }).Add("f32", new[] { 1f, float.NaN }).Add("f64", new[] { 1.0 })
            .Add("bools", new[] { true, false }).Add("texts", new[] { "a", "", "ccc" }).Add("none", Array.Empty<string>())));
        yield return ("nested", Bytes(new GgufWriter("x").Add("n", MetadataType.Array, [9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7])));
        yield return ("alignment", Bytes(new GgufWriter("x").Add("general.alignment", 8u).Add("a", WeightType.I8, [3], Fill(3)).Add("b", WeightType.I8, [1], Fill(1))));
        yield return ("shard", Bytes(new GgufWriter(null).Add("split.no", (ushort)1).Add("split.count", (ushort)3).Add("split.tensors.count", 5).Add("b", WeightType.F32, [2], Fill(8))));
        yield return ("odd", Bytes(new GgufWriter("x").Add("scalar", WeightType.F32, [], Fill(4)).Add("no rows", WeightType.Q4_K, [0, 256], Fill(0)).Add("", WeightType.I8, [1, 1, 1, 1], Fill(1))));
        var types = new GgufWriter("x");
        foreach (var type in Enum.GetValues<WeightType>().Where(t => t.IsKnown())) types.Add(type.ToString(), type, [1, type.BlockValues()], Fill(type.BlockBytes()));
        yield return ("types", Bytes(types));
        var model = new GgufWriter("qwen3moe").Add("qwen3moe.block_count", 1u).Add("qwen3moe.expert_count", 2u).Add("tokenizer.ggml.model", "gpt2")
            .Add("tokenizer.ggml.tokens", Enumerable.Range(0, 40).Select(i => $"t{i}").ToArray()).Add("tokenizer.ggml.token_type", Enumerable.Repeat(1, 40).ToArray());
        foreach (var name in (string[])["token_embd", "output_norm", "blk.0.attn_q", "blk.0.ffn_norm"]) model.Add(name + ".weight", WeightType.Q8_0, [2, 32], Fill(68));
        model.Add("blk.0.ffn_gate_exps.weight", WeightType.BF16, [2, 3, 4], Fill(48));
        yield return ("model", Bytes(model));
    }

    private static IEnumerable<(string Name, byte[] Bytes)> Safetensors()
    {
        yield return ("empty", Header("{}", 0));
        yield return ("one", Header("""{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}""", 24));
        yield return ("metadata", Header("""{"__metadata__":{"format":"pt","x":"\u00e9\n"},"w":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}""", 8));
        yield return ("scalar", Header("""{"s":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}""", 8));
        yield return ("zero", Header("""{"z":{"dtype":"F16","shape":[0,5],"data_offsets":[0,0]},"w":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}""", 3));
        yield return ("order", Header("""{"b":{"data_offsets":[4,6],"shape":[1],"dtype":"F16"},"a":{"shape":[1],"data_offsets":[0,4],"dtype":"F32"}}   """, 6));
        yield return ("fp8", Header("""{"w":{"dtype":"F8_E4M3","shape":[2,4],"data_offsets":[0,8]},"w_scale_inv":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]}}""", 12));
        yield return ("mxfp4", Header("""{"w_blocks":{"dtype":"U8","shape":[2,1,16],"data_offsets":[0,32]},"w_scales":{"dtype":"U8","shape":[2,1],"data_offsets":[32,34]}}""", 34));
        yield return ("dimensions", Header("""{"d":{"dtype":"I8","shape":[1,1,1,1,1,1,1,2],"data_offsets":[0,2]}}""", 2));
        string[] types = ["BOOL", "U8", "I8", "F8_E5M2", "F8_E8M0", "U16", "I16", "F16", "BF16", "U32", "I32", "F32", "U64", "I64", "F64", "C64", "F4", "F6_E2M3", "F6_E3M2"];
        int[] bits = [8, 8, 8, 8, 8, 16, 16, 16, 16, 32, 32, 32, 64, 64, 64, 64, 4, 6, 6];
        var (all, at) = (new StringBuilder("{"), 0);
        for (var i = 0; i < types.Length; i++)
        {
            all.Append(i == 0 ? "" : ",").Append($"\"{types[i]}\":{{\"dtype\":\"{types[i]}\",\"shape\":[4],\"data_offsets\":[{at},{at + (bits[i] / 2)}]}}");
            at += bits[i] / 2;
        }
        yield return ("types", Header(all.Append('}').ToString(), at));
    }

    private static byte[] Header(string json, int dataBytes)
    {
        var header = Encoding.UTF8.GetBytes(json);
        return [.. BitConverter.GetBytes((long)header.Length), .. header, .. Enumerable.Range(0, dataBytes).Select(i => (byte)((i * 37) + 11))];
    }

    private static Action<Stream> Fill(int bytes) => stream =>
    {
        for (var i = 0; i < bytes; i++) stream.WriteByte((byte)((i * 37) + 11));
    };

    private static byte[] Bytes(GgufWriter writer)
    {
        using var memory = new MemoryStream();
        writer.Write(memory);
        return memory.ToArray();
    }
}
