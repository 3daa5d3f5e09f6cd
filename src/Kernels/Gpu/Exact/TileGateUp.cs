using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="TileGateUp"/>.</summary>
internal struct TileGateUpArgs
{
    public long Gate;
    public long Up;

    /// <summary>The tokens' activations, or their <see cref="Gpu.Digits"/>.</summary>
    public long X;

    /// <summary>Expert ids of the slots.</summary>
    public long Ids;

    /// <summary>Slots by expert (<see cref="Groups"/>).</summary>
    public long Offsets;
    public long Active;
    public long Slots;
    public long Mid;

    /// <summary>⌊2³² / topK⌋ + 1: slot · Magic / 2³² is the token of a slot.</summary>
    public long Magic;

    /// <summary>Tiles down the rows of an expert.</summary>
    public int Tiles;

    /// <summary>Records along a row.</summary>
    public int PerRow;
    public int TopK;
}

/// <summary>
/// mid[t, k] = silu(gate[e]·h[t]) · (up[e]·h[t]) on tensor cores, exact (<see cref="Digits"/>). A block owns sixteen neurons of a
/// slot, or of an expert with all the tokens that go there; a warp takes one record of gate and one of up, and the sums of the warps
/// meet in shared memory, in order: the same numbers added in the same order either way.
/// </summary>
internal static class TileGateUp
{
    /// <summary>Warps of a block.</summary>
    public const int Warps = 8;

    private const int MaxTokens = 8; // between two meetings of the warps

    /// <summary>A block a slot and tile: for few tokens, which it splits for itself while the weights are on their way.</summary>
    [Launch(Threads = 256, Blocks = 3, Dependent = true)]
    public static void Few<TTile>(TileGateUpArgs a)
        where TTile : struct, ITileFormat
    {
        var sums = SharedMemory.Allocate<float>(Warps * 2 * Tiles.Rows);
        var digits = SharedMemory.Allocate<U4>(Warps * Digits.RecordBytes / 16);
        Slot<TTile>(a, sums, digits);
    }

    /// <summary>With more registers, for formats whose two records need them.</summary>
    [Launch(Threads = 256, Blocks = 2, Dependent = true)]
    public static void FewLarge<TTile>(TileGateUpArgs a)
        where TTile : struct, ITileFormat
    {
        var sums = SharedMemory.Allocate<float>(Warps * 2 * Tiles.Rows);
        var digits = SharedMemory.Allocate<U4>(Warps * Digits.RecordBytes / 16);
        Slot<TTile>(a, sums, digits);
    }

    /// <summary>A block an expert and tile, or several tiles of short rows, with all tokens of the expert.</summary>
    [Launch(Threads = 256, Blocks = 3, Dependent = true)]
    public static void Many<TTile>(TileGateUpArgs a)
        where TTile : struct, ITileFormat
    {
        var sums = SharedMemory.Allocate<float>(Warps * MaxTokens * 2 * Tiles.Rows); // [warps, tokens, gate and up, rows]
        Grouped<TTile>(a, sums);
    }

    /// <summary>With more registers, for formats whose two records need them.</summary>
    [Launch(Threads = 256, Blocks = 2, Dependent = true)]
    public static void ManyLarge<TTile>(TileGateUpArgs a)
        where TTile : struct, ITileFormat
    {
        var sums = SharedMemory.Allocate<float>(Warps * MaxTokens * 2 * Tiles.Rows);
        Grouped<TTile>(a, sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Slot<TTile>(TileGateUpArgs a, ArrayView<float> sums, ArrayView<U4> digits)
        where TTile : struct, ITileFormat
    {
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var slot = Grid.IdxX;
        var own = Dev.AddressOf(ref digits[0]) + (warp * Digits.RecordBytes);
        Dev.AwaitPrevious();
        Dev.ReleaseNext(); // not before: the next kernel may count on the router's work being done
        var row = (((long)Dev.LoadInt(a.Ids + (slot * 4L)) * a.Tiles) + Grid.IdxY) * a.PerRow * TTile.RecordBytes;
        var x = a.X + ((long)(slot / a.TopK) * a.PerRow * (Tiles.Columns * 4));
        var (gateA, gateB, upA, upB) = (0f, 0f, 0f, 0f);
        for (var s = warp; s < a.PerRow; s += Warps)
        {
            var at = row + (s * TTile.RecordBytes);
            var gate = TTile.Load(a.Gate + at, lane);
            var up = TTile.Load(a.Up + at, lane);
            Digits.Split<Zero>(x + (s * (Tiles.Columns * 4L)), 0, own, lane);
            Warp.Barrier();
            var (g, u) = Digits.Dot2<TTile>(gate, up, own, lane);
            var inverse = Digits.Inverse(own);
            gateA += g.A * inverse;
            gateB += g.B * inverse;
            upA += u.A * inverse;
            upB += u.B * inverse;
            Warp.Barrier();
        }
        if ((lane & 3) == 0)
        {
            var to = (warp * 2 * Tiles.Rows) + (lane >> 2);
            sums[to] = gateA;
            sums[to + 8] = gateB;
            sums[to + 16] = upA;
            sums[to + 24] = upB;
        }
        Group.Barrier();
        if (Group.IdxX >= Tiles.Rows) return;
        var used = a.PerRow < Warps ? a.PerRow : Warps;
        var gated = Digits.Sum(sums, Group.IdxX, 2 * Tiles.Rows, used);
        Store(a, slot, Grid.IdxY, Group.IdxX, gated, Digits.Sum(sums, Tiles.Rows + Group.IdxX, 2 * Tiles.Rows, used));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Grouped<TTile>(TileGateUpArgs a, ArrayView<float> sums)
        where TTile : struct, ITileFormat
    {
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var classes = a.PerRow < Warps ? a.PerRow : Warps;
        var tiles = Warps / classes;
        var local = warp / classes;
        var tile = (Grid.IdxX * tiles) + local;
        var busy = local < tiles && tile < a.Tiles;
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var expert = Dev.LoadInt(a.Active + 4 + (Grid.IdxY * 4L));
        if (Grid.IdxY >= Dev.LoadInt(a.Active)) return;
        var (begin, end) = (Dev.LoadInt(a.Offsets + (expert * 4L)), Dev.LoadInt(a.Offsets + (expert * 4L) + 4));
        var row = (((long)expert * a.Tiles) + tile) * a.PerRow * TTile.RecordBytes;
        var mine = warp - (local * classes);
        var (gate, up) = (default(TileRecord), default(TileRecord));
        if (busy)
        {
            gate = TTile.Load(a.Gate + row + (mine * TTile.RecordBytes), lane);
            up = TTile.Load(a.Up + row + (mine * TTile.RecordBytes), lane);
        }
        for (var first = begin; first < end; first += MaxTokens)
        {
            var count = end - first < MaxTokens ? end - first : MaxTokens;
            if (first != begin) Group.Barrier(); // the sums before were read
            if (busy)
            {
                for (var s = mine; s < a.PerRow; s += classes)
                {
                    if (a.PerRow > classes && (s != mine || first != begin))
                    {
                        gate = TTile.Load(a.Gate + row + (s * TTile.RecordBytes), lane);
                        up = TTile.Load(a.Up + row + (s * TTile.RecordBytes), lane);
                    }
                    for (var i = 0; i < count; i += 2)
                    {
                        // Past the end the last token is computed again, and not kept.
                        var column = i + (lane >> 4);
                        var output = i + ((lane >> 1) & 1);
                        var inverse = Digits.Inverse(At(a, first + (output < count ? output : i), s));
                        var (g, u) = Digits.Dot2<TTile>(
                            Digits.Hide<TTile>(gate, inverse), Digits.Hide<TTile>(up, inverse), At(a, first + (column < count ? column : i), s), lane);
                        var to = (((warp * MaxTokens) + output) * 2 * Tiles.Rows) + (lane >> 2) + ((lane & 1) * 8);
                        var gated = ((lane & 1) == 0 ? g.A : g.B) * inverse;
                        var passed = ((lane & 1) == 0 ? u.A : u.B) * inverse;
                        sums[to] = s == mine ? gated : sums[to] + gated;
                        sums[to + Tiles.Rows] = s == mine ? passed : sums[to + Tiles.Rows] + passed;
                    }
                }
            }
            Group.Barrier();
            for (var i = Group.IdxX; i < tiles * count * Tiles.Rows; i += Warps * 32)
            {
                var which = i / (count * Tiles.Rows);
                var token = (i - (which * count * Tiles.Rows)) >> 4;
                if ((Grid.IdxX * tiles) + which >= a.Tiles) continue;
                var at = ((((which * classes) * MaxTokens) + token) * 2 * Tiles.Rows) + (i & 15);
                var gated = Digits.Sum(sums, at, MaxTokens * 2 * Tiles.Rows, classes);
                var passed = Digits.Sum(sums, at + Tiles.Rows, MaxTokens * 2 * Tiles.Rows, classes);
                Store(a, Dev.LoadInt(a.Slots + ((first + token) * 4L)), (Grid.IdxX * tiles) + which, i & 15, gated, passed);
            }
        }
    }

    /// <summary>Record s of the token that the place in the list of slots belongs to.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long At(TileGateUpArgs a, int place, int s) =>
        a.X + (((((Dev.LoadInt(a.Slots + (place * 4L)) * a.Magic) >> 32) * a.PerRow) + s) * Digits.RecordBytes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(TileGateUpArgs a, int slot, int tile, int row, float gated, float passed) =>
        Dev.StoreFloat(
            a.Mid + ((((long)slot * a.Tiles) + tile) * (Tiles.Rows * 4)) + (row * 4L), gated * Dev.Reciprocal(1f + Dev.Exp(-gated)) * passed);
}
