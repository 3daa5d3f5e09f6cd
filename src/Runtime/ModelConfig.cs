namespace WarpDecode.Runtime;

/// <summary>Hyperparameters of a model, as its file states them.</summary>
internal sealed record ModelConfig
{
    /// <summary>Architecture as the file names it, for example <c>qwen3moe</c>.</summary>
    public required string Architecture { get; init; }

    public required int Layers { get; init; }

    /// <summary>Size of a token's vector between layers, H.</summary>
    public required int Hidden { get; init; }

    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Key/value heads; a divisor of <see cref="Heads"/>.</summary>
    public required int KvHeads { get; init; }

    public required int HeadDim { get; init; }

    /// <summary>Experts in a layer, E.</summary>
    public required int Experts { get; init; }

    /// <summary>Experts used per token, K.</summary>
    public required int TopK { get; init; }

    /// <summary>Intermediate size of one expert, F.</summary>
    public required int Ff { get; init; }

    /// <summary>Rows of the embedding table.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>Positions that the model was trained for.</summary>
    public required int ContextLength { get; init; }

    /// <summary>ε of the RMS norms.</summary>
    public required float Epsilon { get; init; }

    /// <summary>Base of rope's frequencies: frequency i is base^(−2i / headDim).</summary>
    public required double RopeBase { get; init; }

    /// <summary>Whether the weights of the chosen experts are scaled to sum 1.</summary>
    public required bool NormalizeTopK { get; init; }

    /// <summary>Rope frequencies [headDim / 2], rounded to FP32 as in training.</summary>
    public float[] RopeFrequencies()
    {
        var frequencies = new float[HeadDim / 2];
        for (var i = 0; i < frequencies.Length; i++) frequencies[i] = (float)(1 / Math.Pow(RopeBase, 2.0 * i / HeadDim));
        return frequencies;
    }
}
