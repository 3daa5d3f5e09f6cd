using System.Runtime.CompilerServices;

namespace WarpDecode.Kernels;

/// <summary>A token with its logit, as <see cref="IBackend.TopLogits"/> gives it.</summary>
internal readonly record struct TopLogit(int Id, float Logit)
{
    /// <summary>
    /// A number that is larger for a better token: a higher logit, and of equal ones the lower id. NaN is above all, so that whoever
    /// looks at the best few sees it. Never 0.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Key(uint bits, int id)
    {
        if ((bits & 0x7FFFFFFFu) > 0x7F800000u) bits = 0x7FFFFFFFu; // NaN of any sign
        if (bits == 0x80000000u) bits = 0; // −0 is no worse than 0
        var ordered = bits ^ ((uint)((int)bits >> 31) | 0x80000000u);
        return ((ulong)ordered << 32) | ~(uint)id;
    }

    /// <summary>The token that a key was made from.</summary>
    public static TopLogit Of(ulong key)
    {
        var ordered = (uint)(key >> 32);
        var bits = (ordered & 0x80000000u) != 0 ? ordered ^ 0x80000000u : ~ordered;
        return new TopLogit((int)~(uint)key, BitConverter.UInt32BitsToSingle(bits));
    }
}
