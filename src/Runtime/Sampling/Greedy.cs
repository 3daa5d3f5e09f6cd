namespace WarpDecode.Runtime.Sampling;

/// <summary>Takes the token with the highest logit, of equal ones the lowest id.</summary>
internal static class Greedy
{
    public static int Apply(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var id = 1; id < logits.Length; id++)
        {
            if (logits[id] > logits[best]) best = id;
        }
        return best;
    }
}
