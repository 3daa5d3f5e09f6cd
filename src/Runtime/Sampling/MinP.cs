namespace WarpDecode.Runtime.Sampling;

/// <summary>Keeps tokens whose probability is at least p times that of the best: logit ≥ best + t ln p (Nguyen et al. 2024).</summary>
internal static class MinP
{
    /// <summary>Narrows the candidates and keeps their order.</summary>
    public static void Apply(double p, Candidates candidates)
    {
        if (p > 0) candidates.KeepFrom(candidates.Best() + (candidates.Temperature * Math.Log(p)));
    }
}
