using System.Runtime.ExceptionServices;

namespace WarpDecode.Runtime.Tests.Embedding;

/// <summary>Threads that begin at the same moment.</summary>
internal static class Threads
{
    public const int Count = 8;

    /// <summary>Does the work on so many threads at once, and throws what the first of them threw.</summary>
    public static void Run(Action<int> work, int count = Count)
    {
        using var start = new Barrier(count);
        var errors = new Exception?[count];
        var threads = Enumerable.Range(0, count).Select(i => new Thread(() =>
        {
            start.SignalAndWait();
            try
            {
                work(i);
            }
            catch (Exception e)
            {
                errors[i] = e;
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        if (Array.Find(errors, e => e is not null) is { } error) ExceptionDispatchInfo.Throw(error);
    }
}
