namespace WarpDecode.Runtime.Evaluation;

/// <summary>
/// The logits of some positions, scored together: one position is one work item, so that the cores share a batch while the
/// model waits. Buffers are made once; nothing is allocated per position.
/// </summary>
internal sealed class PositionBatch
{
    private const int MostBytes = 32 << 20; // of logits; the engine hands out 32 rows at a time, which for most vocabularies is less

    private readonly int vocabulary;
    private readonly float[] logits; // [capacity, vocabulary]
    private readonly float[] basis;  // the same of the base, if there is one
    private readonly int[] targets;
    private readonly PositionScore[] scores;
    private readonly ParallelOptions parallel;
    private readonly Action<int> score;

    public PositionBatch(int vocabulary, bool compares, int threads)
    {
        this.vocabulary = vocabulary;
        Capacity = Math.Clamp(MostBytes / sizeof(float) / vocabulary, 1, Engine.LogitRows);
        logits = new float[Capacity * vocabulary];
        basis = compares ? new float[logits.Length] : [];
        targets = new int[Capacity];
        scores = new PositionScore[Capacity];
        parallel = new ParallelOptions { MaxDegreeOfParallelism = threads > 0 ? threads : -1 };
        score = Score;
    }

    /// <summary>Most positions of a batch.</summary>
    public int Capacity { get; }

    /// <summary>Positions so far.</summary>
    public int Count { get; private set; }

    /// <summary>Logits of the positions so far [count, vocabulary].</summary>
    public ReadOnlySpan<float> Logits => logits.AsSpan(0, Count * vocabulary);

    /// <summary>Where the base's logits of the positions so far go [count, vocabulary].</summary>
    public Span<float> Basis => basis.AsSpan(0, Count * vocabulary);

    /// <param name="row">Logits of the position; copied.</param>
    /// <param name="target">The token that follows in the text.</param>
    public void Add(ReadOnlySpan<float> row, int target)
    {
        row.CopyTo(logits.AsSpan(Count * vocabulary, vocabulary));
        targets[Count++] = target;
    }

    /// <summary>Scores all positions, in order; afterwards the batch is empty. The result is valid until the next call.</summary>
    public ReadOnlySpan<PositionScore> Score()
    {
        var count = Count;
        Parallel.For(0, count, parallel, score);
        Count = 0;
        return scores.AsSpan(0, count);
    }

    private void Score(int at)
    {
        var q = logits.AsSpan(at * vocabulary, vocabulary);
        var qSum = LogSoftmax.LogSumExp(q);
        var result = new PositionScore { LogP = q[targets[at]] - qSum };
        if (basis.Length > 0)
        {
            var p = basis.AsSpan(at * vocabulary, vocabulary);
            var pSum = LogSoftmax.LogSumExp(p);
            result.BaseLogP = p[targets[at]] - pSum;
            if (double.IsFinite(result.LogP) && double.IsFinite(result.BaseLogP))
            {
                result.Divergence = LogSoftmax.Divergence(p, pSum, q, qSum);
                result.SameTop = LogSoftmax.ArgMax(p) == LogSoftmax.ArgMax(q);
            }
        }
        scores[at] = result;
    }
}

/// <summary>What a position's logits say about the token that follows; NaN where logits were not finite.</summary>
internal record struct PositionScore
{
    /// <summary>Its log probability.</summary>
    public double LogP;

    /// <summary>Its log probability in the base.</summary>
    public double BaseLogP;

    /// <summary>Divergence of the run from the base, in nats.</summary>
    public double Divergence;

    /// <summary>Whether run and base find the same token likeliest.</summary>
    public bool SameTop;
}
