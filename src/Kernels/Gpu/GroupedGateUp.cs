using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="GroupedGateUp"/>.</summary>
internal struct GroupedGateUpArgs
{
    public long Gate;
    public long Up;

    /// <summary>Terms of h [T, 2, H], by <see cref="GroupedTerms"/>.</summary>
    public long X;
    public long Offsets;
    public long Active;
    public long Slots;

    public long Mid;
    public int Columns;
    public int Ff;
    public int TopK;
}

/// <summary>
/// mid[t, k] = silu(gate[e]·h[t]) · (up[e]·h[t]) for the tokens of a prompt, by expert: a warp owns sixteen neurons of one expert for
/// all of its tokens.
/// </summary>
internal static class GroupedGateUp
{
    /// <summary>Neurons of a block.</summary>
    public const int BlockRows = Rows.Warps * Grouped.TileRows;

    public static void Run(GroupedGateUpArgs a)
    {
        var lane = Group.IdxX & 31;
        var (g, t) = (lane >> 2, lane & 3);
        var neuron = (((Grid.IdxX * Rows.Warps) + (Group.IdxX >> 5)) * Grouped.TileRows) + g;
        if (neuron - g >= a.Ff || Grid.IdxY >= Dev.LoadInt(a.Active)) return;
        var expert = Dev.LoadInt(a.Active + 4 + (Grid.IdxY * 4L));
        var (i, end) = (Dev.LoadInt(a.Offsets + (expert * 4L)), Dev.LoadInt(a.Offsets + (expert * 4L) + 4));
        for (; i < end; i += 4 * Grouped.TileVectors)
        {
            if (i + (2 * Grouped.TileVectors) < end) Some<Four>(a, expert, neuron, t, g, i, end);
            else if (i + Grouped.TileVectors < end) Some<Two>(a, expert, neuron, t, g, i, end);
            else Some<One>(a, expert, neuron, t, g, i, end);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Some<TTiles>(GroupedGateUpArgs a, int expert, int neuron, int t, int g, int i, int end)
        where TTiles : struct, IConstant
    {
        var bytes = a.Columns * 2L;
        var row = ((((long)expert * a.Ff) + (neuron < a.Ff ? neuron : a.Ff - 1)) * bytes) + (t * 16);
        var row8 = ((((long)expert * a.Ff) + (neuron + 8 < a.Ff ? neuron + 8 : a.Ff - 1)) * bytes) + (t * 16);
        var x0 = X(a, i + g, t, end);
        var (x1, x2, x3) = (x0, x0, x0);
        if (TTiles.Value > 1) x1 = X(a, i + g + 8, t, end);
        if (TTiles.Value > 2)
        {
            x2 = X(a, i + g + 16, t, end);
            x3 = X(a, i + g + 24, t, end);
        }
        var sums = Grouped.Multiply<TTiles>(a.Gate + row, a.Gate + row8, a.Up + row, a.Up + row8, a.Columns, t, x0, x1, x2, x3);
        Finish(a, sums.A0, sums.B0, neuron, i + (2 * t), end);
        if (TTiles.Value > 1) Finish(a, sums.A1, sums.B1, neuron, i + (2 * t) + 8, end);
        if (TTiles.Value > 2)
        {
            Finish(a, sums.A2, sums.B2, neuron, i + (2 * t) + 16, end);
            Finish(a, sums.A3, sums.B3, neuron, i + (2 * t) + 24, end);
        }
    }

    // Past the end the expert's last token is multiplied again, and not written.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long X(GroupedGateUpArgs a, int i, int t, int end) =>
        a.X + (((long)(Dev.LoadInt(a.Slots + ((i < end ? i : end - 1) * 4L)) / a.TopK) * a.Columns * 4) + (t * 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(GroupedGateUpArgs a, F4 gate, F4 up, int neuron, int i, int end)
    {
        if (i < end)
        {
            var slot = a.Mid + (Dev.LoadInt(a.Slots + (i * 4L)) * (a.Ff * 4L));
            Store(a, slot, neuron, gate.X, up.X);
            Store(a, slot, neuron + 8, gate.Z, up.Z);
        }
        if (i + 1 < end)
        {
            var slot = a.Mid + (Dev.LoadInt(a.Slots + ((i + 1) * 4L)) * (a.Ff * 4L));
            Store(a, slot, neuron, gate.Y, up.Y);
            Store(a, slot, neuron + 8, gate.W, up.W);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(GroupedGateUpArgs a, long slot, int neuron, float gate, float up)
    {
        if (neuron < a.Ff) Dev.StoreFloat(slot + (neuron * 4L), gate * Dev.Reciprocal(1f + Dev.Exp(-gate)) * up);
    }
}
