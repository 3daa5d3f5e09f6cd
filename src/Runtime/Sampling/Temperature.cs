namespace WarpDecode.Runtime.Sampling;

/// <summary>Weights in proportion to the probabilities at temperature t: wᵢ = exp((logitᵢ − best) / t).</summary>
internal static class Temperature
{
    /// <summary>Fills the candidates' weights; <paramref name="temperature"/> is above 0. In double precision, so that platforms'
    /// exponentials agree but for the last bits of 53, which decide no draw in practice.</summary>
    /// <returns>The sum of the weights.</returns>
    public static double Apply(double temperature, Candidates candidates)
    {
        var best = candidates.Best();
        var total = 0.0;
        for (var i = 0; i < candidates.Count; i++)
        {
            var weight = Math.Exp(((double)candidates.Logits[i] - best) / temperature);
            candidates.Weights[i] = weight;
            total += weight;
        }
        return total;
    }
}
