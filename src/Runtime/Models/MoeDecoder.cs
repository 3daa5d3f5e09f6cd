using WarpDecode.Formats;
using WarpDecode.Kernels;

namespace WarpDecode.Runtime.Models;

/// <summary>
/// What the decoders with experts in every layer share: pre-norm layers of grouped-query attention with rope, and of experts behind a
/// softmax router. An architecture adds its name, its attention's tensors, and what it names otherwise.
/// </summary>
internal abstract class MoeDecoder : IArchitecture
{
    public abstract string Name { get; }

    /// <summary>Under which name the file states the experts' intermediate size.</summary>
    protected virtual string FfKey => "expert_feed_forward_length";

    public virtual ModelConfig ReadConfig(ModelFile file)
    {
        var m = file.Metadata;
        string Key(string name) => $"{Name}.{name}";
        var heads = m.GetInt32(Key("attention.head_count"), 1, 1 << 16);
        var kvHeads = m.Contains(Key("attention.head_count_kv")) ? m.GetInt32(Key("attention.head_count_kv"), 1, heads) : heads;
        if (heads % kvHeads != 0)
            ModelFileException.Throw("metadata", file.Path, Key("attention.head_count_kv"), null, $"a divisor of {heads} heads", kvHeads.ToString());
        var hidden = m.GetInt32(Key("embedding_length"), 1, 1 << 20);
        var headDim = m.Contains(Key("attention.key_length")) ? m.GetInt32(Key("attention.key_length"), 2, 1 << 12) : hidden / heads;
        if (headDim % 2 != 0) ModelFileException.Throw("metadata", file.Path, Key("attention.key_length"), null, "an even number", headDim.ToString());
        if (m.Contains(Key("attention.value_length"))) m.GetInteger(Key("attention.value_length"), headDim, headDim);
        if (m.Contains(Key("rope.dimension_count"))) m.GetInteger(Key("rope.dimension_count"), headDim, headDim);
        var scaling = Key("rope.scaling.type");
        if (m.Contains(scaling) && m.GetString(scaling) != "none")
            ModelFileException.Throw("metadata", file.Path, scaling, null, "'none'", $"'{m.GetString(scaling)}'", "Scaled rope is not supported yet for this architecture.");
        var experts = m.GetInt32(Key("expert_count"), 1, 1 << 16);
        var embedding = file.Find("token_embd.weight");
        return new ModelConfig
        {
            Architecture = Name,
            Layers = m.GetInt32(Key("block_count"), 1, 1 << 12),
            Hidden = hidden,
            Heads = heads,
            KvHeads = kvHeads,
            HeadDim = headDim,
            Experts = experts,
            TopK = m.GetInt32(Key("expert_used_count"), 1, experts),
            Ff = m.GetInt32(Key(FfKey), 1, 1 << 20),
            // The table's own height: the tokenizer may know fewer tokens, for tables are padded.
            Vocabulary = embedding is { Shape.Count: 2 } && embedding.Shape[0] is > 0 and < 1 << 26 ? (int)embedding.Shape[0] : 0,
            ContextLength = m.GetInt32(Key("context_length"), 1),
            Epsilon = (float)m.GetNumber(Key("attention.layer_norm_rms_epsilon")),
            RopeBase = m.Contains(Key("rope.freq_base")) ? m.GetNumber(Key("rope.freq_base")) : 10_000,
            // A GGUF usually carries no flag; the released models normalize.
            NormalizeTopK = !m.Contains(Key("expert_weights_norm")) || m.GetBool(Key("expert_weights_norm")),
        };
    }

    public IEnumerable<(TensorView Gate, TensorView Down)> Experts(ModelFile file, ModelConfig config)
    {
        for (var i = 0; i < config.Layers; i++)
        {
            if (file.Find(Stack(i, "gate")) is { Shape.Count: 3 } gate && file.Find(Stack(i, "down")) is { Shape.Count: 3 } down) yield return (gate, down);
        }
    }

    public IModel Bind(ModelConfig c, WeightBinder weights)
    {
        var embedding = weights.Matrix("token_embd.weight", c.Vocabulary, c.Hidden);
        var attention = new AttentionBlock[c.Layers];
        var moe = new MoeBlock[c.Layers];
        for (var i = 0; i < c.Layers; i++)
        {
            attention[i] = BindAttention(c, weights, $"blk.{i}");
            var (ffnNorm, router) = (weights.Vector($"blk.{i}.ffn_norm.weight", c.Hidden), weights.Matrix($"blk.{i}.ffn_gate_inp.weight", c.Experts, c.Hidden));
            var (gate, up) = weights.Stacks(Stack(i, "gate"), Stack(i, "up"), c.Experts, c.Ff, c.Hidden);
            moe[i] = new MoeBlock(
                ffnNorm,
                router,
                gate,
                up,
                weights.Stack(Stack(i, "down"), c.Experts, c.Hidden, c.Ff));
        }
        var norm = weights.Vector("output_norm.weight", c.Hidden);
        var output = weights.OptionalMatrix("output.weight", c.Vocabulary, c.Hidden) ?? embedding; // tied when absent
        return new Model(c, embedding, attention, moe, norm, output, weights.Constant(c.RopeFrequencies()));
    }

    /// <summary>The attention of one layer, whose tensors' names begin with <paramref name="block"/> and a dot.</summary>
    protected abstract AttentionBlock BindAttention(ModelConfig c, WeightBinder weights, string block);

    private static string Stack(int layer, string part) => $"blk.{layer}.ffn_{part}_exps.weight";

    private sealed class Model(
        ModelConfig config, Weight embedding, AttentionBlock[] attention, MoeBlock[] moe, Tensor norm, Weight output, Tensor frequencies) : IModel
    {
        private readonly AttentionShape shape = new(config.Heads, config.KvHeads, config.HeadDim, 1 / MathF.Sqrt(config.HeadDim));
        private readonly RouterSpec router = new(config.TopK, config.NormalizeTopK);

        public IEnumerable<ExpertWeights> Experts => moe.Select(m => m.Experts);

        public Tensor Norm => norm;

        public void Forward(IBackend ops, Step step, Workspace work, KvCache cache)
        {
            ops.Embed(step, embedding, work.X);                                                                     // x [T, H]
            ops.Angles(step, frequencies, work.Angles);                                                             // angles [T, 2, headDim/2]
            for (var layer = 0; layer < config.Layers; layer++)
            {
                attention[layer].Forward(ops, step, work, shape, config.Epsilon, cache, layer);
                moe[layer].Forward(ops, step, work, router, config.Epsilon, layer);
            }
        }

        public void Head(IBackend ops, Step step, Workspace work) =>
            ops.Head(step, work.X, norm, config.Epsilon, output, work.Logits);                                      // logits [R, vocabulary]
    }
}
