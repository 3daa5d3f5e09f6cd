namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// Mirostat 2 (Basu et al. 2021): keeps the surprise −log₂ p of the tokens near τ. Tokens with more surprise than μ are dropped, and μ moves
/// after each token, by η times the error.
/// </summary>
internal sealed class Mirostat(double tau, double eta)
{
    private double mu = 2 * tau;

    /// <summary>Narrows the candidates, at least to the best, and keeps their order.</summary>
    public void Apply(Candidates candidates)
    {
        var total = candidates.Weigh();
        // −log₂(w / total) ≤ μ, and w is that of the best at least.
        var least = Math.Min(1, total * Math.Pow(2, -mu));
        var kept = 0;
        for (var i = 0; i < candidates.Count; i++)
        {
            if (candidates.Weights[i] < least) continue;
            candidates.Ids[kept] = candidates.Ids[i];
            candidates.Logits[kept++] = candidates.Logits[i];
        }
        candidates.Count = kept;
    }

    /// <summary>Takes the probability that the chosen token had among those kept.</summary>
    public void Observe(double probability) => mu -= eta * (-Math.Log2(probability) - tau);

    /// <summary>Back to the beginning.</summary>
    public void Reset() => mu = 2 * tau;
}
