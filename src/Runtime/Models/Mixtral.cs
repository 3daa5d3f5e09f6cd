using WarpDecode.Formats;

namespace WarpDecode.Runtime.Models;

/// <summary>
/// Mixtral (Jiang et al., Mixtral of Experts, 2024), which GGUF files call <c>llama</c>: <see cref="MoeDecoder"/> as it is. Such files
/// order the rows of queries and keys for rope on neighbours (2i with 2i + 1); they are bound in the order in which lane i turns
/// with lane i + headDim/2.
/// </summary>
internal sealed class Mixtral : MoeDecoder
{
    private const string CountKey = "expert_count";

    public override string Name => "llama";

    protected override string FfKey => "feed_forward_length";

    public override ModelConfig ReadConfig(ModelFile file)
    {
        var key = $"{Name}.{CountKey}";
        if (!file.Metadata.Contains(key) || file.Metadata.GetInteger(key) == 0)
        {
            ModelFileException.Throw("metadata", file.Path, key, null, "a number of experts", file.Metadata.Contains(key) ? "0" : "none",
                "This runtime is for Mixture-of-Experts models: of the architecture 'llama' it runs those with experts (Mixtral).");
        }
        return base.ReadConfig(file);
    }

    protected override AttentionBlock BindAttention(ModelConfig c, WeightBinder weights, string block) => new(
        weights.Vector($"{block}.attn_norm.weight", c.Hidden),
        weights.TurnedMatrix($"{block}.attn_q.weight", c.Heads, c.HeadDim, c.Hidden),
        weights.TurnedMatrix($"{block}.attn_k.weight", c.KvHeads, c.HeadDim, c.Hidden),
        weights.Matrix($"{block}.attn_v.weight", c.KvHeads * c.HeadDim, c.Hidden),
        weights.Matrix($"{block}.attn_output.weight", c.Hidden, c.Heads * c.HeadDim),
        queryNorm: null,
        keyNorm: null);
}
