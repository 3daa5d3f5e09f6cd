using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="GroupedDown"/>.</summary>
internal struct GroupedDownArgs
{
    public long Down;

    /// <summary>Terms of mid [T, K, 2, F], by <see cref="GroupedTerms"/>.</summary>
    public long Mid;
    public long Offsets;
    public long Active;
    public long Slots;

    /// <summary>Outputs of the slots [T, K, H].</summary>
    public long Outputs;
    public int Columns;
    public int Rows;
}

/// <summary>
/// down[e]·mid[t, k] for every slot of a prompt, by expert: a warp owns 32 outputs of one expert for all of its slots.
/// <see cref="MoeDown.Combine"/> then adds a token's slots in their order.
/// </summary>
internal static class GroupedDown
{
    /// <summary>Outputs of a block.</summary>
    public const int BlockRows = Gpu.Rows.Warps * 2 * Grouped.TileRows;

    public static void Run(GroupedDownArgs a)
    {
        var lane = Group.IdxX & 31;
        var (g, t) = (lane >> 2, lane & 3);
        var row = (((Grid.IdxX * Gpu.Rows.Warps) + (Group.IdxX >> 5)) * 2 * Grouped.TileRows) + g;
        if (row - g >= a.Rows || Grid.IdxY >= Dev.LoadInt(a.Active)) return;
        var expert = Dev.LoadInt(a.Active + 4 + (Grid.IdxY * 4L));
        var (i, end) = (Dev.LoadInt(a.Offsets + (expert * 4L)), Dev.LoadInt(a.Offsets + (expert * 4L) + 4));
        for (; i < end; i += 4 * Grouped.TileVectors)
        {
            if (i + (2 * Grouped.TileVectors) < end) Some<Four>(a, expert, row, t, g, i, end);
            else if (i + Grouped.TileVectors < end) Some<Two>(a, expert, row, t, g, i, end);
            else Some<One>(a, expert, row, t, g, i, end);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Some<TTiles>(GroupedDownArgs a, int expert, int row, int t, int g, int i, int end)
        where TTiles : struct, IConstant
    {
        var x0 = X(a, i + g, t, end);
        var (x1, x2, x3) = (x0, x0, x0);
        if (TTiles.Value > 1) x1 = X(a, i + g + 8, t, end);
        if (TTiles.Value > 2)
        {
            x2 = X(a, i + g + 16, t, end);
            x3 = X(a, i + g + 24, t, end);
        }
        var sums = Grouped.Multiply<TTiles>(Row(a, expert, row, t), Row(a, expert, row + 8, t), Row(a, expert, row + 16, t), Row(a, expert, row + 24, t),
            a.Columns, t, x0, x1, x2, x3);
        Finish(a, sums.A0, sums.B0, row, i + (2 * t), end);
        if (TTiles.Value > 1) Finish(a, sums.A1, sums.B1, row, i + (2 * t) + 8, end);
        if (TTiles.Value > 2)
        {
            Finish(a, sums.A2, sums.B2, row, i + (2 * t) + 16, end);
            Finish(a, sums.A3, sums.B3, row, i + (2 * t) + 24, end);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long Row(GroupedDownArgs a, int expert, int row, int t) =>
        a.Down + ((((long)expert * a.Rows) + (row < a.Rows ? row : a.Rows - 1)) * a.Columns * 2) + (t * 16);

    // Past the end the expert's last slot is multiplied again, and not written.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long X(GroupedDownArgs a, int i, int t, int end) =>
        a.Mid + ((long)Dev.LoadInt(a.Slots + ((i < end ? i : end - 1) * 4L)) * a.Columns * 4) + (t * 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(GroupedDownArgs a, F4 lower, F4 upper, int row, int i, int end)
    {
        if (i < end)
        {
            var slot = a.Outputs + ((long)Dev.LoadInt(a.Slots + (i * 4L)) * a.Rows * 4);
            Store(a, slot, row, lower.X);
            Store(a, slot, row + 8, lower.Z);
            Store(a, slot, row + 16, upper.X);
            Store(a, slot, row + 24, upper.Z);
        }
        if (i + 1 < end)
        {
            var slot = a.Outputs + ((long)Dev.LoadInt(a.Slots + ((i + 1) * 4L)) * a.Rows * 4);
            Store(a, slot, row, lower.Y);
            Store(a, slot, row + 8, lower.W);
            Store(a, slot, row + 16, upper.Y);
            Store(a, slot, row + 24, upper.W);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(GroupedDownArgs a, long slot, int row, float value)
    {
        if (row < a.Rows) Dev.StoreFloat(slot + (row * 4L), value);
    }
}
