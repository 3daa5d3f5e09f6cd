using System.Globalization;
using WarpDecode.Formats;

namespace WarpDecode.Runtime.Quantization;

/// <summary>
/// Which type each tensor gets: the rules of llama.cpp (src/llama-quant.cpp), so that a file type means the same here and there.
/// Falcon's own rules and the types below 2.6 bits are left out.
/// </summary>
internal sealed class TypeMix
{
    // Small and sensitive, or not multiplied with: they keep their precision. Parts of names.
    private static readonly string[] Kept =
    [
        "_norm.weight", "ffn_gate_inp", "ffn_gate_tid2eid", "altup", "laurel", "per_layer_model_proj", "ssm_conv1d", "shortconv.conv.weight",
        "indexer.k_proj.weight", "indexer.q_proj.weight", "time_mix_first.", "time_mix_w0.", "time_mix_w1.", "time_mix_w2.", "time_mix_v0.",
        "time_mix_v1.", "time_mix_v2.", "time_mix_a0.", "time_mix_a1.", "time_mix_a2.", "time_mix_g1.", "time_mix_g2.", "time_mix_decay_w1.",
        "time_mix_decay_w2.", "time_mix_lerp_fused.", "attn_rel_b.weight", "position_embd", "token_types.weight", "sam.pos_embd", "sam.neck.",
        "sam.net_", ".rel_pos", ".patch_embd", ".patch_merger", "a.rvq.codebook", "mm.a.code_embd",
    ];

    private readonly QuantizeOptions options;
    private readonly string target;
    private readonly bool hasImportance;
    private readonly int layers;
    private readonly int experts;
    private readonly long queriesPerKey;
    private readonly bool is70B;
    private readonly bool isTied;
    private readonly List<string> valueTensors;

    public TypeMix(ModelFile file, QuantizeOptions options, bool hasImportance)
    {
        this.options = options;
        this.hasImportance = hasImportance;
        target = options.Target.Name;
        var architecture = file.Metadata.Contains("general.architecture") ? file.Metadata.GetString("general.architecture") : "";
        layers = (int)Math.Min(First("block_count"), int.MaxValue);
        experts = (int)Math.Min(First("expert_count"), int.MaxValue);
        var (heads, keyHeads) = (First("attention.head_count"), First("attention.head_count_kv"));
        if (!file.Metadata.Contains($"{architecture}.attention.head_count_kv")) keyHeads = heads;
        queriesPerKey = keyHeads > 0 ? heads / keyHeads : 0;
        is70B = layers == 80 && (architecture is "qwen2" or "deci" or "olmo" || (architecture == "llama" && heads != keyHeads));
        isTied = file.Find("output.weight") is null;
        valueTensors = [.. file.Tensors.Select(t => t.Name).Where(IsValue).OrderBy(name => LayerOf(name) ?? -1).ThenBy(name => name, StringComparer.Ordinal)];

        long First(string key) => file.Metadata.Contains($"{architecture}.{key}") && file.Metadata.GetIntegers($"{architecture}.{key}") is [var first, ..] ? Math.Max(first, 0) : 0;
    }

    /// <summary>Whether a tensor may be quantized at all; one that may not is stored as F32, or as it is if it is no plain number.</summary>
    public static bool MayQuantize(TensorView tensor) => tensor.Shape.Count(size => size > 1) >= 2 && tensor.Shape[^1] > 1
        && tensor.Name.EndsWith("weight", StringComparison.Ordinal)
        && !Kept.Any(part => tensor.Name.Contains(part, StringComparison.Ordinal));

    /// <summary>The type that a tensor gets.</summary>
    /// <param name="tensor">A tensor that <see cref="MayQuantize"/>.</param>
    /// <param name="note">Receives why it is another than the rule's, or null.</param>
    public WeightType Choose(TensorView tensor, out string? note)
    {
        note = null;
        var type = Rule(tensor);
        var columns = tensor.Shape[^1];
        if (columns % type.BlockValues() == 0) return type;
        var other = type switch
        {
            WeightType.Q2_K or WeightType.Q3_K => WeightType.Q4_0,
            WeightType.Q4_K => WeightType.Q5_0,
            WeightType.Q5_K => WeightType.Q5_1,
            WeightType.Q6_K => WeightType.Q8_0,
            WeightType.IQ4_XS => WeightType.IQ4_NL,
            _ => WeightType.F16,
        };
        if (columns % other.BlockValues() != 0) other = WeightType.F16;
        note = $"{ModelFileException.Printable(tensor.Name)} becomes {other}: its rows of {columns} weights are no whole number of {type} blocks of {type.BlockValues()}";
        return other;
    }

    private WeightType Rule(TensorView tensor)
    {
        var name = tensor.Name;
        var type = options.Target.Type;
        var isEmbedding = name is "token_embd.weight" or "per_layer_token_embd.weight";
        var isOutput = name == "output.weight";
        if (isEmbedding && options.TokenEmbeddingType is { } embeddingType) return embeddingType;
        if ((isOutput || (isEmbedding && isTied)) && options.OutputType is { } outputType) return outputType;
        if (options.Pure || type.BlockValues() == 1) return type;
        if (isOutput || (isEmbedding && isTied)) return Output(tensor, type);
        if (target == "MXFP4_MOE") return name.Contains("_exps", StringComparison.Ordinal) ? type : WeightType.Q8_0;
        if (isEmbedding) return type;
        if (IsValue(name)) return Value(name, type);
        if (name.Contains("attn_k.weight", StringComparison.Ordinal)) return experts == 8 ? WeightType.Q8_0 : type;
        if (name.Contains("attn_output.weight", StringComparison.Ordinal)) return AttentionOutput(type);
        return name.Contains("ffn_down", StringComparison.Ordinal) ? Down(name, type) : type;
    }

    private static WeightType Output(TensorView tensor, WeightType type) =>
        type is WeightType.Q8_0 or WeightType.MXFP4 || tensor.Shape[^1] % type.BlockValues() != 0 ? WeightType.Q8_0 : WeightType.Q6_K;

    // Values are few where several queries share them, and every error in them goes straight into the residual.
    private WeightType Value(string name, WeightType type)
    {
        var i = valueTensors.IndexOf(name);
        type = target switch
        {
            "Q2_K" => queriesPerKey >= 4 ? WeightType.Q4_K : WeightType.Q3_K,
            "Q3_K_M" => i < 2 ? WeightType.Q5_K : WeightType.Q4_K,
            "Q3_K_L" => WeightType.Q5_K,
            "IQ4_NL" or "IQ4_XS" when queriesPerKey >= 4 => WeightType.Q5_K,
            "Q4_K_M" or "Q5_K_M" when GetsMoreBits(i, valueTensors.Count) => WeightType.Q6_K,
            "Q4_K_S" when i < 4 => WeightType.Q5_K,
            _ => type,
        };
        if (is70B && type is WeightType.Q3_K or WeightType.Q4_K) type = WeightType.Q5_K;
        return experts == 8 ? WeightType.Q8_0 : type;
    }

    private WeightType AttentionOutput(WeightType type) => experts == 8
        ? target is "Q2_K" or "Q3_K_S" or "Q3_K_M" or "IQ4_NL" or "IQ4_XS" or "Q4_K_S" or "Q4_K_M" ? WeightType.Q5_K : type
        : target switch
        {
            "Q2_K" => WeightType.Q3_K,
            "Q3_K_M" => WeightType.Q4_K,
            "Q3_K_L" => WeightType.Q5_K,
            _ => type,
        };

    private WeightType Down(string name, WeightType type)
    {
        var layer = LayerOf(name) ?? 0;
        return target switch
        {
            "Q2_K" => WeightType.Q3_K,
            "Q3_K_M" => layer < layers / 16 ? WeightType.Q5_K : WeightType.Q4_K,
            "Q3_K_L" => WeightType.Q5_K,
            "Q4_K_M" or "Q5_K_M" when GetsMoreBits(layer, layers) => WeightType.Q6_K,
            "Q4_K_S" when layer < layers / 8 => WeightType.Q5_K,
            "IQ4_NL" or "IQ4_XS" when layer < layers / 8 && !hasImportance => WeightType.Q5_K,
            "Q4_0" when layer < layers / 8 && hasImportance => WeightType.Q4_1,
            "Q5_0" when layer < layers / 8 && hasImportance => WeightType.Q5_1,
            _ => type,
        };
    }

    // The first eighth, the last, and every third between.
    private static bool GetsMoreBits(int i, int n) => i < n / 8 || i >= 7 * n / 8 || (i - (n / 8)) % 3 == 2;

    private static bool IsValue(string name) => name.Contains("attn_v.weight", StringComparison.Ordinal)
        || name.Contains("attn_qkv.weight", StringComparison.Ordinal) || name.Contains("attn_kv_b.weight", StringComparison.Ordinal);

    private static int? LayerOf(string name) => name.StartsWith("blk.", StringComparison.Ordinal) && name.IndexOf('.', 4) is > 4 and var end
        && int.TryParse(name.AsSpan(4, end - 4), NumberStyles.None, CultureInfo.InvariantCulture, out var layer) ? layer : null;
}
