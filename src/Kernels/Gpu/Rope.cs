using ILGPU;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Where a step's tokens lie in the paged cache, and the cache of one layer.</summary>
internal struct Pages
{
    public long Positions;
    public long Sequences;
    public long Tables;

    /// <summary>Keys of the layer: a page is [kvHeads, headDim / 4, pageTokens, 4], so that lanes, a position each, read 16 bytes side by side.</summary>
    public long Keys;

    /// <summary>Values of the layer: a page is [kvHeads, pageTokens, headDim].</summary>
    public long Values;

    /// <summary>Pages of a sequence in <see cref="Tables"/>.</summary>
    public int PerSequence;

    /// <summary>Positions of a page.</summary>
    public int Tokens;
}

/// <summary>Parameters of <see cref="Rope"/>.</summary>
internal struct RopeArgs
{
    public Pages Pages;
    public long Qkv;
    public long QNorm;
    public long KNorm;
    public long Angles;
    public int Heads;
    public int KvHeads;
    public int HeadDim;
    public float Epsilon;
}

/// <summary>
/// Norm of each query and key head, rotation by position (lane i with lane i + headDim/2), and the store of keys and values into
/// the cache: a warp a head of a token.
/// </summary>
internal static class Rope
{
    public static void Run(RopeArgs a)
    {
        var lane = Group.IdxX & 31;
        var head = (Grid.IdxY * Rows.Warps) + (Group.IdxX >> 5);
        var heads = a.Heads + (2 * a.KvHeads);
        if (head >= heads) return;
        var t = Grid.IdxX;
        var at = a.Qkv + ((((long)t * heads) + head) * a.HeadDim * 4);
        var half = a.HeadDim >> 1;
        var isQuery = head < a.Heads;
        var isValue = head >= a.Heads + a.KvHeads;

        var scale = 1f;
        var norm = isQuery ? a.QNorm : a.KNorm;
        if (isValue) norm = 0;
        if (norm != 0)
        {
            var squares = 0f;
            for (var i = lane; i < a.HeadDim; i += 32)
            {
                var value = Dev.LoadFloat(at + (i * 4L));
                squares = Dev.Fma(value, value, squares);
            }
            scale = Dev.ReciprocalSqrt(Dev.Fma(Dev.WarpSum(squares), 1f / a.HeadDim, a.Epsilon));
        }

        var position = Dev.LoadInt(a.Pages.Positions + (t * 4L));
        var sequence = Dev.LoadInt(a.Pages.Sequences + (t * 4L));
        var page = Dev.LoadInt(a.Pages.Tables + ((((long)sequence * a.Pages.PerSequence) + (position / a.Pages.Tokens)) * 4));
        var slot = position % a.Pages.Tokens;
        var kvHead = isValue ? head - a.Heads - a.KvHeads : head - a.Heads;
        var inPage = (((long)page * a.KvHeads) + kvHead) * a.Pages.Tokens * a.HeadDim * 4;
        var angles = a.Angles + ((long)t * a.HeadDim * 4);
        for (var i = lane; i < half; i += 32)
        {
            var (first, second) = (Dev.LoadFloat(at + (i * 4L)), Dev.LoadFloat(at + ((i + half) * 4L)));
            if (isValue)
            {
                var value = a.Pages.Values + inPage + ((long)slot * a.HeadDim * 4);
                Dev.StoreFloat(value + (i * 4L), first);
                Dev.StoreFloat(value + ((i + half) * 4L), second);
            }
            else
            {
                first *= scale;
                second *= scale;
                if (norm != 0)
                {
                    first *= Dev.LoadFloat(norm + (i * 4L));
                    second *= Dev.LoadFloat(norm + ((i + half) * 4L));
                }
                var (cos, sin) = (Dev.LoadFloat(angles + (i * 4L)), Dev.LoadFloat(angles + ((i + half) * 4L)));
                var turned = Dev.Fma(first, cos, -(second * sin));
                second = Dev.Fma(second, cos, first * sin);
                Dev.StoreFloat(at + (i * 4L), turned);
                Dev.StoreFloat(at + ((i + half) * 4L), second);
                if (!isQuery)
                {
                    Dev.StoreFloat(Key(a, inPage, slot, i), turned);
                    Dev.StoreFloat(Key(a, inPage, slot, i + half), second);
                }
            }
        }
    }

    private static long Key(RopeArgs a, long inPage, int slot, int d) =>
        a.Pages.Keys + inPage + ((((long)(d >> 2) * a.Pages.Tokens) + slot) * 16) + ((d & 3) * 4);
}
