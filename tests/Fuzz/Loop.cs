using System.Text;
using WarpDecode.Formats;

namespace WarpDecode.Fuzz;

/// <summary>An input that a parser did not stand, and how.</summary>
internal sealed record Finding(string What, byte[] Bytes);

/// <summary>
/// Makes inputs and gives them to a parser, one after another. An input may be read, or refused with <see cref="ModelFileException"/>;
/// it may take a second and allocate twice its size and 64 MiB. Inputs are made of good ones (the corpus and what was read since), and
/// at times of a refused one whose message, numbers and names taken out, was new.
/// </summary>
internal sealed class Loop(Target target, int seed, TimeProvider? time = null)
{
    /// <summary>Most bytes of an input.</summary>
    public const int Longest = 1 << 16;

    private const int MostKept = 4096;
    private static readonly TimeSpan Slow = TimeSpan.FromSeconds(1);

    private readonly TimeProvider clock = time ?? TimeProvider.System;
    private readonly List<byte[]> good = [];
    private readonly List<byte[]> refused = [];
    private readonly HashSet<string> outcomes = new(StringComparer.Ordinal);
    private long begun; // ticks; 0 between inputs
    private byte[] current = [];

    public long Executions { get; private set; }

    public long Read { get; private set; }

    /// <summary>Distinct outcomes.</summary>
    public IReadOnlyCollection<string> Outcomes => outcomes;

    public TimeSpan Slowest { get; private set; }

    /// <summary>Most bytes that an input made the parser allocate.</summary>
    public long MostAllocated { get; private set; }

    public List<Finding> Findings { get; } = [];

    /// <summary>The input that is being read for longer than that, or null; for another thread to ask.</summary>
    public byte[]? Hangs(TimeSpan limit) => Volatile.Read(ref begun) is not 0 and var since && clock.GetElapsedTime(since) > limit ? current : null;

    /// <summary>Runs until the time is over, or until the first finding if asked.</summary>
    public void Run(TimeSpan limit, bool stopAtFirst, CancellationToken cancellation)
    {
        var random = new Random(seed);
        using var input = new Input(Longest);
        var begin = clock.GetTimestamp();
        foreach (var bytes in target.Corpus())
        {
            good.Add(bytes);
            Try(input, bytes);
        }
        if (good.Count == 0) throw new InvalidOperationException("the corpus is empty");
        var seeds = good.Count;
        while (clock.GetElapsedTime(begin) < limit && !cancellation.IsCancellationRequested && !(stopAtFirst && Findings.Count > 0))
        {
            var parents = refused.Count > 0 && random.Next(4) == 0 ? refused : good;
            var made = target.Mutator.Mutate(parents[random.Next(parents.Count)], good[random.Next(good.Count)], random, Longest);
            var read = Read;
            var isNew = Try(input, made);
            if (Read > read) Keep(good, made, seeds, random);
            else if (isNew) Keep(refused, made, 0, random);
        }
    }

    // Once there are many, a new one takes the place of another, so that they drift away from the corpus, which stays.
    private static void Keep(List<byte[]> pool, byte[] bytes, int fixedOnes, Random random)
    {
        if (pool.Count < MostKept) pool.Add(bytes);
        else pool[random.Next(fixedOnes, MostKept)] = bytes;
    }

    /// <summary>Gives one input to the parser; whether its outcome is new.</summary>
    public bool Try(Input input, byte[] bytes)
    {
        Executions++;
        var (outcome, took, allocated) = Once(input, bytes);
        // A slow run may be the machine's: it counts if it is slow again.
        for (var again = 0; took > Slow && again < 2; again++) took = Min(took, Once(input, bytes).Took);
        if (took > Slow) Findings.Add(new Finding($"took {took.TotalSeconds:F1} s", bytes));
        if (allocated > (2L * bytes.Length) + (64 << 20)) Findings.Add(new Finding($"allocated {allocated} bytes for {bytes.Length}", bytes));
        if (took > Slowest) Slowest = took;
        MostAllocated = Math.Max(MostAllocated, allocated);
        return outcomes.Add(outcome);
    }

    private (string Outcome, TimeSpan Took, long Allocated) Once(Input input, byte[] bytes)
    {
        current = bytes;
        var before = GC.GetAllocatedBytesForCurrentThread();
        var start = clock.GetTimestamp();
        Volatile.Write(ref begun, start);
        string outcome;
        try
        {
            target.Read(input.Map(bytes));
            Read++;
            outcome = "read";
        }
        catch (ModelFileException e)
        {
            outcome = Shape(e.Message);
            if (e.Message.Any(char.IsControl)) Findings.Add(new Finding("a message with control characters: " + outcome, bytes));
            if (e.Advice is not [.., '.']) Findings.Add(new Finding("no advice with: " + outcome, bytes));
        }
        catch (Exception e)
        {
            outcome = $"{e.GetType().Name} {e.StackTrace?.Split('\n')[0]}";
            if (!outcomes.Contains(outcome)) Findings.Add(new Finding(e.ToString(), bytes)); // once each
        }
        Volatile.Write(ref begun, 0);
        return (outcome, clock.GetElapsedTime(start), GC.GetAllocatedBytesForCurrentThread() - before);
    }

    // The message without what differs from input to input: numbers, names, and what was found.
    private static string Shape(string message)
    {
        var shape = new StringBuilder();
        var end = message.IndexOf(", found", StringComparison.Ordinal);
        if (end < 0) end = message.Length;
        // Names may hold anything, quotes too: from the first to the last.
        var (first, last) = (message.IndexOf('\'', StringComparison.Ordinal), message.LastIndexOf('\''));
        for (var i = 0; i < end; i++)
        {
            if (!(i >= first && i <= last) && !char.IsDigit(message[i])) shape.Append(message[i]);
        }
        return shape.ToString();
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
