namespace WarpDecode.Runtime.Evaluation;

/// <summary>How likely a model finds a continuation after its context. Not changed once it was given out; safe to read from many threads.</summary>
public sealed class ContinuationScore
{
    private readonly int[] tokens;
    private readonly double[] logProbabilities;

    internal ContinuationScore(int[] tokens) => (this.tokens, logProbabilities) = (tokens, new double[tokens.Length]);

    /// <summary>Sum of <see cref="TokenLogProbabilities"/>: log p(continuation | context), natural logarithm, 0 or less.</summary>
    public double LogProbability { get; private set; }

    /// <summary>The continuation's token ids; at least one.</summary>
    public IReadOnlyList<int> Tokens => tokens;

    /// <summary>
    /// For each token log p(token | context and the tokens before it), natural logarithm: computed in FP64 from the model's FP32 logits, over the whole
    /// vocabulary.
    /// </summary>
    public IReadOnlyList<double> TokenLogProbabilities => logProbabilities;

    /// <summary>Whether every token is the likeliest at its place: greedy decoding would have written the continuation.</summary>
    public bool IsGreedy { get; private set; } = true;

    /// <summary>Takes what the logits before a token say of it; called for one token after another.</summary>
    internal void Take(int at, ReadOnlySpan<float> logits, double logSumExp, int likeliest)
    {
        var token = tokens[at];
        logProbabilities[at] = logits[token] - logSumExp;
        LogProbability += logProbabilities[at];
        IsGreedy &= likeliest == token;
    }
}
