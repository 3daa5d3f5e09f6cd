using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="Groups"/>.</summary>
internal struct GroupsArgs
{
    /// <summary>Expert ids of the slots [T·K].</summary>
    public long Ids;

    /// <summary>First place of each expert in <see cref="Slots"/> [E + 1]; the last is T·K.</summary>
    public long Offsets;

    /// <summary>How many experts have slots, then their ids in ascending order [1 + E].</summary>
    public long Active;

    /// <summary>For each active expert what <see cref="Groups"/> draws [E].</summary>
    public long Runs;

    /// <summary>Slots by expert, ascending within each [T·K].</summary>
    public long Slots;

    /// <summary>T·K.</summary>
    public int Count;
    public int Experts;
}

/// <summary>
/// The slots (slot = t·K + k) of each expert: what a step needs whose tokens share the rows of an expert. All are 32-bit integers:
/// <code>
/// offsets [E + 1]   slots of expert e lie at offsets[e] … offsets[e + 1] − 1 of
/// slots   [T·K]     in ascending order; t = slot / K
/// active  [1 + E]   count of experts that have slots, then their ids, ascending
/// runs    [E, 12]   for each of those: expert, first place, place behind the last, nothing, and its first eight slots: all that a block needs
///                   to know to load its weights and most of its activations, in one trip to memory
/// </code>
/// A warp an expert, and no warp waits for another: each counts for itself what comes before its expert, so that the outcome is the
/// same in whatever order they run.
/// </summary>
internal static class Groups
{
    /// <summary>Slots of a run.</summary>
    public const int RunSlots = 8;

    /// <summary>Bytes of a run.</summary>
    public const int RunBytes = (4 + RunSlots) * sizeof(int);

    [Launch(Dependent = true)]
    public static void Run(GroupsArgs a)
    {
        var present = SharedMemory.Allocate<int>(Route.MaxExperts);
        var (lane, warp) = (Group.IdxX & 31, Group.IdxX >> 5);
        var expert = (Grid.IdxX * Rows.Warps) + warp;
        for (var i = Group.IdxX; i < a.Experts; i += Rows.Threads) present[i] = 0;
        Dev.ReleaseNext();
        Dev.AwaitPrevious();
        Group.Barrier();
        for (var i = Group.IdxX; i < a.Count; i += Rows.Threads) present[Dev.LoadInt(a.Ids + (i * 4L))] = 1; // whoever writes, it is 1
        Group.Barrier();
        if (expert >= a.Experts) return;

        var (before, own, active) = (0, 0, 0);
        for (var i = lane; i < a.Count; i += 32)
        {
            var id = Dev.LoadInt(a.Ids + (i * 4L));
            before += id < expert ? 1 : 0;
            own += id == expert ? 1 : 0;
        }
        for (var i = lane; i < expert; i += 32) active += present[i];
        for (var step = 16; step > 0; step >>= 1)
        {
            before += Warp.ShuffleXor(before, step);
            own += Warp.ShuffleXor(own, step);
            active += Warp.ShuffleXor(active, step);
        }
        if (lane == 0)
        {
            Dev.StoreInt(a.Offsets + (expert * 4L), before);
            if (own > 0)
            {
                Dev.StoreInt(a.Active + 4 + (active * 4L), expert);
                StoreRun(a.Runs, active, expert, before, before + own);
            }
            if (expert == a.Experts - 1)
            {
                Dev.StoreInt(a.Offsets + (a.Experts * 4L), a.Count);
                Dev.StoreInt(a.Active, active + (own > 0 ? 1 : 0));
            }
        }

        var (begin, end) = (before, before + own);
        for (var start = 0; before < end; start += 32)
        {
            var slot = start + lane;
            var mine = slot < a.Count && Dev.LoadInt(a.Ids + (slot * 4L)) == expert;
            var found = Dev.Ballot(mine);
            var place = before + Dev.PopCount(found & ((1u << lane) - 1));
            if (mine) Dev.StoreInt(a.Slots + (place * 4L), slot);
            if (mine & place - begin < RunSlots) StoreRunSlot(a.Runs, active, place - begin, slot);
            before += Dev.PopCount(found);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreRun(long runs, int active, int expert, int begin, int end)
    {
        var at = Dev.Offset(active, RunBytes, runs);
        Dev.StoreInt(at, expert);
        Dev.StoreInt(at + 4, begin);
        Dev.StoreInt(at + 8, end);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreRunSlot(long runs, int active, int rank, int slot) => Dev.StoreInt(Dev.Offset(active, RunBytes, runs) + 16 + (rank * 4L), slot);
}
