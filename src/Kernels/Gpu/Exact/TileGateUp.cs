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

    /// <summary>The tokens' <see cref="Gpu.Digits"/>.</summary>
    public long X;

    /// <summary>Expert ids of the slots.</summary>
    public long Ids;

    /// <summary>Slots by expert (<see cref="Groups"/>).</summary>
    public long Offsets;
    public long Active;
    public long Runs;
    public long Slots;
    public long Mid;

    /// <summary>⌊2³² / topK⌋ + 1: slot · Magic / 2³² is the token of a slot.</summary>
    public long Magic;

    /// <summary>Tiles down the rows of an expert.</summary>
    public int Tiles;

    /// <summary>Records along a row.</summary>
    public int PerRow;

    /// <summary>⌊2¹⁶ / classes⌋ + 1, classes being the records along a row that are summed apart: divides small numbers by it.</summary>
    public int ClassMagic;
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

    /// <summary>A block a slot and tile: for few tokens.</summary>
    [Launch(Threads = 256, Blocks = 3, Dependent = true)]
    public static void Few<TTile>(TileGateUpArgs a)
        where TTile : struct, ITileFormat
    {
        var sums = SharedMemory.Allocate<float>(Warps * 2 * Tiles.Rows);
        Slot<TTile>(a, sums);
    }

    /// <summary>With more registers, for formats whose two records need them.</summary>
    [Launch(Threads = 256, Blocks = 2, Dependent = true)]
    public static void FewLarge<TTile>(TileGateUpArgs a)
        where TTile : struct, ITileFormat
    {
        var sums = SharedMemory.Allocate<float>(Warps * 2 * Tiles.Rows);
        Slot<TTile>(a, sums);
    }

    /// <summary>A block an expert and tile, with all tokens of the expert: for rows of eight records, a warp each.</summary>
    [Launch(Threads = 256, Blocks = 3, Dependent = true)]
    public static void ManyByEight<TTile>(TileGateUpArgs a)
        where TTile : struct, ITileFormat
    {
        var sums = SharedMemory.Allocate<float>(Warps * MaxTokens * 2 * Tiles.Rows); // [warps, tokens, gate and up, rows]
        Eight<TTile>(a, sums);
    }

    /// <summary>With more registers, for formats whose two records need them.</summary>
    [Launch(Threads = 256, Blocks = 2, Dependent = true)]
    public static void ManyByEightLarge<TTile>(TileGateUpArgs a)
        where TTile : struct, ITileFormat
    {
        var sums = SharedMemory.Allocate<float>(Warps * MaxTokens * 2 * Tiles.Rows);
        Eight<TTile>(a, sums);
    }

    /// <summary>A block an expert and tile, or several tiles of short rows, with all tokens of the expert.</summary>
    [Launch(Threads = 256, Blocks = 3, Dependent = true)]
    public static void Many<TTile>(TileGateUpArgs a)
        where TTile : struct, ITileFormat
    {
        var sums = SharedMemory.Allocate<float>(Warps * MaxTokens * 2 * Tiles.Rows); // [warps, tokens, gate and up, rows]
        Grouped<TTile, Zero>(a, sums);
    }

    /// <summary>With more registers, for formats whose two records need them.</summary>
    [Launch(Threads = 256, Blocks = 2, Dependent = true)]
    public static void ManyLarge<TTile>(TileGateUpArgs a)
        where TTile : struct, ITileFormat
    {
        var sums = SharedMemory.Allocate<float>(Warps * MaxTokens * 2 * Tiles.Rows);
        Grouped<TTile, Zero>(a, sums);
    }

    /// <summary>Four tokens at a time, for which the weights are unpacked once.</summary>
    [Launch(Threads = 256, Blocks = 2, Dependent = true)]
    public static void Prompt<TTile>(TileGateUpArgs a)
        where TTile : struct, ITileFormat
    {
        var sums = SharedMemory.Allocate<float>(Warps * MaxTokens * 2 * Tiles.Rows);
        Grouped<TTile, One>(a, sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Slot<TTile>(TileGateUpArgs a, ArrayView<float> sums)
        where TTile : struct, ITileFormat
    {
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var slot = Grid.IdxX;
        Dev.AwaitPrevious();
        Dev.ReleaseNext(); // not before: the next kernel may count on the router's work being done
        var row = ((Dev.LoadInt(a.Ids + (slot * 4L)) * a.Tiles) + Grid.IdxY) * a.PerRow;
        var x = Dev.Offset((int)((slot * a.Magic) >> 32) * a.PerRow, Digits.RecordBytes, a.X);
        var (gateA, gateB, upA, upB) = (0f, 0f, 0f, 0f);
        for (var s = warp; s < a.PerRow; s += Warps)
        {
            var gate = TTile.Load(Dev.Offset(row + s, TTile.RecordBytes, a.Gate), 0, lane);
            var up = TTile.Load(Dev.Offset(row + s, TTile.RecordBytes, a.Up), 0, lane);
            var digits = Dev.Offset(s, Digits.RecordBytes, x);
            var (g, u) = Digits.Dot2<TTile, Zero>(gate, up, digits, lane);
            var inverse = Digits.Inverse<Zero>(digits);
            gateA += g.A * inverse;
            gateB += g.B * inverse;
            upA += u.A * inverse;
            upB += u.B * inverse;
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
        if (warp != 0) return;
        // Half a warp gate, half up.
        var sum = a.PerRow == Warps ? Digits.Sum8(sums, lane, 2 * Tiles.Rows) : Digits.Sum(sums, lane, 2 * Tiles.Rows, a.PerRow < Warps ? a.PerRow : Warps);
        var passed = Warp.ShuffleXor(sum, Tiles.Rows);
        if (lane < Tiles.Rows) Store(a, slot, Grid.IdxY, lane, sum, passed);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Eight<TTile>(TileGateUpArgs a, ArrayView<float> sums)
        where TTile : struct, ITileFormat
    {
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var at = Dev.Offset(Grid.IdxY, Groups.RunBytes, a.Runs);
        var (active, run, slot) = (Dev.LoadInt(a.Active), Dev.LoadGlobal4(at), Dev.LoadInt(at + 16 + ((lane & (Groups.RunSlots - 1)) * 4)));
        if (Grid.IdxY >= active) return;
        var record = ((((int)run.X * a.Tiles) + Grid.IdxX) * Warps) + warp;
        var gate = TTile.Load(Dev.Offset(record, TTile.RecordBytes, a.Gate), 0, lane);
        var up = TTile.Load(Dev.Offset(record, TTile.RecordBytes, a.Up), 0, lane);
        var (first, end) = ((int)run.Y, (int)run.Z);
        while (true)
        {
            // A lane has one of the next slots; past the end there is nothing that is asked for.
            var count = end - first < MaxTokens ? end - first : MaxTokens;
            var from = ((int)((slot * a.Magic) >> 32) * Warps) + warp;
            for (var i = 0; i < count; i += 2)
            {
                var place = i + (lane >> 4);
                var digits = Dev.Offset(Warp.Shuffle(from, place < count ? place : i), Digits.RecordBytes, a.X);
                var inverse = Digits.Inverse<Zero>(digits);
                var (g, u) = Digits.Dot2<TTile, Zero>(Digits.Hide<TTile>(gate, inverse), Digits.Hide<TTile>(up, inverse), digits, lane);
                inverse = Warp.Shuffle(inverse, (lane & 2) << 3); // of the token that the lane's value belongs to
                var to = (((warp * MaxTokens) + i + ((lane >> 1) & 1)) * 2 * Tiles.Rows) + (lane >> 2) + ((lane & 1) * 8);
                sums[to] = ((lane & 1) == 0 ? g.A : g.B) * inverse;
                sums[to + Tiles.Rows] = ((lane & 1) == 0 ? u.A : u.B) * inverse;
            }
            Group.Barrier();
            if (warp < count)
            {
                // A warp a token, half of it gate, half up.
                var sum = Digits.Sum8(sums, (warp * 2 * Tiles.Rows) + lane, MaxTokens * 2 * Tiles.Rows);
                var passed = Warp.ShuffleXor(sum, Tiles.Rows);
                if (lane < Tiles.Rows) Store(a, SlotAt(a, first + warp), Grid.IdxX, lane, sum, passed);
            }
            first += MaxTokens;
            if (first >= end) return;
            Group.Barrier(); // the sums were read
            slot = SlotAt(a, first + lane < end ? first + lane : first);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int SlotAt(TileGateUpArgs a, int place) => Dev.LoadInt(a.Slots + (place * 4L));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Grouped<TTile, TFour>(TileGateUpArgs a, ArrayView<float> sums)
        where TTile : struct, ITileFormat
        where TFour : struct, IConstant
    {
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var classes = a.PerRow < Warps ? a.PerRow : Warps;
        var tiles = (Warps * a.ClassMagic) >> 16;
        var local = (warp * a.ClassMagic) >> 16;
        var tile = (Grid.IdxX * tiles) + local;
        var busy = local < tiles && tile < a.Tiles;
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var expert = Dev.LoadInt(a.Active + 4 + (Grid.IdxY * 4L));
        if (Grid.IdxY >= Dev.LoadInt(a.Active)) return;
        var (begin, end) = (Dev.LoadInt(a.Offsets + (expert * 4L)), Dev.LoadInt(a.Offsets + (expert * 4L) + 4));
        var row = ((expert * a.Tiles) + tile) * a.PerRow;
        var mine = warp - (local * classes);
        var (gate, up) = (default(TileRecord), default(TileRecord));
        if (busy)
        {
            gate = TTile.Load(Dev.Offset(row + mine, TTile.RecordBytes, a.Gate), 0, lane);
            up = TTile.Load(Dev.Offset(row + mine, TTile.RecordBytes, a.Up), 0, lane);
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
                        gate = TTile.Load(Dev.Offset(row + s, TTile.RecordBytes, a.Gate), 0, lane);
                        up = TTile.Load(Dev.Offset(row + s, TTile.RecordBytes, a.Up), 0, lane);
                    }
                    var i = 0;
                    if (TFour.Value != 0)
                    {
                        for (; i + 2 < count; i += 4)
                        {
                            var (inverseP, inverseQ) = (Inverse(a, first, i, count, s, lane), Inverse(a, first, i + 2, count, s, lane));
                            var (hiddenGate, hiddenUp) = (Digits.Hide<TTile>(gate, inverseP), Digits.Hide<TTile>(up, inverseP));
                            var (p, q) = (At(a, first, i + (lane >> 4), count, s), At(a, first, i + 2 + (lane >> 4), count, s));
                            var (gateP, gateQ) = Digits.DotTwice<TTile, Zero>(hiddenGate, p, q, lane);
                            Keep(gateP, inverseP, i, 0, s == mine, warp, sums, lane);
                            Keep(gateQ, inverseQ, i + 2, 0, s == mine, warp, sums, lane);
                            var (upP, upQ) = Digits.DotTwice<TTile, Zero>(hiddenUp, p, q, lane);
                            Keep(upP, inverseP, i, Tiles.Rows, s == mine, warp, sums, lane);
                            Keep(upQ, inverseQ, i + 2, Tiles.Rows, s == mine, warp, sums, lane);
                        }
                    }
                    for (; i < count; i += 2)
                    {
                        var inverse = Inverse(a, first, i, count, s, lane);
                        var (g, u) = Digits.Dot2<TTile, Zero>(
                            Digits.Hide<TTile>(gate, inverse), Digits.Hide<TTile>(up, inverse), At(a, first, i + (lane >> 4), count, s), lane);
                        Keep(g, inverse, i, 0, s == mine, warp, sums, lane);
                        Keep(u, inverse, i, Tiles.Rows, s == mine, warp, sums, lane);
                    }
                }
            }
            Group.Barrier();
            for (var i = Group.IdxX; i < tiles * MaxTokens * Tiles.Rows; i += Warps * 32)
            {
                var which = i / (MaxTokens * Tiles.Rows);
                var token = (i >> 4) & (MaxTokens - 1);
                if (token >= count || (Grid.IdxX * tiles) + which >= a.Tiles) continue;
                var at = ((((which * classes) * MaxTokens) + token) * 2 * Tiles.Rows) + (i & 15);
                var gated = Digits.Sum(sums, at, MaxTokens * 2 * Tiles.Rows, classes);
                var passed = Digits.Sum(sums, at + Tiles.Rows, MaxTokens * 2 * Tiles.Rows, classes);
                Store(a, Dev.LoadInt(a.Slots + ((first + token) * 4L)), (Grid.IdxX * tiles) + which, i & 15, gated, passed);
            }
        }
    }

    /// <summary>Record s of the token that a place in the list of slots belongs to; past the end the last one is computed again.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long At(TileGateUpArgs a, int first, int place, int count, int s)
    {
        var slot = Dev.LoadInt(a.Slots + ((first + (place < count ? place : count - 1)) * 4L));
        return Dev.Offset(((int)((slot * a.Magic) >> 32) * a.PerRow) + s, Digits.RecordBytes, a.X);
    }

    /// <summary>2^−s of the token that a lane's value belongs to.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Inverse(TileGateUpArgs a, int first, int i, int count, int s, int lane) =>
        Digits.Inverse<Zero>(At(a, first, i + ((lane >> 1) & 1), count, s));

    /// <summary>Adds a lane's value of places i and i + 1 to those of its warp: row g in even lanes, g + 8 in odd ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Keep(Pair pair, float inverse, int i, int offset, bool fresh, int warp, ArrayView<float> sums, int lane)
    {
        var value = ((lane & 1) == 0 ? pair.A : pair.B) * inverse;
        var to = (((warp * MaxTokens) + i + ((lane >> 1) & 1)) * 2 * Tiles.Rows) + offset + (lane >> 2) + ((lane & 1) * 8);
        sums[to] = fresh ? value : sums[to] + value;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(TileGateUpArgs a, int slot, int tile, int row, float gated, float passed) =>
        Dev.StoreFloat(
            a.Mid + ((((long)slot * a.Tiles) + tile) * (Tiles.Rows * 4)) + (row * 4L), gated * Dev.Reciprocal(1f + Dev.Exp(-gated)) * passed);
}
