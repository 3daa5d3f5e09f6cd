namespace WarpDecode.Runtime.Sampling;

/// <summary>Draws a candidate with the probability of its share of the weights.</summary>
internal static class Draw
{
    /// <param name="candidates">Candidates with their weights.</param>
    /// <param name="total">Sum of the weights.</param>
    /// <param name="uniform">A random number from 0 up to, but not, 1.</param>
    /// <returns>The token drawn.</returns>
    public static int Apply(Candidates candidates, double total, double uniform)
    {
        var left = uniform * total;
        var last = -1;
        for (var i = 0; i < candidates.Count; i++)
        {
            if (candidates.Weights[i] <= 0) continue; // a token ruled out by −∞ is not drawn, even with 0
            last = i;
            left -= candidates.Weights[i];
            if (left < 0) break;
        }
        return candidates.Ids[last]; // rounding may leave a little over: that belongs to the last
    }
}
