using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Runtime.Monitoring;

namespace WarpDecode.Runtime.Benchmarking;

/// <summary>
/// The bytes that steps must read at least: each weight that is needed once, as it is stored in the file, and the keys and values of
/// every position that a sequence looks at. Activations and what is written are left out: they are small and mostly in caches.
/// </summary>
internal sealed class StepBytes
{
    private readonly long projections; // read by every step, as is the router
    private readonly long router;
    private readonly long head;
    private readonly long embeddingRow;
    private readonly long[] gateUp; // of one expert, by layer
    private readonly long[] down;

    public StepBytes(ModelFile file, ModelConfig config, WeightType kvType)
    {
        CachePerToken = new KvShape(config.Layers, 1, 1, config.KvHeads, config.HeadDim, kvType).PageBytes;
        (gateUp, down) = (new long[config.Layers], new long[config.Layers]);
        var tied = file.Find("output.weight") is null;
        foreach (var tensor in file.Tensors)
        {
            if (tensor.Shape.Count == 3 && Placement.LayerOf(tensor.Name) is { } layer && layer < config.Layers)
            {
                var of = tensor.Name.Contains("_down", StringComparison.Ordinal) ? down : gateUp;
                of[layer] += tensor.Bytes / config.Experts;
            }
            else if (tensor.Name == "token_embd.weight")
            {
                embeddingRow = tensor.Bytes / config.Vocabulary;
                if (tied) head += tensor.Bytes;
            }
            else if (tensor.Name is "output.weight" or "output_norm.weight") head += tensor.Bytes;
            else if (tensor.Name.Contains(".ffn_norm", StringComparison.Ordinal) || tensor.Name.Contains(".ffn_gate_inp", StringComparison.Ordinal)) router += tensor.Bytes;
            else projections += tensor.Bytes;
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
        Span<long> parts = stackalloc long[TimedBackend.Parts];
        Of(tokens, experts, positions, logits, parts);
        var sum = 0L;
        foreach (var part in parts) sum += part;
        return sum;
    }

    /// <summary>Bytes of each <see cref="StepPart"/> of a step.</summary>
    public void Of(int tokens, ReadOnlySpan<int> experts, long positions, bool logits, Span<long> parts)
    {
        parts.Clear();
        parts[(int)StepPart.Embedding] = tokens * embeddingRow;
        parts[(int)StepPart.Projections] = projections;
        parts[(int)StepPart.Attention] = positions * CachePerToken;
        parts[(int)StepPart.Router] = router;
        parts[(int)StepPart.Head] = logits ? head : 0;
        for (var layer = 0; layer < gateUp.Length; layer++)
        {
            parts[(int)StepPart.GateUp] += experts[layer] * gateUp[layer];
            parts[(int)StepPart.Down] += experts[layer] * down[layer];
        }
    }
}
