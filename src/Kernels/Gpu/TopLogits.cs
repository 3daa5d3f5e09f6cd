using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="TopLogits"/>.</summary>
internal struct TopLogitsArgs
{
    /// <summary>Logits [rows, vocabulary].</summary>
    public long Logits;

    /// <summary>Keys of the best of each chunk, by rank, so that the threads which choose among them have some of every rank [rows, count, chunks].</summary>
    public long Partials;

    /// <summary>Blocks that have arrived, for each row; 0 between launches.</summary>
    public long Arrived;

    /// <summary>Keys of the best of each row, best first [rows, count]: pinned memory of the host.</summary>
    public long Best;
    public int Vocabulary;
    public int Count;

    /// <summary>Times eight logits a thread that a chunk has.</summary>
    public int Parts;
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
    /// <summary>Logits of a part of a chunk: eight a thread.</summary>
    public const int Part = 8 * Rows.Threads;

    /// <summary>Most parts of a chunk.</summary>
    public const int MaxParts = 4;

    /// <summary>Most tokens asked for.</summary>
    public const int MaxCount = 128;

    // Keys gathered at most; 40 KB of shared memory.
    private const int Room = 5000;

    // Keys that counting reads at once; the gathered ones are followed by as many zeros.
    private const int Stride = 8;

    /// <summary>Most tokens that can be asked for of a vocabulary: what a block gathers at worst must have room.</summary>
    public static int Most(int vocabulary)
    {
        var chunks = (vocabulary + (long)Part - 1) / Part;
        var count = Math.Min(vocabulary, MaxCount);
        while (count * Math.Max(MaxParts * Part / Rows.Threads, ((chunks * count) + Rows.Threads - 1) / Rows.Threads) > Room) count--;
        return count;
    }

    /// <summary>Parts of a chunk: a few rows take many small chunks, many rows few large ones, whose blocks all run at once.</summary>
    public static int Parts(int rows) => rows <= 2 ? 1 : rows <= 8 ? 2 : MaxParts;

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

        var first = (chunk * a.Parts * Part) + thread;
        var own = 0UL;
        for (var part = 0; part < a.Parts; part++) own = Max(own, Best(LoadEight(logits, first + (part * Part), a.Vocabulary)));
        Bound(own, a.Count, best, bound, counts);
        for (var part = 0; part < a.Parts; part++) GatherEight(LoadEight(logits, first + (part * Part), a.Vocabulary), bound, gathered, counts);
        var partials = a.Partials + ((long)row * Grid.DimX * a.Count * 8);
        Place(gathered, counts, a.Count, partials + (chunk * 8L), Grid.DimX);

        Group.Barrier();
        if (thread == 0) counts[1] = Dev.Arrive(a.Arrived + (row * 4L), 1) == Grid.DimX - 1 ? 1 : 0;
        Group.Barrier();
        if (counts[1] == 0) return;

        var total = Grid.DimX * a.Count;
        own = 0UL;
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
        Place(gathered, counts, a.Count, a.Best + ((long)row * a.Count * 8), 1);
        if (thread == 0) Dev.StoreInt(a.Arrived + (row * 4L), 0);
    }

    /// <summary>Keys of eight logits.</summary>
    private struct Eight
    {
        public ulong K0;
        public ulong K1;
        public ulong K2;
        public ulong K3;
        public ulong K4;
        public ulong K5;
        public ulong K6;
        public ulong K7;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Eight LoadEight(long logits, int id, int vocabulary)
    {
        var v0 = Load(logits, id, vocabulary);
        var v1 = Load(logits, id + Rows.Threads, vocabulary);
        var v2 = Load(logits, id + (2 * Rows.Threads), vocabulary);
        var v3 = Load(logits, id + (3 * Rows.Threads), vocabulary);
        var v4 = Load(logits, id + (4 * Rows.Threads), vocabulary);
        var v5 = Load(logits, id + (5 * Rows.Threads), vocabulary);
        var v6 = Load(logits, id + (6 * Rows.Threads), vocabulary);
        var v7 = Load(logits, id + (7 * Rows.Threads), vocabulary);
        return new Eight
        {
            K0 = Key(v0, id, vocabulary),
            K1 = Key(v1, id + Rows.Threads, vocabulary),
            K2 = Key(v2, id + (2 * Rows.Threads), vocabulary),
            K3 = Key(v3, id + (3 * Rows.Threads), vocabulary),
            K4 = Key(v4, id + (4 * Rows.Threads), vocabulary),
            K5 = Key(v5, id + (5 * Rows.Threads), vocabulary),
            K6 = Key(v6, id + (6 * Rows.Threads), vocabulary),
            K7 = Key(v7, id + (7 * Rows.Threads), vocabulary),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Best(Eight e) => Max(Max(Max(e.K0, e.K1), Max(e.K2, e.K3)), Max(Max(e.K4, e.K5), Max(e.K6, e.K7)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void GatherEight(Eight e, ArrayView<ulong> bound, ArrayView<ulong> gathered, ArrayView<int> counts)
    {
        if (Best(e) < bound[0]) return; // mostly
        Gather(e.K0, bound, gathered, counts);
        Gather(e.K1, bound, gathered, counts);
        Gather(e.K2, bound, gathered, counts);
        Gather(e.K3, bound, gathered, counts);
        Gather(e.K4, bound, gathered, counts);
        Gather(e.K5, bound, gathered, counts);
        Gather(e.K6, bound, gathered, counts);
        Gather(e.K7, bound, gathered, counts);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Load(long logits, int id, int vocabulary) => Dev.LoadFloat(logits + ((id < vocabulary ? id : vocabulary - 1) * 4L));

    /// <summary>The key of a logit; past the end there is none, and 0 is below all.</summary>
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

    /// <summary>Writes the count best of the gathered keys in order, <paramref name="step"/> apart, and zeros if there are fewer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Place(ArrayView<ulong> gathered, ArrayView<int> counts, int count, long to, int step)
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
            if (above < count) Dev.StoreLong(to + (above * step * 8L), key);
        }
        for (var i = found + thread; i < count; i += Rows.Threads) Dev.StoreLong(to + (i * step * 8L), 0);
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
