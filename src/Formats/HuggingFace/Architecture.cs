using System.Globalization;
using System.Text.Json;

namespace WarpDecode.Formats.HuggingFace;

/// <summary>What a tensor of a Hugging Face model is in the vocabulary of GGUF.</summary>
/// <param name="Name">Its name there.</param>
/// <param name="Expert">Which expert of the stack of that name it is; null for a whole tensor.</param>
/// <param name="Heads">Of queries and keys that GGUF orders for rope on neighbours: how many heads; else 0.</param>
internal readonly record struct Place(string Name, int? Expert = null, int Heads = 0);

/// <summary>
/// How one architecture's config.json and tensor names are said in the vocabulary of GGUF: what llama.cpp's converter writes, so that
/// a model opened so and its converted file are the same to everything behind. A new architecture is one more class here.
/// </summary>
internal abstract class Architecture
{
    private static readonly Architecture[] All = [new Qwen3Moe(), new Mixtral()];

    /// <summary>Value of <c>model_type</c>.</summary>
    public abstract string ModelType { get; }

    /// <summary>Value of <c>general.architecture</c>.</summary>
    public abstract string Name { get; }

    /// <summary>The architecture of a config.json.</summary>
    /// <exception cref="ModelFileException">Not named, or not known.</exception>
    public static Architecture Of(JsonFile config)
    {
        const string key = "model_type";
        var type = config.Text(key);
        return Array.Find(All, a => a.ModelType == type) ?? throw new ModelFileException("architecture in", config.Path, key, null,
            string.Join(" or ", All.Select(a => a.ModelType)), type is null ? "none" : $"'{type}'", "This architecture is not supported yet as safetensors.");
    }

    /// <summary>Writes the hyperparameters.</summary>
    /// <exception cref="ModelFileException">One is missing, out of range, or asks for what is not done.</exception>
    public virtual void WriteConfig(JsonFile config, GgufWriter to)
    {
        string Key(string name) => $"{Name}.{name}";
        var heads = config.Integer("num_attention_heads");
        to.Add(Key("block_count"), (uint)config.Integer("num_hidden_layers"))
            .Add(Key("context_length"), (uint)config.Integer("max_position_embeddings"))
            .Add(Key("embedding_length"), (uint)config.Integer("hidden_size"))
            .Add(Key("feed_forward_length"), (uint)config.Integer("intermediate_size"))
            .Add(Key("attention.head_count"), (uint)heads)
            .Add(Key("attention.head_count_kv"), (uint)config.Integer("num_key_value_heads", heads))
            .Add(Key("attention.layer_norm_rms_epsilon"), (float)config.Number("rms_norm_eps"))
            .Add(Key("expert_count"), (uint)Experts(config))
            .Add(Key("expert_used_count"), (uint)config.Integer("num_experts_per_tok"));
        WriteRope(config, to);
        if (config.Text("hidden_act") is { } activation and not "silu")
            ModelFileException.Throw("value", config.Path, "hidden_act", null, "'silu'", $"'{activation}'", "This activation is not supported yet.");
        if (config.TryGet("quantization_config", out var quantization) && JsonFile.TryGet(quantization, "quant_method", out var method)
            && config.TextOf("quantization_config.quant_method", method) is not ("fp8" or "fbgemm_fp8" or "compressed-tensors" or "modelopt" or "mxfp8" or "mxfp4"))
        {
            config.Wrong("quantization_config.quant_method", "'fp8', 'fbgemm_fp8', 'compressed-tensors', 'modelopt', 'mxfp8' or 'mxfp4'", method,
                "Weights quantized so are not supported yet: use the model as it was before, in FP8 or MXFP4, or as GGUF.");
        }
    }

    /// <summary>What a tensor is; null for one that says nothing, such as a buffer of rope's frequencies.</summary>
    public Place? Find(string name, JsonFile config)
    {
        switch (name)
        {
            case "model.embed_tokens.weight":
                return new Place("token_embd.weight");
            case "model.norm.weight":
                return new Place("output_norm.weight");
            case "lm_head.weight": // some files hold it although it is the embedding
                return config.Flag("tie_word_embeddings", false) ? null : new Place("output.weight");
        }
        const string prefix = "model.layers.";
        if (!name.StartsWith(prefix, StringComparison.Ordinal)) return new Place(name);
        var dot = name.IndexOf('.', prefix.Length);
        if (dot < 0 || !Number(name.AsSpan(prefix.Length, dot - prefix.Length), out var layer)) return new Place(name);
        var part = name[(dot + 1)..];
        if (part == "self_attn.rotary_emb.inv_freq") return null;
        return FindInLayer(part, config) is { } place ? place with { Name = $"blk.{layer}.{place.Name}" } : new Place(name);
    }

    /// <summary>What a layer's tensor is, without the layer's prefix; null for one that is not known.</summary>
    protected virtual Place? FindInLayer(string part, JsonFile config) => part switch
    {
        "input_layernorm.weight" => new Place("attn_norm.weight"),
        "post_attention_layernorm.weight" => new Place("ffn_norm.weight"),
        "self_attn.q_proj.weight" => new Place("attn_q.weight"),
        "self_attn.k_proj.weight" => new Place("attn_k.weight"),
        "self_attn.v_proj.weight" => new Place("attn_v.weight"),
        "self_attn.o_proj.weight" => new Place("attn_output.weight"),
        "mlp.gate.weight" => new Place("ffn_gate_inp.weight"),
        "mlp.experts.gate_up_proj" or "mlp.experts.gate_up_proj_blocks" => new Place(Fused.GateUp),
        "mlp.experts.down_proj" or "mlp.experts.down_proj_blocks" => new Place(Fused.Down),
        _ => FindExpert(part, "mlp.experts.", "gate_proj", "up_proj", "down_proj"),
    };

    /// <summary>A matrix of one expert, <c>mlp.experts.12.gate_proj.weight</c>.</summary>
    protected static Place? FindExpert(string part, string prefix, string gate, string up, string down)
    {
        if (!part.StartsWith(prefix, StringComparison.Ordinal)) return null;
        var rest = part.AsSpan(prefix.Length);
        var dot = rest.IndexOf('.');
        if (dot < 0 || !Number(rest[..dot], out var expert) || !rest.EndsWith(".weight", StringComparison.Ordinal)) return null;
        var matrix = rest[(dot + 1)..^".weight".Length];
        var name = matrix.SequenceEqual(gate) ? "gate" : matrix.SequenceEqual(up) ? "up" : matrix.SequenceEqual(down) ? "down" : null;
        return name is null ? null : new Place($"ffn_{name}_exps.weight", expert);
    }

    /// <summary>Number of experts, under either of the names that it has had.</summary>
    protected static int Experts(JsonFile config) =>
        config.TryGet("num_experts", out _) ? config.Integer("num_experts", max: Limits.Experts) : config.Integer("num_local_experts", max: Limits.Experts);

    /// <summary>Refuses attention within a window that is shorter than the context.</summary>
    protected static void CheckWindow(JsonFile config)
    {
        if (config.TryGet("sliding_window", out var window) && config.Integer("sliding_window") < config.Integer("max_position_embeddings"))
            config.Wrong("sliding_window", "null", window, "Attention within a sliding window is not supported yet for this architecture.");
    }

    // Since transformers 5 rope's numbers stand in an object of their own, before that beside the others.
    private void WriteRope(JsonFile config, GgufWriter to)
    {
        string Key(string name) => $"{Name}.rope.{name}";
        var inObject = config.TryGet("rope_parameters", out var scaling);
        to.Add(Key("freq_base"), (float)(inObject ? config.Number(scaling, "rope_theta", "rope_parameters.rope_theta") : config.Number("rope_theta")));
        if (!inObject && !config.TryGet("rope_scaling", out scaling)) return;
        var at = inObject ? "rope_parameters" : "rope_scaling";
        if (JsonFile.TryGet(scaling, "partial_rotary_factor", out var part) && config.Number(scaling, "partial_rotary_factor", $"{at}.partial_rotary_factor") != 1)
            config.Wrong($"{at}.partial_rotary_factor", "1", part);
        if (!JsonFile.TryGet(scaling, "rope_type", out var type) && !JsonFile.TryGet(scaling, "type", out type)) config.Wrong(at, "a rope_type", scaling);
        switch (config.TextOf($"{at}.rope_type", type))
        {
            case "default":
                return;
            case ("linear" or "yarn") and var name:
                // Written down for those who can; the architectures here refuse it when they are run.
                to.Add(Key("scaling.type"), name).Add(Key("scaling.factor"), (float)config.Number(scaling, "factor", $"{at}.factor"));
                if (JsonFile.TryGet(scaling, "original_max_position_embeddings", out _))
                    to.Add(Key("scaling.original_context_length"), (uint)config.Number(scaling, "original_max_position_embeddings", $"{at}.original_max_position_embeddings"));
                return;
            default:
                config.Wrong($"{at}.rope_type", "'default', 'linear' or 'yarn'", type, "This scaling of rope is not supported yet.");
                return;
        }
    }

    private static bool Number(ReadOnlySpan<char> text, out int number) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}

/// <summary>Names of stacks that hold more than one of GGUF's, until they are taken apart.</summary>
internal static class Fused
{
    public const string GateUp = "ffn_gate_up_exps";
    public const string Down = "ffn_down_exps";
}

/// <summary>Qwen3MoeForCausalLM.</summary>
internal sealed class Qwen3Moe : Architecture
{
    public override string ModelType => "qwen3_moe";

    public override string Name => "qwen3moe";

    public override void WriteConfig(JsonFile config, GgufWriter to)
    {
        base.WriteConfig(config, to);
        var headDim = config.Integer("head_dim", config.Integer("hidden_size") / Math.Max(1, config.Integer("num_attention_heads")));
        to.Add($"{Name}.attention.key_length", (uint)headDim)
            .Add($"{Name}.attention.value_length", (uint)headDim)
            .Add($"{Name}.expert_feed_forward_length", (uint)config.Integer("moe_intermediate_size"));
        // Converted files have no such key, and are read as normalizing.
        if (!config.Flag("norm_topk_prob", false)) to.Add($"{Name}.expert_weights_norm", false);
        if (config.Integer("decoder_sparse_step", 1) != 1 || (config.TryGet("mlp_only_layers", out var dense) && (dense.ValueKind != JsonValueKind.Array || dense.GetArrayLength() > 0)))
        {
            ModelFileException.Throw("value", config.Path, "decoder_sparse_step", null, "1, and no mlp_only_layers", "layers without experts",
                "Layers without experts are not supported yet.");
        }
        if (config.Flag("use_sliding_window", false)) CheckWindow(config);
    }

    protected override Place? FindInLayer(string part, JsonFile config) => part switch
    {
        "self_attn.q_norm.weight" => new Place("attn_q_norm.weight"),
        "self_attn.k_norm.weight" => new Place("attn_k_norm.weight"),
        _ => base.FindInLayer(part, config),
    };
}

/// <summary>MixtralForCausalLM. GGUF calls it llama, and orders queries and keys for rope on neighbours.</summary>
internal sealed class Mixtral : Architecture
{
    public override string ModelType => "mixtral";

    public override string Name => "llama";

    public override void WriteConfig(JsonFile config, GgufWriter to)
    {
        base.WriteConfig(config, to);
        var (hidden, heads) = (config.Integer("hidden_size"), Math.Max(1, config.Integer("num_attention_heads")));
        var headDim = config.Integer("head_dim", hidden / heads);
        to.Add($"{Name}.vocab_size", (uint)config.Integer("vocab_size")).Add($"{Name}.rope.dimension_count", (uint)headDim);
        if (headDim != hidden / heads) to.Add($"{Name}.attention.key_length", (uint)headDim).Add($"{Name}.attention.value_length", (uint)headDim);
        CheckWindow(config);
    }

    protected override Place? FindInLayer(string part, JsonFile config) => part switch
    {
        "self_attn.q_proj.weight" => new Place("attn_q.weight", Heads: config.Integer("num_attention_heads")),
        "self_attn.k_proj.weight" => new Place("attn_k.weight", Heads: config.Integer("num_key_value_heads", config.Integer("num_attention_heads"))),
        _ => FindExpert(part, "block_sparse_moe.experts.", "w1", "w3", "w2") ?? base.FindInLayer(part.Replace("block_sparse_moe.", "mlp.", StringComparison.Ordinal), config),
    };
}
