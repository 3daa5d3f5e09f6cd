using System.Numerics;

namespace WarpDecode.Runtime.Sampling;

/// <summary>Rules out the tokens that a constraint does not allow: bit <c>id % 64</c> of word <c>id / 64</c> is set for those it does.</summary>
internal static class TokenMask
{
    /// <summary>Whether a token is allowed.</summary>
    public static bool Allows(ReadOnlySpan<ulong> mask, int id) => (mask[id >> 6] >> (id & 63) & 1) != 0;

    /// <summary>How many of the first <paramref name="vocabulary"/> tokens are allowed.</summary>
    public static int Count(ReadOnlySpan<ulong> mask, int vocabulary)
    {
        var count = 0;
        foreach (var word in mask[..(vocabulary >> 6)]) count += BitOperations.PopCount(word);
        if ((vocabulary & 63) is > 0 and var rest) count += BitOperations.PopCount(mask[vocabulary >> 6] & ((1UL << rest) - 1));
        return count;
    }

    /// <summary>Gives the others a logit of −∞.</summary>
    public static void Apply(ReadOnlySpan<ulong> mask, Span<float> logits)
    {
        for (var begin = 0; begin < logits.Length; begin += 64)
        {
            var word = mask[begin >> 6];
            if (word == ulong.MaxValue) continue;
            var of = logits.Slice(begin, Math.Min(64, logits.Length - begin));
            if (word == 0)
            {
                of.Fill(float.NegativeInfinity);
                continue;
            }
            for (var i = 0; i < of.Length; i++)
            {
                if ((word >> i & 1) == 0) of[i] = float.NegativeInfinity;
            }
        }
    }

    /// <summary>Drops the others from the candidates.</summary>
    public static void Apply(ReadOnlySpan<ulong> mask, Candidates candidates)
    {
        var kept = 0;
        for (var i = 0; i < candidates.Count; i++)
        {
            if (!Allows(mask, candidates.Ids[i])) continue;
            candidates.Ids[kept] = candidates.Ids[i];
            candidates.Logits[kept++] = candidates.Logits[i];
        }
        candidates.Count = kept;
    }
}
