namespace WarpDecode.Runtime.Evaluation;

/// <summary>How far vectors are from those of the reference, over all tokens.</summary>
/// <param name="RelativeL2">√(Σ‖Δ‖² / Σ‖reference‖²).</param>
/// <param name="OneMinusCosine">1 − cosine of all tokens' vectors, one after another; what is lost of a cosine near 1 is seen here.</param>
/// <param name="MaxAbsolute">Largest |Δ| of any element.</param>
internal sealed record Deviation(double RelativeL2, double OneMinusCosine, double MaxAbsolute);

/// <summary>How far logits, and the distributions that they stand for, are from the reference's.</summary>
/// <param name="RelativeL2">√(Σ‖Δ‖² / Σ‖reference‖²).</param>
/// <param name="MaxAbsolute">Largest |Δlogit|.</param>
/// <param name="MeanKl">Mean over the positions of KL(reference ‖ path), nats.</param>
/// <param name="MaxKl">The largest of them.</param>
/// <param name="Top1Agreement">Share of the positions whose likeliest token is the reference's.</param>
internal sealed record LogitsDeviation(double RelativeL2, double MaxAbsolute, double MeanKl, double MaxKl, double Top1Agreement);

/// <summary>One way of computing the experts, against the reference.</summary>
/// <param name="Key">Short name, for files.</param>
/// <param name="Name">Name for people.</param>
/// <param name="Isolated">Of each layer, the experts' output when they are fed the reference's own input and routes; against FP64 throughout.</param>
/// <param name="Accumulated">Of each layer, its output when the path runs the whole model by itself; against the reference backend.</param>
/// <param name="Logits">Of that run.</param>
/// <param name="Excluded">
/// Tokens of a layer left out of <paramref name="Isolated"/> because a backend that routes by itself chose other experts, over all layers; 0 on the cpu.
/// </param>
internal sealed record PathAccuracy(
    string Key, string Name, IReadOnlyList<Deviation> Isolated, IReadOnlyList<Deviation> Accumulated, LogitsDeviation Logits, int Excluded)
{
    /// <summary>Geometric mean over the layers of this path's isolated relative error over another's: above 1, the other is closer to FP64.</summary>
    public double ErrorOver(PathAccuracy other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Math.Exp(Isolated.Zip(other.Isolated, (a, b) => Math.Log(a.RelativeL2 / b.RelativeL2)).Average());
    }

    /// <summary>Geometric mean of the isolated relative errors of the layers.</summary>
    public double MeanIsolated => Math.Exp(Isolated.Average(d => Math.Log(d.RelativeL2)));
}

/// <summary>What <see cref="Accuracy.Measure"/> found.</summary>
/// <param name="Model">The file.</param>
/// <param name="ExpertTypes">Weight types of the experts.</param>
/// <param name="Tokens">Tokens that were compared.</param>
/// <param name="Windows">Sequences that they stood in.</param>
/// <param name="Paths">Warp decode first.</param>
/// <param name="Notes">What a reader should know, for example that there is no GPU.</param>
internal sealed record AccuracyReport(
    string Model, string ExpertTypes, int Tokens, int Windows, IReadOnlyList<PathAccuracy> Paths, IReadOnlyList<string> Notes)
{
    /// <summary>Layers of the model.</summary>
    public int Layers => Paths[0].Isolated.Count;
}

/// <summary>How to measure.</summary>
internal sealed record AccuracyOptions
{
    /// <summary>Texts are cut into sequences of so many tokens at most.</summary>
    public int WindowTokens { get; init; } = 128;

    /// <summary>Most tokens in all; the rest of the texts is left out. The reference is slow.</summary>
    public int MostTokens { get; init; } = 512;

    /// <summary>Threads; 0 for one a core.</summary>
    public int Threads { get; init; }

    /// <summary>Whether to measure the cuda backend too, if there is a GPU that the model fits on.</summary>
    public bool UseGpu { get; init; } = true;

    /// <summary>Told after each token of the reference.</summary>
    public IProgress<AccuracyProgress>? Progress { get; init; }
}

/// <summary>How far measuring is.</summary>
/// <param name="Tokens">Tokens that the reference has computed.</param>
/// <param name="Total">Tokens in all.</param>
internal readonly record struct AccuracyProgress(int Tokens, int Total);
