namespace WarpDecode.Runtime.Models;

/// <summary>Qwen3-MoE (Qwen3 Technical Report, 2025): <see cref="MoeDecoder"/> with RMS norms on queries and keys.</summary>
internal sealed class Qwen3Moe : MoeDecoder
{
    public override string Name => "qwen3moe";

    protected override AttentionBlock BindAttention(ModelConfig c, WeightBinder weights, string block)
    {
        var (queries, keys) = (c.Heads * c.HeadDim, c.KvHeads * c.HeadDim);
        return new AttentionBlock(
            weights.Vector($"{block}.attn_norm.weight", c.Hidden),
            weights.Matrix($"{block}.attn_q.weight", queries, c.Hidden),
            weights.Matrix($"{block}.attn_k.weight", keys, c.Hidden),
            weights.Matrix($"{block}.attn_v.weight", keys, c.Hidden),
            weights.Matrix($"{block}.attn_output.weight", c.Hidden, queries),
            weights.Vector($"{block}.attn_q_norm.weight", c.HeadDim),
            weights.Vector($"{block}.attn_k_norm.weight", c.HeadDim));
    }
}
