using System.Diagnostics;

namespace WarpDecode.Kernels.Cpu;

/// <summary>Work cut into items 0 … n-1 that may be done in any order by any worker. Instances are made once and reused.</summary>
internal abstract class Job
{
    /// <summary>Does items <paramref name="begin"/> … <paramref name="end"/>-1.</summary>
    /// <param name="begin">First item.</param>
    /// <param name="end">Item after the last.</param>
    /// <param name="worker">Which worker calls, for scratch memory of its own.</param>
    public abstract void Do(int begin, int end, int worker);
}

/// <summary>
/// A fixed set of threads that share the items of one job at a time. The caller works too. Each worker takes a stretch of
/// neighbouring items in order, so that its reads of the weights run on through memory, and helps the others when it is done.
/// Between the jobs of a step workers spin, since waking a thread takes longer than a small job; when nothing comes for a while
/// they sleep. Nothing is allocated per job.
/// </summary>
internal sealed class WorkerPool : IDisposable
{
    private static readonly long SpinTicks = Stopwatch.Frequency / 5_000; // 200 µs: longer than the pause between two steps
    private const int LineInts = 16; // 64 bytes
    private readonly Thread[] threads;
    private readonly Lock calls = new();
    private readonly object gate = new();
    private readonly int[] next; // next item of each worker's stretch, a cache line apart
    private Job? job;
    private int count;
    private int grain;
    private int running;
    private int sleeping;
    private int epoch;
    private bool stop;
    private Exception? failure;

    /// <param name="workers">Threads in all, the caller's included.</param>
    public WorkerPool(int workers)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(workers);
        threads = new Thread[workers - 1];
        next = new int[workers * LineInts];
        for (var i = 0; i < threads.Length; i++)
        {
            var worker = i + 1;
            threads[i] = new Thread(() => Loop(worker)) { IsBackground = true, Name = $"wd-worker-{worker}" };
            threads[i].Start();
        }
    }

    public int Workers => threads.Length + 1;

    /// <summary>Does all items of <paramref name="work"/>, handed out <paramref name="itemsAtOnce"/> at a time, and returns when they are done.</summary>
    public void Run(Job work, int items, int itemsAtOnce = 1)
    {
        if (items <= 0) return;
        if (threads.Length == 0 || items <= itemsAtOnce)
        {
            work.Do(0, items, 0);
            return;
        }
        lock (calls)
        {
            job = work;
            count = items;
            grain = itemsAtOnce;
            for (var worker = 0; worker < Workers; worker++) next[worker * LineInts] = Begin(worker);
            Volatile.Write(ref running, threads.Length);
            Interlocked.Increment(ref epoch); // publishes the job; a full fence, so that `sleeping` is read after it
            if (Volatile.Read(ref sleeping) > 0)
            {
                lock (gate) Monitor.PulseAll(gate);
            }
            TryShare(0);
            var spin = new SpinWait();
            while (Volatile.Read(ref running) > 0) spin.SpinOnce(sleep1Threshold: -1);
            job = null;
            if (failure is not null)
            {
                var e = failure;
                failure = null;
                throw new InvalidOperationException("a worker thread failed: " + e.Message, e);
            }
        }
    }

    public void Dispose()
    {
        Volatile.Write(ref stop, true);
        Interlocked.Increment(ref epoch);
        lock (gate) Monitor.PulseAll(gate);
        foreach (var thread in threads) thread.Join();
    }

    private int Begin(int stretch) => (int)((long)count * stretch / Workers);

    // A failure is kept for the caller of Run, who may throw it only when no worker is at the job any more.
    private void TryShare(int worker)
    {
        try
        {
            var work = job!;
            for (var i = 0; i < Workers; i++)
            {
                var stretch = (worker + i) % Workers;
                ref var at = ref next[stretch * LineInts];
                var stretchEnd = Begin(stretch + 1);
                while (true)
                {
                    var begin = Interlocked.Add(ref at, grain) - grain;
                    if (begin >= stretchEnd) break;
                    work.Do(begin, Math.Min(begin + grain, stretchEnd), worker);
                }
            }
        }
        catch (Exception e)
        {
            failure = e;
        }
    }

    private void Loop(int worker)
    {
        var seen = 0;
        while (true)
        {
            seen = Await(seen);
            if (Volatile.Read(ref stop)) return;
            TryShare(worker);
            Interlocked.Decrement(ref running);
        }
    }

    private int Await(int seen)
    {
        var deadline = 0L;
        for (var i = 0; ; i++)
        {
            var now = Volatile.Read(ref epoch);
            if (now != seen) return now;
            Thread.SpinWait(16);
            if ((i & 63) != 0) continue;
            var ticks = Stopwatch.GetTimestamp();
            if (deadline == 0) deadline = ticks + SpinTicks;
            if (ticks > deadline) break;
        }
        lock (gate)
        {
            Interlocked.Increment(ref sleeping); // before the epoch is read again: Run either sees it or has raised the epoch
            while (Volatile.Read(ref epoch) == seen) Monitor.Wait(gate);
            Interlocked.Decrement(ref sleeping);
        }
        return Volatile.Read(ref epoch);
    }
}
