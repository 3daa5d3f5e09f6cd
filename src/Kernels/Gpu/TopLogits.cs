using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="TopLogits"/>.</summary>
internal struct TopLogitsArgs
{
    /// <summary>Logits [rows, vocabulary].</summary>
    public long Logits;

    /// <summary>Keys of the best of each chunk [rows, chunks, count].</summary>
    public long Partials;

    /// <summary>Blocks that have arrived, for each row; 0 between launches.</summary>
    public long Arrived;

    /// <summary>Keys of the best of each row, best first [rows, count]: pinned memory of the host.</summary>
    public long Best;
    public int Vocabulary;
    public int Count;
}

/// <summary>
/// The best tokens of each row of logits, in one launch: a block a chunk, and the block that comes last, seen from a counter, does
/// to the chunks' best what each did to its chunk. Tokens are compared by <see cref="TopLogit.Key"/>, a different number for each,
/// so that the outcome depends on no order of threads.
/// <para>
/// A block chooses without sorting: of the threads' own best the count-th is a bound that at least count keys reach, and only what
/// count threads hold can reach it. The few that do are gathered, and each finds its place by counting those above it.
/// </para>
/// </summary>
internal static class TopLogits
{
    /// <summary>Logits of a chunk: eight a thread.</summary>
    public const int Chunk = 8 * Rows.Threads;

    /// <summary>Most tokens asked for.</summary>
    public const int MaxCount = 128;

    // Keys gathered at most; 40 KB of shared memory.
    private const int Room = 5000;

    // Keys that counting reads at once; the gathered ones are followed by as many zeros.
    private const int Stride = 8;

    /// <summary>Most tokens that can be asked for of a vocabulary: what the last block gathers at worst must have room.</summary>
    public static int Most(int vocabulary)
    {
        var chunks = (vocabulary + (long)Chunk - 1) / Chunk;
        var count = Math.Min(vocabulary, MaxCount);
        while (count * Math.Max(Chunk / Rows.Threads, ((chunks * count) + Rows.Threads - 1) / Rows.Threads) > Room) count--;
        return count;
    }

    [Launch(Blocks = 1)]
    public static void Run(TopLogitsArgs a)
    {
        var best = SharedMemory.Allocate<ulong>(Rows.Threads);
        var gathered = SharedMemory.Allocate<ulong>(Room + Stride);
        var bound = SharedMemory.Allocate<ulong>(1);
        var counts = SharedMemory.Allocate<int>(2); // gathered keys; whether this block comes last
        var thread = Group.IdxX;
        var (chunk, row) = (Grid.IdxX, Grid.IdxY);
        var logits = a.Logits + ((long)row * a.Vocabulary * 4);

        // A thread past the end has no key: 0 is below all.
        var id = (chunk * Chunk) + thread;
        var v0 = Load(logits, id, a.Vocabulary);
        var v1 = Load(logits, id + Rows.Threads, a.Vocabulary);
        var v2 = Load(logits, id + (2 * Rows.Threads), a.Vocabulary);
        var v3 = Load(logits, id + (3 * Rows.Threads), a.Vocabulary);
        var v4 = Load(logits, id + (4 * Rows.Threads), a.Vocabulary);
        var v5 = Load(logits, id + (5 * Rows.Threads), a.Vocabulary);
        var v6 = Load(logits, id + (6 * Rows.Threads), a.Vocabulary);
        var v7 = Load(logits, id + (7 * Rows.Threads), a.Vocabulary);
        var k0 = Key(v0, id, a.Vocabulary);
        var k1 = Key(v1, id + Rows.Threads, a.Vocabulary);
        var k2 = Key(v2, id + (2 * Rows.Threads), a.Vocabulary);
        var k3 = Key(v3, id + (3 * Rows.Threads), a.Vocabulary);
        var k4 = Key(v4, id + (4 * Rows.Threads), a.Vocabulary);
        var k5 = Key(v5, id + (5 * Rows.Threads), a.Vocabulary);
        var k6 = Key(v6, id + (6 * Rows.Threads), a.Vocabulary);
        var k7 = Key(v7, id + (7 * Rows.Threads), a.Vocabulary);
        Bound(Max(Max(Max(k0, k1), Max(k2, k3)), Max(Max(k4, k5), Max(k6, k7))), a.Count, best, bound, counts);
        Gather(k0, bound, gathered, counts);
        Gather(k1, bound, gathered, counts);
        Gather(k2, bound, gathered, counts);
        Gather(k3, bound, gathered, counts);
        Gather(k4, bound, gathered, counts);
        Gather(k5, bound, gathered, counts);
        Gather(k6, bound, gathered, counts);
        Gather(k7, bound, gathered, counts);
        var partials = a.Partials + ((long)row * Grid.DimX * a.Count * 8);
        Place(gathered, counts, a.Count, partials + ((long)chunk * a.Count * 8));

        Group.Barrier();
        if (thread == 0) counts[1] = Dev.Arrive(a.Arrived + (row * 4L), 1) == Grid.DimX - 1 ? 1 : 0;
        Group.Barrier();
        if (counts[1] == 0) return;

        var total = Grid.DimX * a.Count;
        var own = 0UL;
        for (var i = thread; i < total; i += 4 * Rows.Threads)
        {
            var p0 = Partial(partials, i, total);
            var p1 = Partial(partials, i + Rows.Threads, total);
            var p2 = Partial(partials, i + (2 * Rows.Threads), total);
            var p3 = Partial(partials, i + (3 * Rows.Threads), total);
            own = Max(own, Max(Max(p0, p1), Max(p2, p3)));
        }
        Bound(own, a.Count, best, bound, counts);
        for (var i = thread; i < total; i += 4 * Rows.Threads)
        {
            var p0 = Partial(partials, i, total);
            var p1 = Partial(partials, i + Rows.Threads, total);
            var p2 = Partial(partials, i + (2 * Rows.Threads), total);
            var p3 = Partial(partials, i + (3 * Rows.Threads), total);
            Gather(p0, bound, gathered, counts);
            Gather(p1, bound, gathered, counts);
            Gather(p2, bound, gathered, counts);
            Gather(p3, bound, gathered, counts);
        }
        Place(gathered, counts, a.Count, a.Best + ((long)row * a.Count * 8));
        if (thread == 0) Dev.StoreInt(a.Arrived + (row * 4L), 0);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Load(long logits, int id, int vocabulary) => Dev.LoadFloat(logits + ((id < vocabulary ? id : vocabulary - 1) * 4L));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Key(float logit, int id, int vocabulary) => id < vocabulary ? TopLogit.Key(Interop.FloatAsInt(logit), id) : 0UL;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Partial(long partials, int index, int total) => index < total ? Dev.LoadFreshLong(partials + (index * 8L)) : 0UL;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Max(ulong a, ulong b) => a > b ? a : b;

    /// <summary>The count-th of the threads' best keys, or 1 if fewer have any; no keys are gathered yet.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Bound(ulong own, int count, ArrayView<ulong> best, ArrayView<ulong> bound, ArrayView<int> counts)
    {
        var thread = Group.IdxX;
        best[thread] = own;
        if (thread == 0)
        {
            bound[0] = 1;
            counts[0] = 0;
        }
        Group.Barrier();
        var above = 0;
        for (var i = 0; i < Rows.Threads; i += Stride) above += Above(best, i, own);
        if (above == count - 1 && own != 0) bound[0] = own;
        Group.Barrier();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Gather(ulong key, ArrayView<ulong> bound, ArrayView<ulong> gathered, ArrayView<int> counts)
    {
        if (key >= bound[0]) gathered[Atomic.Add(ref counts[0], 1)] = key;
    }

    /// <summary>Writes the count best of the gathered keys in order, and zeros if there are fewer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Place(ArrayView<ulong> gathered, ArrayView<int> counts, int count, long to)
    {
        var thread = Group.IdxX;
        Group.Barrier();
        var found = counts[0];
        if (thread < Stride) gathered[found + thread] = 0;
        Group.Barrier();
        for (var i = thread; i < found; i += Rows.Threads)
        {
            var key = gathered[i];
            var above = 0;
            for (var j = 0; j < found; j += Stride) above += Above(gathered, j, key);
            if (above < count) Dev.StoreLong(to + (above * 8L), key);
        }
        for (var i = found + thread; i < count; i += Rows.Threads) Dev.StoreLong(to + (i * 8L), 0);
    }

    /// <summary>How many of eight keys are above one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Above(ArrayView<ulong> keys, int at, ulong key)
    {
        var (a, b, c, d) = (keys[at], keys[at + 1], keys[at + 2], keys[at + 3]);
        var (e, f, g, h) = (keys[at + 4], keys[at + 5], keys[at + 6], keys[at + 7]);
        return (a > key ? 1 : 0) + (b > key ? 1 : 0) + (c > key ? 1 : 0) + (d > key ? 1 : 0)
            + (e > key ? 1 : 0) + (f > key ? 1 : 0) + (g > key ? 1 : 0) + (h > key ? 1 : 0);
    }
}
