using WarpDecode.Formats;
using WarpDecode.Kernels;

namespace WarpDecode.Runtime.Benchmarking;

/// <summary>
/// The bytes that steps must read at least: each weight that is needed once, as it is stored in the file, and the keys and values of
/// every position that a sequence looks at. Activations and what is written are left out: they are small and mostly in caches.
/// </summary>
internal sealed class StepBytes
{
    private readonly long dense; // what every step reads, the head apart
    private readonly long head;
    private readonly long embeddingRow;
    private readonly long[] expert; // of one expert, by layer

    public StepBytes(ModelFile file, ModelConfig config, WeightType kvType)
    {
        CachePerToken = new KvShape(config.Layers, 1, 1, config.KvHeads, config.HeadDim, kvType).PageBytes;
        expert = new long[config.Layers];
        var tied = file.Find("output.weight") is null;
        foreach (var tensor in file.Tensors)
        {
            if (tensor.Shape.Count == 3 && Placement.LayerOf(tensor.Name) is { } layer && layer < config.Layers) expert[layer] += tensor.Bytes / config.Experts;
            else if (tensor.Name == "token_embd.weight")
            {
                embeddingRow = tensor.Bytes / config.Vocabulary;
                if (tied) head += tensor.Bytes;
            }
            else if (tensor.Name is "output.weight" or "output_norm.weight") head += tensor.Bytes;
            else dense += tensor.Bytes;
        }
    }

    /// <summary>Keys and values of one position, all layers.</summary>
    public long CachePerToken { get; }

    /// <summary>Bytes of a step.</summary>
    /// <param name="tokens">Tokens of it: each reads a row of the embedding.</param>
    /// <param name="experts">Different experts that its tokens go to, by layer.</param>
    /// <param name="positions">Positions of the cache that it looks at, those of its own tokens too, summed over its sequences.</param>
    /// <param name="logits">Whether it computes logits.</param>
    public long Of(int tokens, ReadOnlySpan<int> experts, long positions, bool logits)
    {
        var sum = dense + (tokens * embeddingRow) + (positions * CachePerToken) + (logits ? head : 0);
        for (var layer = 0; layer < expert.Length; layer++) sum += experts[layer] * expert[layer];
        return sum;
    }
}
